"""Key figures from sums: ratios, and nothing where there is nothing to divide by."""

from hypothesis import given
from hypothesis import strategies as st

from voltway.monitoring.numbers.kpis import kpis_of
from voltway.monitoring.numbers.rollup_sql import SUMS

NOTHING = {**dict.fromkeys(SUMS, 0), "peak_w": 0}


def test_nothing_gives_no_rates() -> None:
    """A network of which nothing is known is neither good nor bad."""
    found = kpis_of(NOTHING, {}, power_w=0, span_s=0.0)
    assert (found.first_try_rate, found.charging_success_rate, found.mean_time_to_repair_s) == (None, None, None)
    assert (found.mean_time_between_failures_s, found.utilisation_by_time, found.load_factor) == (
        None, None, None,
    )  # fmt: skip


def test_a_refused_token_is_no_success() -> None:
    """One session went well, one token was sent away: half of those who wanted to charge did."""
    found = kpis_of({**NOTHING, "ok": 1, "ended": 1, "refused": 1}, {}, power_w=0, span_s=0.0)
    assert found.charging_success_rate == 0.5


def test_energy_utilisation_is_of_what_was_possible() -> None:
    """11 kW over a day could be 264 kWh; 66 kWh are a quarter of it."""
    found = kpis_of({**NOTHING, "energy_milliwh": 66_000_000}, {}, power_w=11_000, span_s=86_400.0)
    assert found.load_factor == 0.25


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 10**6))
def test_rates_lie_between_none_and_all(ok: int, failed: int, others: int, occupied_s: int) -> None:
    """Whatever the counts are."""
    sums = {
        **NOTHING, "ok": ok, "failed": failed, "ended": ok + failed, "attempts": ok + others, "first_try_ok": ok,
        "occupied_s": occupied_s, "available_s": others,
    }  # fmt: skip
    found = kpis_of(sums, {"Blocked": failed}, power_w=1, span_s=1.0)
    for rate in (found.first_try_rate, found.charging_success_rate, found.utilisation_by_time):
        assert rate is None or 0 <= rate <= 1
    assert found.failed_by_reason == {"Blocked": failed}
