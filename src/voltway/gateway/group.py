"""One group of messages: what to read first, what each means, what to write, and whom to answer after the commit.

The caller above the slices: a fact that touches a station and a session is handed to both here, in one transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from voltway.gateway.book import Book, EvseKey, SessionKey
from voltway.gateway.inbound import Inbound, LinkNote, Record, Seat
from voltway.gateway.needs import Needs
from voltway.identity.intake import judge_token, token_key
from voltway.infra.outbox_rows import OutboxRows
from voltway.infra.pipeline import Work
from voltway.kernel.facts import (
    ACKNOWLEDGED,
    BootReply,
    BootStatus,
    ClockReply,
    ConnectorStatusChanged,
    EnergyMetered,
    Fact,
    HeartbeatReceived,
    Notified,
    PresentedToken,
    Reading,
    Reply,
    SessionEnded,
    SessionReply,
    SessionStarted,
    SessionUpdated,
    StartReply,
    StationBooted,
    TokenInfo,
    TokenPresented,
    TokenReply,
    TokenStatus,
    VariablesReported,
)  # fmt: skip
from voltway.kernel.ids import TransactionId
from voltway.sessions import model as rules
from voltway.sessions.anomalies import AnomalyCode, anomaly
from voltway.sessions.intake import SessionRows, orphan_key_of, pg_micros, start_key_of
from voltway.sessions.model import Start, State
from voltway.stations.intake import LinkRow, Owner, StationRows, instant_of

Item = Inbound | Record | LinkNote
PENDING_INTERVAL_S = 60
CLOCK_TOLERANCE_MS = 300_000
"""A station's clock may be this far off before its times are corrected (and the session says so)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of this installation decided, and where ids and time come from."""

    heartbeat_interval_s: int
    accepts_unknown_tokens: bool
    clock: Callable[[], datetime]
    new_session_id: Callable[[datetime], UUID]


class Group:
    """Messages that are committed together. `reads`, `load`, `decide`, `works`, and after the commit `finish`."""

    def __init__(self, items: Sequence[Item], book: Book, policy: Policy) -> None:
        self._items = items
        self._book = book
        self._policy = policy
        self._now = policy.clock()
        self._needs = Needs(items, book)
        self._touched: dict[SessionKey, State] = {}
        self._open_on: dict[EvseKey, TransactionId | None] = {}
        self._replies: list[tuple[Inbound, bytes]] = []
        self._kept: list[State] = []
        self._stations = StationRows()
        self._sessions = SessionRows()
        self._outbox = OutboxRows()

    def reads(self) -> list[Work]:
        """Return what must be read before deciding; empty for a group of meter messages."""
        return self._needs.works()

    def load(self, answers: Sequence[Sequence[tuple[bytes | None, ...]]]) -> None:
        """Take in what the reads answered."""
        self._needs.load(answers)

    def decide(self) -> None:
        """Apply every item in order of arrival."""
        for item in self._items:
            if type(item) is Inbound:
                self._decide(item)
            elif type(item) is Record:
                self._record(item)
            elif type(item) is LinkNote:
                self._note(item)
        self._keep_sessions()

    def works(self) -> list[Work]:
        """Return the statements of the group's one transaction."""
        return self._sessions.works() + self._stations.works() + self._outbox.works()

    def finish(self) -> None:
        """After the commit: remember the new states and let the answers go."""
        self._book.keep(self._kept)
        self._book.let_go_of_ended(self._needs.learnt)
        for item, frame in self._replies:
            item.source.deliver(item, frame)
        gone = {item.seat.station_id for item in self._items if type(item) is LinkNote and not item.connected}
        if gone:
            self._book.forget(gone)

    @property
    def stations(self) -> set[int]:
        """Every station that the group is about."""
        return {item.seat.station_id for item in self._items}

    def _decide(self, item: Inbound) -> None:
        seat = item.seat
        received_at = pg_micros(item.received_at)
        reply = self._RULES[type(item.fact)](self, item, item.fact, received_at)
        frame = item.source.encode(item, reply)
        self._replies.append((item, frame))
        if item.findings:
            self._stations.add_findings(Owner(seat.station_id, seat.operator_id), item.findings, received_at)
        if item.frame is not None:
            self._stations.add_message((
                seat.station_id, received_at, seat.operator_id, False, item.message_id, item.action, item.frame, frame,
            ))  # fmt: skip

    def _record(self, item: Record) -> None:
        seat, received_at = item.seat, pg_micros(item.received_at)
        if item.findings:
            self._stations.add_findings(Owner(seat.station_id, seat.operator_id), item.findings, received_at)
        self._stations.add_message((
            seat.station_id, received_at, seat.operator_id, item.outgoing, item.message_id, item.action, item.frame,
            item.reply,
        ))  # fmt: skip

    def _note(self, item: LinkNote) -> None:
        seat = item.seat
        owner = Owner(seat.station_id, seat.operator_id)
        link = LinkRow(
            item.link_id, item.gateway, item.version, item.remote, item.connected, pg_micros(item.connected_at),
            pg_micros(item.last_seen_at), seat.clock_offset_ms,
        )  # fmt: skip
        self._stations.add_link(owner, link)
        if item.findings:
            self._stations.add_findings(owner, item.findings, pg_micros(item.last_seen_at))
        if not item.synthetic:
            self._outbox.add_station(seat.operator_id, seat.station_id)

    def _booted(self, item: Inbound, fact: StationBooted, received_at: int) -> Reply:
        seat = item.seat
        owner = Owner(seat.station_id, seat.operator_id)
        self._stations.add_boot(owner, fact, received_at)
        data = {"vendor": fact.vendor, "model": fact.model, "firmware": fact.firmware, "reason": fact.reason}
        self._stations.add_event(owner, Notified("BootNotification", data), received_at, received_at)
        self._outbox.add_station(seat.operator_id, seat.station_id)
        status = _BOOT_STATUS[seat.approval]
        wait_s = self._policy.heartbeat_interval_s if status is BootStatus.ACCEPTED else PENDING_INTERVAL_S
        return BootReply(status, wait_s, self._now)

    def _beat(self, _item: Inbound, _fact: HeartbeatReceived, _received_at: int) -> Reply:
        return ClockReply(self._now)

    def _status(self, item: Inbound, fact: ConnectorStatusChanged, received_at: int) -> Reply:
        seat, owner = item.seat, Owner(item.seat.station_id, item.seat.operator_id)
        at = instant_of(fact.reported_at, item.received_at)
        reported_at = pg_micros(at)
        is_known = self._stations.add_status(owner, fact, reported_at, received_at)
        data: dict[str, object] = {
            "evse_id": fact.evse_id, "connector_id": fact.connector_id, "status": fact.status.value,
            "error_code": fact.error_code, "vendor_id": fact.vendor_id, "vendor_error_code": fact.vendor_error_code,
            "info": fact.info,
        }  # fmt: skip
        if seat.clock_offset_ms is not None and abs(seat.clock_offset_ms) >= CLOCK_TOLERANCE_MS:
            data["clock_offset_ms"] = seat.clock_offset_ms
        event = Notified("StatusNotification", data, at)
        self._stations.add_event(owner, event, received_at, reported_at)
        self._outbox.add_station(seat.operator_id, seat.station_id)
        state = self._open_session(seat, fact.evse_id) if is_known else None
        if state is not None:
            at = rules.plausible_time(at, item.received_at, state.session.clock_offset_ms)[0]
            self._touch(state, rules.status_changed(state, fact.status, at))
        return ACKNOWLEDGED

    def _presented(self, item: Inbound, fact: TokenPresented, received_at: int) -> Reply:
        seat, info = item.seat, self._token(item.seat, fact.token, item.received_at)
        data = {"token": str(fact.token.token), "type": fact.token.type, "status": info.status.value}
        owner = Owner(seat.station_id, seat.operator_id)
        self._stations.add_event(owner, Notified("Authorize", data), received_at, received_at)
        self._outbox.add_station(seat.operator_id, seat.station_id)
        return TokenReply(info)

    def _started(self, item: Inbound, fact: SessionStarted, received_at: int) -> Reply:
        seat = item.seat
        info = self._token(seat, fact.token, item.received_at) if fact.token is not None else None
        known = self._known_start(seat, fact)
        transaction_id = known.session.transaction_id if known is not None else self._transaction_id(fact)
        tariff = self._needs.tariffs.find(
            seat.operator_id, seat.station_id, fact.evse_id,
            token_group=info.group if info is not None else None, at=fact.reported_at,
        )  # fmt: skip
        start = self._start(item, transaction_id, start_key_of(fact), info, tariff)
        if known is None:
            self._supersede(seat, fact, transaction_id)
        state = rules.started(known, fact, start)
        if state is not known:
            self._touch(known, state)
            self._add_readings(item, state, fact.readings, _digest_of(fact.seq_no, start.start_key), received_at)
        return StartReply(transaction_id, info)

    def _metered(self, item: Inbound, fact: EnergyMetered, received_at: int) -> Reply:
        seat, transaction_id = item.seat, fact.transaction_id
        state = self._session((seat.station_id, transaction_id)) if transaction_id is not None else None
        if state is None:
            state = self._open_session(seat, fact.evse_id)
        session = state.session if state is not None else None
        evse_id = session.evse_id if session is not None else fact.evse_id
        place = (seat.station_id, evse_id, seat.operator_id)
        self._sessions.add_readings(place, session, received_at, fact.readings, fact.digest)
        if state is not None:
            self._touch(state, rules.metered(state, fact.readings))
        else:
            # Nobody's readings: monitoring looks whether energy flows without a session.
            self._outbox.add_station(seat.operator_id, seat.station_id)
        return ACKNOWLEDGED

    def _updated(self, item: Inbound, fact: SessionUpdated, received_at: int) -> Reply:
        info = self._token(item.seat, fact.token, item.received_at) if fact.token is not None else None
        state = self._session((item.seat.station_id, fact.transaction_id))
        before = state
        if state is None:
            state = self._adopt(item, fact, fact.transaction_id)
        after = rules.updated(state, fact, info, item.received_at)
        self._touch(before, after)
        self._add_readings(item, after, fact.readings, fact.seq_no << 16, received_at)
        return SessionReply(info) if info is not None else ACKNOWLEDGED

    def _ended(self, item: Inbound, fact: SessionEnded, received_at: int) -> Reply:
        seat = item.seat
        info = self._token(seat, fact.token, item.received_at) if fact.token is not None else None
        before = self._session_of_end(seat, fact)
        state = before
        if state is None:
            state = self._adopt(item, fact, fact.transaction_id or TransactionId(f"end:{orphan_key_of(fact):x}"))
        after = rules.ended(state, fact, item.received_at)
        if before is not None and before.session.transaction_id != fact.transaction_id:
            found = (anomaly(AnomalyCode.MATCHED_BY_EVSE, item.received_at),)
            session = replace(after.session, anomalies=rules.merged(after.session.anomalies, found))
            after = State(session, after.progress)
        self._touch(before, after)
        self._add_readings(item, after, fact.readings, _digest_of(fact.seq_no, orphan_key_of(fact)), received_at)
        return SessionReply(info) if info is not None else ACKNOWLEDGED

    def _listed(self, item: Inbound, fact: VariablesReported, received_at: int) -> Reply:
        self._stations.add_variables(Owner(item.seat.station_id, item.seat.operator_id), fact, received_at)
        return ACKNOWLEDGED

    def _notified(self, item: Inbound, fact: Notified, received_at: int) -> Reply:
        owner = Owner(item.seat.station_id, item.seat.operator_id)
        reported_at = pg_micros(instant_of(fact.reported_at, item.received_at))
        self._stations.add_event(owner, fact, received_at, reported_at)
        self._outbox.add_station(owner.operator_id, owner.station_id)
        return ACKNOWLEDGED

    def _token(self, seat: Seat, token: PresentedToken, at: datetime) -> TokenInfo:
        if seat.approval != "approved":
            return TokenInfo(TokenStatus.NOT_AT_THIS_LOCATION)
        if token.type == "NoAuthorization":
            return TokenInfo(TokenStatus.ACCEPTED, is_billable=False)
        known = self._needs.tokens.get(token_key(seat.operator_id, token))
        return judge_token(known, at, accepts_unknown=self._policy.accepts_unknown_tokens)

    def _session(self, key: SessionKey) -> State | None:
        return self._touched.get(key) or self._book.sessions.get(key)

    def _open_session(self, seat: Seat, evse_id: int) -> State | None:
        place = (seat.station_id, evse_id)
        transaction_id = self._open_on[place] if place in self._open_on else self._book.open_on.get(place)
        return self._session((seat.station_id, transaction_id)) if transaction_id is not None else None

    def _known_start(self, seat: Seat, fact: SessionStarted) -> State | None:
        if fact.transaction_id is not None:
            return self._session((seat.station_id, fact.transaction_id))
        transaction_id = self._needs.starts.get((seat.station_id, start_key_of(fact)))
        return self._session((seat.station_id, transaction_id)) if transaction_id is not None else None

    def _session_of_end(self, seat: Seat, fact: SessionEnded) -> State | None:
        if fact.transaction_id is not None:
            state = self._session((seat.station_id, fact.transaction_id))
            if state is not None or fact.evse_id is not None:
                return state
        orphan = self._session((seat.station_id, TransactionId(f"end:{orphan_key_of(fact):x}")))
        if orphan is not None:
            return orphan
        # 1.6 names neither EVSE nor connector at the end: adopt the only open session that fits (field notes 7).
        fitting = [state for state in self._open_sessions(seat) if _fits(state, fact)]
        return fitting[0] if len(fitting) == 1 else None

    def _open_sessions(self, seat: Seat) -> list[State]:
        keys = {key for key in (*self._book.open_on, *self._open_on) if key[0] == seat.station_id}
        found = [self._open_session(seat, evse_id) for _, evse_id in sorted(keys)]
        return [state for state in found if state is not None and state.session.is_open]

    def _transaction_id(self, fact: SessionStarted) -> TransactionId:
        if fact.transaction_id is not None:
            return fact.transaction_id
        return TransactionId(str(self._book.transaction_numbers.popleft()))

    def _start(
        self, item: Inbound, transaction_id: TransactionId, start_key: int, info: TokenInfo | None,
        tariff: tuple[str, int] | None,
    ) -> Start:  # fmt: skip
        offset_ms = item.seat.clock_offset_ms or 0
        return Start(
            session_id=self._policy.new_session_id(item.received_at),
            operator_id=item.seat.operator_id,
            station_id=item.seat.station_id,
            transaction_id=transaction_id,
            start_key=start_key,
            received_at=item.received_at,
            token=info,
            tariff=tariff,
            clock_offset_ms=offset_ms if abs(offset_ms) >= CLOCK_TOLERANCE_MS else 0,
            synthetic=item.synthetic,
            anomalies=() if tariff is not None else (anomaly(AnomalyCode.NO_TARIFF, item.received_at),),
        )

    def _adopt(self, item: Inbound, fact: SessionUpdated | SessionEnded, transaction_id: TransactionId) -> State:
        seat = item.seat
        tariff = self._needs.tariffs.find(
            seat.operator_id, seat.station_id, fact.evse_id or 0, token_group=None, at=fact.reported_at
        )
        start_key = start_key_of(SessionStarted(0, 0, fact.reported_at, None, transaction_id))  # type: ignore[arg-type]
        return rules.adopted(fact, self._start(item, transaction_id, start_key, None, tariff))

    def _supersede(self, seat: Seat, fact: SessionStarted, transaction_id: TransactionId) -> None:
        earlier = self._open_session(seat, fact.evse_id) if fact.evse_id else None
        if earlier is None or earlier.session.transaction_id == transaction_id:
            return
        if earlier.session.started_at <= fact.reported_at:
            self._touch(earlier, rules.superseded(earlier, fact.reported_at))

    def _add_readings(
        self, item: Inbound, state: State, readings: Sequence[Reading], digest: int, received_at: int
    ) -> None:
        if readings:
            place = (item.seat.station_id, int(state.session.evse_id), item.seat.operator_id)
            self._sessions.add_readings(place, state.session, received_at, readings, digest)

    def _touch(self, before: State | None, after: State) -> None:
        session = after.session
        key = (session.station_id, session.transaction_id)
        if after is before:
            return
        self._touched[key] = after
        if before is None or before.session is not session:
            place = (session.station_id, int(session.evse_id))
            if session.is_open:
                self._open_on[place] = session.transaction_id
            elif self._open_on.get(place, self._book.open_on.get(place)) == session.transaction_id:
                self._open_on[place] = None

    def _keep_sessions(self) -> None:
        for key, state in self._touched.items():
            before = self._book.sessions.get(key)
            self._kept.append(self._sessions.keep(before, state, self._now))
            session = state.session
            self._outbox.add_session(session.operator_id, session.session_id, is_ended=not session.is_open)

    # Functions, not bound methods: a group that held its own methods would be a cycle, and only the collector would
    # free it with all its messages (measured: 30 % of the gateway's CPU, and its memory grew meanwhile).
    _RULES: ClassVar[dict[type[Fact], Callable[..., Reply]]] = {
        EnergyMetered: _metered,
        SessionUpdated: _updated,
        HeartbeatReceived: _beat,
        StationBooted: _booted,
        ConnectorStatusChanged: _status,
        TokenPresented: _presented,
        SessionStarted: _started,
        SessionEnded: _ended,
        VariablesReported: _listed,
        Notified: _notified,
    }


def _digest_of(seq_no: int | None, key: int) -> int:
    return seq_no << 16 if seq_no is not None else key


def _fits(state: State, fact: SessionEnded) -> bool:
    session = state.session
    if fact.token is not None and session.token not in {None, str(fact.token.token)}:
        return False
    begin, end = session.register_begin_milliwh, fact.register_end_milliwh
    return session.started_at <= fact.reported_at and (begin is None or end is None or end >= begin)


_BOOT_STATUS = {"approved": BootStatus.ACCEPTED, "pending": BootStatus.PENDING, "rejected": BootStatus.REJECTED}
