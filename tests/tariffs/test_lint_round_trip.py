"""What a partner would bill who does not know our extension (billing notes 25 and 26)."""

import pytest
from tests.tariffs.building import BERLIN, at
from tests.tariffs.lint_documents import Json, document, energy, found, lint, only, part, words

from voltway.tariffs.lint_round_trip import samples
from voltway.tariffs.model import Tariff
from voltway.tariffs.ocpi import parse_tariff

IDLE, LOCK = ("round_trip", "/extension/idle"), ("round_trip", "/extension/price_lock")
PARKING = only(part("PARKING_TIME", 6))
DAY = [energy(0.5, start_time="22:00"), energy(0.4)]


@pytest.mark.parametrize(
    ("elements", "extension", "expected"),
    [
        ([energy(), PARKING], None, []),
        ([energy(), PARKING], {}, []),
        ([energy(), PARKING], {"idle": {}}, []),
        ([energy(), PARKING], {"idle": {"grace_s": 60}}, [IDLE]),
        ([energy(), PARKING], {"idle": {"cap": 5}}, [IDLE]),
        ([energy(), PARKING], {"idle": {"cap": 100}}, [IDLE]),
        ([energy(), PARKING], {"idle": {"exempt": [{"start_time": "22:00", "end_time": "06:00"}]}}, [IDLE]),
        ([energy(), PARKING], {"idle": {"exempt": [{"day_of_week": ["SUNDAY"]}]}}, [IDLE]),
        ([energy(), PARKING], {"idle": {"exempt": [{"start_date": "2027-05-01", "end_date": "2027-05-02"}]}}, [IDLE]),
        ([energy(), only(part("PARKING_TIME", 0))], {"idle": {"grace_s": 60, "cap": 5}}, []),
        ([energy()], {"idle": {"grace_s": 60, "cap": 1}}, []),
        (DAY, {"price_lock": True}, [LOCK]),
        (DAY, {"price_lock": False}, []),
        ([energy()], {"price_lock": True}, []),
        ([energy(0.5, max_kwh=10), energy(0.4)], {"price_lock": True}, []),
        ([energy(0.5, start_date="2027-05-01"), energy(0.4)], {"price_lock": True}, [LOCK]),
        ([*DAY, PARKING], {"price_lock": True, "idle": {"grace_s": 900}}, [IDLE, LOCK]),
        # beyond the calendar that is looked at
        ([energy(0.5, start_date="9999-12-31"), energy(0.4)], {"price_lock": True}, []),
    ],
)
def test_extensions_that_change_a_price(
    elements: list[Json], extension: Json | None, expected: list[tuple[str, str]]
) -> None:
    """One finding per part of the extension that matters to a sample session, none where it changes nothing."""
    report = lint(*elements, extension=extension, time_zone=BERLIN)
    assert found(report, "round_trip") == expected
    assert report.ok


def test_the_message_says_both_prices() -> None:
    """Billing note 26: 0.10 a minute with a cap of 5.00; 90 minutes parked would cost 9.00, energy comes to it."""
    report = lint(only(part("ENERGY", 0)), PARKING, extension={"idle": {"cap": 5}}, time_zone=BERLIN)
    (message,) = words(report, "round_trip")
    assert "the OCPI document alone would bill 9 EUR instead of 5 EUR for 20 kWh in 60 min and 90 min parked" in message
    assert message.endswith("begun 2026-03-02 11:00 UTC.")


def test_the_lock_is_told_by_a_session_over_the_change() -> None:
    """20 kWh at 0.40, the rate of the start, where half of it lies behind 22:00."""
    message = words(lint(*DAY, extension={"price_lock": True}), "round_trip")[0]
    assert "would bill 9 EUR instead of 8 EUR for 20 kWh in 60 min, begun 2026-03-02 21:30 UTC" in message


def test_prices_that_include_tax_are_compared_with_it() -> None:
    """OCPI 2.3.0 `tax_included: YES`: the driver's price leads."""
    report = lint(only(part("ENERGY", 0)), PARKING, extension={"idle": {"cap": 5}}, tax_included="YES")
    assert "would bill 9 EUR instead of 5 EUR" in words(report, "round_trip")[0]


def _read(*elements: Json, extension: Json | None = None, **keys: object) -> Tariff:
    return parse_tariff(document(*elements, **keys), extension=extension)


def test_samples_lie_in_the_validity() -> None:
    """A session that the tariff never prices says nothing; a tariff that is not valid any more has no samples."""
    late = _read(*DAY, start_date_time="2030-01-01T00:00:00Z")
    assert all(late.is_valid_at(sample.start) for sample in samples(late, BERLIN))
    assert len({sample.start for sample in samples(late, BERLIN)}) > 3
    assert list(samples(_read(*DAY, end_date_time="2020-01-01T00:00:00Z"), BERLIN)) == []
    assert list(samples(_read(*DAY, start_date_time="2999-01-01T00:00:00Z"), BERLIN)) == []


def test_a_great_tariff_gets_fewer_samples() -> None:
    """Hundreds of windows: one start with every length of stay, so that the answer still comes in a second."""
    many = [energy(number, start_time=f"{number % 24:02}:{number % 60:02}") for number in range(600)]
    found_in = list(samples(_read(*many), "UTC"))
    assert {sample.start for sample in found_in} == {at("2026-03-02T12:00")}
    assert [sample.parked_min for sample in found_in] == [0, 10, 37, 90, 600, 600]


def test_a_great_cap_is_reached_by_a_long_stay() -> None:
    """Twice the cap, at most a month."""
    stays = {sample.parked_min for sample in samples(_read(PARKING, extension={"idle": {"cap": 100}}), "UTC")}
    assert stays == {0, 10, 37, 90, 600, 2000}
    stays = {sample.parked_min for sample in samples(_read(PARKING, extension={"idle": {"cap": 10**6}}), "UTC")}
    assert max(stays) == 31 * 24 * 60
