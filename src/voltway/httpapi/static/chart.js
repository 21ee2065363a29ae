// The power chart: an SVG area of the last 15 minutes, drawn anew from the history with each update.
// Its table (index.html, "Show as a table") is the equal of it for those who cannot see or point.

import { byId, h, s } from "./dom.js";

const WINDOW_S = 15 * 60;
const GAP_S = 90; // no value for longer: the line breaks instead of inventing one
const EDGE = { top: 14, right: 12, bottom: 24, left: 58 };
const seen = { state: null, format: null, pointerX: null };

/** Draws the chart again whenever its place changes size, and follows the pointer. */
export function startChart() {
  const place = byId("chart");
  new ResizeObserver(() => redraw()).observe(place);
  place.addEventListener("pointermove", (event) => {
    seen.pointerX = event.clientX - place.getBoundingClientRect().left;
    redraw();
  });
  place.addEventListener("pointerleave", () => {
    seen.pointerX = null;
    redraw();
  });
}

/** Draws the history of `state`; nothing is drawn before there are two points. */
export function renderChart(state, format) {
  seen.state = state;
  seen.format = format;
  redraw();
  renderTable(state.history, format);
}

/** The next "round" number at or above `value`: 1, 2, 2.5 or 5 times a power of ten. */
export function niceCeiling(value) {
  if (!(value > 0)) return 1000;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999999);
}

function redraw() {
  const place = byId("chart");
  const history = seen.state?.history ?? [];
  const [width, height] = [place.clientWidth, place.clientHeight];
  if (history.length < 2 || width < 50) {
    if (seen.state) place.replaceChildren(h("p", { class: "chart-empty" }, "The line begins with the next values."));
    return;
  }
  const scale = scaleOf(history, width, height);
  place.replaceChildren(s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": summary(history) },
    gradient(), ...grid(scale), ...clockTicks(scale), ...curves(history, scale), ...endDot(history, scale),
    ...crosshair(history, scale),
  ));
}

function scaleOf(history, width, height) {
  const end = history.at(-1)[0];
  const top = niceCeiling(Math.max(...history.map(([, watt]) => watt)) * 1.08);
  const [spanX, spanY] = [width - EDGE.left - EDGE.right, height - EDGE.top - EDGE.bottom];
  return {
    width, height, end, top,
    x: (at) => EDGE.left + spanX * (1 - (end - at) / WINDOW_S),
    y: (watt) => EDGE.top + spanY * (1 - Math.max(0, watt) / top),
  };
}

function gradient() {
  const stop = (offset, name) => s("stop", { offset, class: name });
  return s("defs", {}, s("linearGradient", { id: "power-fill", x1: 0, y1: 0, x2: 0, y2: 1 }, stop(0, "fill-top"), stop(1, "fill-end")));
}

function grid({ width, top, y }) {
  const levels = [0, top / 2, top];
  return levels.flatMap((watt) => [
    s("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(watt), y2: y(watt) }),
    s("text", { class: "tick", x: EDGE.left - 8, y: y(watt) + 4, "text-anchor": "end" }, watt === 0 ? "0" : axisLabel(watt)),
  ]);
}

function axisLabel(watt) {
  const [value, unit] = seen.format.powerParts(watt);
  return `${Number.parseFloat(value.replace(",", "."))}\u202f${unit}`;
}

function clockTicks({ width, height, end, x }) {
  const step = 300;
  const first = Math.ceil((end - WINDOW_S) / step) * step;
  const ticks = [];
  for (let at = first; at <= end; at += step) {
    if (x(at) > width - 30) continue;
    ticks.push(s("text", { class: "tick", x: x(at), y: height - 6, "text-anchor": "middle" }, seen.format.time(at * 1000)));
  }
  return ticks;
}

function curves(history, scale) {
  const point = ([at, watt]) => `${scale.x(at).toFixed(1)} ${scale.y(watt).toFixed(1)}`;
  return pieces(history).filter((piece) => piece.length > 1).flatMap((piece) => {
    const line = `M${piece.map(point).join("L")}`;
    const floor = scale.y(0);
    const area = `${line}L${scale.x(piece.at(-1)[0]).toFixed(1)} ${floor}L${scale.x(piece[0][0]).toFixed(1)} ${floor}Z`;
    return [s("path", { class: "area", d: area }), s("path", { class: "line", d: line })];
  });
}

function pieces(history) {
  const result = [[]];
  for (const point of history) {
    const last = result.at(-1).at(-1);
    if (last && point[0] - last[0] > GAP_S) result.push([]);
    result.at(-1).push(point);
  }
  return result;
}

function endDot(history, { x, y }) {
  const [at, watt] = history.at(-1);
  return [s("circle", { class: "halo", cx: x(at), cy: y(watt), r: 9 }), s("circle", { class: "end", cx: x(at), cy: y(watt), r: 4 })];
}

function crosshair(history, { width, height, x, y }) {
  if (seen.pointerX === null) return [];
  const [at, watt] = nearest(history, (point) => Math.abs(x(point[0]) - seen.pointerX));
  const right = x(at) > width * 0.6;
  const label = `${seen.format.timeSeconds(at * 1000)}  ${seen.format.power(watt)}`;
  const place = { x: x(at) + (right ? -8 : 8), y: EDGE.top + 4, "text-anchor": right ? "end" : "start" };
  return [
    s("line", { class: "cross", x1: x(at), x2: x(at), y1: EDGE.top, y2: height - EDGE.bottom }),
    s("circle", { class: "end", cx: x(at), cy: y(watt), r: 4 }),
    s("text", { class: "cross-text", ...place }, label),
  ];
}

function nearest(history, distance) {
  return history.reduce((best, point) => (distance(point) < distance(best) ? point : best));
}

function summary(history) {
  const watts = history.map(([, watt]) => watt);
  const words = (watt) => seen.format.power(watt);
  return `Power of the last 15 minutes: between ${words(Math.min(...watts))} and ${words(Math.max(...watts))}, now ${words(watts.at(-1))}.`;
}

function renderTable(history, format) {
  const table = byId("chart-table");
  if (!table.closest("details").open && table.tBodies[0].rows.length) return;
  const minutes = new Map(history.map((point) => [Math.floor(point[0] / 60), point]));
  const rows = [...minutes.values()].reverse().map(([at, watt]) =>
    h("tr", {}, h("th", { scope: "row" }, format.timeSeconds(at * 1000)), h("td", { class: "num" }, format.power(watt))));
  table.tBodies[0].replaceChildren(...rows);
}
