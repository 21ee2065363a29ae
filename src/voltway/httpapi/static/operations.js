// The operations view: asks the API for what it shows, and does what its buttons say.
// Flow: api.js and live.js → operations_store.js → incidents.js, evse_states.js, busy.js, uptime.js, sites.js.

import { get, getAll, post } from "./api.js";
import { renderBusy, startBusy } from "./busy.js";
import { announce } from "./connection.js";
import { byId } from "./dom.js";
import { renderEvseStates } from "./evse_states.js";
import { renderIncidents } from "./incidents.js";
import { beginAcknowledge, beginPower, failAcknowledge, setIncidents, setPower, settle, sitesByPower, takeNews, toggleIncident } from "./operations_store.js";
import { renderSites } from "./sites.js";
import { renderUptime } from "./uptime.js";

const INCIDENT_PAGES = 5;
const EVSES = 50;
const PORT_PAGES = 3;
const STATES_MS = 15_000;
const FIGURES_MS = 15 * 60_000; // uptime and busy hours move slowly and cost the server more

/** The view's part of the page. `page` holds store, part(name, ask, apply), sentenceOf(problem), left(problem). */
export function makeOperations({ store, part, sentenceOf, left }) {
  const { state } = store;
  let figuresAt = -Infinity;

  const loadIncidents = () =>
    part("incidents", () => getAll("/api/v1/incidents?unresolved=true&limit=100", { pages: INCIDENT_PAGES }), setIncidents);

  const loadStates = () => Promise.all([
    part("states", () => get("/api/v1/monitoring/states"), (now, answer) => { now.states = answer; }),
    loadEvses(),
  ]);

  async function loadEvses() {
    const name = state.chosenState;
    if (!name) return;
    await part("evses", () => get(`/api/v1/monitoring/evses?state=${name}&limit=${EVSES}`), (now, answer) => {
      if (now.chosenState === name) now.evses = { items: answer.items, more: Boolean(answer.next_cursor) };
    });
  }

  function loadPower() {
    beginPower(state);
    return part("power", () => get("/api/v1/monitoring/power"), setPower);
  }

  // Where the names of sites cannot be had, their codes stand in for them.
  const loadLocations = () => part("locations", () => getAll("/api/v1/locations?limit=500", { pages: 4 }), (now, { items }) => {
    now.locations = new Map(items.map((location) => [location.id, location.name]));
  });

  async function loadBusy() {
    await part("busy", () => get("/api/v1/usage/demand"), (now, { items }) => { now.demand = items; });
    const site = state.site ?? state.demand?.[0]?.location ?? sitesByPower(state)[0]?.[0] ?? state.locations.keys().next().value;
    if (site && !state.problems.busy) await loadHeatmap(site);
  }

  async function loadHeatmap(site) {
    store.change((now) => { now.site = site; });
    await part("busy", () => get(`/api/v1/usage/heatmap?location=${encodeURIComponent(site)}`), (now, answer) => {
      if (now.site === site) now.heatmap = answer;
    });
  }

  const loadUptime = () => part("uptime", askUptime, (now, answer) => { now.uptime = answer; });

  async function loadFigures() {
    figuresAt = Date.now();
    await Promise.all([loadLocations(), loadPower()]);
    await Promise.all([loadBusy(), loadUptime()]);
  }

  /** Loads what the view shows; slow figures only where they are old, or where a person asks. */
  async function load({ isAsked = false } = {}) {
    if (state.phase !== "ready" || state.view !== "operations") return;
    const isDue = isAsked || Date.now() - figuresAt >= FIGURES_MS;
    await Promise.all([loadStates(), isDue ? loadFigures() : loadPower()]);
  }

  async function loadDetail(id) {
    try {
      const answer = await get(`/api/v1/incidents/${id}`);
      store.changeNow((now) => { if (now.opened.has(id)) now.details.set(id, { answer, problem: null }); });
    } catch (problem) {
      if (left(problem)) return;
      store.changeNow((now) => { if (now.opened.has(id)) now.details.set(id, { answer: null, problem: sentenceOf(problem) }); });
    }
  }

  const act = {
    async acknowledge(id) {
      store.changeNow((now) => beginAcknowledge(now, id));
      try {
        const answer = await post(`/api/v1/incidents/${id}/acknowledge`);
        store.changeNow((now) => settle(now, answer));
        announce(`Acknowledged: ${answer.title}`);
      } catch (problem) {
        if (!left(problem)) store.changeNow((now) => failAcknowledge(now, id, sentenceOf(problem)));
      }
    },
    toggle(id) {
      store.changeNow((now) => toggleIncident(now, id));
      if (state.opened.has(id)) loadDetail(id);
    },
    /** Answers why the comment was not saved, null where it was. */
    async comment(id, text) {
      try {
        const answer = await post(`/api/v1/incidents/${id}/comments`, { text });
        store.changeNow((now) => settle(now, answer));
        announce("Comment added.");
        return null;
      } catch (problem) {
        return left(problem) ? null : sentenceOf(problem);
      }
    },
  };

  function choose(name) {
    store.changeNow((now) => {
      now.chosenState = now.chosenState === name ? null : name;
      now.evses = null;
      now.problems.evses = null;
    });
    loadEvses();
  }

  function start() {
    startBusy();
    byId("incidents-more").addEventListener("click", () => store.changeNow((now) => { now.showsAllIncidents = !now.showsAllIncidents; }));
    byId("busy-site").addEventListener("change", (event) => {
      const site = event.target.value; // before anything is rendered: the renderer writes the chosen site there
      store.changeNow((now) => Object.assign(now, { site, heatmap: null }));
      loadHeatmap(site);
    });
    setInterval(() => {
      if (state.phase !== "ready" || state.view !== "operations" || document.visibilityState !== "visible") return;
      loadStates();
      if (Date.now() - figuresAt >= FIGURES_MS) loadFigures();
    }, STATES_MS);
  }

  /** Follows up on an incident event: says it, and renews the timeline of a row that is open. */
  function afterEvent(name, data) {
    if (name !== "incident") return;
    if (state.news.begun || state.news.over) announce(() => takeNews(state));
    if (state.opened.has(data.id)) loadDetail(data.id);
  }

  function render(format, { now, retry }) {
    renderIncidents(state, { format, now, retry, act });
    if (state.view !== "operations") return;
    renderEvseStates(state, { format, now, retry, choose });
    renderBusy(state, { format, retry });
    renderUptime(state, { format, retry });
    renderSites(state, { format, retry });
  }

  return { start, load, loadIncidents, afterEvent, render, reset: () => { figuresAt = -Infinity; } };
}

/** NEVI's figures of the twelve months that end with this one; page by page, as far as a page should ask. */
async function askUptime() {
  const month = new Date().toISOString().slice(0, 7);
  let [document, items, cursor] = [null, [], null];
  for (let page = 0; page < PORT_PAGES && (page === 0 || cursor); page += 1) {
    const follow = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    document = await get(`/api/v1/uptime?law=nevi&month=${month}&limit=1000${follow}`);
    items = [...items, ...document.items];
    cursor = document.next_cursor;
  }
  return { document: { ...document, items }, isWhole: !cursor };
}
