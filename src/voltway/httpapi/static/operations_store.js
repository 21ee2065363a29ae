// What the operations view knows: incidents with their details, EVSEs by state, power, busy hours, uptime.
// Pure changes of the one state of store.js; operations.js asks the API, and the renderers only read.

/** Severities, the worst first. */
export const SEVERITIES = ["critical", "major", "minor", "info"];
const UNRESOLVED = new Set(["open", "acknowledged", "assigned", "reopened"]);

/** The part of the state that belongs to the operations view. */
export function blankOperations() {
  return {
    view: "live",
    scopes: [],
    incidents: new Map(),
    lingering: new Map(), // over, but still open on the page: nobody loses a comment half written
    incidentsLoaded: false,
    moreIncidents: false,
    showsAllIncidents: false,
    opened: new Set(), // ids of the rows that a person has opened
    details: new Map(), // id → {answer, problem}
    rowProblems: new Map(), // id → why the last click on the row failed
    acknowledging: new Map(), // id → the incident as it is without our click, until the API has answered
    news: { begun: 0, over: 0 },
    states: null,
    chosenState: null,
    evses: null, // {items, more} of the chosen state
    power: null,
    powerAhead: null, // deltas that came while the whole power was being fetched
    locations: new Map(), // code → name
    demand: null,
    site: null,
    heatmap: null,
    uptime: null, // {document, isWhole}
  };
}

/** Applies an event of monitoring; other names are left alone. */
export function applyOperations(state, name, data) {
  if (name === "incident") applyIncident(state, data);
  else if (name === "power") applyPower(state, data);
}

/** Takes one incident: a new or a changed one stays in the list, one that is over leaves it. */
export function applyIncident(state, incident) {
  const known = state.incidents.get(incident.id);
  if (known && known.updated_at > incident.updated_at) return;
  const isOpen = UNRESOLVED.has(incident.state);
  if (!known && isOpen) state.news.begun += 1;
  if (known && !isOpen) state.news.over += 1;
  if (!isOpen) return end(state, incident);
  state.lingering.delete(incident.id);
  state.incidents.set(incident.id, incident);
  reclaim(state, incident.id);
}

/** Replaces the open incidents by a fresh list. */
export function setIncidents(state, { items, more }) {
  const before = state.incidents;
  state.incidents = new Map(items.map((incident) => [incident.id, incident]));
  state.moreIncidents = more;
  state.incidentsLoaded = true;
  for (const id of state.acknowledging.keys()) reclaim(state, id);
  const gone = [...before.values()].filter((incident) => !state.incidents.has(incident.id) && !more);
  for (const incident of gone) end(state, { ...incident, state: "over" });
  for (const id of state.lingering.keys()) if (state.incidents.has(id)) state.lingering.delete(id);
}

/** The open incidents, the worst first, then the oldest. */
export const openIncidents = (state) => [...state.incidents.values()].sort(byUrgency);

/** The rows of the list: the open incidents, and those that ended while a person had them open. */
export const shownIncidents = (state) => [...state.incidents.values(), ...state.lingering.values()].sort(byUrgency);

const byUrgency = (a, b) =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || a.began_at.localeCompare(b.began_at) || a.id - b.id;

/** Opens or closes a row; one that is over goes when it is closed. Says whether it is open now. */
export function toggleIncident(state, id) {
  const isOpening = !state.opened.delete(id);
  if (isOpening) state.opened.add(id);
  else state.lingering.delete(id);
  state.details.delete(id);
  return isOpening;
}

/** Whether nobody has said yet that they have seen it. */
export const isUnseen = (incident) => incident.state === "open" || incident.state === "reopened";

/** Shows an incident as acknowledged before the API has said so. */
export function beginAcknowledge(state, id) {
  state.rowProblems.delete(id);
  state.acknowledging.set(id, state.incidents.get(id));
  reclaim(state, id);
}

/** Takes the API's answer to a change of an incident: its document and its details. */
export function settle(state, answer) {
  state.acknowledging.delete(answer.id);
  state.rowProblems.delete(answer.id);
  const { current_symptoms: _symptoms, entries: _entries, ...incident } = answer;
  if (state.incidents.has(answer.id)) applyIncident(state, incident);
  if (state.opened.has(answer.id)) state.details.set(answer.id, { answer, problem: null });
}

/** Takes a click back that the API refused; `sentence` says why. */
export function failAcknowledge(state, id, sentence) {
  const before = state.acknowledging.get(id);
  state.acknowledging.delete(id);
  if (!state.incidents.has(id)) return;
  state.incidents.set(id, before);
  state.rowProblems.set(id, `Not acknowledged: ${sentence}`);
}

/** Begins to remember what the feed says, until `setPower` brings the whole. */
export function beginPower(state) {
  state.powerAhead = [];
}

/** Takes the whole power; deltas that came meanwhile and are newer go on top. */
export function setPower(state, power) {
  const ahead = state.powerAhead ?? [];
  state.power = { as_of: power.as_of, network_w: power.network_w, sites: { ...power.sites } };
  state.powerAhead = null;
  for (const delta of ahead) if (delta.as_of > power.as_of) applyPower(state, delta);
}

/** The sites that deliver power now, the most first: [code, watt]. */
export function sitesByPower(state) {
  const order = ([a, one], [b, other]) => other - one || a.localeCompare(b);
  return Object.entries(state.power?.sites ?? {}).filter(([, watt]) => watt > 0).sort(order);
}

/** "2 new incidents, 1 is over. 5 are open." since the last call, which it forgets; "" for nothing. */
export function takeNews(state) {
  const { begun, over } = state.news;
  state.news = { begun: 0, over: 0 };
  const parts = [
    begun ? `${begun} new ${begun === 1 ? "incident" : "incidents"}` : null,
    over ? `${over} ${over === 1 ? "is" : "are"} over` : null,
  ].filter(Boolean);
  return parts.length ? `${parts.join(", ")}. Open now: ${state.incidents.size}.` : "";
}

function applyPower(state, delta) {
  state.powerAhead?.push(delta);
  if (!state.power) return;
  state.power.as_of = delta.as_of;
  state.power.network_w = delta.network_w ?? state.power.network_w;
  Object.assign(state.power.sites, delta.sites);
}

/** While our click is on its way, what the API says of the incident is what we would go back to. */
function reclaim(state, id) {
  const fresh = state.incidents.get(id);
  if (!fresh || !state.acknowledging.has(id)) return;
  state.acknowledging.set(id, fresh);
  if (isUnseen(fresh)) state.incidents.set(id, { ...fresh, state: fresh.assignee ? "assigned" : "acknowledged" });
}

function end(state, incident) {
  state.incidents.delete(incident.id);
  state.rowProblems.delete(incident.id);
  if (state.opened.has(incident.id)) state.lingering.set(incident.id, incident);
}
