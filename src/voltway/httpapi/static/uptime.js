// Renders the uptime of this month: the network's figure with its law named, and the ports below their goal.

import { byId, h, keyedList, setNote, setText } from "./dom.js";
import { plural } from "./format.js";

const WORST = 5;
const LAW = "NEVI, 23 CFR 680.116(b)";

/** Shows this month's uptime, or why there is none. */
export function renderUptime(state, { format, retry }) {
  const figures = state.uptime ? monthFigures(state.uptime.document) : null;
  const isShown = Boolean(figures?.ports);
  byId("uptime-figures").hidden = !isShown;
  if (isShown) renderFigures(state.uptime, figures, format);
  keyedList(byId("uptime-worst"), isShown ? figures.worst : [], {
    key: (port) => `${port.station_id}|${port.evse_id}`,
    make: () => h("li", {}, h("span", {}), h("b", { class: "num" })),
    change: (line, port) => {
      setText(line.children[0], `${port.station_id}, EVSE ${port.evse_id}`);
      setText(line.children[1], format.percentDown(port.percent));
    },
  });
  byId("uptime-worst-title").hidden = !isShown || !figures.worst.length;
  setNote(byId("uptime-note"), noteWords(state, figures), () => (state.problems.uptime ? retry() : null));
}

/**
 * The last month of NEVI's twelve, summed over the ports: by its formula, over the minutes in service.
 * Ports below the goal are those that the law itself calls so, over its twelve months.
 */
export function monthFigures({ items }) {
  const ports = items.map(portMonth).filter((port) => port.minutes > 0);
  const sum = (name) => ports.reduce((total, port) => total + port[name], 0);
  const minutes = sum("minutes");
  return {
    ports: ports.length,
    percent: minutes ? percentOf(minutes, sum("outage") - sum("excluded")) : null,
    below: items.filter((port) => port.is_met === false).length,
    worst: ports.filter((port) => port.percent < 100).sort((a, b) => a.percent - b.percent).slice(0, WORST),
  };
}

function portMonth(port) {
  const month = port.months.at(-1);
  const [minutes, outage, excluded] = [Number(month?.minutes ?? 0), Number(month?.outage_minutes ?? 0), Number(month?.excluded_minutes ?? 0)];
  const percent = minutes ? percentOf(minutes, outage - excluded) : null;
  return { station_id: port.station_id, evse_id: port.evse_id, minutes, outage, excluded, percent };
}

const percentOf = (minutes, down) => ((minutes - down) / minutes) * 100;

function renderFigures({ document, isWhole }, figures, format) {
  setText(byId("uptime-value"), format.percentDown(figures.percent));
  const ports = `${format.count(figures.ports)} ${plural(figures.ports, "port")}`;
  const scope = isWhole ? `the network, ${ports} in service` : `the first ${ports} only; all are in the API`;
  setText(byId("uptime-law"), `By ${LAW}: ${scope}, from the first of the month until now`);
  const goal = format.percentDown(document.target_percent);
  const below = figures.below
    ? `${format.count(figures.below)} ${plural(figures.below, "port")} ${figures.below === 1 ? "is" : "are"} below the goal of more than ${goal} over twelve months.`
    : `All ports meet the goal of more than ${goal} over twelve months.`;
  setText(byId("uptime-goal"), below);
  byId("uptime-goal").classList.toggle("problem", figures.below > 0);
}

function noteWords(state, figures) {
  if (state.problems.uptime) return ["problem", "The uptime could not be loaded", state.problems.uptime];
  if (!figures) return ["empty", "Loading the uptime of this month…", "With many ports this takes some seconds."];
  return figures.ports ? null : ["empty", "No uptime yet this month", "It is reckoned once a station is in service."];
}
