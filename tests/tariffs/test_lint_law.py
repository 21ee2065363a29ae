"""The linter's rule sets: AFIR, NEVI, the British and the German rules (billing note 35)."""

import pytest
from tests.tariffs.lint_documents import Json, energy, found, lint, only, part, words

from voltway.tariffs.lint import RuleSet

AFIR, NEVI, UK, DE = RuleSet.AFIR, RuleSet.NEVI, RuleSet.UK, RuleSet.DE
PER_KWH, TIME, PARKING, FLAT = (part(kind) for kind in ("ENERGY", "TIME", "PARKING_TIME", "FLAT"))
RESERVED = only(TIME, FLAT, reservation="RESERVATION")
C = "/elements/0/price_components/"


@pytest.mark.parametrize(
    ("parts", "out_of_order"),
    [
        # AFIR Article 5: kWh, minute, session, other; occupancy anywhere behind the kWh
        ([PER_KWH, TIME, FLAT, PARKING], []),
        ([PER_KWH, PARKING, TIME, FLAT], []),
        ([PER_KWH, FLAT], []),
        ([PARKING, TIME], []),
        ([FLAT, PER_KWH], [1]),
        ([PER_KWH, FLAT, TIME], [2]),
        ([FLAT, TIME, PER_KWH], [1, 2]),
        ([PARKING, PER_KWH, PARKING], [1]),
        ([TIME, FLAT, TIME], []),
    ],
)
def test_afir_order_of_components(parts: list[Json], out_of_order: list[int]) -> None:
    """By first appearance, each component that stands too late; only under AFIR."""
    expected = [("component_order", f"{C}{number}") for number in out_of_order]
    report = lint(only(*parts), type="REGULAR", rules=[AFIR])
    assert found(report, "component_order") == expected
    assert report.ok is (expected == [])
    assert found(lint(only(*parts), rules=[NEVI, UK, DE]), "component_order") == []
    assert found(lint(RESERVED, only(*parts), rules=[AFIR]), "component_order") == [
        (code, path.replace("/0/", "/1/", 1)) for code, path in expected
    ]


@pytest.mark.parametrize(
    ("rule", "parts", "paths"),
    [
        (AFIR, [PER_KWH, PARKING], []),
        (AFIR, [PER_KWH, TIME, FLAT], [f"{C}1", f"{C}2"]),
        (AFIR, [PARKING], ["/elements"]),
        (AFIR, [TIME], ["/elements", f"{C}0"]),
        (AFIR, [part("FLAT", 0)], []),  # nothing is charged at all
        (AFIR, [part("ENERGY", 0), PARKING], ["/elements"]),
        (NEVI, [PER_KWH, TIME, FLAT], []),
        (NEVI, [TIME], ["/elements"]),
        (UK, [PER_KWH, FLAT, PARKING], []),
        (UK, [PER_KWH, TIME], [f"{C}1"]),
        (UK, [FLAT], ["/elements"]),
        (DE, [PER_KWH, FLAT, PARKING], []),
        (DE, [TIME, FLAT], ["/elements", f"{C}0"]),
        (RuleSet.OCPI, [TIME, FLAT], []),
    ],
)
def test_prices_that_are_not_per_kwh(rule: RuleSet, parts: list[Json], paths: list[str]) -> None:
    """What each law allows beside the kWh; a reservation's fees are paid before charging and not counted."""
    expected = [("ad_hoc_not_per_kwh", path) for path in paths]
    assert found(lint(only(*parts), RESERVED, rules=[rule]), "ad_hoc_not_per_kwh") == expected


@pytest.mark.parametrize(("named", "count"), [(None, 1), ("AD_HOC_PAYMENT", 1), ("REGULAR", 0), ("PROFILE_GREEN", 0)])
def test_afir_speaks_of_ad_hoc_prices(named: str | None, count: int) -> None:
    """AFIR Article 5(4) is about drivers without a contract; the British rule is about the price on the sign."""
    assert len(found(lint(only(PER_KWH, TIME), type=named, rules=[AFIR]), "ad_hoc_not_per_kwh")) == count
    assert len(found(lint(only(PER_KWH, TIME), type=named, rules=[UK]), "ad_hoc_not_per_kwh")) == 1


@pytest.mark.parametrize(
    ("elements", "dimensions"),
    [
        # 23 CFR 680.116: the price is that at the start of charging
        ([energy(0.3, start_time="22:00"), energy(0.4)], "ENERGY"),
        ([energy(0.3, day_of_week=["SUNDAY"]), energy(0.4)], "ENERGY"),
        ([energy(0.3, start_date="2026-07-01"), energy(0.4)], "ENERGY"),
        ([energy(0.3, end_time="22:00")], "ENERGY"),
        ([only(PER_KWH, TIME, end_time="22:00"), only(part("ENERGY", 2), part("TIME", 2))], "ENERGY and TIME"),
        ([energy(0.4, start_time="22:00"), energy(0.4)], None),
        ([energy(0.3, max_kwh=20), energy(0.4)], None),
        ([energy(0.3, max_duration=3600), energy(0.4)], None),
        ([energy(0.3), only(PARKING, start_time="08:00")], None),
        ([energy(0.3), energy(0.4, start_time="08:00")], None),
        ([only(PER_KWH), only(TIME, start_time="08:00", reservation="RESERVATION")], None),
    ],
)
def test_nevi_holds_the_price_of_the_start(elements: list[Json], dimensions: str | None) -> None:
    """Only what the clock can change needs a lock, and the lock is enough."""
    report = lint(*elements, rules=[NEVI])
    expected = [("price_not_locked", "/extension/price_lock")] if dimensions else []
    assert found(report, "price_not_locked") == expected
    assert [message.partition(" can ")[0] for message in words(report, "price_not_locked")] == (
        [f"The price of {dimensions}"] if dimensions else []
    )
    assert found(lint(*elements, rules=[NEVI], extension={"price_lock": True}), "price_not_locked") == []
    assert found(lint(*elements, rules=[AFIR, UK, DE]), "price_not_locked") == []
