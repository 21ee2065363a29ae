// Renders the busiest hours: a site's week as squares that grow with the share of taken EVSE time, the same as a table,
// one sentence that says it, and the network's periods of high demand in words.

import { byId, h, keyedList, s, setNote, setText } from "./dom.js";

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const HOURS = [...Array(24).keys()];
const NEAR = 0.9; // hours that belong to the busiest one: at least so much of it
const PERIODS = 5;
const EDGE = { left: 38, top: 20 };
const ROW = 20;
const drawn = { heatmap: null, format: null, width: 0 };

/** Draws the week again whenever its place changes size, so that its words stay as large as all others. */
export function startBusy() {
  new ResizeObserver(() => redraw()).observe(byId("heatmap"));
}

/** Shows the week of the chosen site, or why there is none. */
export function renderBusy(state, { format, retry }) {
  renderSites(state);
  renderPeriods(state, format);
  const { heatmap } = state;
  const isShown = Boolean(heatmap && busiest(heatmap.hours));
  byId("busy-figure").hidden = !isShown;
  if (isShown && drawn.heatmap !== heatmap) show(heatmap, format);
  setNote(byId("busy-note"), noteWords(state, isShown), () => (state.problems.busy ? retry() : null));
}

/** The run of hours around the busiest one of a week: {day, begin, end, share}; null where no EVSE was taken. */
export function busiest(hours) {
  let top = null;
  hours.forEach((day, index) => day.forEach((share, hour) => {
    if (share > (top?.share ?? 0)) top = { day: index, hour, share };
  }));
  if (!top) return null;
  const day = hours[top.day];
  const isNear = (hour) => (day[hour] ?? 0) >= top.share * NEAR;
  let [begin, end] = [top.hour, top.hour + 1];
  while (begin > 0 && isNear(begin - 1)) begin -= 1;
  while (end < 24 && isNear(end)) end += 1;
  const run = day.slice(begin, end);
  return { day: top.day, begin, end, share: run.reduce((sum, share) => sum + share, 0) / run.length };
}

function summaryOf({ hours, time_zone: zone }, format) {
  const { day, begin, end, share } = busiest(hours);
  const is = end - begin === 1 ? "is the busiest hour" : "are the busiest hours";
  return `${DAYS[day]} ${clock(begin)}–${clock(end)} ${is}: ${format.percent(share * 100)} occupied. Local hours (${zone}), last four weeks.`;
}

function renderSites(state) {
  const sites = [...state.locations].map(([code, name]) => ({ code, name }));
  if (state.site && !state.locations.has(state.site)) sites.unshift({ code: state.site, name: state.site });
  const select = byId("busy-site");
  byId("busy-choice").hidden = sites.length < 2;
  keyedList(select, sites, {
    key: (site) => site.code,
    make: (site) => h("option", { value: site.code }),
    change: (option, site) => setText(option, site.name),
  });
  if (state.site && document.activeElement !== select) select.value = state.site;
}

function renderPeriods(state, format) {
  const periods = (state.demand ?? []).slice(0, PERIODS);
  byId("busy-periods-title").hidden = !state.demand || !state.site;
  const none = [{ key: "none", text: "No site is more than 80 % occupied at any hour of the week." }];
  const items = periods.map((each) => ({
    key: [each.location, each.first_day, each.last_day, each.begin_hour].join("|"),
    text: periodWords(each, state.locations, format),
  }));
  keyedList(byId("busy-periods"), !state.demand || !state.site ? [] : items.length ? items : none, {
    key: (item) => item.key,
    make: () => h("li", {}),
    change: (line, item) => setText(line, item.text),
  });
}

function periodWords(period, names, format) {
  const days = period.first_day === period.last_day ? period.first_day : `${period.first_day}–${period.last_day}`;
  const hours = `${clock(period.begin_hour)}–${clock(period.end_hour)}`;
  return `${names.get(period.location) ?? period.location}: ${days} ${hours}, ${format.percent(period.occupied_share * 100)} occupied`;
}

function noteWords(state, isShown) {
  if (state.problems.busy) return ["problem", "The busiest hours could not be loaded", state.problems.busy];
  if (isShown) return null;
  if (state.heatmap) return ["empty", "No EVSE of this site was occupied in the last four weeks", "Hours count once they are over."];
  if (state.demand && !state.site) return ["empty", "No site yet", "The week of a site appears here once stations stand there."];
  return ["empty", "Loading the busiest hours…", "This takes a moment at most."];
}

function show(heatmap, format) {
  Object.assign(drawn, { heatmap, format, width: 0 });
  setText(byId("busy-summary"), summaryOf(heatmap, format));
  showTable(heatmap, format);
  redraw();
}

function redraw() {
  const { heatmap, format } = drawn;
  const width = byId("heatmap").clientWidth;
  if (!heatmap || width < 50 || width === drawn.width) return;
  drawn.width = width;
  const step = (width - EDGE.left) / 24;
  const height = EDGE.top + 7 * ROW;
  byId("heatmap").replaceChildren(s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": summaryOf(heatmap, format) },
    ...[0, 6, 12, 18].map((hour) => s("text", { class: "tick", x: EDGE.left + hour * step, y: 13 }, clock(hour))),
    ...DAYS.map((day, index) => s("text", { class: "tick", x: 0, y: middle(index) + 5 }, day)),
    ...heatmap.hours.flatMap((day, index) => day.map((share, hour) => square(share, { day: index, hour, step }, format))),
  ));
}

/** Size and strength both tell the share, so that colour is never the only sign; unknown hours are a short line. */
function square(share, { day, hour, step }, format) {
  const x = EDGE.left + (hour + 0.5) * step;
  const title = s("title", {}, `${DAYS[day]} ${clock(hour)}–${clock(hour + 1)}: ${share === null ? "not known" : format.percent(share * 100)}`);
  if (share === null) return s("path", { class: "cell-none", d: `M${x - 3} ${middle(day)}h6` }, title);
  const side = 2 + Math.sqrt(share) * (Math.min(step, ROW) - 4);
  return s("rect", { class: "cell", x: x - side / 2, y: middle(day) - side / 2, width: side, height: side, rx: 2, "fill-opacity": (0.45 + 0.55 * share).toFixed(2) }, title);
}

function showTable({ hours }, format) {
  const rows = HOURS.map((hour) =>
    h("tr", {}, h("th", { scope: "row" }, clock(hour)), ...DAYS.map((_, day) => h("td", { class: "num" }, percentOrDash(hours[day][hour], format)))));
  byId("heatmap-rows").replaceChildren(...rows);
}

const percentOrDash = (share, format) => format.percent(share === null ? null : share * 100);
const clock = (hour) => String(hour).padStart(2, "0");
const middle = (day) => EDGE.top + (day + 0.5) * ROW;
