// Small words for building and changing the page. Where in the flow: store → renderers → here → DOM.
// Nothing here parses HTML: every text from the API reaches the page as a text node.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; children are nodes or texts, null is left out. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** One of the shapes of index.html; decoration, because a text always stands beside it. */
export function icon(name, className = "icon") {
  return s("svg", { class: className, "aria-hidden": "true" }, s("use", { href: `#i-${name}` }));
}

/** Writes a text only where it changed, so that selections and screen readers stay undisturbed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `parent` one element per item, in order, keeping the elements of known keys:
 * focus and open details survive an update. `make(item)` builds, `change(element, item)` updates.
 */
export function keyedList(parent, items, { key, make, change }) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const element = known.get(String(key(item))) ?? newChild(make, key, item);
    known.delete(element.dataset.key);
    change(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of known.values()) gone.remove();
}

/** A box in place of content: `kind` is "empty" or "problem"; `action` is an optional button. */
export function note(kind, title, text, action = null) {
  return h("div", { class: `note note-${kind}` }, h("p", { class: "note-title" }, title), h("p", {}, text), action);
}

/** Shows a note in `place`, or nothing; rebuilt only where its words changed. */
export function setNote(place, words, makeAction = () => null) {
  const signature = words ? words.join("\n") : "";
  if (place.dataset.signature === signature) return;
  place.dataset.signature = signature;
  place.replaceChildren(...(words ? [note(...words, makeAction())] : []));
}

function newChild(make, key, item) {
  const element = make(item);
  element.dataset.key = String(key(item));
  return element;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}
