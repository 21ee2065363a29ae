// All that the page knows, in one place: answers and live events go in, renderers are told at most four times a second.

import { applyOperations, blankOperations } from "./operations_store.js";

const WINDOW_S = 15 * 60;
const BILLS = 10;
const CHANGES = 6;
const TELL_MS = 250;

/** A fresh store: `state` to read, `change` to write, `subscribe` to be told. */
export function makeStore() {
  const state = blankState();
  const listeners = [];
  let timer = null;
  const tell = () => {
    timer = null;
    for (const listener of listeners) listener(state);
  };
  return {
    state,
    subscribe: (listener) => listeners.push(listener),
    reset: () => Object.assign(state, blankState()),
    /** Changes the state and tells the renderers soon; changes in between travel together. */
    change: (how) => {
      how(state);
      timer ??= setTimeout(tell, TELL_MS);
    },
    /** The same, at once: for what a person has just asked for. */
    changeNow: (how) => {
      how(state);
      clearTimeout(timer);
      tell();
    },
  };
}

function blankState() {
  return {
    phase: "checking", // checking | signed_out | broken | ready
    overview: null,
    history: [], // [epoch seconds, watt], oldest first
    sessions: new Map(),
    moreSessions: false,
    showsAllSessions: false,
    stations: new Map(),
    changes: [],
    bills: null,
    sessionsLoaded: false,
    link: "connecting",
    problems: {}, // part → why it could not be loaded
    ...blankOperations(),
  };
}

/** Applies one live event; unknown names are left alone, so that the API may grow. */
export function applyEvent(state, name, data) {
  if (name === "overview") applyOverview(state, data);
  else if (name === "session") applySession(state, data);
  else if (name === "station") applyStation(state, data);
  else if (name === "cdr") applyBill(state, data);
  else applyOperations(state, name, data);
}

/** Takes a whole overview (with history) or a live one (without). */
export function applyOverview(state, overview) {
  state.overview = overview;
  const at = new Date(overview.as_of).getTime() / 1000;
  if (overview.power_history) state.history = [...overview.power_history];
  const last = state.history.at(-1);
  if (overview.power_w !== null && (!last || at > last[0])) state.history.push([at, overview.power_w]);
  while (state.history.length && state.history[0][0] < at - WINDOW_S) state.history.shift();
}

/** Replaces the running sessions by a fresh list. */
export function setSessions(state, { items, more }) {
  state.sessions = new Map(items.map((session) => [session.id, session]));
  state.moreSessions = more;
  state.sessionsLoaded = true;
}

/** Replaces the bills by a fresh list, newest first. */
export function setBills(state, items) {
  state.bills = newestFirst(items);
}

/** The running sessions, newest first; equal starts in a fixed order, so that rows do not jump. */
export function runningSessions(state) {
  const order = (a, b) => b.started_at.localeCompare(a.started_at) || String(a.id).localeCompare(String(b.id));
  return [...state.sessions.values()].sort(order);
}

function applySession(state, session) {
  if (session.state === "active") state.sessions.set(session.id, session);
  else state.sessions.delete(session.id);
}

function applyStation(state, station) {
  const known = state.stations.get(station.id);
  state.stations.set(station.id, station);
  // The first word of a station may be of its power only: a change is one that this page has seen.
  if (!known || known.state === station.state) return;
  const change = { ...station, at: Date.now(), number: (state.changes[0]?.number ?? 0) + 1 };
  state.changes = [change, ...state.changes].slice(0, CHANGES);
}

function applyBill(state, bill) {
  setBills(state, [bill, ...(state.bills ?? []).filter((other) => other.id !== bill.id)]);
}

function newestFirst(bills) {
  return [...bills].sort((a, b) => b.ended_at.localeCompare(a.ended_at)).slice(0, BILLS);
}
