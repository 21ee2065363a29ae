"""Use cases of usage: rollups of a place over a stretch of time, its busy hours, key figures, and what to expect.

Every answer comes from rollups, the coarsest whose boundaries the question has; hours that are not over are in none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from zoneinfo import ZoneInfo

from voltway.infra.db import Database, Transaction
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock, now
from voltway.kernel.errors import Fault, InvalidInput, NotFound
from voltway.kernel.ids import EvseId, OperatorId, StationId
from voltway.monitoring.numbers import rollup_read_store as store
from voltway.monitoring.numbers.demand import Period, Week, busiest_sentence, busy_periods, sentence
from voltway.monitoring.numbers.kpis import Kpis, kpis_of
from voltway.monitoring.numbers.rollup_read_store import Place
from voltway.monitoring.numbers.rollup_store import KEEP_HOURS
from voltway.monitoring.timeline.model import EvseKey

WEEKS = 8
"""What an EVSE would have delivered is the mean of so many same hours of the week."""
HEATMAP = timedelta(days=28)
MOST_ROWS = 10_000


class Grain(IntEnum):
    """How long the stretch of a rollup is."""

    HOUR = 1
    DAY = 2
    MONTH = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question: [begin, end) of the network, of a site (its code), or of an EVSE (its station's identity)."""

    begin: datetime
    end: datetime
    location: str | None = None
    station: str | None = None
    evse_id: int | None = None
    grain: Grain | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Rollups in order of time; times are local to `time_zone`, money is in `currency`.

    `other_revenue`: of the whole stretch, by currency, what was earned in others.
    """

    grain: Grain
    time_zone: str
    currency: str
    rows: Sequence[Row]
    other_revenue: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A week of a site: the share of usable EVSE time that was taken."""

    location: str
    time_zone: str
    hours: Week
    busiest: str


@dataclass(frozen=True, slots=True)
class Demand:
    """A busy period of a site."""

    location: str
    time_zone: str
    period: Period
    sentence: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What an EVSE would have delivered, and earned without VAT."""

    energy_milliwh: int
    revenue: Decimal


class Usage:
    """Usage of an operator's places."""

    def __init__(self, database: Database, *, clock: Clock = now) -> None:
        self._database = database
        self._clock = clock

    async def usage(self, operator_id: OperatorId, wanted: Wanted) -> Report:
        """Return the rollups of a place; raise InvalidInput where no grain has those boundaries, NotFound."""
        async with self._database.transaction(operator_id) as tx:
            place = await _get_place(tx, operator_id, wanted)
            grain = self._grain(wanted, place)
            _check_count(wanted, grain)
            rows = await store.read_rows(tx, place, grain, begin=wanted.begin, end=wanted.end)
            others = await store.read_other_revenue(tx, place, begin=wanted.begin, end=wanted.end)
        return Report(grain, place.zone, place.currency, rows, others)

    async def kpis(self, operator_id: OperatorId, wanted: Wanted) -> Kpis:
        """Return the key figures of a place; reasons are kept by site and day, so an EVSE has none."""
        async with self._database.transaction(operator_id) as tx:
            place = await _get_place(tx, operator_id, wanted)
            span = {"begin": wanted.begin, "end": wanted.end}
            sums = await store.read_sums(tx, place, self._grain(wanted, place), **span)
            power_w = await store.read_power_w(tx, place)
            failures = {} if place.station_id else await store.read_failures(tx, place, **span)
        span_s = max(0.0, (min(wanted.end, self._clock()) - wanted.begin).total_seconds())
        return kpis_of(sums, failures, power_w=power_w, span_s=span_s)

    async def heatmap(
        self, operator_id: OperatorId, location: str, *, begin: datetime | None = None, end: datetime | None = None
    ) -> Heatmap:
        """Return a site's week, by default of the last 28 days."""
        async with self._database.transaction(operator_id) as tx:
            zone = await store.read_zone(tx, operator_id, location)
            if zone is None:
                raise NotFound(f"there is no location {location}")
            rows = await store.read_weeks(tx, operator_id, location, **self._weeks(begin, end))
        week = _week(rows)
        return Heatmap(location, zone, week, busiest_sentence(location, week))

    async def demand(
        self, operator_id: OperatorId, *, at_least: float, location: str | None = None,
        begin: datetime | None = None, end: datetime | None = None,
    ) -> list[Demand]:  # fmt: skip
        """Return the busy periods of all sites or of one, the busiest first."""
        async with self._database.transaction(operator_id) as tx:
            if location is not None and await store.read_zone(tx, operator_id, location) is None:
                raise NotFound(f"there is no location {location}")
            rows = await store.read_weeks(tx, operator_id, location, **self._weeks(begin, end))
        sites: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            sites[row["code"], row["time_zone"]].append(row)
        found = [
            Demand(code, zone, period, sentence(code, period))
            for (code, zone), own in sites.items()
            for period in busy_periods(_week(own), at_least)
        ]
        return sorted(found, key=lambda it: -it.period.share)

    def _grain(self, wanted: Wanted, place: Place) -> Grain:
        """Return the coarsest grain that has those boundaries, or the wanted one."""
        if wanted.begin >= wanted.end:
            raise InvalidInput("the stretch is empty", [Fault("/to", "must be after from")])
        zone = ZoneInfo(place.zone)
        finest = min(_grain_of(wanted.begin, zone), _grain_of(wanted.end, zone))
        grain = finest if wanted.grain is None else wanted.grain
        if grain > finest or not finest:
            name = Grain(grain or Grain.HOUR).name.lower()
            raise InvalidInput(
                f"from and to must each begin a {name} in {place.zone}", [Fault("/from", f"name the begin of a {name}")]
            )
        if grain is Grain.HOUR and place.station_id and wanted.begin < self._clock() - KEEP_HOURS:
            raise InvalidInput(
                "hours of a single EVSE are kept for 100 days", [Fault("/from", "ask for days or months, or a site")]
            )
        return Grain(grain)

    def _weeks(self, begin: datetime | None, end: datetime | None) -> dict[str, datetime]:
        end = end or self._clock()
        return {"begin": begin or end - HEATMAP, "end": end}


async def expected(
    tx: Transaction, keys: Sequence[EvseKey], begin: datetime, end: datetime
) -> Mapping[EvseKey, Expected]:
    """Return what EVSEs would have delivered in [begin, end): the mean of their last 8 same hours of the week.

    Part of an hour counts in part. An EVSE of which nothing is known yet is left out.
    """
    if not keys or begin >= end:
        return {}
    return {
        EvseKey(StationId(row["station_id"]), EvseId(row["evse_id"])): Expected(
            round(row["energy_milliwh"]), Decimal(row["revenue"])
        )
        for row in await store.read_expected(tx, keys, begin, end, WEEKS)
    }


def _grain_of(instant: datetime, zone: ZoneInfo) -> int:
    """Return the coarsest grain that begins at an instant; 0 where none does."""
    local = instant.astimezone(zone)
    if (local.minute, local.second, local.microsecond) != (0, 0, 0):
        return 0
    if local.hour:
        return Grain.HOUR
    return Grain.MONTH if local.day == 1 else Grain.DAY


def _check_count(wanted: Wanted, grain: Grain) -> None:
    if grain is Grain.HOUR and wanted.end - wanted.begin > timedelta(hours=MOST_ROWS):
        raise InvalidInput(
            f"an answer has at most {MOST_ROWS} hours", [Fault("/to", "ask for a shorter stretch, or for days")]
        )


def _week(rows: Sequence[Row]) -> list[list[float | None]]:
    shares = {(row["day"], row["hour"]): row["share"] for row in rows}
    return [[shares.get((day, hour)) for hour in range(24)] for day in range(1, 8)]


async def _get_place(tx: Transaction, operator_id: OperatorId, wanted: Wanted) -> Place:
    evse_id = wanted.evse_id if wanted.evse_id is not None else 1
    place = await store.find_place(
        tx, operator_id, location=wanted.location, station=wanted.station, evse_id=evse_id
    )  # fmt: skip
    if place is None:
        raise NotFound("there is no such location, station or EVSE")
    return place
