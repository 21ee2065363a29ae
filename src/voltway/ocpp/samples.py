"""Sampled values that are not plain: phases, signatures, odd units, several contexts, text where a number should be.

`readings` calls this for every meter value it cannot read at a glance. Each oddity is a finding, and what does not
become a number stays in `Reading.extra` as it came. Rules (field note 16): the unphased value if there is one, else the
sum of distinct phases, else volts times amperes with a flag; the two are never mixed.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from voltway.kernel.facts import Reading, ReadingContext
from voltway.ocpp.intake import MAX_INT64, Intake, JsonObject, json_bytes, objects
from voltway.ocpp.measures import CONTEXTS, DELIVERY_LOCATIONS, ENERGY_REGISTER, MEASURES, PHASES, Measure, Slot

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?\d+,(\d{1,2}|\d{4,})", re.ASCII)
_LONGEST_NUMBER = 24
# Half of bigint, so that the difference of any two registers still fits.
_LARGEST_MILLIWH = MAX_INT64 // 2
_LARGEST_TELEMETRY = Decimal(10) ** 12
_KELVIN_AT_ZERO = Decimal("273.15")
_REFERENCE_LOCATION = {None: 0, "": 0, "Outlet": 0, "Inlet": 1}


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled value, understood: `number` in the base unit of its measure (milliwatt-hours, W, A, V, percent)."""

    measurand: str
    measure: Measure
    number: Decimal
    phase: str | None
    location: str | None


def read_carefully(element: JsonObject, intake: Intake, *, expects_text: bool) -> list[Reading]:
    """Read one element of a meterValue list: one reading per context, in the order of appearance."""
    at = intake.instant(element)
    by_context: dict[ReadingContext, list[JsonObject]] = {}
    for raw in objects(element.get("sampledValue")):
        by_context.setdefault(_context_of(raw), []).append(raw)
    return [_assemble(at, context, raws, intake, expects_text=expects_text) for context, raws in by_context.items()]


def number_of(value: Any, intake: Intake) -> Decimal | None:
    """Return a number only where it is safe to: `12,5` is one, `1,234` may mean two things and stays raw."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Decimal(repr(value))
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        intake.note("value_not_a_number", value)
        return None
    text = value.strip()
    if text != value:
        intake.note("value_padded", value)
    if _WITH_COMMA.fullmatch(text):
        intake.note("value_with_comma", value)
        text = text.replace(",", ".")
    if not _DECIMAL.fullmatch(text):
        intake.note("value_empty" if not text else "value_not_a_number", value)
        return None
    return Decimal(text)


def _assemble(
    at: datetime, context: ReadingContext, raws: list[JsonObject], intake: Intake, *, expects_text: bool
) -> Reading:
    extra: JsonObject = {}
    samples: list[Sample] = []
    for raw in raws:
        sample = _sample_of(raw, intake, extra, expects_text=expects_text)
        if sample is not None:
            samples.append(sample)
    by_slot: dict[Slot, list[Sample]] = {}
    for sample in samples:
        by_slot.setdefault(sample.measure.slot, []).append(sample)
    _keep_phases(samples, extra)
    for sample in by_slot.get(Slot.OTHER, ()):
        if sample.phase is None and sample.measure.extra_key is not None:
            extra[sample.measure.extra_key] = _plain(sample.number)
    power = _total(by_slot.get(Slot.POWER, ()), intake)
    if power is None and (power := _estimate_w(by_slot)) is not None:
        extra["power_estimated"] = True
        intake.note("power_estimated")
    return Reading(
        at=at,
        context=context,
        register_milliwh=_register_of(by_slot.get(Slot.REGISTER, ()), intake, extra),
        power_w=_telemetry(power),
        current_a=_telemetry(_largest(by_slot.get(Slot.CURRENT, ()))),
        voltage_v=_telemetry(_mean(by_slot.get(Slot.VOLTAGE, ()))),
        soc_pct=_telemetry(_total(by_slot.get(Slot.SOC, ()), intake)),
        offered_w=_telemetry(_total(by_slot.get(Slot.OFFERED, ()), intake)),
        extra=_extra_bytes(extra, intake) if extra else None,
    )


def _extra_bytes(extra: JsonObject, intake: Intake) -> bytes | None:
    """Encode what has no column; what no JSON writer takes stays in the raw log only."""
    try:
        return json_bytes(extra)
    except TypeError:
        intake.note("value_not_kept")
        return None


def _sample_of(raw: JsonObject, intake: Intake, extra: JsonObject, *, expects_text: bool) -> Sample | None:
    """Understand one sampled value; what is signed or not understood is kept raw."""
    if raw.get("format") == "SignedData":
        extra.setdefault("signed", []).append(raw)
        return None
    if "signedMeterValue" in raw:
        extra.setdefault("signed", []).append(raw["signedMeterValue"])
    value = raw.get("value")
    if isinstance(value, str) is not expects_text:
        intake.note("number_for_text" if expects_text else "text_for_number", value)
    number = number_of(value, intake)
    measurand = _text_in(raw, "measurand") or ENERGY_REGISTER
    measure = MEASURES.get(measurand) if _has_plain_words(raw) else None
    based = _to_base(number, raw, measure, intake) if number is not None and measure is not None else None
    if measure is None or based is None:
        extra.setdefault("raw", []).append(raw)
        return None
    return Sample(measurand, measure, based, _text_in(raw, "phase"), _text_in(raw, "location"))


def _to_base(number: Decimal, raw: JsonObject, measure: Measure, intake: Intake) -> Decimal | None:
    """Return the number in the measure's base unit, None where the unit does not belong to it."""
    given = raw.get("unitOfMeasure")
    unit = (_text_in(raw, "unit") or (_text_in(given, "unit") if isinstance(given, dict) else None) or "").lower()
    exponent = given.get("multiplier", 0) if isinstance(given, dict) else 0
    factor = measure.units.get(unit) if unit else next(iter(measure.units.values()))
    is_power_of_ten = isinstance(exponent, (int, float)) and -12 <= exponent <= 12 and exponent == int(exponent)
    if factor is None or not is_power_of_ten:
        intake.note("unit_unexpected", f"{raw.get('measurand', ENERGY_REGISTER)} in {raw.get('unit', given)}")
        return None
    based = _to_celsius(number, unit) if measure.extra_key == "temperature_c" else number
    based = (based * factor).scaleb(int(exponent))
    limit = _LARGEST_MILLIWH if measure.units.get("wh") else _LARGEST_TELEMETRY
    if abs(based) > limit:
        intake.note("number_out_of_range", raw.get("value"))
        return None
    return based


def _to_celsius(number: Decimal, unit: str) -> Decimal:
    if unit == "k":
        return number - _KELVIN_AT_ZERO
    return (number - 32) * 5 / 9 if unit == "fahrenheit" else number


def _register_of(samples: list[Sample] | tuple[()], intake: Intake, extra: JsonObject) -> int | None:
    total = _total(samples, intake)
    if total is None:
        return None
    whole = total.to_integral_value(rounding=ROUND_FLOOR)
    if whole != total:
        intake.note("register_finer_than_milliwh", total)
        extra["register_exact_milliwh"] = f"{total.normalize():f}"
    return int(whole)


def _total(samples: list[Sample] | tuple[()], intake: Intake) -> Decimal | None:
    """Return the unphased value of the best location if there is one, else the sum of its distinct phases."""
    usable = [sample for sample in samples if sample.location in DELIVERY_LOCATIONS or sample.measure.slot is Slot.SOC]
    if not usable:
        return None
    best = min(_REFERENCE_LOCATION.get(sample.location, 2) for sample in usable)
    here = [sample for sample in usable if _REFERENCE_LOCATION.get(sample.location, 2) == best]
    unphased = [sample.number for sample in here if sample.phase is None]
    if unphased:
        if any(number != unphased[0] for number in unphased):
            intake.note("reading_contradicts_itself", ", ".join(str(number) for number in unphased))
        return unphased[0]
    phases = _by_phase(here)
    return sum(phases.values(), Decimal(0)) if phases else None


def _by_phase(samples: list[Sample] | tuple[()]) -> dict[int, Decimal]:
    """Return one value per phase: L1 and L1-N are the same phase, the first one counts."""
    phases: dict[int, Decimal] = {}
    for sample in samples:
        number = PHASES.get(sample.phase or "")
        if number is not None:
            phases.setdefault(number, sample.number)
    return phases


def _largest(samples: list[Sample] | tuple[()]) -> Decimal | None:
    """The current of a three-phase station is that of its busiest phase: a sum of amperes means nothing."""
    unphased = next((sample.number for sample in samples if sample.phase is None), None)
    return unphased if unphased is not None else max(_by_phase(samples).values(), default=None)


def _mean(samples: list[Sample] | tuple[()]) -> Decimal | None:
    unphased = next((sample.number for sample in samples if sample.phase is None), None)
    phases = _by_phase(samples)
    if unphased is not None or not phases:
        return unphased
    return sum(phases.values(), Decimal(0)) / len(phases)


def _estimate_w(by_slot: dict[Slot, list[Sample]]) -> Decimal | None:
    """Return volts times amperes: per phase where there are phases, never from an amperage whose phases are unknown."""
    currents, voltages = by_slot.get(Slot.CURRENT, ()), by_slot.get(Slot.VOLTAGE, ())
    mean_v = _mean(voltages)
    if mean_v is None or not currents:
        return None
    unphased = next((sample.number for sample in currents if sample.phase is None), None)
    if unphased is not None:
        return unphased * mean_v
    volts = _by_phase(voltages)
    amperes = _by_phase(currents)
    return sum((amps * volts.get(phase, mean_v) for phase, amps in amperes.items()), Decimal(0)) if amperes else None


def _keep_phases(samples: list[Sample], extra: JsonObject) -> None:
    for sample in samples:
        if sample.phase is not None:
            phases = extra.setdefault("phases", {}).setdefault(sample.measurand, {})
            phases[sample.phase] = _plain(sample.number)
        elif sample.location not in DELIVERY_LOCATIONS and sample.measure.slot is not Slot.SOC:
            extra.setdefault("elsewhere", {})[f"{sample.measurand}@{sample.location}"] = _plain(sample.number)


def _context_of(raw: JsonObject) -> ReadingContext:
    context = raw.get("context")
    if context is None:
        return ReadingContext.PERIODIC
    return CONTEXTS.get(context, ReadingContext.OTHER) if isinstance(context, str) else ReadingContext.OTHER


def _has_plain_words(raw: JsonObject) -> bool:
    """A measurand or unit that is no text must not be taken for one that is missing, which means energy in Wh."""
    return all(isinstance(raw.get(key, ""), str) for key in ("measurand", "unit", "phase", "location"))


def _text_in(raw: JsonObject, key: str) -> str | None:
    value = raw.get(key)
    return value.strip() or None if isinstance(value, str) else None


def _telemetry(number: Decimal | None) -> float | None:
    return None if number is None else float(number)


def _plain(number: Decimal) -> int | float:
    """Whole numbers stay integers, so that milliwatt-hours in `extra` are exact."""
    return int(number) if number == number.to_integral_value() else float(number)
