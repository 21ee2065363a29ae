// Renders the last bills; each opens into its explanation: the lines, the adjustments and the total they add up to.

import { byId, h, keyedList, setNote } from "./dom.js";
import { codeWords, duration, secondsBetween } from "./format.js";

const LINE_DIGITS = 4; // lines are not rounded to cents; the total of the bill is

/** Shows the last bills, or why there are none. */
export function renderBills(state, { format, now, retry }) {
  keyedList(byId("bills"), state.bills ?? [], {
    key: (bill) => bill.id,
    make: (bill) => h("li", {}, makeBill(bill, format, now)),
    change: () => {}, // a bill never changes
  });
  setNote(byId("bills-note"), noteWords(state), () => (state.problems.bills ? retry() : null));
}

function noteWords(state) {
  if (state.problems.bills) return ["problem", "The bills could not be loaded", state.problems.bills];
  if (state.bills === null) return ["empty", "Loading the bills…", "This takes a moment at most."];
  if (state.bills.length) return null;
  return ["empty", "No bill yet", "When a session ends, its bill appears here with every line of its price."];
}

function makeBill(bill, format, now) {
  const summary = h("summary", {},
    h("span", { class: "bill-place" }, h("b", {}, bill.location_name ?? bill.station_id), h("span", { class: "side-text" }, bill.station_id)),
    h("span", { class: "bill-when" }, format.dayTime(bill.ended_at, now), h("span", { class: "side-text" }, duration(secondsBetween(bill.started_at, bill.ended_at)))),
    h("span", { class: "bill-energy num" }, format.energy(bill.energy_kwh, 3)),
    h("span", { class: "bill-total num" }, h("b", {}, totalOf(bill, format)), h("span", { class: "side-text" }, vatWords(bill))));
  return h("details", { class: "bill" }, summary, explanationOf(bill, format));
}

function totalOf(bill, format) {
  return format.money(bill.incl_vat ?? bill.excl_vat, bill.currency);
}

const vatWords = (bill) => (bill.incl_vat == null ? "excl. VAT" : "incl. VAT");

function explanationOf(bill, format) {
  const { lines = [], adjustments = [] } = bill.explanation ?? {};
  if (!lines.length && !adjustments.length) return h("p", { class: "sub bill-body" }, "This bill came without an explanation.");
  const amount = (value) => format.money(value, bill.currency, LINE_DIGITS);
  return h("div", { class: "bill-body" },
    h("p", { class: "sub" }, `Token ${bill.token ?? "none"}, ${format.day(bill.started_at)} ${format.timeSeconds(bill.started_at)} to ${format.timeSeconds(bill.ended_at)}`),
    h("table", { class: "lines", role: "table" },
      h("caption", { class: "unseen" }, `How the price of this session came about`),
      h("thead", { role: "rowgroup" }, headRow()),
      h("tbody", { role: "rowgroup" }, ...lines.map((line) => lineRow(line, bill, { format, amount })), ...adjustments.map((each) => adjustmentRow(each, amount))),
      h("tfoot", { role: "rowgroup" }, row("Total", "", "", amount(bill.excl_vat), amount(bill.incl_vat)))));
}

const HEADS = ["What", "Quantity", "Price", "Excl. VAT", "Incl. VAT"];

function headRow() {
  const cells = HEADS.map((name, index) => h("th", { role: "columnheader", scope: "col", class: index ? "num" : null }, name));
  return h("tr", { role: "row" }, ...cells);
}

function row(what, ...values) {
  const cells = values.map((value, index) =>
    h("td", { role: "cell", class: "num", "data-label": value === "" ? null : HEADS[index + 1] }, value));
  return h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row" }, what), ...cells);
}

function lineRow(line, bill, { format, amount }) {
  const vat = line.vat == null ? "" : ` + ${format.percent(line.vat)} VAT`;
  const unit = line.unit === "session" ? "" : `/${line.unit}`;
  const price = `${format.money(line.price, bill.currency, LINE_DIGITS)}${unit}${vat}`;
  const quantity = format.quantity(line.billed_quantity ?? line.quantity, line.unit);
  return row(line.text ?? codeWords(line.dimension).toLowerCase(), quantity, price, amount(line.excl_vat), amount(line.incl_vat));
}

function adjustmentRow(adjustment, amount) {
  const words = { min_price: "Minimum price", max_price: "Maximum price" };
  return row(words[adjustment.kind] ?? codeWords(adjustment.kind), "", "", amount(adjustment.excl_vat), amount(adjustment.incl_vat));
}
