// Every number, instant and duration that the page shows is formatted here, with its unit.
// Decimals arrive as strings and go to Intl as strings: no amount passes through a float.

const NARROW = "\u202f"; // narrow no-break space between number and unit
const NONE = "–";
const STATES = ["available", "charging", "faulted", "offline", "unavailable", "pending", "unknown"];
const CHARGING_WORDS = {
  charging: "Charging",
  ev_connected: "Car connected",
  suspended_ev: "Car takes no power",
  suspended_evse: "Paused by the station",
  idle: "Not charging",
};

/** The states of a station in the order in which the page shows them. */
export const stationStates = STATES;

/** Formatters for one operator: `currency` is ISO 4217, `timeZone` IANA, `locale` BCP 47. */
export function makeFormat({ locale, timeZone, currency }) {
  const numbers = memo((low, high) => new Intl.NumberFormat(locale, digits(low, high)));
  const moneys = memo((code, high) => new Intl.NumberFormat(locale, moneyOptions(code, high)));
  const downs = new Intl.NumberFormat(locale, { ...digits(0, 2), roundingMode: "trunc" });
  const clock = dates(locale, timeZone);
  const number = (value, low, high) => (missing(value) ? NONE : numbers(low, high).format(value));
  const withUnit = (value, unit, low, high) => (missing(value) ? NONE : number(value, low, high) + NARROW + unit);
  const money = (value, code = currency, high = null) => (missing(value) ? NONE : moneys(code, high).format(value));
  return {
    timeZone,
    currency,
    ...clock,
    money,
    count: (value) => number(value, 0, 0),
    energy: (kwh, high = 2) => withUnit(kwh, "kWh", Math.min(2, high), high),
    powerKw: (watt) => withUnit(missing(watt) ? null : watt / 1000, "kW", 1, 1),
    power: (watt) => joined(powerParts(watt, number)),
    powerParts: (watt) => powerParts(watt, number),
    percent: (value) => withUnit(value, "%", 0, 0),
    /** Rounded down to hundredths: 99.996 is not yet 100. */
    percentDown: (value) => (missing(value) ? NONE : downs.format(value) + NARROW + "%"),
    quantity: (value, unit) => withUnit(value, unit === "session" ? "×" : unit, 0, 6),
    priceKwh: (value, code = currency) => (missing(value) ? NONE : `${money(value, code, 4)}/kWh`),
  };
}

/** "1 h 05 min" of a number of seconds; below an hour "12 min", below a minute "under 1 min". */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return NONE;
  const minutes = Math.max(0, Math.floor(seconds / 60));
  if (minutes < 1) return "under 1" + NARROW + "min";
  if (minutes < 60) return minutes + NARROW + "min";
  const rest = String(minutes % 60).padStart(2, "0");
  return `${Math.floor(minutes / 60)}${NARROW}h ${rest}${NARROW}min`;
}

/** Words for OCPP's chargingState; a word that we do not know is shown as it came. */
export const chargingWords = (state) => CHARGING_WORDS[state] ?? state ?? "Running";

/** "register_reset" → "Register reset". */
export function codeWords(code) {
  const words = String(code).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** "1 station", "2 stations"; `many` where the plural is irregular. */
export const plural = (count, one, many = `${one}s`) => (Number(count) === 1 ? one : many);

/** Seconds from `from` to `to`; both RFC 3339 texts or milliseconds. */
export const secondsBetween = (from, to) => (new Date(to) - new Date(from)) / 1000;

function powerParts(watt, number) {
  if (missing(watt)) return [NONE, ""];
  const size = Math.abs(watt);
  if (size >= 1e6) return [number(watt / 1e6, 2, 2), "MW"];
  if (size >= 1000) return [number(watt / 1000, 1, 1), "kW"];
  return [number(watt, 0, 0), "W"];
}

function dates(locale, timeZone) {
  const make = (options) => new Intl.DateTimeFormat(locale, { timeZone, hourCycle: "h23", ...options });
  const short = make({ hour: "2-digit", minute: "2-digit" });
  const long = make({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const day = make({ weekday: "short", day: "numeric", month: "short" });
  const zone = make({ hour: "2-digit", timeZoneName: "short" });
  const has = (text) => text !== null && text !== undefined && !Number.isNaN(new Date(text).getTime());
  const safe = (format) => (at) => (has(at) ? format.format(new Date(at)) : NONE);
  const sameDay = (a, b) => day.format(new Date(a)) === day.format(new Date(b));
  const at = safe(short);
  return {
    time: at,
    timeSeconds: safe(long),
    day: safe(day),
    dayTime: (instant, now) => (has(instant) && !sameDay(instant, now) ? `${safe(day)(instant)}, ${at(instant)}` : at(instant)),
    zoneName: (now) => zone.formatToParts(new Date(now)).find((part) => part.type === "timeZoneName")?.value ?? "",
  };
}

function moneyOptions(code, high) {
  const exact = high === null ? {} : { maximumFractionDigits: high };
  return { style: "currency", currency: code, ...exact };
}

const digits = (low, high) => ({ minimumFractionDigits: low, maximumFractionDigits: high });
const missing = (value) => value === null || value === undefined || value === "";
const joined = ([value, unit]) => (unit ? value + NARROW + unit : value);

function memo(make) {
  const known = new Map();
  return (...key) => {
    const name = key.join("|");
    if (!known.has(name)) known.set(name, make(...key));
    return known.get(name);
  };
}
