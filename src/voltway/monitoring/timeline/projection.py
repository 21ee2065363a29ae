"""Projects an EVSE's evidence onto operator states: the one place that decides what an EVSE was. Pure.

A sweep over the instants at which any evidence changes: what is in force then is fused into one state by `_fused`, and
equal neighbours become one interval. The result depends on the set of the evidence only, not on its order or on
duplicates, so what comes late is right as soon as it is projected again.

Rules, in this order:

1. Not connected: a session that is known to have gone on then (its readings came later) counts as what it was; else the
   EVSE is offline. A link ends when it closes; one that nobody closed is believed for a while past its last sign
   of life, or until the next link begins.
2. Connected, and the station or all of the EVSE's connectors say "faulted": faulted, by its error code.
3. A session is open: charging, suspended or finishing as car and station say (an "available" beside an open session is
   a lie that some firmwares tell; field notes 21).
4. The connector's own word. "Occupied" (2.x) is finishing after a session since the last "available", else preparing.
   "Unavailable" is by intent where we asked for it, else the station closed itself: a fault.
5. No word since a connection that followed an outage of more than `CARRY_OVER`: unknown. Stale is never available.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from voltway.monitoring.timeline.model import (
    Cause,
    Connection,
    Evidence,
    Interval,
    OperatorState,
    Request,
    Spell,
    Status,
)

CARRY_OVER = timedelta(minutes=15)
"""After a shorter outage a station's last words still stand: many stations repeat only what changed."""
STALE_AFTER = timedelta(seconds=90)
"""A link without any sign of life (a pong counts) for so long is dead, whatever its socket says."""
NOTE_LAG = timedelta(seconds=40)
"""A sign of life is written down at most so much later (gateway.link: every 15 s, when the link is swept)."""
GOOD_ANSWERS = frozenset({"Accepted", "Scheduled"})

_OF_SESSION = {
    "charging": OperatorState.CHARGING,
    "suspended_ev": OperatorState.SUSPENDED_BY_CAR,
    "suspended_evse": OperatorState.SUSPENDED_BY_STATION,
}
_OF_STATUS = {
    "available": OperatorState.AVAILABLE,
    "preparing": OperatorState.PREPARING,
    "charging": OperatorState.CHARGING,
    "suspended_ev": OperatorState.SUSPENDED_BY_CAR,
    "suspended_evse": OperatorState.SUSPENDED_BY_STATION,
    "finishing": OperatorState.FINISHING,
    "reserved": OperatorState.RESERVED,
}
_RANK = (
    "charging", "suspended_evse", "suspended_ev", "finishing", "occupied", "preparing", "reserved", "available",
    "faulted", "unavailable", "unknown",
)  # fmt: skip
"""Of several connectors of one EVSE the first of these speaks for it: it can serve a car if one of them can."""
_NO_ERROR = frozenset({"", "NoError"})


def stale_after(ping_interval_s: float, ping_timeout_s: float) -> timedelta:
    """Return how long an open link is believed without a sign of life: until its ping would have been missed."""
    return timedelta(seconds=ping_interval_s + ping_timeout_s) + NOTE_LAG


class Cover(NamedTuple):
    """A stretch in which the station could be reached; `cause`: how it ended."""

    begin: datetime
    until: datetime
    cause: Cause


class _Fused(NamedTuple):
    state: OperatorState
    cause: str
    evidence: str
    evidence_at: datetime


class _Point(NamedTuple):
    """Evidence that begins or ends to hold. Sorted by instant, then kind, then a key that is total."""

    at: datetime
    kind: int
    key: tuple[object, ...]
    what: object


_REQUEST, _STATUS, _SPELL, _NOTED, _COVER, _GONE = range(6)


@dataclass(slots=True)
class _Now:
    """What is in force at the instant that the sweep has reached."""

    began: datetime
    cover: Cover | None = None
    gone: Cover | None = None
    statuses: dict[tuple[int, int], Status] = field(default_factory=dict)
    stale_since: datetime | None = None
    spells: list[Spell] = field(default_factory=list)
    requests: dict[int, Request] = field(default_factory=dict)
    last_free: datetime | None = None
    last_session_end: datetime | None = None


class Projection(NamedTuple):
    """The intervals (the last one has no end), and when the same evidence would tell of another state."""

    intervals: list[Interval]
    due: datetime | None


def project(
    evidence: Evidence, now: datetime, *, begin: datetime | None = None, patience: timedelta = STALE_AFTER
) -> Projection:
    """Return the intervals of an EVSE from `begin` (its commissioning, or else its first evidence) until now.

    Args:
        evidence: everything known of it; order and duplicates do not matter. Where it is cut off in the past, what was
            in force at `begin` must be among it.
        now: nothing after this instant is told, and a link that is silent by then is over.
        begin: where the intervals begin; before its first connection an EVSE is offline.
        patience: how long an open link is believed without a sign of life.
    """
    points = sorted(_points(evidence, covers_of(evidence.connections, patience)))
    if begin is None:
        firsts = [*(point.at for point in points[:1]), *(it.begin for it in evidence.connections)]
        begin = min(firsts, default=None)
    if begin is None or begin > now:
        return Projection([], None)
    state, found, index = _Now(began=begin, stale_since=evidence.stale_since), list[tuple[datetime, _Fused]](), 0
    if not points or points[0].at > begin:
        found.append((begin, _fused(state, begin)))
    while index < len(points) and (at := points[index].at) <= now:
        while index < len(points) and points[index].at == at:
            _apply(state, points[index])
            index += 1
        if at >= begin or index == len(points) or points[index].at > begin:
            _note(found, max(at, begin), _fused(state, max(at, begin)))
    return Projection(list(_intervals(found)), points[index].at if index < len(points) else None)


def covers_of(connections: Sequence[Connection], patience: timedelta = STALE_AFTER) -> list[Cover]:
    """Return when the station could be reached: its links, each with its true end, merged where they overlap."""
    newest = {it.link_id: it for it in sorted(connections, key=lambda it: (it.last_seen_at, it.end or it.begin))}
    links = sorted(newest.values(), key=lambda it: (it.begin, it.link_id))
    covers: list[Cover] = []
    for number, link in enumerate(links):
        following = links[number + 1].begin if number + 1 < len(links) else None
        cover = _cover_of(link, following, patience)
        if cover.until <= cover.begin:
            continue
        if covers and cover.begin <= covers[-1].until:
            if cover.until > covers[-1].until:
                covers[-1] = covers[-1]._replace(until=cover.until, cause=cover.cause)
            continue
        covers.append(cover)
    return covers


def _cover_of(link: Connection, following: datetime | None, patience: timedelta) -> Cover:
    if link.end is not None:
        return Cover(link.begin, max(link.end, link.last_seen_at), Cause.LINK_CLOSED)
    until = max(link.last_seen_at, link.begin) + patience
    # A gateway that died closed nothing: the next link proves that this one was over.
    return Cover(link.begin, until if following is None else min(until, following), Cause.SILENT)


def _points(evidence: Evidence, covers: Sequence[Cover]) -> Iterator[_Point]:
    for request in set(evidence.requests):
        yield _Point(request.at, _REQUEST, (request.evse_id, request.operative, request.acknowledgement or ""), request)
    for status in set(evidence.statuses):
        yield _Point(status.at, _STATUS, tuple(status), status)
    spells = sorted(evidence.spells, key=lambda it: (it.confirmed_until, it.end or it.begin, it.history))
    for spell in {it.session_id: it for it in spells}.values():
        key = (str(spell.session_id),)
        yield _Point(spell.begin, _SPELL, key, spell)
        ends = {spell.confirmed_until} if spell.end is None else {spell.confirmed_until, spell.end}
        for at in {*ends, *(at for at, _ in spell.history)}:
            yield _Point(max(at, spell.begin), _NOTED, key, spell)
    for cover in covers:
        yield _Point(cover.begin, _COVER, (), cover)
        yield _Point(cover.until, _GONE, (), cover)


def _apply(state: _Now, point: _Point) -> None:
    match point.what:
        case Request() as request:
            state.requests[request.evse_id] = request
        case Status() as status:
            _hear(state, status)
        case Spell() as spell:
            _follow(state, spell, point.at)
        case Cover() as cover if point.kind == _COVER:
            _connect(state, cover)
        case Cover() as cover:
            state.cover, state.gone = None, cover


def _hear(state: _Now, status: Status) -> None:
    state.statuses[status.evse_id, status.connector_id] = status
    if status.evse_id and status.status == "available":
        state.last_free = status.at


def _follow(state: _Now, spell: Spell, at: datetime) -> None:
    state.spells = [it for it in state.spells if it.session_id != spell.session_id]
    if spell.end is None or at < spell.end:
        state.spells.append(spell)
        state.spells.sort(key=lambda it: (it.begin, str(it.session_id)))
    else:
        state.last_session_end = max(spell.end, state.last_session_end or spell.end)


def _connect(state: _Now, cover: Cover) -> None:
    outage = cover.begin - (state.gone.until if state.gone is not None else state.began)
    state.cover = cover
    if state.gone is not None and outage > CARRY_OVER:
        # What was said before is no longer believed; what was said during the outage came with this connection.
        state.statuses = {key: it for key, it in state.statuses.items() if it.received_at >= cover.begin}
        state.stale_since = cover.begin


def _fused(state: _Now, at: datetime) -> _Fused:
    spell = state.spells[-1] if state.spells else None
    if state.cover is None:
        return _unreached(state, spell, at)
    whole = [it for (evse_id, _), it in state.statuses.items() if evse_id == 0]
    own = [it for (evse_id, _), it in state.statuses.items() if evse_id != 0]
    fault = _fault_of(whole, own)
    if fault is not None:
        return _Fused(OperatorState.FAULTED, _code_of(fault), _words(fault), fault.at)
    if spell is not None:
        return _in_session(spell, own, at)
    return _by_status(state, whole, own, at)


def _unreached(state: _Now, spell: Spell | None, at: datetime) -> _Fused:
    if spell is not None and at < spell.confirmed_until:
        known = _in_session(spell, [], at)
        return known._replace(cause=Cause.REPORTED_LATE)
    if state.gone is None:
        return _Fused(OperatorState.OFFLINE, Cause.NEVER_CONNECTED, "it never connected", state.began)
    word = "its link closed" if state.gone.cause is Cause.LINK_CLOSED else "no sign of life on its link"
    return _Fused(OperatorState.OFFLINE, state.gone.cause, word, state.gone.until)


def _fault_of(whole: Sequence[Status], own: Sequence[Status]) -> Status | None:
    """A fault of the station is one of each EVSE; of several connectors all must be at fault."""
    faulted = [it for it in whole if it.status == "faulted"]
    if not faulted and own and all(it.status == "faulted" for it in own):
        faulted = list(own)
    return max(faulted, default=None)


def _code_of(status: Status) -> str:
    codes = (status.error_code if status.error_code not in _NO_ERROR else "", status.vendor_error_code, status.info)
    return next((code for code in codes if code), "unspecified")


def _words(status: Status) -> str:
    code = f" ({_code_of(status)})" if status.status == "faulted" else ""
    return f"{'the station' if status.evse_id == 0 else f'connector {status.connector_id}'} said {status.status}{code}"


def _in_session(spell: Spell, own: Sequence[Status], at: datetime) -> _Fused:
    told = [entry for entry in spell.history if entry[0] <= at]
    if told:
        since, word = max(told)
        known = _OF_SESSION.get(word)
        if known is None:
            has_charged = any(entry[1] == "charging" for entry in told)
            known = OperatorState.FINISHING if has_charged or word == "idle" else OperatorState.PREPARING
        return _Fused(known, Cause.NONE, f"its session says {word}", since)
    said = max((it for it in own if it.at >= spell.begin and it.status in _OF_SESSION), default=None)
    if said is not None:
        return _Fused(_OF_SESSION[said.status], Cause.NONE, _words(said), said.at)
    return _Fused(OperatorState.CHARGING, Cause.NONE, "a session is open", spell.begin)


def _by_status(state: _Now, whole: Sequence[Status], own: Sequence[Status], at: datetime) -> _Fused:
    closed = next((it for it in whole if it.status == "unavailable"), None)
    speaking = closed if closed is not None else min(own, key=lambda it: (_RANK.index(it.status), it), default=None)
    if speaking is None:
        since = state.stale_since
        if since is not None:
            return _Fused(OperatorState.UNKNOWN, Cause.STATUS_STALE, "no status since it came back", since)
        return _Fused(OperatorState.UNKNOWN, Cause.NO_STATUS, "no status yet", state.began)
    if speaking.status == "unavailable":
        return _closed(state, speaking, at)
    if speaking.status == "occupied":
        return _Fused(_of_occupied(state), Cause.NONE, _words(speaking), speaking.at)
    known = _OF_STATUS.get(speaking.status)
    if known is None:
        return _Fused(OperatorState.UNKNOWN, Cause.NO_STATUS, _words(speaking), speaking.at)
    return _Fused(known, Cause.NONE, _words(speaking), speaking.at)


def _of_occupied(state: _Now) -> OperatorState:
    ended, known_since = (
        state.last_session_end,
        max((it for it in (state.last_free, state.stale_since) if it), default=None),
    )
    has_charged = ended is not None and (known_since is None or ended > known_since)
    return OperatorState.FINISHING if has_charged else OperatorState.PREPARING


def _closed(state: _Now, speaking: Status, at: datetime) -> _Fused:
    wishes = [it for it in state.requests.values() if it.at <= at and it.acknowledgement in GOOD_ANSWERS]
    if any(not it.operative for it in wishes):
        return _Fused(OperatorState.UNAVAILABLE, Cause.INTENT, _words(speaking), speaking.at)
    return _Fused(OperatorState.FAULTED, Cause.CLOSED_UNASKED, _words(speaking), speaking.at)


def _note(found: list[tuple[datetime, _Fused]], at: datetime, fused: _Fused) -> None:
    """Add a change; of several at one instant the last stands, and what does not differ is no change."""
    if found and found[-1][0] == at:
        found.pop()
    if not found or found[-1][1][:2] != fused[:2]:
        found.append((at, fused))


def _intervals(found: Sequence[tuple[datetime, _Fused]]) -> Iterator[Interval]:
    for number, (begin, fused) in enumerate(found):
        end = found[number + 1][0] if number + 1 < len(found) else None
        yield Interval(begin, end, fused.state, str(fused.cause), fused.evidence, fused.evidence_at)
