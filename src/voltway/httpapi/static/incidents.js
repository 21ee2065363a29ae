// Renders the open incidents: counters by severity, one row each, changed in place, so that focus, open rows and a
// comment that is being written survive an update.

import { byId, h, icon, keyedList, setNote, setText } from "./dom.js";
import { codeWords, duration, plural, secondsBetween } from "./format.js";
import { changeDetail, makeDetail } from "./incident_detail.js";
import { SEVERITIES, isUnseen, openIncidents, shownIncidents } from "./operations_store.js";

const FEW = 20; // more rows than this wait behind a button
const READ_ONLY = "This key may only read. Acknowledging and commenting need a key with the scope “write”.";

/** Shows the open incidents, or why there are none. `act` holds acknowledge(id), toggle(id), comment(id, text). */
export function renderIncidents(state, { format, now, retry, act }) {
  const incidents = openIncidents(state);
  const mayWrite = state.scopes.includes("write");
  setText(byId("tab-count"), state.incidentsLoaded ? format.count(incidents.length) : "");
  byId("tab-count").hidden = incidents.length === 0;
  byId("tab-count-words").hidden = incidents.length === 0;
  setText(byId("read-only"), mayWrite || !incidents.length ? "" : READ_ONLY);
  renderCounters(incidents, format);
  renderRows(shownIncidents(state), state.showsAllIncidents, {
    key: (incident) => incident.id,
    make: (incident) => makeRow(incident, act),
    change: (row, incident) => changeRow(row, incident, { state, format, now, mayWrite }),
  });
  renderMore(state, incidents.length, format);
  setText(byId("incidents-sum"), sumWords(state, incidents, format));
  setNote(byId("incidents-note"), noteWords(state, incidents), () => (state.problems.incidents ? retry() : null));
}

/** Where the row that has the focus goes, the focus moves to the title of the list, not to nowhere. */
function renderRows(rows, showsAll, how) {
  const list = byId("incidents");
  const hadFocus = list.contains(document.activeElement);
  keyedList(list, showsAll ? rows : rows.slice(0, FEW), how);
  if (hadFocus && !list.contains(document.activeElement)) byId("incidents-title").focus();
}

function renderCounters(incidents, format) {
  const items = SEVERITIES.map((name) => ({ name, count: incidents.filter((each) => each.severity === name).length }));
  keyedList(byId("severities"), items, {
    key: (item) => item.name,
    make: (item) => h("li", { class: `tile severity-${item.name}` }, icon(item.name), h("span", { class: "count" }), h("span", { class: "label" }, codeWords(item.name))),
    change: (tile, item) => {
      setText(tile.querySelector(".count"), format.count(item.count));
      tile.classList.toggle("none", item.count === 0);
    },
  });
}

function renderMore(state, count, format) {
  const more = byId("incidents-more");
  more.hidden = count <= FEW;
  more.setAttribute("aria-expanded", String(state.showsAllIncidents));
  setText(more, state.showsAllIncidents ? `Show the first ${FEW} only` : `Show all ${format.count(count)} incidents`);
}

function sumWords(state, incidents, format) {
  if (!state.incidentsLoaded || !incidents.length) return "";
  const unseen = incidents.filter(isUnseen).length;
  return [
    `${format.count(incidents.length)} ${plural(incidents.length, "incident")}, the worst first`,
    unseen ? `${format.count(unseen)} not acknowledged` : "all acknowledged",
    state.moreIncidents ? "older ones are in the API only" : null,
  ].filter(Boolean).join("; ");
}

function noteWords(state, incidents) {
  if (state.problems.incidents) return ["problem", "The incidents could not be loaded", state.problems.incidents];
  if (!state.incidentsLoaded) return ["empty", "Loading the incidents…", "This takes a moment at most."];
  if (incidents.length) return null;
  return ["empty", "Nothing is wrong: no open incident", "A fault appears here within seconds of its first sign."];
}

function makeRow(incident, act) {
  const { id } = incident;
  const body = `incident-${id}`;
  const title = h("button", { type: "button", class: "title", "aria-expanded": "false", "aria-controls": body });
  title.addEventListener("click", () => act.toggle(id));
  const acknowledge = h("button", { type: "button", class: "acknowledge" }, "Acknowledge");
  acknowledge.addEventListener("click", () => act.acknowledge(id));
  return h("li", { class: "incident" },
    h("div", { class: "incident-head" },
      h("p", { class: "severity" }),
      h("div", { class: "incident-what" }, h("h3", {}, title), h("p", { class: "side-text" })),
      pair("incident-since"), pair("incident-state"), pair("incident-cost num"),
      h("p", { class: "incident-act" }, acknowledge)),
    h("p", { class: "problem", role: "alert" }),
    makeDetail(body, (text) => act.comment(id, text)));
}

const pair = (name) => h("p", { class: name }, h("span", { class: "main-text" }), h("span", { class: "side-text" }));

function changeRow(row, incident, { state, format, now, mayWrite }) {
  const isOpened = state.opened.has(incident.id);
  const title = row.querySelector(".title");
  setText(title, incident.title);
  title.setAttribute("aria-expanded", String(isOpened));
  writeSeverity(row.querySelector(".severity"), incident.severity);
  writePlace(row.querySelector(".incident-what .side-text"), incident);
  write(row.querySelector(".incident-since"), duration(secondsBetween(incident.began_at, now)), `since ${format.dayTime(incident.began_at, now)}`);
  write(row.querySelector(".incident-state"), codeWords(incident.state), stateWords(incident));
  write(row.querySelector(".incident-cost"), ...costWords(incident, format));
  changeButton(row, incident, { title, mayWrite });
  setText(row.querySelector(".incident > .problem"), state.rowProblems.get(incident.id) ?? "");
  changeDetail(row.lastElementChild, incident, { isOpened, detail: state.details.get(incident.id), format, now, mayWrite });
}

/** Who has just pressed the button must not lose their place when it goes: the focus moves to the row's title. */
function changeButton(row, incident, { title, mayWrite }) {
  const button = row.querySelector(".acknowledge");
  button.setAttribute("aria-label", `Acknowledge: ${incident.title}`);
  button.disabled = !mayWrite;
  if (mayWrite) button.removeAttribute("aria-describedby");
  else button.setAttribute("aria-describedby", "read-only");
  const isGone = !isUnseen(incident);
  if (isGone && document.activeElement === button) title.focus();
  button.hidden = isGone;
}

function writeSeverity(place, severity) {
  const name = SEVERITIES.includes(severity) ? severity : "info";
  if (place.dataset.severity === severity) return;
  place.dataset.severity = severity;
  place.className = `severity severity-${name}`;
  place.replaceChildren(icon(name), h("span", {}, codeWords(severity)));
}

function writePlace(place, incident) {
  const outlet = incident.evse_id == null ? null : `EVSE ${incident.evse_id}`;
  const words = [incident.location_name ?? incident.location_id, incident.station_id, outlet].filter(Boolean).join(", ") || "The whole network";
  const signature = `${words}\n${incident.mrec ?? ""}`;
  if (place.dataset.signature === signature) return;
  place.dataset.signature = signature;
  const chip = incident.mrec ? h("span", { class: "chip" }, h("abbr", { title: "ChargeX minimum required error code" }, "MREC"), ` ${incident.mrec}`) : null;
  place.replaceChildren(words, ...(chip ? [" ", chip] : []));
}

function stateWords(incident) {
  const again = incident.reopened ? `, came back ${incident.reopened}×` : "";
  return `${incident.assignee ?? "nobody has it"}${again}`;
}

/** What it costs is reckoned by the API; before it is known that is said, and never looks like nothing. */
function costWords(incident, format) {
  if (incident.lost_kwh == null) return ["–", "cost not known yet"];
  const energy = `${format.energy(incident.lost_kwh)} lost`;
  if (incident.lost_revenue == null) return [energy, "so far"];
  return [format.money(incident.lost_revenue, incident.currency ?? format.currency), `${energy} so far`];
}

function write(place, main, side) {
  setText(place.children[0], main);
  setText(place.children[1], side);
}
