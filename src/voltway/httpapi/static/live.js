// The live feed: one stream of server-sent events, read with fetch instead of EventSource, because only so the
// comment heartbeats are seen, and a half-open connection is noticed after 35 s of silence instead of never.

export const SILENCE_MS = 35_000; // two heartbeats of 15 s and some patience
const POLL_MS = 30_000;
const BACKOFF_MS = [1000, 2000, 4000, 8000, 15_000];

/**
 * Starts the feed. `on` holds: event(name, data), link(state), resync(), poll(), signedOut().
 * link states: "connecting", "live", "reconnecting", "lost". Returns {stop, retryNow, lastHeard}.
 */
export function openLive(url, on) {
  const feed = {
    url, on, state: "connecting", lastId: null, heardAt: Date.now(), polledAt: 0, failures: 0, abort: null, timer: null,
  };
  const watchdog = setInterval(() => watch(feed), 1000);
  const awake = () => wake(feed);
  addEventListener("online", awake);
  addEventListener("pageshow", awake);
  document.addEventListener("visibilitychange", awake);
  connect(feed);
  return {
    retryNow: () => restart(feed),
    lastHeard: () => feed.heardAt,
    stop: () => {
      clearInterval(watchdog);
      removeEventListener("online", awake);
      removeEventListener("pageshow", awake);
      document.removeEventListener("visibilitychange", awake);
      clearTimeout(feed.timer);
      feed.stopped = true;
      feed.abort?.abort();
    },
  };
}

/** Splits a stream of text into events; comments call `onComment`. Source: WHATWG HTML, 9.2.6. */
export function makeParser(onEvent, onComment) {
  let rest = "";
  let event = blank();
  const line = (text) => {
    if (text === "") {
      if (event.data.length) onEvent({ id: event.id, name: event.name, data: event.data.join("\n") });
      event = blank();
      return;
    }
    if (text.startsWith(":")) return onComment();
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(text);
    if (field === "data") event.data.push(value ?? "");
    else if (field === "event") event.name = value ?? "";
    else if (field === "id") event.id = value ?? "";
  };
  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

const blank = () => ({ id: null, name: "message", data: [] });

async function connect(feed) {
  const abort = new AbortController();
  feed.abort = abort;
  feed.startedAt = Date.now();
  let refused = false;
  try {
    refused = await read(feed, abort);
  } catch {
    // A broken connection needs no words of its own: the state below says what the page knows.
  }
  if (feed.stopped || feed.abort !== abort) return;
  if (refused) feed.on.signedOut();
  else retryLater(feed);
}

async function read(feed, abort) {
  const headers = { Accept: "text/event-stream" };
  if (feed.lastId !== null) headers["Last-Event-ID"] = feed.lastId;
  const answer = await fetch(feed.url, { headers, cache: "no-store", signal: abort.signal });
  if (answer.status === 401) return true;
  if (!answer.ok) return false;
  // After a loss only bytes count: a proxy that buffers sends headers and then nothing.
  if (feed.state !== "lost") heard(feed);
  const parse = makeParser((event) => dispatch(feed, event), () => {});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done || feed.abort !== abort) return false;
    heard(feed);
    parse(value);
  }
}

function dispatch(feed, event) {
  if (event.id !== null) feed.lastId = event.id;
  if (event.name === "resync") return feed.on.resync();
  feed.on.event(event.name, JSON.parse(event.data));
}

function heard(feed) {
  feed.heardAt = Date.now();
  feed.failures = 0;
  const was = feed.state;
  become(feed, "live");
  // A short break is replayed by Last-Event-ID; a first connection or a long silence needs the whole picture.
  if (was === "lost" || (was !== "live" && feed.lastId === null)) feed.on.resync();
}

function watch(feed) {
  const now = Date.now();
  if (now - feed.heardAt <= SILENCE_MS) return;
  if (feed.state !== "lost") {
    become(feed, "lost");
    feed.polledAt = now;
    restart(feed);
  } else if (now - feed.startedAt > SILENCE_MS) restart(feed);
  if (now - feed.polledAt >= POLL_MS) {
    feed.polledAt = now;
    feed.on.poll();
  }
}

function wake(feed) {
  if (document.visibilityState !== "visible") return;
  watch(feed);
  if (feed.timer !== null) restart(feed);
}

function restart(feed) {
  clearTimeout(feed.timer);
  feed.timer = null;
  feed.abort?.abort();
  connect(feed);
}

function retryLater(feed) {
  if (feed.state === "connecting") feed.on.poll();
  if (feed.state !== "lost") become(feed, "reconnecting");
  const wait = BACKOFF_MS[Math.min(feed.failures, BACKOFF_MS.length - 1)];
  feed.failures += 1;
  feed.timer = setTimeout(() => restart(feed), wait * (0.75 + Math.random() / 2));
}

function become(feed, state) {
  if (feed.state === state) return;
  feed.state = state;
  feed.on.link(state);
}
