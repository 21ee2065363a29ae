"""Pricing: what the price of a session costs on one core, explained, beside the bare exact arithmetic of its lines.

- Voltway: `tariffs.engine.price` and `tariffs.explain.session_explanation` of made sessions (seeded) of twenty periods
  under four tariffs: by the hour of the day with idle fee, by energy, by power with a maximum price, and by duration.
- The floor: price × quantity of the same lines with `fractions.Fraction`, summed and nothing else: no tariff is read,
  no restriction judged, no word written.
- A running session: segmentation, price and explanation again with each new sample, one a minute for an hour; the price
  of another hour on top is shown beside it.

Both sides in the same run, round by round, in CPU time of this process. With `--check` the totals are proved first: the
lines' and the floor's sums must be the same rationals. Exit: 0 the table was printed; 1 a proof failed.
"""

import argparse
import gc
import random
import statistics
import sys
import time as clocks
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from typing import Any, NamedTuple

from rig import command, report
from voltway.kernel.energy import Energy
from voltway.kernel.ids import TariffId
from voltway.sessions.periods import Course, Sample, charging_periods
from voltway.sessions.quotes import quote_of
from voltway.tariffs.engine import price
from voltway.tariffs.explain import session_explanation
from voltway.tariffs.model import (
    ChargingPeriod,
    Dimension,
    IdleRule,
    PeriodKind,
    PriceComponent,
    PriceLimit,
    Restrictions,
    Tariff,
    TariffElement,
)
from voltway.tariffs.priced import Priced

ZONE = "Europe/Berlin"
PERIODS = 20
SAMPLES = 60
SEED = 4
GOAL_SESSIONS_PER_S = 5_000
GOAL_RUNNING_US = 200.0
_VAT = Decimal(19)


class Made(NamedTuple):
    """A made session and its tariff."""

    tariff: Tariff
    periods: list[ChargingPeriod]


@dataclass(frozen=True, slots=True)
class Round:
    """CPU time in microseconds: per session of twenty periods, and per sample of a running session."""

    price_us: float
    explained_us: float
    floor_us: float
    running_us: float
    another_hour_us: float


def tariffs() -> list[Tariff]:
    """Return the four tariffs."""
    day = Restrictions(start_time=time(7), end_time=time(21))
    fee = _element(_component(Dimension.FLAT, "0.5"))
    idle = _element(_component(Dimension.PARKING_TIME, "6", 60))
    cheap, usual = _component(Dimension.ENERGY, "0.39"), _component(Dimension.ENERGY, "0.59")
    slow = _element(cheap, only=Restrictions(max_power=Decimal(50)))
    stay = _element(_component(Dimension.TIME, "3", 300), only=Restrictions(min_duration_s=7200))
    minutes = _element(usual, _component(Dimension.TIME, "1.2", 60))
    return [
        _tariff("HOURS", fee, _element(usual, only=day), _element(cheap), idle),
        _tariff("ENERGY", _element(cheap, only=Restrictions(max_kwh=Decimal(10))), _element(usual)),
        _tariff("POWER", slow, minutes, most=PriceLimit(Decimal(40))),
        _tariff("STAY", _element(usual), stay, idle),
    ]


def made_sessions(count: int, rng: random.Random) -> list[Made]:
    """Make sessions of twenty periods, some idle at the end, at any time of a spring month."""
    known = tariffs()
    return [Made(known[number % len(known)], list(_periods(rng))) for number in range(count)]


def running_courses() -> list[Course]:
    """Return one session as it stands after each of its samples."""
    started_at = datetime(2026, 3, 2, 18, 30, tzinfo=UTC)
    samples = [
        Sample(started_at + timedelta(minutes=n), 183_000 * n, 11_000.0, 16.0, 11_000.0) for n in range(1, SAMPLES + 1)
    ]
    return [Course(started_at, samples[n].at, 0, 183_000 * (n + 1), samples[: n + 1]) for n in range(SAMPLES)]


def floor_total(priced: Priced) -> Fraction:
    """Sum price × billed quantity of the lines with the standard library's rationals."""
    return sum((Fraction(line.rate.price) * line.billed_exact for line in priced.lines()), Fraction(0))


def proofs(sessions: Sequence[Made]) -> Iterator[tuple[str, bool]]:
    """Yield what must hold before a time means anything."""
    found = [price(made.tariff, made.periods, time_zone=ZONE) for made in sessions]
    exact = all(floor_total(it) + sum(item.excl_vat for item in it.adjustments) == it.total.excl_vat for it in found)
    yield f"{len(found)} totals are the sum of price × billed quantity and adjustments, as rationals", exact
    lines = sum(len(list(it.lines())) for it in found)
    yield f"{lines} lines in {sum(len(it.periods) for it in found)} periods", lines >= PERIODS * len(found)
    printed = [session_explanation(it) for it in found]
    shown = all(
        _printed_total(document) == round_ten(it.total.excl_vat) for document, it in zip(printed, found, strict=True)
    )
    yield "printed lines and adjustments add up to the printed total", shown


def round_ten(exact: Fraction) -> Fraction:
    """Round half up to ten decimals, as prices are printed."""
    scaled = exact * 10**10
    magnitude = int(abs(scaled) + Fraction(1, 2))
    return Fraction(magnitude if scaled >= 0 else -magnitude, 10**10)


def measure(sessions: Sequence[Made], repeats: int) -> Round:
    """Time one round; the garbage collector waits, as it does in a server's event loop between groups."""
    found = [price(made.tariff, made.periods, time_zone=ZONE) for made in sessions]
    quantities = [[(line.rate.price, line.billed_exact) for line in it.lines()] for it in found]
    courses, hours = running_courses(), tariffs()[0]
    gc.collect()
    gc.disable()
    try:
        return Round(
            price_us=_timed_us(lambda: _price_all(sessions), len(sessions), repeats),
            explained_us=_timed_us(lambda: _explain_all(sessions), len(sessions), repeats),
            floor_us=_timed_us(lambda: _multiply_all(quantities), len(sessions), repeats),
            running_us=_timed_us(lambda: _run_all(courses, hours), len(courses), repeats),
            another_hour_us=_timed_us(lambda: _quote_all(courses, hours), len(courses), repeats),
        )
    finally:
        gc.enable()


def main() -> int:
    """Run the bench as the arguments say and return the exit code."""
    arguments = _arguments()
    sessions = made_sessions(40 if arguments.quick else 400, random.Random(SEED))  # noqa: S311 - made sessions
    proved = list(proofs(sessions))
    failed = [claim for claim, holds in proved if not holds]
    if failed and arguments.check:
        sys.stderr.write(f"the measurement does not hold: {'; '.join(failed)}\n")
        return 1
    rounds = [measure(sessions, 1 if arguments.quick else 5) for _ in range(1 if arguments.quick else 5)]
    text = "\n".join(_lines(rounds, proved, len(sessions)))
    command.publish(arguments, "pricing", text, _document(rounds, proved))
    return 0


def _lines(rounds: Sequence[Round], proved: Sequence[tuple[str, bool]], sessions: int) -> Iterator[str]:
    explained, floor, running = (_median(rounds, name) for name in ("explained_us", "floor_us", "running_us"))
    yield "## Pricing: a session of twenty periods, and one that runs"
    yield ""
    yield f"- {report.machine()}; one core, CPU time of the process"
    yield f"- voltway {version('voltway')}; {len(rounds)} rounds"
    yield f"- {sessions} made sessions of {PERIODS} periods under {len(tariffs())} tariffs (seed {SEED})"
    yield ""
    yield "| median of the rounds | µs | a second | each round, µs |"
    yield "| --- | ---: | ---: | --- |"
    for words, name in _ROWS:
        value = _median(rounds, name)
        each = ", ".join(f"{getattr(item, name):.1f}" for item in rounds)
        yield f"| {words} | {value:.1f} | {1e6 / value:,.0f} | {each} |"
    yield ""
    yield f"- priced and explained: {explained / floor:.2f} × the floor"
    met = "met" if 1e6 / explained >= GOAL_SESSIONS_PER_S else "not met"
    yield f"- goal: at least {GOAL_SESSIONS_PER_S:,} sessions a second, explained: {1e6 / explained:,.0f}, {met}"
    met = "met" if running < GOAL_RUNNING_US else "not met"
    yield f"- goal: a running session priced again with each sample under {GOAL_RUNNING_US:g} µs: {running:.1f}, {met}"
    yield from (report.claim_line(*claim) for claim in proved)


_ROWS = (
    ("session priced and explained", "explained_us"),
    ("session priced", "price_us"),
    ("floor: Fraction products of its lines", "floor_us"),
    ("running session: periods, price, explanation, a sample", "running_us"),
    ("the same with the price of another hour", "another_hour_us"),
)


def _document(rounds: Sequence[Round], proved: Sequence[tuple[str, bool]]) -> dict[str, Any]:
    names = [name for _, name in _ROWS]
    return {
        "bench": "pricing",
        "machine": report.machine(),
        "periods": PERIODS,
        "samples": SAMPLES,
        "seed": SEED,
        "median_us": {name: _median(rounds, name) for name in names},
        "ratio_to_floor": _median(rounds, "explained_us") / _median(rounds, "floor_us"),
        "rounds": [{name: getattr(item, name) for name in names} for item in rounds],
        "proofs": [{"claim": claim, "holds": holds} for claim, holds in proved],
    }


def _median(rounds: Sequence[Round], name: str) -> float:
    values: list[float] = [getattr(item, name) for item in rounds]
    return statistics.median(values)


def _printed_total(document: dict[str, Any]) -> Fraction:
    return sum((Fraction(item["excl_vat"]) for part in document.values() for item in part), Fraction(0))


def _timed_us(work: Callable[[], None], count: int, repeats: int) -> float:
    work()
    started = clocks.process_time()
    for _ in range(repeats):
        work()
    return (clocks.process_time() - started) * 1e6 / (repeats * count)


def _price_all(sessions: Sequence[Made]) -> None:
    for made in sessions:
        _ = price(made.tariff, made.periods, time_zone=ZONE).total


def _explain_all(sessions: Sequence[Made]) -> None:
    for made in sessions:
        priced = price(made.tariff, made.periods, time_zone=ZONE)
        _ = priced.total, session_explanation(priced)


def _multiply_all(quantities: Sequence[Sequence[tuple[Decimal, Fraction]]]) -> None:
    for lines in quantities:
        _ = sum((Fraction(unit_price) * billed for unit_price, billed in lines), Fraction(0))


def _run_all(courses: Sequence[Course], tariff: Tariff) -> None:
    for course in courses:
        periods = charging_periods(course, tariff, time_zone=ZONE)
        priced = price(tariff, periods, time_zone=ZONE, started_at=course.started_at)
        _ = priced.total, session_explanation(priced)


def _quote_all(courses: Sequence[Course], tariff: Tariff) -> None:
    for course in courses:
        quote_of(course, tariff, time_zone=ZONE, is_running=True)


def _component(dimension: Dimension, amount: str, step_size: int = 1) -> PriceComponent:
    return PriceComponent(dimension, Decimal(amount), _VAT, step_size)


def _element(*components: PriceComponent, only: Restrictions | None = None) -> TariffElement:
    return TariffElement(components, only)


def _tariff(name: str, *elements: TariffElement, most: PriceLimit | None = None) -> Tariff:
    idle = IdleRule(grace_s=900, cap=Decimal(10))
    return Tariff(TariffId(name), "EUR", elements, max_price=most, idle=idle)


def _periods(rng: random.Random) -> Iterator[ChargingPeriod]:
    start = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(30 * 24 * 60))
    charging = rng.randrange(12, PERIODS + 1)
    for number in range(PERIODS):
        end = start + timedelta(seconds=rng.randrange(120, 900))
        is_charging = number < charging
        power_w = rng.choice((11_000.0, 44_000.0, 90_000.0)) if is_charging else 0.0
        milliwh = int(power_w * (end - start).total_seconds() / 3.6) // 100 * 100
        kind = PeriodKind.CHARGING if is_charging else PeriodKind.PARKING
        yield ChargingPeriod(start, end, Energy(milliwh), kind, power_w)
        start = end


def _arguments() -> argparse.Namespace:
    parser = command.parser(
        "Cost of a price, beside the bare arithmetic of its lines.",
        quick="one short round",
        check="prove the totals first, and refuse to measure if that fails",
    )
    return command.parsed(parser)


if __name__ == "__main__":
    sys.exit(main())
