"""What the watch remembers of each station: evidence of the last hours, the end of each timeline, the newest telemetry.

Folding a row in says which EVSEs it touched. Memories are short: what lies before an EVSE's `horizon` is known only as
far as it is still in force, and evidence that comes later than that is projected again from the database (`Late`).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from voltway.kernel.ids import EvseId
from voltway.monitoring.incidents.model import (
    EvseView,
    MeterView,
    Notice,
    Place,
    Refusal,
    SessionView,
    StationView,
)
from voltway.monitoring.timeline.model import Connection, Evidence, EvseKey, Interval, Request, Spell, Status
from voltway.monitoring.timeline.projection import CARRY_OVER, GOOD_ANSWERS, covers_of
from voltway.monitoring.watch.model import MeterRow, SessionRow, StationRow

MOST_STATUSES, MOST_LINKS, MOST_SPELLS, MOST_INTERVALS = 4, 4, 3, 8
REMEMBERED = timedelta(days=1)
"""Breaks, notices and anomalies are kept for the rules that count them."""


@dataclass(slots=True, eq=False)
class EvseMemory:
    """One EVSE: evidence of its own, the end of its timeline, session and meter."""

    key: EvseKey
    rated_w: int | None
    statuses: set[Status] = field(default_factory=set)
    spells: dict[UUID, Spell] = field(default_factory=dict)
    horizon: datetime | None = None
    tail: list[Interval] = field(default_factory=list)
    due: datetime | None = None
    session: SessionView | None = None
    meter: MeterView = field(default_factory=MeterView)
    last_session_ended_at: datetime | None = None
    anomalies: dict[tuple[datetime, str], None] = field(default_factory=dict)

    def is_late(self, at: datetime) -> bool:
        """Say whether evidence of that instant lies before what is remembered."""
        return self.horizon is not None and at < self.horizon

    def trim(self) -> None:
        """Forget statuses and sessions that no longer matter, and set the horizon to what is left."""
        if len(self.statuses) > 2 * MOST_STATUSES:
            ordered = sorted(self.statuses)
            kept, older = ordered[-MOST_STATUSES:], ordered[:-MOST_STATUSES]
            in_force = {status.connector_id: status for status in older}
            free = [status for status in older if status.status == "available"]
            self.statuses = {*kept, *in_force.values(), *free[-1:]}
            self._advance(kept[0].at)
        if len(self.spells) > 2 * MOST_SPELLS:
            ordered_spells = sorted(self.spells.values(), key=lambda it: (it.end is None, it.end or it.begin))
            # The newest one that ended tells whether a car that stands there has been charged.
            ended = [it for it in ordered_spells if it.end is not None]
            forgotten = [it for it in ordered_spells[:-MOST_SPELLS] if it in ended[:-1]]
            for spell in forgotten:
                del self.spells[spell.session_id]
            if forgotten:
                # Before the first end that is remembered nobody knows whether a car had been charged.
                self._advance(min(it.end for it in self.spells.values() if it.end is not None))
        self._trim_tail()

    def _trim_tail(self) -> None:
        """Keep the interval that covers the horizon and one before it, whose end is that one's begin."""
        horizon = self.horizon
        if horizon is None or len(self.tail) < MOST_INTERVALS:
            return
        covering = next(index for index, it in enumerate(self.tail) if it.end is None or it.end > horizon)
        del self.tail[: max(covering - 1, 0)]

    def _advance(self, horizon: datetime) -> None:
        self.horizon = max(horizon, self.horizon or horizon)


@dataclass(slots=True, eq=False)
class StationMemory:
    """A station with its EVSEs, and what counts for all of them."""

    row: StationRow
    connections: dict[UUID, Connection] = field(default_factory=dict)
    whole: set[Status] = field(default_factory=set)
    """Statuses of EVSE 0."""
    requests: set[Request] = field(default_factory=set)
    evses: dict[int, EvseMemory] = field(default_factory=dict)
    clock_offset_ms: int | None = None
    clock_off_since: datetime | None = None
    breaks: deque[datetime] = field(default_factory=deque)
    notices: deque[Notice] = field(default_factory=deque)
    refusals: list[Refusal] = field(default_factory=list)
    expiries: dict[str, datetime] = field(default_factory=dict)
    horizon: datetime | None = None
    stale_since: datetime | None = None
    """The end of the last long outage whose links are forgotten."""
    is_seen: bool = False
    """It has been connected since this memory began."""
    grace_until: datetime | None = None
    """Until then it may be on its way back from an outage of ours."""

    def is_in_grace(self, now: datetime) -> bool:
        """Say whether its absence may still be our own doing: we have just begun to look, and it was away then."""
        return not self.is_seen and self.grace_until is not None and now < self.grace_until

    def enter(self, row: StationRow) -> None:
        """Take in what was entered of the station; new EVSEs get a memory."""
        self.row = row
        for evse_id, rated_w in row.evses:
            if evse_id > 0:
                self.evse(evse_id).rated_w = rated_w

    def evse(self, evse_id: int) -> EvseMemory:
        """Return the memory of an EVSE."""
        known = self.evses.get(evse_id)
        if known is None:
            key = EvseKey(self.row.station_id, EvseId(evse_id))
            known = self.evses[evse_id] = EvseMemory(key, None, horizon=self.horizon)
        return known

    def connect(self, connection: Connection) -> datetime | None:
        """Take in a link; return from when on the timelines may differ, None where they do not."""
        known = self.connections.get(connection.link_id)
        if known == connection:
            return None
        self.connections[connection.link_id] = connection
        if connection.end is not None and (known is None or known.end is None):
            self.breaks.append(connection.end)
        if len(self.connections) > 2 * MOST_LINKS:
            self._forget_links()
        if known is None:
            return connection.begin
        return min(known.last_seen_at, connection.last_seen_at)

    def hear(self, status: Status) -> bool:
        """Take in a status; False where it is known already."""
        place = self.whole if status.evse_id == 0 else self.evse(status.evse_id).statuses
        if status in place:
            return False
        place.add(status)
        if len(self.whole) > 2 * MOST_STATUSES:
            self.whole = set(sorted(self.whole)[-MOST_STATUSES:])
            self._advance(min(it.at for it in self.whole))
        return True

    def notice(self, notice: Notice) -> None:
        """Take in an event: the run of refused tokens, what firmware and security have to say."""
        if notice.action == "Authorize":
            if notice.data.get("status") == "Accepted":
                self.refusals.clear()
            else:
                refused = Refusal(notice.at, str(notice.data.get("status")), str(notice.data.get("token")))
                self.refusals.append(refused)
                del self.refusals[:-100]
            return
        self.notices.append(notice)

    def forget(self, now: datetime) -> None:
        """Drop what is older than the rules ask for."""
        limit = now - REMEMBERED
        while self.breaks and self.breaks[0] < limit:
            self.breaks.popleft()
        while self.notices and self.notices[0].at < limit:
            self.notices.popleft()
        self.refusals = [it for it in self.refusals if it.at >= limit]

    def set_clock(self, offset_ms: int | None, at: datetime, *, tolerance_ms: int = 30_000) -> None:
        """Note how far the station's clock is off, and since when it is off by more than a little."""
        self.clock_offset_ms = offset_ms
        if offset_ms is None or abs(offset_ms) < tolerance_ms:
            self.clock_off_since = None
        elif self.clock_off_since is None:
            self.clock_off_since = at

    def learn(self, evse: EvseMemory, evidence: Evidence) -> None:
        """Take in an EVSE's full evidence in place of what was remembered of it; the station's part is added."""
        evse.statuses = {it for it in evidence.statuses if it.evse_id} | evse.statuses
        evse.spells = {it.session_id: it for it in evidence.spells} | evse.spells
        self.whole |= {it for it in evidence.statuses if not it.evse_id}
        self.requests |= set(evidence.requests)
        self.connections = {it.link_id: it for it in evidence.connections} | self.connections

    def evidence_of(self, evse: EvseMemory) -> Evidence:
        """Return what is remembered of an EVSE, the station's part included."""
        evse_id = evse.key.evse_id
        return Evidence(
            tuple(self.connections.values()),
            (*self.whole, *evse.statuses),
            tuple(evse.spells.values()),
            tuple(it for it in self.requests if it.evse_id in {0, evse_id}),
            self.stale_since,
        )

    def horizon_of(self, evse: EvseMemory) -> datetime | None:
        """Return from when on the remembered evidence is complete."""
        known = [it for it in (self.horizon, evse.horizon) if it is not None]
        return max(known, default=None)

    def newest_link(self) -> Connection | None:
        """Return the link that began last."""
        return max(self.connections.values(), key=lambda it: it.begin, default=None)

    def _forget_links(self) -> None:
        ordered = sorted(self.connections.values(), key=lambda it: (it.begin, it.link_id))
        self.connections = {it.link_id: it for it in ordered[-MOST_LINKS:]}
        # The oldest one that is kept tells how the outage before the horizon began.
        horizon = ordered[-MOST_LINKS + 1].begin
        stale_since = _last_long_outage(ordered, horizon)
        if stale_since is not None:
            self._discard_stale(stale_since)
        self._advance(horizon)

    def _discard_stale(self, stale_since: datetime) -> None:
        """Words from before a long outage are worthless, and the links that show that outage are forgotten now."""
        self.stale_since = stale_since
        self.whole = _still_worth(self.whole, stale_since)
        for evse in self.evses.values():
            evse.statuses = _still_worth(evse.statuses, stale_since)

    def _advance(self, horizon: datetime) -> None:
        self.horizon = max(horizon, self.horizon or horizon)


def _still_worth(statuses: set[Status], stale_since: datetime) -> set[Status]:
    """Return what a long outage leaves: later words, and of earlier ones a connector's last, if it came afterwards."""
    last = {it.connector_id: it for it in sorted(statuses) if it.at < stale_since}
    kept = {it for it in last.values() if it.received_at >= stale_since}
    return kept | {it for it in statuses if it.at >= stale_since}


def _last_long_outage(links: Sequence[Connection], horizon: datetime) -> datetime | None:
    """Return the end of the last outage up to the horizon that was long enough to make old words worthless."""
    covers = covers_of(links)
    ends = [two.begin for one, two in pairwise(covers) if two.begin - one.until > CARRY_OVER and two.begin <= horizon]
    return ends[-1] if ends else None


def take_session(evse: EvseMemory, row: SessionRow) -> datetime | None:
    """Take in a session; return from when on the timeline may differ, None where it does not."""
    known = evse.spells.get(row.spell.session_id)
    for found in row.anomalies:
        evse.anomalies[found] = None
    _view_session(evse, row)
    if known == row.spell:
        return None
    evse.spells[row.spell.session_id] = row.spell
    return row.spell.begin if known is None else _first_difference(known, row.spell)


def _view_session(evse: EvseMemory, row: SessionRow) -> None:
    session_id = str(row.spell.session_id)
    before = evse.session
    if not row.is_open:
        if before is not None and before.session_id == session_id:
            evse.session = None
        ended_at = row.spell.end or row.updated_at
        evse.last_session_ended_at = max(ended_at, evse.last_session_ended_at or ended_at)
        return
    if before is not None and before.session_id != session_id and before.started_at > row.spell.begin:
        return
    is_same = before is not None and before.session_id == session_id
    moved = not is_same or before is None or before.energy_milliwh != row.energy_milliwh
    since = row.last_reading_at or row.spell.begin
    charging_since = max((at for at, word in row.spell.history if word == "charging"), default=None)
    evse.session = SessionView(
        session_id=session_id,
        transaction_id=row.transaction_id,
        started_at=row.spell.begin,
        token=row.token,
        energy_milliwh=row.energy_milliwh,
        power_w=row.power_w,
        soc_pct=row.soc_pct,
        last_reading_at=row.last_reading_at,
        updated_at=row.updated_at,
        charging_state=max(row.spell.history)[1] if row.spell.history else None,
        charging_since=charging_since,
        anomalies=tuple(code for _, code in row.anomalies),
        energy_since=since if moved or before is None else before.energy_since,
    )


def _first_difference(old: Spell, new: Spell) -> datetime | None:
    changes: list[datetime] = []
    if old.begin != new.begin:
        changes.append(min(old.begin, new.begin))
    changes += [at for at, _ in set(old.history) ^ set(new.history)]
    if old.end != new.end:
        changes.append(min(it for it in (old.end, new.end, new.confirmed_until) if it is not None))
    if old.confirmed_until != new.confirmed_until:
        changes.append(min(old.confirmed_until, new.confirmed_until))
    return min(changes, default=None)


def take_meter(evse: EvseMemory, row: MeterRow) -> None:
    """Take in a reading; one that is older than the newest known is of the past and changes nothing."""
    known = evse.meter
    if known.at is not None and row.at <= known.at:
        return
    is_idle = not row.has_session and evse.session is None
    follows_idle = is_idle and known.is_idle
    has_register = row.register_milliwh is not None
    evse.meter = MeterView(
        at=row.at,
        power_w=row.power_w if row.power_w is not None or is_idle else known.power_w,
        offered_w=row.offered_w if row.offered_w is not None else known.offered_w,
        temperature_c=row.temperature_c if row.temperature_c is not None else known.temperature_c,
        register_milliwh=row.register_milliwh if has_register else known.register_milliwh,
        register_at=row.at if has_register else known.register_at,
        is_idle=is_idle,
        idle_register_milliwh=known.register_milliwh if follows_idle and has_register else None,
        idle_at=known.register_at if follows_idle and has_register else None,
        peak_w=_peak_w(evse, row),
    )


def _peak_w(evse: EvseMemory, row: MeterRow) -> float | None:
    if evse.session is None:
        return None
    is_of_session = evse.meter.at is not None and evse.meter.at >= evse.session.started_at
    known_w = evse.meter.peak_w if is_of_session else None
    return max((it for it in (known_w, row.power_w) if it is not None), default=None)


# ---- what the rules look at


def view_evse(station: StationMemory, evse: EvseMemory, now: datetime) -> EvseView:
    """Show an EVSE as the rules see it; its timeline must have begun."""
    said = max((it for it in (*station.whole, *evse.statuses) if it.status == "faulted"), default=None)
    limit = now - REMEMBERED
    wanted = _accepted_wish(station, evse)
    return EvseView(
        place=Place(station.row.location_id, station.row.station_id, evse.key.evse_id),
        rated_w=evse.rated_w,
        current=evse.tail[-1],
        session=evse.session,
        meter=evse.meter,
        error_code=said.error_code if said is not None else "",
        vendor_error_code=said.vendor_error_code if said is not None else "",
        info=said.info if said is not None else "",
        last_session_ended_at=evse.last_session_ended_at,
        free_since=_free_since(evse) if evse.session is not None else None,
        wanted=wanted.operative if wanted is not None else None,
        wanted_since=wanted.at if wanted is not None else None,
        recent_anomalies=tuple(it for it in evse.anomalies if it[0] >= limit),
    )


def _free_since(evse: EvseMemory) -> datetime | None:
    """Return since when all connectors of an EVSE say that they are available."""
    last = {it.connector_id: it for it in sorted(evse.statuses)}
    if not last or any(it.status != "available" for it in last.values()):
        return None
    return max(it.at for it in last.values())


def _accepted_wish(station: StationMemory, evse: EvseMemory) -> Request | None:
    mine = [it for it in station.requests if it.evse_id in {0, evse.key.evse_id}]
    last = max(mine, key=lambda it: it.at, default=None)
    return last if last is not None and last.acknowledgement in GOOD_ANSWERS else None


def view_station(station: StationMemory, evses: Iterable[EvseView], now: datetime) -> StationView:
    """Show a station as the rules see it."""
    row, link = station.row, station.newest_link()
    is_connected = any(evse.tail and evse.tail[-1].cause not in _AWAY for evse in station.evses.values())
    since = _since(station, link, is_connected=is_connected)
    return StationView(
        place=Place(row.location_id, row.station_id),
        identity=row.identity,
        vendor=row.vendor,
        model=row.model,
        firmware=row.firmware,
        groups=row.groups,
        is_connected=is_connected,
        since=since,
        last_seen_at=link.last_seen_at if link is not None else None,
        clock_offset_ms=station.clock_offset_ms,
        clock_off_since=station.clock_off_since,
        breaks=tuple(sorted(station.breaks)),
        notices=tuple(station.notices),
        expiries=station.expiries,
        refusals=tuple(station.refusals),
        evses=tuple(evses),
        is_commissioned=link is not None
        and (row.decommissioned_at is None or now < row.decommissioned_at)
        and (row.commissioned_at is None or row.commissioned_at <= now),
    )


_AWAY = frozenset({"link_closed", "silent", "never_connected", "reported_late"})


def _since(station: StationMemory, link: Connection | None, *, is_connected: bool) -> datetime | None:
    if link is None:
        return None
    if is_connected:
        return link.begin
    begun = [evse.tail[-1].begin for evse in station.evses.values() if evse.tail]
    return min(begun, default=link.end or link.last_seen_at)
