// The live page: signs in, loads the picture, follows the feed, and tells the renderers.
// Flow: api.js and live.js → store.js → overview.js, chart.js, sessions.js, bills.js, connection.js;
// operations.js is the second view's part of it, views.js the tabs.

import { Problem, get, getAll, post } from "./api.js";
import { renderBills } from "./bills.js";
import { renderChart, startChart } from "./chart.js";
import { announce, renderConnection } from "./connection.js";
import { byId, h } from "./dom.js";
import { makeFormat } from "./format.js";
import { openLive } from "./live.js";
import { makeOperations } from "./operations.js";
import { renderOverview } from "./overview.js";
import { renderSessions } from "./sessions.js";
import { applyEvent, applyOverview, makeStore, runningSessions, setBills, setSessions } from "./store.js";
import { startTheme } from "./theme_switch.js";
import { startViews } from "./views.js";

const SESSION_PAGES = 5;
const TICK_MS = 15_000;
const store = makeStore();
const { state } = store;
const operations = makeOperations({ store, part, sentenceOf, left });
let feed = null;
let format = null;
let waiting = null; // live events that came while the whole picture was being fetched
let again = false;

/** Asks who we are: in, out, or broken. */
async function begin() {
  try {
    enter(await get("/api/v1/me"));
  } catch (problem) {
    if (problem.status === 401) leave(reasonInAddress());
    else {
      byId("broken-text").textContent = sentenceOf(problem);
      show("broken");
    }
  }
}

function enter(me) {
  const timeZone = me.operator.time_zone || "UTC";
  format = makeFormat({ locale: navigator.language, timeZone, currency: me.operator.currency });
  byId("operator").textContent = me.operator.name;
  byId("zone").textContent = `Times are those of ${timeZone} (${format.zoneName(Date.now())}). Signed in as ${me.name}.`;
  state.scopes = me.scopes ?? [];
  show("ready");
  feed = openLive("/api/v1/live", {
    event: (name, data) => (waiting ? waiting.push([name, data]) : take(name, data)),
    link: onLink,
    resync: loadAll,
    poll: loadAll,
    signedOut: () => leave("Your session has ended. Please sign in again."),
  });
}

function take(name, data) {
  store.change((now) => applyEvent(now, name, data));
  operations.afterEvent(name, data);
}

function leave(why) {
  feed?.stop();
  feed = null;
  const { view } = state;
  store.reset();
  state.view = view;
  operations.reset();
  if (why) byId("login-why").textContent = why;
  byId("login-error").textContent = "";
  byId("login").reset();
  show("signed_out");
  byId("key").focus();
}

/** A one-time link that no longer works leads here as /?login=expired; the address is cleaned once it has been said. */
function reasonInAddress() {
  if (new URLSearchParams(location.search).get("login") !== "expired") return "";
  history.replaceState(null, "", "/");
  return "That link has been used or has expired. Please sign in with an API key.";
}

function show(phase) {
  store.changeNow((now) => { now.phase = phase; });
  document.body.dataset.phase = phase;
  byId("signed-out").hidden = phase !== "signed_out";
  byId("broken").hidden = phase !== "broken";
  byId("live").hidden = phase !== "ready";
  byId("views").hidden = phase !== "ready";
}

/** Fetches the whole picture; each part may fail alone. Events that come meanwhile are applied on top of it. */
async function loadAll() {
  if (waiting) {
    again = true; // a gap while fetching: what is under way may already be too old
    return;
  }
  waiting = [];
  await Promise.all([
    part("overview", () => get("/api/v1/overview"), applyOverview),
    part("sessions", () => getAll("/api/v1/sessions?state=active&limit=100", { pages: SESSION_PAGES }), setSessions),
    part("bills", () => get("/api/v1/cdrs?limit=10"), (now, answer) => setBills(now, answer.items)),
    operations.loadIncidents(),
  ]);
  const events = waiting;
  waiting = null;
  for (const [name, data] of events) take(name, data);
  operations.load();
  if (again) {
    again = false;
    await loadAll();
  }
}

async function part(name, ask, apply) {
  try {
    const answer = await ask();
    store.change((now) => {
      apply(now, answer);
      now.problems[name] = null;
    });
  } catch (problem) {
    if (left(problem)) return;
    store.change((now) => { now.problems[name] = sentenceOf(problem); });
  }
}

/** Whether a problem means that the session has ended; then the page has gone back to the key. */
function left(problem) {
  if (problem.status !== 401) return false;
  leave("Your session has ended. Please sign in again.");
  return true;
}

function onLink(link) {
  const before = state.link;
  store.changeNow((now) => { now.link = link; });
  if (before === "lost" && link === "live") announce("Live updates are back.");
}

function render() {
  renderConnection(state, { format, heardAt: feed?.lastHeard() ?? null });
  if (state.phase !== "ready") return;
  const now = Date.now();
  const retry = () => retryButton();
  renderOverview(state, format, { retry });
  renderChart(state, format);
  renderSessions(state, runningSessions(state), { format, now, retry });
  renderBills(state, { format, now, retry });
  operations.render(format, { now, retry });
}

function retryButton() {
  const button = h("button", { type: "button" }, "Try again");
  button.addEventListener("click", () => {
    loadAll();
    operations.load({ isAsked: true });
  });
  return button;
}

async function signIn(event) {
  event.preventDefault();
  const key = byId("key");
  const fail = (text) => {
    byId("login-error").textContent = text;
    key.setAttribute("aria-invalid", "true");
    key.focus();
  };
  if (!key.value.trim()) return fail("Enter an API key.");
  byId("login-submit").disabled = true;
  try {
    await post("/api/v1/login", { key: key.value.trim() });
    key.removeAttribute("aria-invalid");
    byId("login").reset();
    enter(await get("/api/v1/me"));
    byId("live").focus();
  } catch (problem) {
    fail(problem.status === 401 || problem.status === 403 ? "This key is not known here, or it has expired." : sentenceOf(problem));
  } finally {
    byId("login-submit").disabled = false;
  }
}

async function signOut() {
  try {
    await post("/api/v1/logout");
    location.replace("/"); // a fresh page: nothing of the network stays behind in it
  } catch (problem) {
    announce(`Signing out failed: ${sentenceOf(problem)}`);
  }
}

function sentenceOf(problem) {
  return problem instanceof Problem ? problem.sentence : String(problem);
}

store.subscribe(render);
startChart();
startTheme(byId("theme"));
operations.start();
startViews((view) => {
  store.changeNow((now) => { now.view = view; });
  operations.load();
});
byId("login").addEventListener("submit", signIn);
byId("sign-out").addEventListener("click", signOut);
byId("sessions-more").addEventListener("click", () => store.changeNow((now) => { now.showsAllSessions = !now.showsAllSessions; }));
byId("retry-live").addEventListener("click", () => feed?.retryNow());
byId("broken-retry").addEventListener("click", begin);
setInterval(render, TICK_MS); // durations and the age of old values go on while nothing arrives
begin();
