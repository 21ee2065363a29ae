"""Facts made into the rows that the watch reads, by the rules of gateway and sessions, without a database."""

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import orjson

from rig.lab.stream import Asked, CertificateSeen, Event, LinkClosed, LinkOpened
from voltway.gateway.clock_offset import ClockOffset
from voltway.gateway.group import CLOCK_TOLERANCE_MS
from voltway.kernel.energy import Register
from voltway.kernel.facts import (
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    Notified,
    Reading,
    SessionEnded,
    SessionStarted,
    SessionUpdated,
    StationBooted,
    TokenInfo,
    TokenPresented,
    TokenStatus,
)
from voltway.kernel.ids import EvseId, OperatorId, StationId, TransactionId
from voltway.monitoring.incidents.model import Notice
from voltway.monitoring.timeline.model import Connection, Request, Spell, Status
from voltway.monitoring.watch.model import (
    ConnectionRow,
    Facts,
    MeterRow,
    NoticeRow,
    RequestRow,
    SessionRow,
    StatusRow,
)
from voltway.monitoring.watch.store import METER_CODES
from voltway.sessions import model as rules
from voltway.sessions.model import Start, State
from voltway.sessions.registers import RegisterPoint, judge

OPERATOR = OperatorId(1)
TARIFF = ("LAB", 1)
TOLD_AGAIN_MS = 1_000
"""A clock's offset is told again where it has changed by more; the gateway tells it with every sign of life."""
REMEMBERED = timedelta(days=2)
_ACCEPTED = TokenInfo(TokenStatus.ACCEPTED)


@dataclass(slots=True)
class _Link:
    """A station's connection now, and what is known of its clock."""

    connection: Connection
    clock: ClockOffset = field(default_factory=ClockOffset)
    told_ms: int | None = None


@dataclass(slots=True)
class Ledger:
    """What the gateway would keep in its tables; `take` adds rows to a batch."""

    rated_w: dict[tuple[int, int], int]
    links: dict[int, _Link] = field(default_factory=dict)
    sessions: dict[tuple[int, str], State] = field(default_factory=dict)
    open_on: dict[tuple[int, int], str] = field(default_factory=dict)
    points: dict[tuple[int, str], list[RegisterPoint]] = field(default_factory=lambda: defaultdict(list))
    ended: deque[tuple[datetime, tuple[int, str]]] = field(default_factory=deque)
    starts: dict[tuple[int, int], list[datetime]] = field(default_factory=lambda: defaultdict(list))
    """When sessions started, by EVSE, through the whole month: for rules that look at long histories."""
    numbers: int = 0

    def forget(self, now: datetime) -> None:
        """Drop sessions that ended long ago: of those nothing comes any more, and memory stays flat over a month."""
        while self.ended and self.ended[0][0] < now - REMEMBERED:
            _, key = self.ended.popleft()
            del self.sessions[key]

    def take(self, event: Event, facts: Facts) -> None:
        """Add to a batch what an event changes."""
        what = event.what
        match what:
            case LinkOpened():
                self._open(event, facts)
            case LinkClosed():
                self._close(event, facts)
            case Asked():
                request = Request(event.at, what.evse_id, what.operative, what.acknowledgement)
                facts.requests.append(RequestRow(event.station_id, request))
            case CertificateSeen():
                facts.expiries[event.station_id] = {what.name: what.expires_at}
            case _:
                self._hear(event, what, facts)

    def offset_ms(self, station_id: int) -> int:
        """Return a station's clock offset as far as it matters to its timestamps."""
        link = self.links.get(station_id)
        known = link.clock.offset_ms if link is not None else None
        return known if known is not None and abs(known) >= CLOCK_TOLERANCE_MS else 0

    def _open(self, event: Event, facts: Facts) -> None:
        self.numbers += 1
        connection = Connection(UUID(int=self.numbers), event.at, None, event.at)
        self.links[event.station_id] = _Link(connection)
        facts.connections.append(ConnectionRow(event.station_id, connection))

    def _close(self, event: Event, facts: Facts) -> None:
        link = self.links[event.station_id]
        link.connection = replace(link.connection, end=event.at, last_seen_at=event.at)
        facts.connections.append(ConnectionRow(event.station_id, link.connection, link.clock.offset_ms))

    def _hear(self, event: Event, fact: Fact, facts: Facts) -> None:
        self._observe(event, fact, facts)
        match fact:
            case ConnectorStatusChanged():
                self._status(event, fact, facts)
            case TokenPresented():
                status = (event.answer or TokenStatus.ACCEPTED).value
                self._notice(event, "Authorize", {"token": str(fact.token.token), "status": status}, facts)
            case StationBooted():
                self._notice(event, "BootNotification", {"firmware": fact.firmware, "reason": fact.reason}, facts)
            case Notified():
                self._notice(event, fact.action, dict(fact.data), facts)
            case SessionStarted():
                self._started(event, fact, facts)
            case SessionUpdated():
                self._updated(event, fact, facts)
            case EnergyMetered():
                self._metered(event, fact, facts)
            case SessionEnded():
                self._ended(event, fact, facts)

    def _observe(self, event: Event, fact: Fact, facts: Facts) -> None:
        """Follow the station's clock and tell the watch where its offset changed."""
        link = self.links[event.station_id]
        link.clock.observe(fact, event.at)
        offset_ms = link.clock.offset_ms
        if offset_ms is not None and (link.told_ms is None or abs(offset_ms - link.told_ms) > TOLD_AGAIN_MS):
            link.told_ms = offset_ms
            link.connection = replace(link.connection, last_seen_at=event.at)
            facts.connections.append(ConnectionRow(event.station_id, link.connection, offset_ms))

    def _notice(self, event: Event, action: str, data: dict[str, object], facts: Facts) -> None:
        facts.notices.append(NoticeRow(event.station_id, Notice(event.at, action, data)))

    def _status(self, event: Event, fact: ConnectorStatusChanged, facts: Facts) -> None:
        at, _ = rules.plausible_time(fact.reported_at or event.at, event.at, self.offset_ms(event.station_id))
        status = Status(
            min(at, event.at), event.at, fact.evse_id, fact.connector_id, fact.status.value, fact.error_code or "",
            fact.vendor_error_code or "", fact.info or "",
        )  # fmt: skip
        facts.statuses.append(StatusRow(event.station_id, status))
        transaction = self.open_on.get((event.station_id, fact.evse_id))
        if transaction is not None:
            key = (event.station_id, transaction)
            state = self.sessions[key]
            self._keep(event, key, rules.status_changed(state, fact.status, at), facts)

    def _started(self, event: Event, fact: SessionStarted, facts: Facts) -> None:
        assert fact.transaction_id is not None, "the laboratory numbers its sessions"
        key, place = (event.station_id, str(fact.transaction_id)), (event.station_id, int(fact.evse_id))
        known, running = self.sessions.get(key), self.open_on.get(place)
        if running is not None and running != key[1]:
            older = (event.station_id, running)
            self._keep(event, older, rules.superseded(self.sessions[older], event.at), facts)
        state = rules.started(known, fact, self._start(event, key[1]))
        if known is None:
            self.starts[place].append(state.session.started_at)
        if state.session.is_open:
            self.open_on[place] = key[1]
        self._keep(event, key, state, facts, fact.readings)

    def _updated(self, event: Event, fact: SessionUpdated, facts: Facts) -> None:
        key = (event.station_id, str(fact.transaction_id))
        state = self.sessions.get(key)
        if state is None:
            state = rules.adopted(fact, self._start(event, key[1]))
            self.open_on.setdefault((event.station_id, int(fact.evse_id or 0)), key[1])
        self._keep(event, key, rules.updated(state, fact, None, event.at), facts, fact.readings)

    def _metered(self, event: Event, fact: EnergyMetered, facts: Facts) -> None:
        place = (event.station_id, int(fact.evse_id))
        transaction = str(fact.transaction_id) if fact.transaction_id is not None else self.open_on.get(place)
        state = self.sessions.get((event.station_id, transaction)) if transaction is not None else None
        if state is None or transaction is None:
            self._meter(place, fact.readings, facts, has_session=False)
            return
        self._keep(event, (event.station_id, transaction), rules.metered(state, fact.readings), facts, fact.readings)

    def _ended(self, event: Event, fact: SessionEnded, facts: Facts) -> None:
        key = (event.station_id, str(fact.transaction_id))
        state = self.sessions.get(key)
        if state is None:
            state = rules.adopted(fact, self._start(event, key[1]))
        self._keep(event, key, self._judged(key, rules.ended(state, fact, event.at)), facts, fact.readings)

    def _judged(self, key: tuple[int, str], state: State) -> State:
        """Judge the registers of a session that ended, as `sessions.finalise` does a moment later."""
        session = state.session
        begin, end = session.register_begin_milliwh, session.register_end_milliwh
        found = judge(
            None if begin is None else RegisterPoint(session.started_at, Register(begin)),
            self.points.pop(key, []),
            None if end is None or session.ended_at is None else RegisterPoint(session.ended_at, Register(end)),
            max_power_w=float(self.rated_w.get((key[0], session.evse_id), 1_000_000)),
        )
        return State(replace(session, anomalies=rules.merged(session.anomalies, found.anomalies)), state.progress)

    def _keep(
        self,
        event: Event,
        key: tuple[int, str],
        state: State,
        facts: Facts,
        readings: tuple[Reading, ...] = (),
    ) -> None:
        session = state.session
        place = (event.station_id, int(session.evse_id))
        if state is not self.sessions.get(key):
            facts.sessions.append(_session_row(state, event.at))
        if not session.is_open and (key not in self.sessions or self.sessions[key].session.is_open):
            self.ended.append((event.at, key))
        self.sessions[key] = state
        if not session.is_open and self.open_on.get(place) == key[1]:
            del self.open_on[place]
        offset = timedelta(milliseconds=session.clock_offset_ms)
        for reading in readings:
            if reading.register_milliwh is not None and session.is_open:
                self.points[key].append(RegisterPoint(reading.at - offset, Register(reading.register_milliwh)))
        self._meter(place, readings, facts, has_session=True)

    @staticmethod
    def _meter(place: tuple[int, int], readings: tuple[Reading, ...], facts: Facts, *, has_session: bool) -> None:
        for reading in readings:
            extra = orjson.loads(reading.extra) if reading.extra else {}
            facts.meters.append(
                MeterRow(
                    *place, reading.at, has_session, reading.register_milliwh, reading.power_w, reading.offered_w,
                    extra.get("temperature_c"),
                )
            )  # fmt: skip

    def _start(self, event: Event, transaction: str) -> Start:
        self.numbers += 1
        return Start(
            session_id=UUID(int=self.numbers),
            operator_id=OPERATOR,
            station_id=StationId(event.station_id),
            transaction_id=TransactionId(transaction),
            start_key=self.numbers,
            received_at=event.at,
            token=_ACCEPTED,
            tariff=TARIFF,
            clock_offset_ms=self.offset_ms(event.station_id),
        )


def _session_row(state: State, updated_at: datetime) -> SessionRow:
    session, progress = state
    begin = session.started_at
    end = None if session.ended_at is None else max(session.ended_at, begin)
    last_at = progress.last_at
    confirmed = end if end is not None else max(last_at or begin, begin)
    return SessionRow(
        station_id=session.station_id,
        evse_id=EvseId(session.evse_id),
        spell=Spell(session.session_id, begin, end, confirmed, tuple((at, str(it)) for at, it in session.history)),
        is_open=session.is_open,
        transaction_id=session.transaction_id,
        token=session.token,
        energy_milliwh=progress.energy_milliwh,
        power_w=progress.power_w,
        soc_pct=progress.soc_pct,
        last_reading_at=last_at,
        updated_at=updated_at,
        anomalies=tuple((it.since, it.code.value) for it in session.anomalies if it.code.value in METER_CODES),
    )
