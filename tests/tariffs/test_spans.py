"""Which periods of a partner span a change of price (billing note 13), and which only look like it."""

from collections.abc import Mapping, Sequence

import pytest
from tests.tariffs.ocpi_documents import Document, always, per, when
from tests.tariffs.partner_cdrs import cdr, period

from voltway.tariffs.ocpi import parse_cdr
from voltway.tariffs.reprice import reprice

Volumes = Mapping[str, str]


def tariff(*elements: Document) -> Document:
    return {"id": "T", "country_code": "DE", "currency": "EUR", "elements": list(elements)}


def window(dimension: str, restrictions: Mapping[str, object], *, inside: str = "1", outside: str = "2") -> Document:
    """Price a dimension differently within some restrictions."""
    return tariff(when(restrictions, per(dimension, inside)), always(per(dimension, outside)))


NOON: Document = {"start_time": "12:30"}


@pytest.mark.parametrize(
    ("priced_by", "volumes", "spans"),
    [
        pytest.param(window("ENERGY", NOON), {"ENERGY": "5"}, True, id="a clock time"),
        pytest.param(window("ENERGY", NOON, outside="1"), {"ENERGY": "5"}, False, id="the price stays the same"),
        pytest.param(window("ENERGY", NOON), {"ENERGY": "0", "TIME": "1"}, False, id="nothing of that dimension"),
        pytest.param(window("TIME", NOON), {"TIME": "1"}, True, id="charging time"),
        pytest.param(window("TIME", NOON), {"PARKING_TIME": "1"}, False, id="another time"),
        pytest.param(window("PARKING_TIME", NOON), {"PARKING_TIME": "1"}, True, id="parking time"),
        pytest.param(tariff(when(NOON, per("ENERGY", "1"))), {"ENERGY": "5"}, True, id="from free to priced"),
        pytest.param(window("ENERGY", {"start_time": "12:00"}), {"ENERGY": "5"}, False, id="a change at the start"),
        pytest.param(window("ENERGY", {"start_time": "13:00"}), {"ENERGY": "5"}, False, id="a change at the end"),
        pytest.param(window("ENERGY", {"max_kwh": 3}), {"ENERGY": "5"}, True, id="a threshold of energy"),
        pytest.param(window("ENERGY", {"max_kwh": 5}), {"ENERGY": "5"}, False, id="a threshold that is just reached"),
        pytest.param(
            window("TIME", {"max_kwh": 3}), {"ENERGY": "5", "TIME": "1"}, True, id="energy changes another price"
        ),
        pytest.param(window("TIME", {"min_duration": 1800}), {"TIME": "1"}, True, id="a duration"),
        pytest.param(
            window("ENERGY", {"max_power": 16}),
            {"ENERGY": "5", "MIN_POWER": "3", "MAX_POWER": "22"},
            True,
            id="two bands",
        ),
        pytest.param(
            window("ENERGY", {"max_power": 32}),
            {"ENERGY": "5", "MIN_POWER": "3", "MAX_POWER": "22"},
            False,
            id="one band",
        ),
        pytest.param(
            window("ENERGY", {"min_current": 16}),
            {"ENERGY": "5", "MIN_CURRENT": "6", "MAX_CURRENT": "32"},
            True,
            id="amperes",
        ),
        pytest.param(
            tariff(
                when({"reservation": "RESERVATION", "start_time": "12:30"}, per("TIME", "1")),
                when({"reservation": "RESERVATION"}, per("TIME", "2")),
            ),
            {"RESERVATION_TIME": "1"},
            True,
            id="reserved time",
        ),
    ],
)
def test_what_spans_a_change_of_price(priced_by: Document, volumes: Volumes, spans: bool) -> None:  # noqa: FBT001 - a case
    """From 12:00 to 13:00 on a Monday, in UTC."""
    found = reprice(parse_cdr(cdr([priced_by], "13:00", period("12:00", volumes))))
    told = [warning.path for warning in found.warnings if warning.code == "period_spans_change"]
    assert told == (["/charging_periods/0"] if spans else [])


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([("12:00", {"ENERGY": "3"}), ("12:20", {"ENERGY": "3"})], ["/charging_periods/1"]),
        ([("12:00", {"ENERGY": "4"}), ("12:20", {"ENERGY": "3"})], []),
        ([("12:20", {"ENERGY": "3"}), ("12:00", {"ENERGY": "4"})], []),
    ],
)
def test_energy_adds_up_over_the_session(parts: Sequence[tuple[str, Volumes]], told: list[str]) -> None:
    """A threshold of 4 kWh is crossed inside a period or between two, in whatever order they stand."""
    listed = [period(start, volumes) for start, volumes in parts]
    document = cdr([window("ENERGY", {"max_kwh": 4})], "13:00", *listed, start_date_time="2026-03-02T12:00:00Z")
    found = reprice(parse_cdr(document))
    assert [warning.path for warning in found.warnings if warning.code == "period_spans_change"] == told


def test_the_price_is_that_of_the_start() -> None:
    """Never interpolated by a receiver: 5 kWh at the price of 12:00 (billing note 13)."""
    found = reprice(parse_cdr(cdr([window("ENERGY", NOON)], "13:00", period("12:00", {"ENERGY": "5"}))))
    assert found.priced.total.excl_vat == 10
