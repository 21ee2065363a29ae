// Renders the head of the page: power, figures, the price with its next cheaper hour, stations by state.

import { byId, h, icon, keyedList, setNote, setText } from "./dom.js";
import { codeWords, duration, plural, secondsBetween, stationStates } from "./format.js";

/** Shows the overview; before the first answer the skeleton of index.html stays. */
export function renderOverview(state, format, { retry }) {
  renderProblem(state, retry);
  renderChanges(state.changes, format);
  if (!state.overview) return;
  renderPower(state.overview, format);
  renderFigures(state.overview, format);
  renderStations(state.overview, format);
}

function renderPower(overview, format) {
  const [value, unit] = format.powerParts(overview.power_w);
  const place = byId("power");
  if (!place.querySelector(".unit")) place.replaceChildren(h("span", { class: "value" }), "\u202f", h("span", { class: "unit" }));
  setText(place.querySelector(".value"), value);
  setText(place.querySelector(".unit"), unit);
  setText(byId("as-of"), `as of ${format.timeSeconds(overview.as_of)}`);
}

function renderFigures(overview, format) {
  const revenue = overview.revenue_today;
  const figures = [
    ["Cars charging", format.count(overview.sessions_active), `at ${format.count(overview.stations_total)} stations`],
    ["Energy today", format.energy(overview.energy_today_kwh, overview.energy_today_kwh >= 1000 ? 0 : 2), "since midnight"],
    ["Revenue today", revenue ? format.money(revenue.incl_vat, revenue.currency) : "–", "incl. VAT"],
    ["Price now", ...priceWords(overview, format), Boolean(overview.tariff?.next_cheaper ?? overview.tariff?.next_dearer)],
  ];
  keyedList(byId("figures"), figures, {
    key: ([name]) => name,
    make: ([name]) => h("div", { class: "card figure" }, h("dt", {}, name), h("dd", { class: "value" }), h("dd", { class: "sub" })),
    change: (box, [, value, text, isGood]) => {
      box.classList.toggle("good", Boolean(isGood));
      setText(box.children[1], value);
      setText(box.children[2], text);
    },
  });
}

/** The price now, and when it falls; where it is at its lowest, until when it stays so. */
function priceWords({ tariff, as_of: now }, format) {
  if (!tariff) return ["–", "no tariff is assigned"];
  const price = format.priceKwh(tariff.price_kwh_now, tariff.currency);
  const terms = `${tariff.tariff_id}, ${tariff.vat == null ? "without VAT" : `plus ${format.percent(tariff.vat)} VAT`}`;
  return [price, `${terms}; ${aheadWords(tariff, now, format)}`];
}

function aheadWords({ next_cheaper: cheaper, next_dearer: dearer, currency }, now, format) {
  if (!cheaper && !dearer) return "the same at all hours";
  const next = cheaper ?? dearer;
  const wait = `(in ${duration(secondsBetween(now, next.at))})`;
  const when = format.dayTime(next.at, now);
  if (cheaper) return `next cheaper: ${format.priceKwh(cheaper.price_kwh, currency)} from ${when} ${wait}`;
  return `the cheapest hours, until ${when} ${wait}`;
}

function renderStations({ stations, stations_total: total }, format) {
  setText(byId("stations-sum"), `${format.count(total)} ${plural(total, "station")}`);
  const items = stationStates.map((name) => ({ name, count: stations[name] ?? 0 }));
  keyedList(byId("stations-bar"), items.filter((item) => item.count > 0), {
    key: (item) => item.name,
    make: (item) => h("span", { class: `state-${item.name}` }),
    change: (part, item) => { part.style.flexGrow = String(item.count); },
  });
  keyedList(byId("stations-tiles"), items, {
    key: (item) => item.name,
    make: (item) => h("li", { class: `tile state-${item.name}` }, icon(item.name), h("span", { class: "count" }), h("span", { class: "label" }, codeWords(item.name))),
    change: (tile, item) => {
      setText(tile.querySelector(".count"), format.count(item.count));
      tile.classList.toggle("none", item.count === 0);
    },
  });
}

function renderChanges(changes, format) {
  const place = byId("changes");
  if (!changes.length) {
    if (!place.children.length) place.append(h("li", { class: "sub", "data-key": "none" }, "None since this page was opened."));
    return;
  }
  keyedList(place, changes, {
    key: (change) => change.number,
    make: (change) => {
      const name = stationStates.includes(change.state) ? change.state : "unknown";
      return h("li", { class: `state-${name}` }, icon(name), h("b", {}, change.id), h("span", {}, codeWords(change.state ?? name).toLowerCase()), h("time", {}, format.timeSeconds(change.at)));
    },
    change: () => {},
  });
}

function renderProblem(state, retry) {
  const problem = state.problems.overview;
  setNote(byId("overview-problem"), problem ? ["problem", "The overview could not be loaded", problem] : null, retry);
}
