"""Sampled values that are not plain: phases, estimates, signatures, odd units (rows 10, 11 and 13)."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from voltway.kernel.facts import Reading
from voltway.ocpp.intake import Intake, JsonObject
from voltway.ocpp.samples import number_of, read_carefully

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ENERGY, POWER = "Energy.Active.Import.Register", "Power.Active.Import"


def read(*samples: JsonObject, expects_text: bool = True) -> tuple[Reading, JsonObject, list[str]]:
    """Return the one reading, its `extra` decoded, and the findings."""
    intake = Intake(NOW)
    element = {"timestamp": "2026-03-02T07:59:00Z", "sampledValue": list(samples)}
    (reading,) = read_carefully(element, intake, expects_text=expects_text)
    return reading, orjson.loads(reading.extra or b"{}"), [finding.code for finding in intake.findings]


def phased(measurand: str, values: dict[str | None, str]) -> list[JsonObject]:
    return [
        {"value": value, "measurand": measurand} | ({"phase": phase} if phase else {})
        for phase, value in values.items()
    ]


@pytest.mark.parametrize(
    ("values", "milliwh"),
    [
        ({"L1": "1000"}, 1_000_000),
        ({"L1": "1000", "L2": "900", "L3": "800"}, 2_700_000),
        ({"L1-N": "1000", "L2-N": "900", "L3-N": "800"}, 2_700_000),
        ({"L1-N": "1000", "L1": "1000"}, 1_000_000),
        ({"L1": "1000", "L1-N": "1000", "L2": "1"}, 1_001_000),
        ({None: "2700", "L1": "1000", "L2": "900", "L3": "800"}, 2_700_000),
        ({"L1": "1000", "N": "5"}, 1_000_000),
        ({"N": "5"}, None),
        ({"L1-L2": "5"}, None),
    ],
)
def test_phases_are_never_counted_twice(values: dict[str | None, str], milliwh: int | None) -> None:
    """Row 13: the unphased value, else the sum of distinct phases; every phase is kept beside."""
    reading, extra, _ = read(*phased(ENERGY, values))
    assert reading.register_milliwh == milliwh
    assert set(extra["phases"][ENERGY]) == {phase for phase in values if phase}


def test_three_phases_without_power_are_estimated_with_a_flag() -> None:
    """Field note 16: volts times amperes, per phase, and named as an estimate."""
    amperes = phased("Current.Import", {"L1": "16", "L2": "15", "L3": "14"})
    volts = phased("Voltage", {"L1-N": "230", "L2-N": "231", "L3-N": "232"})
    reading, extra, codes = read(*amperes, *volts)
    assert reading.power_w == 16 * 230 + 15 * 231 + 14 * 232
    assert (reading.current_a, reading.voltage_v) == (16.0, 231.0)
    assert extra["power_estimated"] is True
    assert codes == ["power_estimated"]


@pytest.mark.parametrize(
    ("samples", "power_w"),
    [
        (phased("Current.Import", {None: "32"}) + phased("Voltage", {None: "230"}), 7360.0),
        (phased("Current.Import", {"L1": "10", "L2": "10"}) + phased("Voltage", {None: "230"}), 4600.0),
        (phased("Current.Import", {"L1": "10"}), None),
        (phased("Current.Import", {"N": "10"}) + phased("Voltage", {None: "230"}), None),
        (phased("Voltage", {None: "230"}), None),
        (phased(POWER, {"L1": "1000", "L2": "1"}) + phased("Voltage", {None: "230"}), 1001.0),
    ],
)
def test_an_estimate_needs_both_volts_and_amperes(samples: list[JsonObject], power_w: float | None) -> None:
    """Nothing is guessed from half of it."""
    assert read(*samples)[0].power_w == power_w


def test_the_outlet_counts_before_the_inlet_and_the_car_not_at_all() -> None:
    """What flowed into the station includes its losses; what the car says is kept, not billed."""
    register = (
        {"value": "5", "location": "Inlet"},
        {"value": "4", "location": "Outlet"},
        {"value": "3", "location": "EV"},
    )
    reading, extra, _ = read(*register)
    assert reading.register_milliwh == 4_000
    assert extra["elsewhere"] == {f"{ENERGY}@EV": 3_000}
    assert read({"value": "5", "location": "Inlet"})[0].register_milliwh == 5_000
    assert read({"value": "5", "location": "Body"})[0].register_milliwh is None


def test_two_registers_that_contradict_are_named() -> None:
    """The first one counts; an identical repetition is nothing to remark."""
    reading, _, codes = read({"value": "5"}, {"value": "6"})
    assert (reading.register_milliwh, codes) == (5_000, ["reading_contradicts_itself"])
    assert read({"value": "5"}, {"value": "5"})[2] == []


def test_a_register_finer_than_a_milliwatt_hour_is_named() -> None:
    """Rounded down, with the exact digits beside it."""
    reading, extra, codes = read({"value": "1.23456", "unit": "Wh"})
    assert (reading.register_milliwh, codes) == (1_234, ["register_finer_than_milliwh"])
    assert extra == {"register_exact_milliwh": "1234.56"}


@pytest.mark.parametrize(
    ("sample", "extra"),
    [
        ({"value": "7", "measurand": "Energy.Active.Import.Interval", "unit": "Wh"}, {"interval_milliwh": 7_000}),
        ({"value": "16", "measurand": "Current.Offered", "unit": "A"}, {"offered_a": 16}),
        ({"value": "21.5", "measurand": "Temperature", "unit": "Celcius"}, {"temperature_c": 21.5}),
        ({"value": "300.15", "measurand": "Temperature", "unit": "K"}, {"temperature_c": 27}),
        ({"value": "212", "measurand": "Temperature", "unit": "Fahrenheit"}, {"temperature_c": 100}),
        ({"value": "49.98", "measurand": "Frequency", "unit": "Hertz"}, {"frequency_hz": 49.98}),
        ({"value": "0.98", "measurand": "Power.Factor"}, {"power_factor": 0.98}),
        ({"value": "3", "measurand": "Power.Active.Export", "unit": "kW"}, {"export_w": 3000}),
    ],
)
def test_what_has_no_column_is_kept_by_name(sample: JsonObject, extra: JsonObject) -> None:
    """Interval energy is never mistaken for a register."""
    reading, found, codes = read(sample)
    assert (found, codes) == (extra, [])
    assert reading.register_milliwh is None


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        ({"value": ""}, "value_empty"),
        ({"value": "n/a"}, "value_not_a_number"),
        ({"value": None}, "number_for_text"),
        ({"value": True}, "number_for_text"),
        ({"value": {"a": 1}}, "number_for_text"),
        ({}, "number_for_text"),
        ({"value": "5", "unit": "Furlong"}, "unit_unexpected"),
        ({"value": "1e9", "measurand": POWER, "unit": "kW"}, None),
        ({"value": "1e9", "measurand": "Voltage", "unit": "V"}, None),
        ({"value": "1e13", "measurand": "Voltage", "unit": "V"}, "number_out_of_range"),
    ],
)
def test_what_is_no_number_stays_raw(sample: JsonObject, code: str | None) -> None:
    """Row 10: stored as it came, and named."""
    _, extra, codes = read(sample)
    if code is not None:
        assert code in codes
        assert extra["raw"] == [sample]


@pytest.mark.parametrize(
    "sample",
    [
        {"value": "1", "measurand": "Vendor.Thing"},
        {"value": "1", "measurand": ["x"]},
        {"value": "1", "unit": 5},
        {"value": "1", "phase": 1},
    ],
)
def test_an_unreadable_word_is_never_taken_for_a_missing_one(sample: JsonObject) -> None:
    """Missing means energy in Wh: what is there and odd must not be read as that."""
    reading, extra, _ = read(sample)
    assert (reading.register_milliwh, extra) == (None, {"raw": [sample]})


def test_signed_values_stay_beside_the_number() -> None:
    """1.6 sends them as values of their own, 2.x inside the number's object; the bytes are not touched."""
    signed = {"value": "4F434D467C", "format": "SignedData"}
    reading, extra, codes = read(signed, {"value": "5"})
    assert (reading.register_milliwh, extra, codes) == (5_000, {"signed": [signed]}, [])
    inner = {"signedMeterData": "T0NNRg==", "encodingMethod": "OCMF"}
    reading, extra, codes = read({"value": 5, "signedMeterValue": inner}, expects_text=False)
    assert (reading.register_milliwh, extra, codes) == (5_000, {"signed": [inner]}, [])


def test_numbers_and_texts_in_each_others_place_are_named() -> None:
    """Row 10: lbbrhzn/ocpp #210 sends a number where 1.6 wants a text."""
    assert read({"value": 5})[2] == ["number_for_text"]
    assert read({"value": "5"}, expects_text=False)[2] == ["text_for_number"]


def test_what_no_writer_takes_stays_in_the_raw_log() -> None:
    """An abyss of lists is not carried into `extra`."""
    abyss: Any = []
    for _ in range(300):
        abyss = [abyss]
    reading, _, codes = read({"value": abyss}, {"value": "5"})
    assert (reading.register_milliwh, reading.extra) == (5_000, None)
    assert "value_not_kept" in codes


@pytest.mark.parametrize(
    ("value", "text", "code"),
    [
        (5, "5", None),
        (0.1, "0.1", None),
        ("12.5", "12.5", None),
        (" 12.5", "12.5", "value_padded"),
        ("12,5", "12.5", "value_with_comma"),
        ("12,345", None, "value_not_a_number"),
        ("12,3456", "12.3456", "value_with_comma"),
        ("1e999", None, "value_not_a_number"),
        ("0x10", None, "value_not_a_number"),
        ("9" * 25, None, "value_not_a_number"),
        (True, None, "value_not_a_number"),
    ],
)
def test_a_number_is_taken_only_where_it_is_safe(value: Any, text: str | None, code: str | None) -> None:
    """`1,234` is two numbers, depending on who reads: neither is taken."""
    intake = Intake(NOW)
    number = number_of(value, intake)
    assert (None if number is None else str(number)) == text
    assert [finding.code for finding in intake.findings] == ([code] if code else [])


def test_odd_contexts_are_other() -> None:
    """Field note 17: an unknown context does not lose the value."""
    intake = Intake(NOW)
    samples = [{"value": "1", "context": "Odd"}, {"value": "1", "context": ["x"]}]
    (reading,) = read_carefully({"timestamp": "", "sampledValue": samples}, intake, expects_text=True)
    assert (reading.context.name, reading.at) == ("OTHER", NOW)
