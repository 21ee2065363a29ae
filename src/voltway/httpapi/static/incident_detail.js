// Renders what an opened incident holds: what is seen now, the timeline of what was seen and done, and a comment field.

import { h, keyedList, setNote, setText } from "./dom.js";
import { codeWords, duration, secondsBetween } from "./format.js";

/** The body of a row, empty; `comment(text)` sends a remark and answers a sentence where that failed. */
export function makeDetail(id, comment) {
  return h("div", { class: "incident-body", id, hidden: "" },
    h("div", { class: "detail-note" }),
    h("div", { class: "detail-parts" },
      h("div", {}, h("h4", {}, "Seen now"), h("ul", { class: "symptoms" })),
      h("div", {}, h("h4", {}, "Timeline"), h("ol", { class: "entries" }))),
    makeForm(id, comment));
}

/** Shows or hides the body; `detail` is {answer, problem}, undefined while it is under way. */
export function changeDetail(body, incident, { isOpened, detail, format, now, mayWrite }) {
  body.hidden = !isOpened;
  if (!isOpened) return;
  setNote(body.querySelector(".detail-note"), noteWords(detail));
  body.querySelector(".detail-parts").hidden = !detail?.answer;
  for (const control of body.querySelectorAll("textarea, .send")) control.disabled = !mayWrite;
  if (!detail?.answer) return;
  renderSymptoms(body.querySelector(".symptoms"), detail.answer.current_symptoms, now);
  renderEntries(body.querySelector(".entries"), detail.answer.entries, { format, now });
}

function noteWords(detail) {
  if (!detail) return ["empty", "Loading its timeline…", "This takes a moment at most."];
  return detail.problem ? ["problem", "Its timeline could not be loaded", detail.problem] : null;
}

function renderSymptoms(place, symptoms, now) {
  const none = [{ key: "none", text: "No sign of it is left; it ends once it stays away.", age: "" }];
  const items = symptoms.map((each) => ({
    key: [each.rule, each.location_id, each.station_id, each.evse_id].join("|"),
    text: `${each.detail || codeWords(each.rule)}${placeWords(each)}`,
    age: `for ${duration(secondsBetween(each.since, now))}`,
  }));
  keyedList(place, items.length ? items : none, {
    key: (item) => item.key,
    make: () => h("li", {}, h("span", {}), h("span", { class: "side-text" })),
    change: (line, item) => {
      setText(line.children[0], item.text);
      setText(line.children[1], item.age);
    },
  });
}

function placeWords({ station_id: station, evse_id: evse }) {
  if (!station) return "";
  return evse ? ` (${station}, EVSE ${evse})` : ` (${station})`;
}

function renderEntries(place, entries, { format, now }) {
  keyedList(place, entries.map((entry, index) => ({ ...entry, index })), {
    key: (entry) => `${entry.index}|${entry.at}`,
    make: (entry) => h("li", {},
      h("time", { datetime: entry.at, class: "side-text" }, format.dayTime(entry.at, now)),
      h("span", {}, h("b", {}, codeWords(entry.kind)), entry.text ? `: ${entry.text}` : "", h("span", { class: "side-text" }, entry.actor))),
    change: () => {}, // what was seen and done never changes
  });
}

function makeForm(id, comment) {
  const field = h("textarea", { id: `${id}-comment`, rows: 2, maxlength: 10_000 });
  const problem = h("p", { class: "problem", role: "alert" });
  const send = h("button", { type: "submit", class: "send" }, "Add comment");
  const form = h("form", { class: "comment", novalidate: "" }, h("label", { for: field.id }, "Comment"), field, problem, h("p", {}, send));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) {
      setText(problem, "Write a comment first.");
      field.focus();
      return;
    }
    send.setAttribute("aria-busy", "true");
    const why = await comment(text);
    send.removeAttribute("aria-busy");
    setText(problem, why ? `The comment was not saved: ${why}` : "");
    if (!why && field.value.trim() === text) field.value = "";
  });
  return form;
}
