// Renders whether the page is live: the pill in the header, the banner when updates are lost, and spoken notices.

import { byId, setText } from "./dom.js";

const WORDS = { connecting: "Connecting…", live: "Live", reconnecting: "Reconnecting…", lost: "Not live" };
const SPEAK_MS = 10_000;
const spoken = { at: 0, timer: null };

/** Shows the state of the feed; `heardAt` (milliseconds) is when it last sent anything. */
export function renderConnection(state, { format, heardAt }) {
  const ready = state.phase === "ready";
  document.body.dataset.link = state.link;
  byId("link-pill").hidden = !ready;
  byId("sign-out").hidden = !ready;
  setText(byId("link-text"), WORDS[state.link]);
  const lost = ready && state.link === "lost";
  // The words of an alert are written once: an age that ticks there would be read aloud again and again.
  if (lost && byId("lost-banner").hidden) setText(byId("lost-text"), lostWords(format, heardAt));
  byId("lost-banner").hidden = !lost;
}

/**
 * Says one thing to screen readers, politely, at most one every ten seconds: the newest wins. A function is asked for
 * its words at that moment, so that what happened meanwhile can be summed up; "" says nothing.
 */
export function announce(words) {
  clearTimeout(spoken.timer);
  const wait = Math.max(0, spoken.at + SPEAK_MS - Date.now());
  spoken.timer = setTimeout(() => {
    const text = typeof words === "function" ? words() : words;
    if (!text) return;
    spoken.at = Date.now();
    setText(byId("announcer"), text);
  }, wait);
}

function lostWords(format, heardAt) {
  return `Nothing came since ${format.timeSeconds(heardAt)}. The greyed values are old; the page goes on trying and asks for them every 30 seconds.`;
}
