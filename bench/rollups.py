"""Rollups: how soon a network's year and a site's year by hour are answered, over 10,000 EVSEs.

`voltway up --role worker` runs as installed, with its PostgreSQL; the bench fills a year of rollups (hours, days and
months of 500 sites and the network, days and months of 10,000 EVSEs), asks through the service as the API does, and
compares the network's year with the same answer summed from the hours of its sites.

Exit: 0 the table was printed; 1 a proof or a goal failed (with `--check`); 3 not run.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from rig import command, report, servers
from rig.servers import NotRunError
from voltway.infra.db import Database
from voltway.infra.sql import fetch_one
from voltway.kernel.ids import OperatorId
from voltway.monitoring.numbers.rollup_sql import ADDED, INTO, SUMS
from voltway.monitoring.numbers.usage_service import Grain, Usage, Wanted

NETWORK_GOAL_MS, SITE_GOAL_MS = 50.0, 300.0
BEGIN, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
ME = OperatorId(1)
SITE_SIZE = 20
HOURS, DAYS, MONTHS = 8760, 365, 12

_OPERATOR = "UPDATE operator SET time_zone = 'UTC'"
_SITES = """
INSERT INTO location (operator_id, code, name, time_zone)
SELECT 1, 'SITE-' || n, 'Site ' || n, 'UTC' FROM generate_series(1, %(sites)s) n"""
_STATIONS = """
INSERT INTO station (operator_id, identity, location_id)
SELECT 1, code || '-' || n, location_id FROM location, generate_series(1, %(size)s) n"""
_EVSES = """
INSERT INTO evse (station_id, evse_id, operator_id, max_power_w) SELECT station_id, 1, 1, 150000 FROM station"""
# Made figures, each a plain function of place and time, so that sums can be compared.
_MADE = ", ".join(
    {"energy_milliwh": "place * 1000 + mod(number, 97)", "available_s": "3000", "occupied_s": "600"}.get(name, "1")
    for name in SUMS
)
_SITE_HOURS = f"""
{INTO}
SELECT 1, 1, location_id, 0, 0, timestamptz '2025-01-01Z' + number * interval '1 hour', 20, ARRAY[1, 1, 1, 1], 1000,
       {_MADE.replace("place", "location_id")} FROM location, generate_series(0, 8759) number"""  # noqa: S608 - our own
_EVSE_ROWS = f"""
{INTO}
SELECT 1, %(grain)s, s.location_id, s.station_id, 1, at, 1, NULL, 1000, {_MADE.replace("place", "station_id")}
  FROM station s, generate_series(timestamptz '2025-01-01Z', timestamptz '2025-12-31Z', CAST(%(step)s AS interval))
                  WITH ORDINALITY AS t(at, number)"""  # noqa: S608 - our own text
_ABOVE = f"""
{INTO}
SELECT 1, %(grain)s, r.location_id, 0, 0, date_trunc(%(unit)s, r.start_at, 'UTC'), max(r.evses), NULL, max(r.peak_w),
       {ADDED} FROM usage_rollup r WHERE r.operator_id = 1 AND r.grain = %(grain)s - 1 AND r.station_id = 0
 GROUP BY r.location_id, date_trunc(%(unit)s, r.start_at, 'UTC')"""  # noqa: S608 - our own text
_NETWORK_HOURS = f"""
{INTO}
SELECT 1, 1, 0, 0, 0, r.start_at, sum(r.evses), ARRAY[1, 1, 1, 1], max(r.peak_w), {ADDED}
  FROM usage_rollup r WHERE r.operator_id = 1 AND r.grain = 1 AND r.location_id > 0 AND r.station_id = 0
 GROUP BY r.start_at"""  # noqa: S608 - our own text
_FROM_SITE_HOURS = """
SELECT sum(energy_milliwh) AS energy_milliwh FROM usage_rollup
 WHERE operator_id = 1 AND grain = 1 AND location_id > 0 AND station_id = 0
   AND start_at >= :begin AND start_at < :end"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    sites: int
    repeats: int


@dataclass(slots=True)
class Figures:
    """What was measured, in milliseconds (medians)."""

    filled_s: float = 0.0
    rows: int = 0
    size_gb: float = 0.0
    first_network_ms: float = 0.0
    network_ms: float = 0.0
    network_hours_ms: float = 0.0
    site_hours_summed_ms: float = 0.0
    first_site_ms: float = 0.0
    site_ms: float = 0.0
    heatmap_ms: float = 0.0
    claims: list[tuple[str, bool]] = field(default_factory=list)


def fill(database_url: str, plan: Plan, figures: Figures) -> None:
    """Enter the network and its rollups."""
    begun_s = time.monotonic()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_OPERATOR)
        connection.execute(_SITES, {"sites": plan.sites})
        connection.execute(_STATIONS, {"size": SITE_SIZE})
        connection.execute(_EVSES)
        _say("hours of sites and the network")
        connection.execute(_SITE_HOURS)
        connection.execute(_NETWORK_HOURS)
        _say("days and months")
        for grain, unit in ((2, "day"), (3, "month")):
            connection.execute(_ABOVE, {"grain": grain, "unit": unit})
            connection.execute(_EVSE_ROWS, {"grain": grain, "step": f"1 {unit}"})
        connection.execute("VACUUM ANALYZE usage_rollup")
        figures.filled_s = time.monotonic() - begun_s
        _prove_rows(connection, plan, figures)


def _prove_rows(connection: psycopg.Connection[Any], plan: Plan, figures: Figures) -> None:
    evses = plan.sites * SITE_SIZE
    expected = {
        "site hours": plan.sites * HOURS, "site days": plan.sites * DAYS, "site months": plan.sites * MONTHS,
        "network hours": HOURS, "network days": DAYS, "network months": MONTHS, "EVSE days": evses * DAYS,
        "EVSE months": evses * MONTHS,
    }  # fmt: skip
    counted = connection.execute(
        """SELECT CASE WHEN station_id > 0 THEN 'EVSE' WHEN location_id = 0 THEN 'network' ELSE 'site' END
                  || (ARRAY[' hours', ' days', ' months'])[grain], count(*) FROM usage_rollup GROUP BY 1"""
    ).fetchall()
    found = dict(counted)
    figures.rows = sum(found.values())
    size = connection.execute("SELECT pg_total_relation_size('usage_rollup')").fetchone()
    assert size is not None, "a select without a table has one row"
    figures.size_gb = size[0] / 1e9
    figures.claims += [(f"{count:,} {name}", found.get(name) == count) for name, count in expected.items()]


async def ask(database_url: str, plan: Plan, figures: Figures) -> None:
    """Ask through the service, and once more from the hours."""
    database = Database(database_url, pool_size=2)
    usage = Usage(database)
    year, site = Wanted(BEGIN, END), Wanted(BEGIN, END, f"SITE-{plan.sites // 2}", grain=Grain.HOUR)
    hours = Wanted(BEGIN, END, grain=Grain.HOUR)
    figures.first_network_ms, figures.network_ms = await _timed(lambda: usage.usage(ME, year), plan.repeats)
    figures.first_site_ms, figures.site_ms = await _timed(lambda: usage.usage(ME, site), plan.repeats)
    _, figures.network_hours_ms = await _timed(lambda: usage.usage(ME, hours), plan.repeats)
    _, figures.site_hours_summed_ms = await _timed(lambda: _summed(database), 3)
    _, figures.heatmap_ms = await _timed(
        lambda: usage.heatmap(ME, f"SITE-{plan.sites // 2}", begin=BEGIN, end=END), plan.repeats
    )
    report_ = await usage.usage(ME, year)
    same = sum(row["energy_milliwh"] for row in report_.rows) == await _summed(database)
    figures.claims.append(("the network's year is the sum of all its sites' hours, to the milliwatt-hour", same))
    count = len((await usage.usage(ME, site)).rows)
    figures.claims.append((f"the site's year by hour has {count:,} rows", count == HOURS))
    figures.claims.append(
        (f"the network's year was answered from {len(report_.rows)} months", len(report_.rows) == MONTHS)
    )
    await database.close()


async def _summed(database: Database) -> int:
    async with database.transaction(ME) as tx:
        row = await fetch_one(tx, _FROM_SITE_HOURS, begin=BEGIN, end=END)
    assert row is not None, "an aggregate has one row"
    return int(row["energy_milliwh"])


async def _timed(question: Callable[[], Awaitable[object]], repeats: int) -> tuple[float, float]:
    """Return how long the first answer took and the median of all others, in milliseconds."""
    times: list[float] = []
    for _ in range(repeats + 1):
        begun_s = time.perf_counter()
        await question()
        times.append((time.perf_counter() - begun_s) * 1000)
    return times[0], statistics.median(times[1:])


def main() -> int:
    """Run the bench as the arguments say and return the exit code."""
    arguments = _arguments()
    plan = Plan(25, 5) if arguments.quick else Plan(500, 20)
    figures = Figures()
    try:
        with servers.running_up("--role", "worker") as run:
            fill(run["database_url"], plan, figures)
            asyncio.run(ask(run["database_url"], plan, figures))
    except NotRunError as error:
        sys.stderr.write(f"not run: {error}\n")
        return 3
    text = "\n".join([*_table(plan, figures), "", *(report.claim_line(*claim) for claim in figures.claims)])
    command.publish(arguments, "rollups", text, _document(plan, figures))
    holds = all(holds for _, holds in figures.claims) and all(met for *_, met in _goals(figures))
    return 1 if arguments.check and not holds else 0


def _goals(it: Figures) -> list[tuple[str, float, float, bool]]:
    return [
        ("a network-year", it.network_ms, NETWORK_GOAL_MS, it.network_ms <= NETWORK_GOAL_MS),
        ("one site by hour over a year", it.site_ms, SITE_GOAL_MS, it.site_ms <= SITE_GOAL_MS),
    ]


def _table(plan: Plan, it: Figures) -> list[str]:
    return [
        "## Usage: a year of rollups",
        "",
        *(f"- {line}" for line in _notes(plan, it)),
        "",
        "| goal | measured | at most | met |",
        "| --- | ---: | ---: | --- |",
        *(f"| {name} | {ms:.1f} ms | {most:.0f} ms | {'yes' if met else 'no'} |" for name, ms, most, met in _goals(it)),
    ]


def _notes(plan: Plan, it: Figures) -> Iterator[str]:
    ratio = it.site_hours_summed_ms / max(it.network_ms, 1e-9)
    yield f"{report.machine()}; through the service, medians of {plan.repeats}"
    yield f"{plan.sites * SITE_SIZE:,} EVSEs at {plan.sites} sites: {it.rows:,} rows, {it.size_gb:.1f} GB"
    yield f"filled by set-based SQL in {it.filled_s:.0f} s"
    yield f"the first question of each kind: {it.first_network_ms:.0f} ms and {it.first_site_ms:.0f} ms"
    yield f"a network-year from its sites' hours: {it.site_hours_summed_ms:.0f} ms, {ratio:.0f} × the rollups'"
    yield f"the network's year by hour: {it.network_hours_ms:.0f} ms"
    yield f"a site's heatmap over the year: {it.heatmap_ms:.0f} ms"


def _document(plan: Plan, figures: Figures) -> dict[str, Any]:
    return {"bench": "rollups", "machine": report.machine(), "plan": asdict(plan), "figures": asdict(figures)}


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = command.parser(
        "Speed of usage over a year of rollups.",
        quick="500 EVSEs",
        check="fail where a proof or a goal does not hold",
    )
    return command.parsed(parser, given)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
