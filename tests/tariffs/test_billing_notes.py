"""Billing notes 1 to 24 as tables: step sizes, which price applies, reservations; 25 and on: test_billing_notes_money.

Each case names its note and, where there is one, OCPI's file or issue. What OCPI prints itself: test_ocpi_examples.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import pytest
from tests.tariffs import ocpi_documents as ocpi
from tests.tariffs.building import BERLIN, Part, parked, reserved, session
from tests.tariffs.ocpi_documents import Document, always, eur, per, when

from voltway.kernel.errors import InvalidInput
from voltway.kernel.money import decimal_text
from voltway.tariffs.engine import price
from voltway.tariffs.model import Dimension, PriceComponent, TariffFault
from voltway.tariffs.ocpi import parse_cdr, parse_tariff
from voltway.tariffs.priced import CostKind, Priced
from voltway.tariffs.reprice import Repriced, reprice
from voltway.tariffs.segments import cut_periods

MONDAY, FRIDAY, SATURDAY = "2026-03-02", "2026-03-06", "2026-03-07"
NOON = f"{MONDAY}T12:00"


class Case(NamedTuple):
    """One row: the note and its claim, a tariff, a session, its price without VAT."""

    claim: str
    tariff: Document
    parts: tuple[Part, ...]
    excl: str
    start: str = NOON
    time_zone: str = "UTC"
    expired: bool = False


def of(*elements: Document) -> Document:
    """Build a tariff."""
    return eur("T", *elements)


def one(kind: str, amount: str, step_size: int = 1) -> Document:
    """Build a tariff of one component."""
    return of(always(per(kind, amount, step_size)))


def only(restrictions: Mapping[str, object], inside: str = "0.1", outside: str = "0.4") -> Document:
    """Build a tariff with a restricted price per kWh before the other one."""
    return of(when(restrictions, per("ENERGY", inside, 0)), always(per("ENERGY", outside, 0)))


def priced(case: Case) -> Priced:
    """Price a case on periods cut by our segmentation."""
    tariff = parse_tariff(case.tariff)
    cut = cut_periods(tariff, session(case.start, case.parts), time_zone=case.time_zone)
    return price(tariff, cut, time_zone=case.time_zone, reservation_expired=case.expired)


KWH = Part(60, "1")
TWO_KWH = of(when({"end_time": "17:00"}, per("ENERGY", "0.20", 500)), always(per("ENERGY", "0.30", 500)))
BOTH_TIMES = of(always(per("TIME", "1", 600), per("PARKING_TIME", "2", 600)))

STEPS = (
    Case("1: energy once per session (mod_cdrs step_size)", TWO_KWH, (Part(30, "4.3"), Part(30, "1.1")), "1.22",
         start=f"{MONDAY}T16:30"),
    Case("1: the step of the last component that priced a quantity", TWO_KWH, (Part(30, "4.3"), Part(30, "0")), "0.9",
         start=f"{MONDAY}T16:30"),
    Case("1: time once, by the last step, at the last price (switch #2)", ocpi.TARIFF_14, (Part(35),), "1.3",
         start=f"{MONDAY}T16:35"),
    Case("1: pauses of the same kind are summed before rounding", BOTH_TIMES, (parked(4), Part(60), parked(4)),
         "1.3333333333"),
    Case("2: parking priced: only the parking total is rounded, 41 min", BOTH_TIMES, (Part(21), parked(16)),
         "1.0166666667"),
    Case("2: switch #1, 0.383 by the total duration", ocpi.TARIFF_14, (Part(10), parked(2)), "0.55",
         start=f"{MONDAY}T16:55"),
    Case("2: without parking the charging time is rounded", BOTH_TIMES, (Part(21),), "0.5"),
    Case("2: parking that nothing prices leaves charging to be rounded", one("TIME", "1", 600), (Part(21), parked(16)),
         "0.5"),
    Case("3: switch to free of charge, not 0.78 or 0.80 (#546)", ocpi.TARIFF_14, (Part(12), parked(20)), "0.73",
         start=f"{MONDAY}T19:40"),
    Case("3: only priced time counts (#424)", ocpi.TARIFF_14, (Part(10), parked(2)), "0.6", start=f"{MONDAY}T19:55"),
    Case("4: park first, then charge: parking absorbs", BOTH_TIMES, (parked(16), Part(21)), "1.0166666667"),
    Case("5: 125 Wh by 25 stay 125", one("ENERGY", "8", 25), (Part(9, "0.125"),), "1"),
    Case("5: 125.1 Wh by 25 are 150", one("ENERGY", "8", 25), (Part(9, "0.1251"),), "1.2"),
    Case("5: 10 minutes by 300 s stay 10", one("TIME", "6", 300), (Part(10),), "1"),
    Case("5: 10 minutes of parking by 300 s stay 10", one("PARKING_TIME", "6", 300), (parked(10),), "1"),
    Case("6: step 0 rounds no energy", one("ENERGY", "1", 0), (Part(9, "0.115203"),), "0.115203"),
    Case("6: step 0 rounds no time", one("TIME", "3600", 0), (Part(0.025),), "1.5"),
    Case("6: step 0 of a FLAT (free of charge)", ocpi.TARIFF_5, (KWH,), "0"),
    Case("8: the step of energy is in Wh", one("ENERGY", "0.25", 500), (Part(9, "0.1"),), "0.125"),
    Case("8: the step of time is in seconds", one("TIME", "6", 500), (Part(1),), "0.8333333333"),
    Case("9: step 1 is a Wh", one("ENERGY", "1000", 1), (Part(9, "0.001001"),), "2"),
    Case("9: step 1 is a second", one("TIME", "3600", 1), (Part(0.025),), "2"),
)  # fmt: skip

FLATS = of(
    when({"max_duration": 1800}, per("FLAT", "1", 1)), when({"min_duration": 1800}, per("FLAT", "5", 1)),
)  # fmt: skip
LATE_FLAT = of(when({"min_kwh": 10}, per("FLAT", "5", 1)))
BANDS = of(
    when({"min_power": 11, "max_power": 22}, per("ENERGY", "0.2", 0)),
    when({"min_current": 32, "max_current": 63}, per("ENERGY", "0.3", 0)),
    always(per("ENERGY", "0.5", 0)),
)
LADDER = only({"min_kwh": 5, "max_kwh": 10})
TIMED = of(when({"min_duration": 600, "max_duration": 1200}, per("TIME", "6", 0)))
DATED = only({"start_date": MONDAY, "end_date": "2026-03-04"})

PRECEDENCE = (
    Case("10: per dimension, so 310 and not 300 (#333, #371, #496)",
         of(always(per("ENERGY", "30", 1)), always(per("ENERGY", "9", 1), per("TIME", "10", 1))), (Part(60, "10"),),
         "310"),
    Case("10: list order beats specificity",
         of(always(per("ENERGY", "0.3", 1)), when({"day_of_week": ["MONDAY"]}, per("ENERGY", "0.1", 1))),
         (Part(60, "10"),), "3"),
    Case("10: the 2.1.1 complex example works only per dimension", ocpi.COMPLEX_2_1_1,
         (Part(60, power_kw=7), parked(60)), "8.5"),
    Case("10: of two components of a dimension in an element the first",
         of(always(per("ENERGY", "1", 1), per("ENERGY", "2", 1))), (KWH,), "1"),
    Case("11: where no element matches it is free", of(when({"min_kwh": 1}, per("ENERGY", "0.4", 1))), (Part(60, "3"),),
         "0.8"),
    Case("12: all restrictions must hold", only({"min_kwh": 2, "start_time": "13:00", "day_of_week": ["MONDAY"]}),
         (Part(60, "4"), Part(60, "4")), "2"),
    Case("12: an element becomes active and inactive again", LADDER, (Part(60, "20"),), "6.5"),
    Case("13: min_kwh inclusive", LADDER, (Part(9, "5"), Part(9, "1")), "2.1"),
    Case("13: max_kwh exclusive", LADDER, (Part(9, "10"), Part(9, "1")), "2.9"),
    Case("13: min_duration inclusive, max_duration exclusive", TIMED, (Part(30),), "1"),
    Case("13: start_date inclusive", DATED, (KWH,), "0.1", start=f"{MONDAY}T00:00"),
    Case("13: end_date exclusive", DATED, (KWH,), "0.4", start="2026-03-04T00:00"),
    Case("13: the last minute before the end_date", DATED, (Part(2, "1"),), "0.25", start="2026-03-03T23:59"),
    Case("13: start_time inclusive", only({"start_time": "12:00"}), (KWH,), "0.1"),
    Case("13: end_time exclusive", only({"end_time": "12:00"}), (KWH,), "0.4"),
    Case("14: the place's time, not UTC", only({"start_time": "13:00"}), (KWH,), "0.1", time_zone=BERLIN),
    Case("14: the place's weekday (#495)", only({"day_of_week": ["SATURDAY"]}), (Part(9, "1"),), "0.1",
         start=f"{FRIDAY}T23:30", time_zone=BERLIN),
    Case("14: the place's date", DATED, (Part(9, "1"),), "0.1", start="2026-03-01T23:30", time_zone=BERLIN),
    Case("15: end before start wraps", only({"start_time": "22:00", "end_time": "06:00"}), (Part(120, "2"),), "0.5",
         start=f"{MONDAY}T05:00"),
    Case("15: 00:00 is the end of the day", only({"start_time": "22:00", "end_time": "00:00"}), (Part(120, "2"),),
         "0.5", start=f"{MONDAY}T23:00"),
    Case("15: no start is open (#466, #502)", only({"end_time": "06:00"}), (Part(120, "2"),), "0.5",
         start=f"{MONDAY}T05:00"),
    Case("15: no end is open", only({"start_time": "22:00"}), (Part(120, "2"),), "0.5", start=f"{MONDAY}T21:00"),
    Case("15: 23:59 leaves a minute", only({"start_time": "22:00", "end_time": "23:59"}), (Part(60, "6"),), "0.63",
         start=f"{MONDAY}T23:00"),
    Case("15: equal times are the whole day", only({"start_time": "08:00", "end_time": "08:00"}), (Part(120, "2"),),
         "0.2", start=f"{MONDAY}T07:00"),
    Case("16: a wrapped Friday has its early hours (tandemdrive #64)",
         only({"start_time": "22:00", "end_time": "06:00", "day_of_week": ["FRIDAY"]}), (KWH,), "0.1",
         start=f"{FRIDAY}T05:00"),
    Case("16: and none of Saturday's", only({"start_time": "22:00", "end_time": "06:00", "day_of_week": ["FRIDAY"]}),
         (Part(120, "2"),), "0.5", start=f"{FRIDAY}T23:00"),
    Case("17: with dates the window applies daily (#499)",
         only({"start_date": MONDAY, "end_date": "2026-03-05", "start_time": "08:00", "end_time": "09:00"}),
         (Part(2880, "48"),), "18.6", start=f"{MONDAY}T00:00"),
    Case("18: the autumn hour matches twice (#534)", only({"start_time": "02:00", "end_time": "03:00"}),
         (Part(240, "4"),), "1", start="2026-10-24T23:00", time_zone=BERLIN),
    Case("18: the spring hour never comes", only({"start_time": "02:00", "end_time": "03:00"}),
         (Part(240, "4"),), "1.6", start="2026-03-28T23:00", time_zone=BERLIN),
    Case("18: durations are elapsed time", one("TIME", "1", 1), (Part(180),), "3", start="2026-10-25T01:30+02:00",
         time_zone=BERLIN),
    Case("19: durations run from the session's start (#225, #434, #566)", ocpi.first_hour_free(14_400),
         (Part(120, "20"), parked(165)), "10.05"),
    Case("20: min_power inclusive", BANDS, (Part(9, "1", power_kw=11),), "0.2"),
    Case("20: max_power exclusive", BANDS, (Part(9, "1", power_kw=22),), "0.5"),
    Case("20: min_current inclusive", BANDS, (Part(9, "1", current_a=32),), "0.3"),
    Case("20: max_current exclusive", BANDS, (Part(9, "1", current_a=63),), "0.5"),
    Case("20: momentary, not the session's extreme", BANDS, (Part(9, "1", power_kw=15), Part(9, "1", power_kw=50)),
         "0.7"),
    Case("21: FLAT once, where one first applies (#176, #390)", FLATS, (Part(60),), "1"),
    Case("21: a FLAT may become due later", LATE_FLAT, (Part(60, "12"),), "5"),
    Case("21: or never", LATE_FLAT, (Part(60, "9"),), "0"),
    Case("21: the FLAT of a reservation and of its session are both due", ocpi.TARIFF_16,
         (reserved(13), Part(60, "20")), "8.75"),
    Case("22: elements without reservation price no reserved time", one("TIME", "60"), (reserved(60), Part(1)), "1"),
    Case("22: elements with reservation price no session", of(when(ocpi.RESERVED, per("TIME", "60", 1))),
         (reserved(1), Part(60)), "1"),
    Case("22: an expired one replaces the price of time", ocpi.TARIFF_18, (reserved(90),), "9", expired=True),
    Case("22: and falls back on it where it prices none", ocpi.TARIFF_17, (reserved(60),), "6", expired=True),
    Case("22: both FLATs apply",
         of(when(ocpi.EXPIRED, per("FLAT", "4", 1)), when(ocpi.RESERVED, per("FLAT", "1", 1))), (reserved(9),), "5",
         expired=True),
    Case("22: a reservation's durations run from its own start",
         of(when({**ocpi.RESERVED, "min_duration": 600}, per("TIME", "6", 0))), (reserved(20), Part(60)), "1"),
    Case("23: a pause that we cause is TIME", BOTH_TIMES, (Part(30, "5"), Part(30, "0")), "1"),
    Case("24: TIME is charging time only (citrineos #225)", one("TIME", "2", 60), (Part(150, "9"), parked(600)), "5"),
)  # fmt: skip


@pytest.mark.parametrize("case", [*STEPS, *PRECEDENCE], ids=lambda case: f"note {case.claim}")
def test_a_billing_note(case: Case) -> None:
    """The price that the note names, or that follows from its rule."""
    assert decimal_text(priced(case).total.excl_vat) == case.excl


@pytest.mark.parametrize(
    ("claim", "case", "dimension", "billed"),
    [
        ("1: the extra quantity belongs to the last period", STEPS[0], Dimension.ENERGY, ["4.3", "1.2"]),
        ("1: that has a quantity", STEPS[1], Dimension.ENERGY, ["4.5", "0"]),
        ("1: TIME and PARKING_TIME together once", STEPS[3], Dimension.PARKING_TIME, ["0.0666666667", "0.1"]),
        ("2: the charging time stays", STEPS[4], Dimension.TIME, ["0.35"]),
        ("5: exactly", STEPS[11], Dimension.ENERGY, ["0.125"]),
    ],
)
def test_where_a_step_adds(claim: str, case: Case, dimension: Dimension, billed: list[str]) -> None:
    """Billing notes 1, 2 and 5: per line, in time order."""
    lines = [line for line in priced(case).lines() if line.rate.dimension is dimension]
    assert [decimal_text(line.billed_exact) for line in lines] == billed, claim


def test_our_own_components_step_by_one() -> None:
    """Billing note 9: the least step, since OCPI 3.0 drops it; nothing rounds down (#512)."""
    assert PriceComponent(Dimension.ENERGY, Decimal(1)).step_size == 1
    with pytest.raises(InvalidInput) as caught:
        parse_tariff(one("ENERGY", "1", -1))
    assert [fault.pointer for fault in caught.value.faults] == ["/elements/0/price_components/0/step_size"]


def test_free_is_a_line_and_a_warning_not_an_error() -> None:
    """Billing note 11: price 0, element null, and the operator is told."""
    case = next(case for case in PRECEDENCE if case.claim.startswith("11"))
    found = priced(case)
    first = next(found.lines())
    assert first.rate.element is None
    assert (decimal_text(first.excl_vat), decimal_text(first.quantity_exact)) == ("0", "1")
    assert [warning.code for warning in found.warnings] == ["free_dimension"]


def test_twenty_four_o_clock_is_refused() -> None:
    """Billing note 15: `24:00` is no time of OCPI, whatever an older example file says."""
    with pytest.raises(InvalidInput) as caught:
        parse_tariff(only({"start_time": "20:00", "end_time": "24:00"}))
    (fault,) = caught.value.faults
    assert isinstance(fault, TariffFault)
    assert (fault.code, fault.pointer) == ("time_24_00", "/elements/0/restrictions/end_time")


def test_reserved_time_is_apart() -> None:
    """Billing note 22: total_reservation_cost holds its time and its fee, the session's totals do not."""
    costs = priced(Case("22", ocpi.TARIFF_16, (reserved(13), Part(60, "20")), "8.75")).costs()
    assert costs[CostKind.RESERVATION].excl_vat * 100 == 325
    assert costs[CostKind.FIXED].excl_vat * 100 == 50
    assert costs[CostKind.TIME].excl_vat == 0


def cdr(tariff: Document, end: str, *periods: tuple[str, Mapping[str, str]], **more: object) -> Repriced:
    """Price a partner's CDR of 2026-03-02 from its periods (HH:MM, volumes)."""
    document = {
        "country_code": "DE",
        "start_date_time": f"{MONDAY}T{periods[0][0]}:00Z",
        "end_date_time": f"{MONDAY}T{end}:00Z",
        "currency": "EUR",
        "tariffs": [tariff],
        "charging_periods": [
            {
                "start_date_time": f"{MONDAY}T{start}:00Z",
                "dimensions": [{"type": kind, "volume": Decimal(volume)} for kind, volume in volumes.items()],
            }
            for start, volumes in periods
        ],
    }
    return reprice(parse_cdr(document | more))


@pytest.mark.parametrize(
    ("claim", "found", "excl", "codes"),
    [
        ("7: 0.6667 h are 40 minutes and buy no other block",
         cdr(one("TIME", "3", 600), "12:40", ("12:00", {"TIME": "0.6667"})), "2", []),
        ("7: switch #1 with four decimals is 0.55, not 0.54988",
         cdr(ocpi.TARIFF_14, "17:07", ("16:55", {"TIME": "0.0833"}), ("17:00", {"TIME": "0.0833"}),
             ("17:05", {"PARKING_TIME": "0.0333"}), time_zone="UTC"), "0.55", []),
        ("7: where one period has both times, their volumes",
         cdr(BOTH_TIMES, "12:30", ("12:00", {"TIME": "0.3333", "PARKING_TIME": "0.1667"})), "0.6666666667", []),
        ("7: a volume that disagrees is told, the instants are taken",
         cdr(one("TIME", "3", 1), "12:40", ("12:00", {"TIME": "0.6"})), "2", ["time_volume_differs"]),
        ("13: as a receiver a period is priced whole by its start",
         cdr(TWO_KWH, "18:00", ("16:00", {"ENERGY": "5"}), time_zone="UTC"), "1", ["period_spans_change"]),
        ("13: one period may carry several dimensions (#453)",
         cdr(of(always(per("ENERGY", "1", 1), per("TIME", "4", 1), per("PARKING_TIME", "8", 1))), "13:00",
             ("12:00", {"ENERGY": "5", "TIME": "0.75", "PARKING_TIME": "0.25"})), "10", []),
        ("21: a CDR of a FLAT alone still has periods of other dimensions (#426)",
         cdr(one("FLAT", "2"), "13:00", ("12:00", {"TIME": "1"})), "2", []),
        ("20: MIN and MAX of a period: the least meets min_*, the greatest max_*",
         cdr(BANDS, "13:00", ("12:00", {"ENERGY": "1", "MIN_POWER": "12", "MAX_POWER": "21"}),
             ("12:30", {"ENERGY": "1", "MIN_POWER": "12", "MAX_POWER": "30"})), "0.7", ["period_spans_change"]),
    ],
    ids=lambda value: f"note {value}" if isinstance(value, str) and ":" in value else "",
)  # fmt: skip
def test_a_billing_note_on_a_partners_cdr(claim: str, found: Repriced, excl: str, codes: list[str]) -> None:
    """Billing notes 7, 13, 20 and 21 as a receiver: priced nonetheless, and what is odd is told."""
    assert decimal_text(found.priced.total.excl_vat) == excl
    assert [warning.code for warning in found.warnings] == codes


def test_local_time_without_a_zone_is_no_price() -> None:
    """Billing note 14: never a guess from the country; with the zone of the place it is priced."""
    with pytest.raises(InvalidInput, match="time zone"):
        cdr(TWO_KWH, "18:00", ("17:30", {"ENERGY": "5"}))
    inside = cdr(TWO_KWH, "16:30", ("16:10", {"ENERGY": "5"}), time_zone=BERLIN)
    assert decimal_text(inside.priced.total.excl_vat) == "1.5"
    assert inside.time_zone == BERLIN
