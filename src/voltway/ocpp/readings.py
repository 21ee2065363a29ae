"""Sampled values to kernel readings: the quick way that nearly every message takes, 25,000 times a second.

A meter value in the plain form (whole or decimal numbers, known units, no phases, one context) is read here with one
table look-up per value; everything else is handed to `samples`, which takes its time and names what it met.
Registers become integer milliwatt-hours from the digits as sent, never through a float.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from voltway.kernel.facts import Reading, ReadingContext
from voltway.ocpp.instants import FIRST_PLAUSIBLE_YEAR
from voltway.ocpp.intake import Intake, JsonObject, objects
from voltway.ocpp.measures import CONTEXTS, DELIVERY_LOCATIONS, ENERGY_REGISTER, MEASURES, Slot
from voltway.ocpp.samples import read_carefully

Plan = tuple[int, Any, ReadingContext]
"""Slot, factor (int for registers, float for the rest) and context of one kind of sampled value."""
Quick = Callable[[Any, datetime], Reading | None]

_OTHER, _REGISTER, _POWER, _CURRENT, _VOLTAGE, _SOC, _OFFERED = (int(slot) for slot in Slot)
_CAREFUL: Final[Plan] = (_OTHER, 1.0, ReadingContext.OTHER)
# Twelve digits of kWh are 10^18 milliwatt-hours, which still fits a bigint.
_LONGEST_QUICK_TEXT = 12
_LARGEST_QUICK_NUMBER = 10**12
_MOST_PLANS = 4096

# Memo of the two pure functions `_plan_16` and `_plan_2`: a station sends the same few kinds of values for ever.
_plans_16: dict[tuple[Any, ...], Plan] = {}
_plans_2: dict[tuple[Any, ...], Plan] = {}
_new_reading = Reading._make
_parse_instant = datetime.fromisoformat


def readings_16(elements: Any, intake: Intake) -> tuple[Reading, ...]:
    """Read 1.6's meterValue or transactionData list."""
    return _read(elements, intake, _quick_16)


def readings_2(elements: Any, intake: Intake) -> tuple[Reading, ...]:
    """Read 2.x's meterValue list."""
    return _read(elements, intake, _quick_2)


def register_in(readings: tuple[Reading, ...], context: ReadingContext) -> int | None:
    """Return the register of the first reading with that context, in milliwatt-hours."""
    for reading in readings:
        if reading.context is context and reading.register_milliwh is not None:
            return reading.register_milliwh
    return None


def _read(elements: Any, intake: Intake, quick: Quick) -> tuple[Reading, ...]:
    readings: list[Reading] = []
    received_at = intake.received_at
    for element in elements if type(elements) is list else objects(elements):
        try:
            at = _parse_instant(element["timestamp"])
            is_plain = at.tzinfo is UTC and at.year >= FIRST_PLAUSIBLE_YEAR and at <= received_at
            if not is_plain:
                at = intake.instant(element)
            reading = None if intake.is_mended else quick(element["sampledValue"], at)
        except (TypeError, KeyError, ValueError, AttributeError):
            reading = None
        if reading is not None:
            readings.append(reading)
        elif isinstance(element, dict):
            readings += read_carefully(element, intake, expects_text=quick is _quick_16)
    return tuple(readings)


def _quick_16(samples: list[JsonObject], at: datetime) -> Reading | None:
    """Read one plain meter value of 1.6; None, or any of the errors caught above, for one that is not plain."""
    slots: list[Any] = [None, None, None, None, None, None, None]
    context = None
    for sample in samples:
        get = sample.get
        key = (get("measurand"), get("unit"), get("context"), get("phase"), get("location"), get("format"))
        slot, factor, why = _plans_16.get(key) or _plan_16(key)
        if why is not context:
            if context is not None:
                return None
            context = why
        text = sample["value"]
        if slots[slot] is not None or slot == _OTHER or len(text) > _LONGEST_QUICK_TEXT:
            return None
        if slot == _REGISTER:
            slots[_REGISTER] = int(text) * factor if text.isdecimal() else _milliwh_of(text, factor)
        elif text.strip("0123456789."):
            return None
        else:
            slots[slot] = float(text) * factor
    return _reading(at, context, slots)


def _quick_2(samples: list[JsonObject], at: datetime) -> Reading | None:
    """Read one plain meter value of 2.x; None, or any of the errors caught above, for one that is not plain."""
    slots: list[Any] = [None, None, None, None, None, None, None]
    context = None
    for sample in samples:
        get = sample.get
        unit = get("unitOfMeasure")
        name, exponent = (None, 0) if unit is None else (unit.get("unit"), unit.get("multiplier", 0))
        is_signed = "signedMeterValue" in sample
        key = (get("measurand"), name, exponent, get("context"), get("phase"), get("location"), is_signed)
        slot, factor, why = _plans_2.get(key) or _plan_2(key)
        if why is not context:
            if context is not None:
                return None
            context = why
        value = sample["value"]
        if slots[slot] is not None or slot == _OTHER or not 0 <= value < _LARGEST_QUICK_NUMBER:
            return None
        if slot == _REGISTER:
            slots[_REGISTER] = value * factor if type(value) is int else _milliwh_of(repr(value), factor)
        else:
            slots[slot] = float(value) * factor
    return _reading(at, context, slots)


def _reading(at: datetime, context: ReadingContext | None, slots: list[Any]) -> Reading | None:
    """Current and voltage without power want an estimate, which is the careful way's business."""
    _, register, power, current, voltage, soc, offered = slots
    if context is None or (power is None and current is not None and voltage is not None):
        return None
    return _new_reading((at, context, register, power, current, voltage, soc, offered, None))


def _milliwh_of(text: str, factor: int) -> int:
    """Return milliwatt-hours from decimal digits; ValueError where they are none, or finer than that."""
    whole, _, part = text.partition(".")
    if not (whole.isdecimal() and part.isdecimal()):
        raise ValueError(text)
    scale: int = 10 ** len(part)
    milliwh, rest = divmod(int(whole + part) * factor, scale)
    if rest:
        raise ValueError(text)
    return milliwh


def _plan_16(key: tuple[Any, ...]) -> Plan:
    measurand, unit, context, phase, location, form = key
    is_plain = phase is None and form in (None, "Raw")
    return _kept(_plans_16, key, _plan_of(measurand, unit, context, location, 0) if is_plain else _CAREFUL)


def _plan_2(key: tuple[Any, ...]) -> Plan:
    measurand, unit, multiplier, context, phase, location, is_signed = key
    is_plain = phase is None and not is_signed and type(multiplier) is int and -3 <= multiplier <= 0
    return _kept(_plans_2, key, _plan_of(measurand, unit, context, location, multiplier) if is_plain else _CAREFUL)


def _plan_of(measurand: str | None, unit: str | None, context: str | None, location: str | None, exponent: int) -> Plan:
    """Say where a value without phase or signature goes; careful unless every word is known."""
    measure = MEASURES.get(measurand or ENERGY_REGISTER)
    why = CONTEXTS.get(context or "Sample.Periodic")
    if measure is None or why is None or measure.slot is Slot.OTHER:
        return _CAREFUL
    factor = measure.units.get(unit.lower()) if unit else next(iter(measure.units.values()))
    is_here = location in DELIVERY_LOCATIONS or (measure.slot is Slot.SOC and location == "EV")
    if factor is None or not is_here:
        return _CAREFUL
    if measure.slot is Slot.REGISTER:
        return int(measure.slot), factor // pow(10, -exponent), why
    return int(measure.slot), factor / 10.0**-exponent, why


def _kept(plans: dict[tuple[Any, ...], Plan], key: tuple[Any, ...], plan: Plan) -> Plan:
    """Keep the plan; units of 2.x are free text, so the memo has a size."""
    if len(plans) < _MOST_PLANS:
        plans[key] = plan
    return plan
