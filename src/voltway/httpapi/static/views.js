// The two views of the page, live and operations, as tabs. The address says which one is shown, so that it can be
// kept, sent to a colleague and gone back from. Source of the keys: ARIA Authoring Practices, tabs.

import { byId, setText } from "./dom.js";

const VIEWS = ["live", "operations"];
const SKIP = {
  live: ["#sessions-title", "Skip to the running sessions"],
  operations: ["#incidents-title", "Skip to the open incidents"],
};

/** Makes the tabs work; `onChange(name)` is told whenever a view comes up. */
export function startViews(onChange) {
  const apply = () => show(viewOf(location.hash), onChange);
  for (const name of VIEWS) tab(name).addEventListener("click", () => select(name, apply));
  byId("views").addEventListener("keydown", (event) => {
    const name = target(event.key, document.activeElement);
    if (!name) return;
    event.preventDefault();
    select(name, apply);
    tab(name).focus();
  });
  addEventListener("popstate", apply);
  addEventListener("hashchange", apply);
  apply();
}

/** The view that an address means; the targets of the skip links belong to theirs. */
export const viewOf = (hash) => (hash === "#operations" || hash === SKIP.operations[0] ? "operations" : "live");

const tab = (name) => byId(`tab-${name}`);

function select(name, apply) {
  if (viewOf(location.hash) !== name) {
    history.pushState(null, "", name === "live" ? location.pathname : `#${name}`);
  }
  apply();
}

function show(name, onChange) {
  for (const each of VIEWS) {
    const isShown = each === name;
    byId(`view-${each}`).hidden = !isShown;
    tab(each).setAttribute("aria-selected", String(isShown));
    tab(each).tabIndex = isShown ? 0 : -1;
  }
  const [place, words] = SKIP[name];
  byId("skip").setAttribute("href", place);
  setText(byId("skip"), words);
  document.title = `Voltway – ${name}`;
  onChange(name);
}

function target(key, focused) {
  const at = VIEWS.findIndex((name) => tab(name) === focused);
  const last = VIEWS.length - 1;
  const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[key];
  return at < 0 ? undefined : VIEWS[to];
}
