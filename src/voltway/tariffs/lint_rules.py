"""The linter's rules that look at one window, one component or one key; they also work on a document with faults.

Sources: OCPI 2.2.1 mod_tariffs and the billing notes named at each rule.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from voltway.kernel.errors import Fault
from voltway.tariffs.lint_findings import Finding, listed
from voltway.tariffs.lint_outline import ComponentOutline, TariffOutline, WindowOutline
from voltway.tariffs.model import WEEKDAYS, Dimension, JsonObject, OcpiVersion, TariffFault, TaxIncluded
from voltway.tariffs.ocpi_keys import known_keys, unknown_keys

_ALL_DAYS = 7
_LOOKS_LIKE_MINUTES = 60
_LOOKS_LIKE_KWH = 10
_FIXES = {
    "id": "Give the tariff an id, a text of 1 to 36 characters.",
    "currency": "Write the ISO 4217 code in capitals, such as EUR.",
    "type": "Write one of the words that the message names.",
    "price": "Write the price as a JSON number without quotes, such as 0.39.",
    "vat": "Write the percentage as a JSON number, such as 19, or leave it out where no VAT applies.",
    "step_size": "Write a whole number of Wh or seconds; 1 rounds to a single Wh or second.",
    "start_time": "Write a local time HH:MM from 00:00 to 23:59, such as 07:00.",
    "end_time": "Write a local time HH:MM from 00:00 to 23:59; 00:00 is the end of the day.",
    "start_date": "Write a date that exists as YYYY-MM-DD.",
    "end_date": "Write a date that exists as YYYY-MM-DD; it is the first day on which the element no longer applies.",
    "day_of_week": 'Write a list of English names in capitals, such as ["MONDAY", "SUNDAY"].',
    "price_components": "Give the element at least one price component.",
    "restrictions": "Write an object with the restrictions, or leave the key out.",
    "price_lock": "Write true or false.",
}
_CODE_FIXES = {
    "time_24_00": "Write 00:00 as end_time: it is the end of the day.",
    "no_elements": "Write at least one element with one price component; a free tariff has FLAT with price 0.",
    "min_above_max": "Exchange the two values, or remove the one that is not meant.",
}


def fault_findings(faults: tuple[Fault, ...]) -> Iterator[Finding]:
    """Turn the faults for which the document cannot be priced into findings."""
    for fault in faults:
        code = fault.code if isinstance(fault, TariffFault) else "bad_value"
        key = fault.pointer.rpartition("/")[2]
        fix = _CODE_FIXES.get(code) or _FIXES.get(key) or "Write a value of the kind that the message names."
        yield Finding(code, fault.pointer, f"{fault.message.rstrip('.')}.", fix)


def key_findings(document: JsonObject, ocpi_version: OcpiVersion) -> Iterator[Finding]:
    """Name the keys that the OCPI version does not know, with the nearest one that it knows."""
    for pointer in unknown_keys(document, ocpi_version):
        key = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        near = get_close_matches(key.lower(), sorted(known_keys(pointer, ocpi_version)), n=1)
        later = [version for version in OcpiVersion if key in known_keys(pointer, version)]
        message = f"OCPI {ocpi_version} has no key {key} here; a partner will not read it."
        if later:
            fix = f"Remove {key}, or write the tariff as OCPI {later[0]}, which has it."
        elif near:
            fix = f"Write {near[0]} if that is meant, else remove {key}."
        else:
            fix = f"Remove {key}; OCPI has no such key here."
        yield Finding("unknown_key", pointer, message, fix)


def window_findings(read: TariffOutline) -> Iterator[Finding]:
    """Check each window of the wall clock (billing notes 15 and 16)."""
    for window in read.windows():
        yield from _times(window)
        if window.wraps and 0 < len(window.weekdays) < _ALL_DAYS:
            yield _wrapped(window)


def component_findings(read: TariffOutline, ocpi_version: OcpiVersion) -> Iterator[Finding]:
    """Check each price component, those of reservations included."""
    has_vat = ocpi_version is not OcpiVersion.V2_1_1 and read.tax_included != TaxIncluded.NOT_APPLICABLE
    for component in [*read.components(), *read.components(reservation=True)]:
        if component.price is not None and component.price < 0:
            yield Finding(
                "negative_price",
                f"{component.pointer}/price",
                f"The price {component.price} is negative: the driver is paid.",
                "Write a price of 0 or more; a credit is given by a credit CDR.",
            )
        if has_vat and component.is_priced and not component.has_vat:
            yield _without_vat(component)
        yield from _stepped(component)


def flat_findings(read: TariffOutline) -> Iterator[Finding]:
    """Name every FLAT but the first: only the first that applies is billed, once a session (billing note 21)."""
    flats = [component for component in read.components() if component.dimension is Dimension.FLAT]
    for later in flats[1:]:
        yield Finding(
            "flat_repeated",
            later.pointer,
            f"A session pays one flat fee, the first that applies; {flats[0].pointer} stands before this one.",
            "Keep one FLAT; for a fee that adds up write it into the first one's price.",
        )


def reservation_findings(read: TariffOutline) -> Iterator[Finding]:
    """Name what a reservation cannot cost: only FLAT and TIME are priced while the car has not come."""
    for component in read.components(reservation=True):
        if component.dimension in (Dimension.ENERGY, Dimension.PARKING_TIME):
            yield Finding(
                "reservation_dimension",
                f"{component.pointer}/type",
                f"A reservation has no {component.dimension}: this price is never billed.",
                "Write TIME for the reserved time or FLAT for a fee, or move the component to an element of its own.",
            )


def _times(window: WindowOutline) -> Iterator[Finding]:
    start, end = window.start_time, window.end_time
    if end is not None and (end.hour, end.minute) == (23, 59):
        yield Finding(
            "time_23_59",
            f"{window.pointer}/end_time",
            "The end is exclusive, so the last minute of the day, 23:59-24:00, is not covered.",
            "Write 00:00 as end_time: it is the end of the day.",
        )
    if start is not None and start == end:
        yield Finding(
            "start_equals_end",
            f"{window.pointer}/start_time",
            f"start_time and end_time are both {start:%H:%M}; OCPI does not say what it means, we read the whole day.",
            "Leave both out for the whole day, or write the times that are meant.",
        )


def _wrapped(window: WindowOutline) -> Finding:
    assert window.start_time is not None, "a window that wraps has both times"
    assert window.end_time is not None, "a window that wraps has both times"
    start, end = f"{window.start_time:%H:%M}", f"{window.end_time:%H:%M}"
    days = listed([WEEKDAYS[day] for day in window.weekdays])
    next_days = listed([WEEKDAYS[day] for day in sorted((day + 1) % _ALL_DAYS for day in window.weekdays)])
    return Finding(
        "weekday_wrap",
        f"{window.pointer}/day_of_week",
        f"Weekday and window are judged apart: with {start}-{end} this also holds on {days} from 00:00 to {end}, "
        "and the hours after midnight of the last night are missing.",
        f"For the nights that begin on {days} write two elements: start_time {start}, end_time 00:00 with "
        f"day_of_week {days}, and start_time 00:00, end_time {end} with day_of_week {next_days}.",
    )


def _without_vat(component: ComponentOutline) -> Finding:
    return Finding(
        "vat_missing",
        f"{component.pointer}/vat",
        "No vat is given: that means outside the scope of VAT and is not the same as 0 %.",
        'Write the percentage, such as "vat": 19, or "vat": 0 for the zero rate; leave it out where no VAT applies.',
    )


def _stepped(component: ComponentOutline) -> Iterator[Finding]:
    step, dimension = component.step_size, component.dimension
    if step is None or step <= 1 or dimension is None or dimension is Dimension.FLAT:
        return
    if dimension is Dimension.ENERGY:
        unit, looks = "Wh", f"{step} kWh are {step * 1000}" if step <= _LOOKS_LIKE_KWH else ""
    else:
        unit, looks = "s", f"{step} min are {step * 60}" if step < _LOOKS_LIKE_MINUTES else ""
    hint = f" The number looks small for {unit}: {looks}." if looks else ""
    yield Finding(
        "step_size_unit",
        f"{component.pointer}/step_size",
        f"{dimension} is rounded up once a session to whole steps of {_step_text(step, unit)}.{hint}",
        f"Keep it if {step} {unit} are meant; write 1 to bill what was used.",
    )


def _step_text(step: int, unit: str) -> str:
    larger, size = ("kWh", 1000) if unit == "Wh" else ("min", 60)
    return f"{step} {unit} ({step // size} {larger})" if step % size == 0 else f"{step} {unit}"
