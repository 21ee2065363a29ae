// Renders live power by site: the sites that deliver most, beside the sum of the network.

import { byId, h, keyedList, setNote, setText } from "./dom.js";
import { plural } from "./format.js";
import { sitesByPower } from "./operations_store.js";

const TOP = 8;

/** Shows the top sites, or why there are none. */
export function renderSites(state, { format, retry }) {
  const sites = sitesByPower(state);
  const most = sites[0]?.[1] ?? 1;
  setText(byId("sites-sum"), state.power ? sumWords(state.power, sites.length, format) : "");
  keyedList(byId("sites"), sites.slice(0, TOP), {
    key: ([code]) => code,
    make: () => h("li", {}, h("span", {}), h("b", { class: "num" }), h("span", { class: "bar-track", "aria-hidden": "true" }, h("span", { class: "bar-fill" }))),
    change: (line, [code, watt]) => {
      setText(line.children[0], state.locations.get(code) ?? code);
      setText(line.children[1], format.power(watt));
      line.querySelector(".bar-fill").style.inlineSize = `${(watt / most) * 100}%`;
    },
  });
  setNote(byId("sites-note"), noteWords(state, sites), () => (state.problems.power ? retry() : null));
}

function sumWords(power, count, format) {
  const shown = count > TOP ? `, the first ${TOP} of ${format.count(count)} sites` : ` at ${format.count(count)} ${plural(count, "site")}`;
  return `${format.power(power.network_w)} in the network${shown}`;
}

function noteWords(state, sites) {
  if (state.problems.power) return ["problem", "The power by site could not be loaded", state.problems.power];
  if (!state.power) return ["empty", "Loading the power by site…", "This takes a moment at most."];
  return sites.length ? null : ["empty", "No site delivers power now", "A site appears here the moment a car charges there."];
}
