// Renders the EVSEs by operator state, and on demand those of one state with the evidence and its age.

import { byId, h, icon, keyedList, setNote, setText } from "./dom.js";
import { codeWords, duration, plural, secondsBetween } from "./format.js";

const STATES = [
  "faulted", "offline", "unknown", "unavailable", "available", "preparing", "charging", "suspended_by_car",
  "suspended_by_station", "finishing", "reserved",
];

/** Shows how many EVSEs are in each state; `choose(name)` opens and closes the list of one. */
export function renderEvseStates(state, { format, now, retry, choose }) {
  const total = Object.values(state.states ?? {}).reduce((sum, count) => sum + count, 0);
  setText(byId("evses-sum"), state.states ? `${format.count(total)} ${plural(total, "EVSE")}` : "");
  keyedList(byId("evse-states"), state.states && total ? STATES : [], {
    key: (name) => name,
    make: (name) => makeTile(name, choose),
    change: (item, name) => changeTile(item.firstElementChild, state.states[name] ?? 0, name === state.chosenState, format),
  });
  setNote(byId("evse-states-note"), stateNote(state, total), () => (state.problems.states ? retry() : null));
  renderList(state, { format, now, retry });
}

function stateNote(state, total) {
  if (state.problems.states) return ["problem", "The EVSEs by state could not be loaded", state.problems.states];
  if (!state.states) return ["empty", "Loading the EVSEs by state…", "This takes a moment at most."];
  return total ? null : ["empty", "No EVSE yet", "An EVSE appears here once its station is entered or has connected."];
}

function makeTile(name, choose) {
  const tile = h("button", { type: "button", class: `tile state-${name.replaceAll("_", "-")}`, "aria-expanded": "false", "aria-controls": "evses" },
    icon(name), h("span", { class: "count" }), " ", h("span", { class: "label" }, codeWords(name)));
  tile.addEventListener("click", () => choose(name));
  return h("li", {}, tile);
}

function changeTile(tile, count, isChosen, format) {
  setText(tile.querySelector(".count"), format.count(count));
  tile.classList.toggle("none", count === 0);
  tile.setAttribute("aria-expanded", String(isChosen));
}

function renderList(state, { format, now, retry }) {
  byId("evses").hidden = !state.chosenState;
  if (!state.chosenState) return;
  const words = codeWords(state.chosenState);
  setText(byId("evses-title"), `${words}: what says so`);
  const evses = state.problems.evses ? null : state.evses;
  keyedList(byId("evses-list"), evses?.items ?? [], {
    key: (evse) => `${evse.station_id}|${evse.evse_id}`,
    make: () => h("li", {}, h("b", {}), h("span", {}), h("span", { class: "side-text" })),
    change: (line, evse) => {
      setText(line.children[0], `${evse.station_id}, EVSE ${evse.evse_id}`);
      setText(line.children[1], evidenceWords(evse, now));
      setText(line.children[2], whereWords(state, evse, { format, now }));
    },
  });
  setText(byId("evses-more"), evses?.more ? `These are the first ${format.count(evses.items.length)}; the others are in the API.` : "");
  setNote(byId("evses-note"), listNote(state, words), () => (state.problems.evses ? retry() : null));
}

function listNote(state, words) {
  if (state.problems.evses) return ["problem", "The EVSEs could not be loaded", state.problems.evses];
  if (!state.evses) return ["empty", "Loading the EVSEs…", "This takes a moment at most."];
  return state.evses.items.length ? null : ["empty", `No EVSE is in the state “${words.toLowerCase()}” now`, "The counts above are asked for every 15 seconds."];
}

function evidenceWords(evse, now) {
  const age = evse.evidence_at ? `${duration(secondsBetween(evse.evidence_at, now))} ago` : "age not known";
  return `${evse.evidence || "nothing is known of it"}, ${age}`;
}

function whereWords(state, evse, { format, now }) {
  const since = evse.since ? `so since ${format.dayTime(evse.since, now)}` : null;
  const where = evse.location_id ? (state.locations.get(evse.location_id) ?? evse.location_id) : "no location";
  return [where, since].filter(Boolean).join(", ");
}
