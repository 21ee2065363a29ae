// Renders the running sessions: one row each, changed in place, so that focus and open remarks survive an update.

import { byId, h, keyedList, setNote, setText } from "./dom.js";
import { chargingWords, codeWords, duration, plural, secondsBetween } from "./format.js";

const FEW = 12; // more rows than this wait behind a button, so that the bills stay within reach
const COLUMNS = ["Place", "State", "Duration", "Power", "Energy", "Cost so far", "Another hour"];

/** Shows the running sessions, or why there are none. `now` is milliseconds. */
export function renderSessions(state, sessions, { format, now, retry }) {
  const shown = state.showsAllSessions ? sessions : sessions.slice(0, FEW);
  keyedList(byId("sessions-body"), shown, {
    key: (session) => session.id,
    make: makeRow,
    change: (row, session) => changeRow(row, session, { format, now }),
  });
  byId("sessions").hidden = sessions.length === 0 && state.sessionsLoaded;
  byId("sessions").classList.toggle("loading", !state.sessionsLoaded);
  const more = byId("sessions-more");
  more.hidden = sessions.length <= FEW;
  more.setAttribute("aria-expanded", String(state.showsAllSessions));
  setText(more, state.showsAllSessions ? `Show the newest ${FEW} only` : `Show all ${format.count(sessions.length)} sessions`);
  setText(byId("sessions-sum"), sumWords(state, sessions, format));
  setNote(byId("sessions-note"), noteWords(state, sessions), () => (state.problems.sessions ? retry() : null));
}

function sumWords(state, sessions, format) {
  if (!state.sessionsLoaded) return "";
  const remarks = sessions.filter((session) => session.anomalies?.length).length;
  return [
    `${format.count(sessions.length)} ${plural(sessions.length, "session")}, newest first`,
    remarks ? `${format.count(remarks)} with a remark` : null,
    state.moreSessions ? "older ones are in the API only" : null,
  ].filter(Boolean).join("; ");
}

function noteWords(state, sessions) {
  if (state.problems.sessions) return ["problem", "The sessions could not be loaded", state.problems.sessions];
  if (!state.sessionsLoaded) return ["empty", "Loading the sessions…", "This takes a moment at most."];
  if (sessions.length) return null;
  return ["empty", "No car is charging now", "A session appears here the moment a station starts one."];
}

function makeRow() {
  const cells = COLUMNS.slice(1).map((name, index) =>
    h("td", { role: "cell", "data-label": name, class: index === 0 ? "what" : "num" }, h("span", { class: "main-text" }), h("span", { class: "side-text" })));
  const place = h("th", { role: "rowheader", scope: "row" }, h("span", { class: "main-text" }), h("span", { class: "side-text" }));
  const row = h("tr", { role: "row" }, place, ...cells);
  row.cells[1].append(h("span", { class: "badges" }));
  return row;
}

function changeRow(row, session, { format, now }) {
  const [place, state, time, power, energy, cost, hour] = row.cells;
  write(place, session.location_name ?? session.station_id, stationWords(session));
  write(state, chargingWords(session.charging_state), session.token ? `Token ${session.token}` : "No token");
  write(time, duration(secondsBetween(session.started_at, now)), `since ${format.dayTime(session.started_at, now)}`);
  write(power, format.powerKw(session.power_w), session.soc_pct == null ? "" : `battery ${format.percent(session.soc_pct)}`);
  write(energy, format.energy(session.energy_kwh), "");
  write(cost, ...costWords(session.cost, format));
  write(hour, ...costWords(session.next_hour && { currency: session.cost?.currency, ...session.next_hour }, format, "–"));
  writeBadges(state.querySelector(".badges"), session, format);
}

function stationWords(session) {
  const outlet = session.evse_id == null ? "" : `, EVSE ${session.evse_id}`;
  return `${session.station_id}${outlet}${session.synthetic ? ", made data" : ""}`;
}

/** A missing price is said, never shown as zero; without VAT in the tariff the net amount says so. */
function costWords(cost, format, none = "No price") {
  if (!cost) return [none, ""];
  const gross = cost.incl_vat ?? null;
  if (gross !== null) return [format.money(gross, cost.currency), "incl. VAT"];
  return [format.money(cost.excl_vat, cost.currency), "excl. VAT"];
}

function write(cell, main, side) {
  setText(cell.children[0], main);
  setText(cell.children[1], side);
}

function writeBadges(place, session, format) {
  const anomalies = session.anomalies ?? [];
  keyedList(place, anomalies, {
    key: (anomaly) => anomaly.code,
    make: (anomaly) => h("details", { class: "badge" }, h("summary", {}, codeWords(anomaly.code)), h("p", {})),
    change: (badge, anomaly) => {
      const since = anomaly.since ? ` Since ${format.time(anomaly.since)}.` : "";
      setText(badge.lastElementChild, `${anomaly.message}${since}`);
    },
  });
}
