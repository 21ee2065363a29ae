"""Sampled values to readings, the quick way: exact registers, and never another result than the careful way's."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.kernel.facts import Reading, ReadingContext
from voltway.ocpp import readings
from voltway.ocpp.intake import Intake, JsonObject
from voltway.ocpp.readings import readings_2, readings_16, register_in
from voltway.ocpp.samples import read_carefully

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
AT = "2026-03-02T07:59:00Z"


def one_16(*samples: JsonObject) -> tuple[Reading, list[str]]:
    intake = Intake(NOW)
    (reading,) = readings_16([{"timestamp": AT, "sampledValue": list(samples)}], intake)
    return reading, [finding.code for finding in intake.findings]


def one_2(*samples: JsonObject) -> tuple[Reading, list[str]]:
    intake = Intake(NOW)
    (reading,) = readings_2([{"timestamp": AT, "sampledValue": list(samples)}], intake)
    return reading, [finding.code for finding in intake.findings]


def test_the_usual_message_of_16() -> None:
    """Golden: four values, one reading, nothing to remark."""
    reading, codes = one_16(
        {"value": "12345678", "measurand": "Energy.Active.Import.Register", "unit": "Wh", "context": "Sample.Periodic"},
        {"value": "11.04", "measurand": "Power.Active.Import", "unit": "kW"},
        {"value": "16.0", "measurand": "Current.Import", "unit": "A"},
        {"value": "56", "measurand": "SoC", "unit": "Percent", "location": "EV"},
    )
    at = datetime(2026, 3, 2, 7, 59, tzinfo=UTC)
    assert reading == Reading(at, ReadingContext.PERIODIC, 12_345_678_000, 11_040.0, 16.0, None, 56.0, None, None)
    assert codes == []


def test_the_usual_message_of_2() -> None:
    """Golden: JSON numbers, units as objects."""
    reading, codes = one_2(
        {"value": 12345.678, "context": "Sample.Clock", "unitOfMeasure": {"unit": "Wh"}},
        {
            "value": 11.04,
            "measurand": "Power.Active.Import",
            "context": "Sample.Clock",
            "unitOfMeasure": {"unit": "kW"},
        },
        {"value": 230, "measurand": "Voltage", "context": "Sample.Clock"},
        {"value": 22000, "measurand": "Power.Offered", "context": "Sample.Clock", "location": "Outlet"},
    )
    at = datetime(2026, 3, 2, 7, 59, tzinfo=UTC)
    assert reading == Reading(at, ReadingContext.CLOCK, 12_345_678, 11_040.0, None, 230.0, None, 22_000.0, None)
    assert codes == []


@pytest.mark.parametrize(
    ("value", "unit", "milliwh"),
    [
        ("0", None, 0),
        ("1", None, 1_000),
        ("1", "Wh", 1_000),
        ("1", "kWh", 1_000_000),
        ("0.001", "Wh", 1),
        ("0.000001", "kWh", 1),
        ("12345.678901", "kWh", 12_345_678_901),
        ("1234567.890", "Wh", 1_234_567_890),
        ("999999999999", "kWh", 999_999_999_999_000_000),
        ("-5", "Wh", -5_000),
        ("1e3", "Wh", 1_000_000),
        (" 12.5", "Wh", 12_500),
        ("12,5", "Wh", 12_500),
        ("1.", "Wh", 1_000),
        (".5", "Wh", 500),
        ("1,234", "Wh", None),
        ("", "Wh", None),
        ("NaN", "Wh", None),
        ("1_000", "Wh", None),
        ("²", "Wh", None),
        ("5", "W", None),
        ("9" * 23, "kWh", None),
        ("9" * 5000, "kWh", None),
    ],
)
def test_a_register_of_16_is_exact_or_absent(value: str, unit: str | None, milliwh: int | None) -> None:
    """Row 10 and 11: from the digits as sent, never through a float; what is no safe number is kept raw."""
    sample = {"value": value} if unit is None else {"value": value, "unit": unit}
    reading, _ = one_16(sample)
    assert reading.register_milliwh == milliwh
    assert (milliwh is None) == (reading.extra is not None)


@pytest.mark.parametrize(
    ("value", "unit", "milliwh"),
    [
        (1, None, 1_000),
        (1.0, {}, 1_000),
        (12.345, {"unit": "kWh"}, 12_345_000),
        (12345, {"unit": "Wh", "multiplier": -3}, 12_345),
        (12345, {"unit": "kWh", "multiplier": -3}, 12_345_000),
        (12.345, {"unit": "Wh", "multiplier": 3}, 12_345_000),
        (12.345, {"multiplier": 1.0}, 123_450),
        (0.1, {"unit": "kWh"}, 100_000),
        (123456789012.345, {"unit": "Wh"}, 123_456_789_012_345),
        (-1, {"unit": "Wh"}, -1_000),
        (10**15, {"unit": "Wh"}, 10**18),
        (10**18, {"unit": "kWh"}, None),
        (1e300, {"unit": "Wh"}, None),
        (1, {"unit": "Wh", "multiplier": 99}, None),
        (1, {"unit": "Wh", "multiplier": 1.5}, None),
        (1, {"unit": "J"}, None),
    ],
)
def test_a_register_of_2_is_exact_or_absent(value: float, unit: JsonObject | None, milliwh: int | None) -> None:
    """The multiplier is a power of ten."""
    sample = {"value": value} if unit is None else {"value": value, "unitOfMeasure": unit}
    reading, _ = one_2(sample)
    assert reading.register_milliwh == milliwh


@given(milliwh=st.integers(0, 10**14), unit=st.sampled_from([("Wh", 3), ("kWh", 6)]), padding=st.integers(0, 3))
def test_16_digits_become_exactly_their_milliwatt_hours(milliwh: int, unit: tuple[str, int], padding: int) -> None:
    """Every register that can be written is read back to the milliwatt-hour."""
    name, places = unit
    text = f"{Decimal(milliwh).scaleb(-places):f}" + ("0" * padding if places else "")
    assert one_16({"value": text, "unit": name})[0].register_milliwh == milliwh


@given(milliwh=st.integers(0, 10**15 - 1), unit=st.sampled_from([("Wh", 3), ("kWh", 6)]))
def test_2_numbers_become_exactly_their_milliwatt_hours(milliwh: int, unit: tuple[str, int]) -> None:
    """JSON numbers of up to 15 digits are exact, although they pass as floats."""
    name, places = unit
    number = float(Decimal(milliwh).scaleb(-places))
    assert one_2({"value": number, "unitOfMeasure": {"unit": name}})[0].register_milliwh == milliwh


_numbers_16 = st.sampled_from(["0", "12", "12.5", "0.001", "7.123456", "-3", " 4", "12,5", "", "x", "1e2", "1" * 20])
_sample_16 = st.fixed_dictionaries(
    {"value": _numbers_16},
    optional={
        "measurand": st.sampled_from(["Energy.Active.Import.Register", "Power.Active.Import", "Voltage", "SoC", "Foo"]),
        "unit": st.sampled_from(["Wh", "kWh", "W", "kW", "V", "Percent"]),
        "context": st.sampled_from(["Sample.Periodic", "Transaction.Begin", "Odd"]),
        "phase": st.sampled_from(["L1", "N"]),
        "location": st.sampled_from(["Outlet", "Inlet", "EV", "Body"]),
        "format": st.sampled_from(["Raw", "SignedData"]),
    },
)


@given(st.lists(_sample_16, min_size=1, max_size=3))
def test_the_quick_way_never_differs_from_the_careful_one(samples: list[JsonObject]) -> None:
    """Speed must not change a number: both ways give the same readings."""
    element = {"timestamp": AT, "sampledValue": samples}
    quick = readings_16([element], Intake(NOW))
    assert list(quick) == read_carefully(element, Intake(NOW), expects_text=True)


_sample_2 = st.fixed_dictionaries(
    {"value": st.sampled_from([0, 12, 12.5, 0.1, 230.4, -3, 1e20, 123456.789])},
    optional={
        "measurand": st.sampled_from(["Energy.Active.Import.Register", "Power.Active.Import", "Voltage", "SoC", "Foo"]),
        "unitOfMeasure": st.fixed_dictionaries(
            {}, optional={"unit": st.sampled_from(["Wh", "kWh", "W", "V"]), "multiplier": st.integers(-4, 4)}
        ),
        "context": st.sampled_from(["Sample.Periodic", "Transaction.End"]),
        "phase": st.sampled_from(["L1", "N"]),
    },
)


@given(st.lists(_sample_2, min_size=1, max_size=3))
def test_the_quick_way_of_2_never_differs_either(samples: list[JsonObject]) -> None:
    """Registers to the milliwatt-hour, telemetry to the last digits of a float."""
    element = {"timestamp": AT, "sampledValue": samples}
    quick = readings_2([element], Intake(NOW))
    careful = read_carefully(element, Intake(NOW), expects_text=False)
    assert [reading._replace(power_w=None, voltage_v=None) for reading in quick] == [
        reading._replace(power_w=None, voltage_v=None) for reading in careful
    ]
    for one, other in zip(quick, careful, strict=True):
        assert (one.power_w, one.voltage_v) == pytest.approx((other.power_w, other.voltage_v))


def test_two_contexts_in_one_meter_value_are_two_readings() -> None:
    """Field note 15: Growatt sends Sample.Periodic and Transaction.Begin of one register together."""
    intake = Intake(NOW)
    samples = [{"value": "7"}, {"value": "5", "context": "Transaction.Begin"}]
    both = readings_16([{"timestamp": AT, "sampledValue": samples}], intake)
    assert [(reading.context.name, reading.register_milliwh) for reading in both] == [
        ("PERIODIC", 7_000),
        ("BEGIN", 5_000),
    ]
    assert register_in(both, ReadingContext.BEGIN) == 5_000
    assert register_in(both, ReadingContext.END) is None


@pytest.mark.parametrize(
    ("text", "instant", "codes"),
    [
        ("2026-03-02T17:00:00+10:00", "2026-03-02T07:00:00", []),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00", ["timestamp_implausible"]),
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00", []),
    ],
)
def test_other_zones_and_odd_clocks_are_read_in_passing(text: str, instant: str, codes: list[str]) -> None:
    """Row 9 for readings: UTC, and named where it is implausible."""
    intake = Intake(NOW)
    (reading,) = readings_16([{"timestamp": text, "sampledValue": [{"value": "1"}]}], intake)
    assert reading.at.isoformat() == f"{instant}+00:00"
    assert [finding.code for finding in intake.findings] == codes


def test_telemetry_may_be_negative_or_rough() -> None:
    """What is no plain decimal goes the careful way and is read all the same."""
    assert one_16({"value": "-3", "measurand": "Power.Active.Import", "unit": "W"})[0].power_w == -3.0
    assert one_16({"value": "1e3", "measurand": "Power.Active.Import", "unit": "W"})[0].power_w == 1000.0


def test_sixty_samples_are_sixty_readings() -> None:
    """Row 14: a backlog in one message, in its own order."""
    elements = [{"timestamp": f"2026-03-02T07:{n:02}:00Z", "sampledValue": [{"value": str(n)}]} for n in range(60)]
    found = readings_16(elements, Intake(NOW))
    assert [reading.register_milliwh for reading in found] == [n * 1_000 for n in range(60)]


@pytest.mark.parametrize(
    "elements", [None, "x", 5, [], [None, 5, "x"], [{"timestamp": AT}], [{"timestamp": AT, "sampledValue": []}]]
)
def test_what_holds_no_values_gives_no_readings(elements: Any) -> None:
    """No reading is not a zero (field note 14)."""
    assert readings_16(elements, Intake(NOW)) == ()
    assert readings_2(elements, Intake(NOW)) == ()


def test_an_energy_free_batch_has_no_register() -> None:
    """Row 14: a total must not become 0 because a message spoke of the state of charge."""
    assert one_16({"value": "56", "measurand": "SoC", "unit": "Percent"})[0].register_milliwh is None


def test_one_element_where_a_list_was_wanted() -> None:
    """Read as a list of one."""
    assert readings_16({"timestamp": AT, "sampledValue": [{"value": "1"}]}, Intake(NOW))[0].register_milliwh == 1_000


def test_free_texts_as_units_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of 2.x are free text: what is remembered about them is bounded."""
    monkeypatch.setattr(readings, "_plans_2", {})
    monkeypatch.setattr(readings, "_MOST_PLANS", 3)
    for number in range(9):
        one_2({"value": 1, "unitOfMeasure": {"unit": f"u{number}"}})
    assert len(readings._plans_2) == 3
