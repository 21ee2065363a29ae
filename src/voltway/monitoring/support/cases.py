"""From what was found to what must be explained: which tokens held up led to no session, and where to look. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from voltway.kernel.ids import StationId
from voltway.monitoring.support.model import Ask, Attempt, Case, Place, Presented, SessionFacts
from voltway.monitoring.support.start_causes import PATIENCE

BEFORE, AFTER = timedelta(minutes=12), timedelta(minutes=15)
"""Around a start or an end; long enough for a reset before it and a boot after it."""
AGAIN = timedelta(minutes=2)
"""A driver who holds a card up again within this time tries the same start."""
_STOPPING = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Query:
    """What the desk knows: at least one of token, contact, station and session; `at` ± `within` narrows in time."""

    token: str | None = None
    contact: str | None = None
    station: str | None = None
    session: str | None = None
    at: datetime | None = None
    within: timedelta = timedelta(minutes=30)
    limit: int = 10

    @property
    def begin(self) -> datetime | None:
        """From when on; None: ever."""
        return None if self.at is None else self.at - self.within

    @property
    def end(self) -> datetime | None:
        """Until when; None: now."""
        return None if self.at is None else self.at + self.within


class Window(NamedTuple):
    """A stretch of one station's time that belongs to a case (by its number)."""

    case: int
    station_id: StationId
    begin: datetime
    end: datetime


def attempts_of(
    presented: Iterable[Presented], asks: Iterable[Ask], sessions: Sequence[SessionFacts],
    places: Mapping[StationId, Place],
) -> list[Attempt]:  # fmt: skip
    """Return the starts that no session followed, oldest first; who tries again soon makes one attempt."""
    starts = sorted((it for it in asks if it.kind == "start" and it.station_id in places), key=lambda it: it.at)
    found = [
        Attempt(it.at, places[it.station_id], it.token, ask=it) for it in starts if not _led_to_session(it, sessions)
    ]
    for seen in sorted(presented):
        if seen.station_id not in places or _belongs_to_session(seen, sessions) or _follows_ask(seen, starts):
            continue
        last = found[-1] if found else None
        attempt = Attempt(seen.at, places[seen.station_id], seen.token, presented=seen)
        if last is not None and last.presented is not None and _is_again(last.presented, seen):
            found[-1] = attempt
        else:
            found.append(attempt)
    return sorted(found, key=lambda it: it.at)


def windows_of(number: int, case: Case) -> list[Window]:
    """Return where the evidence of a case lies: around its start and its end, overlapping ones joined."""
    if case.place is None:
        return []
    if not isinstance(case.subject, SessionFacts):
        silence = case.subject
        begin, end = (case.at, case.at) if isinstance(silence, Attempt) else (silence.begin, silence.end)
        return [Window(number, case.place.station_id, begin - BEFORE, end + AFTER)]
    it = case.subject
    instants = [it.started_at, it.received_at, it.ended_at or it.updated_at]
    if it.updated_at - (it.ended_at or it.updated_at) > AFTER:
        # The end was reported later: its message stands where it arrived.
        instants.append(it.updated_at)
    joined: list[list[datetime]] = []
    for at in sorted(instants):
        if joined and at - BEFORE <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], at + AFTER)
        else:
            joined.append([at - BEFORE, at + AFTER])
    return [Window(number, it.station_id, begin, end) for begin, end in joined]


def windows_around(seen: Sequence[Presented | Ask]) -> list[Window]:
    """Return where a session may lie to which a token held up (or a start asked for) belongs."""
    return [Window(number, it.station_id, it.at - PATIENCE, it.at + PATIENCE) for number, it in enumerate(seen)]


def nearest(cases: Iterable[Case], query: Query) -> list[Case]:
    """Return the cases to explain: those nearest to the instant that was named, else the newest."""
    at = query.at
    if at is None:
        return sorted(cases, key=lambda it: it.at, reverse=True)[: query.limit]
    return sorted(cases, key=lambda it: _distance_s(it, at))[: query.limit]


def _distance_s(case: Case, at: datetime) -> float:
    if isinstance(case.subject, SessionFacts):
        begin, end = case.subject.started_at, case.subject.ended_at or case.subject.updated_at
        return min(abs((begin - at).total_seconds()), abs((end - at).total_seconds()))
    return abs((case.at - at).total_seconds())


def _led_to_session(ask: Ask, sessions: Iterable[SessionFacts]) -> bool:
    return any(
        it.station_id == ask.station_id
        and ask.evse_id in {None, 0, it.evse_id}
        and ask.at - AGAIN <= it.started_at <= ask.at + PATIENCE
        and (it.token is None or _is_same_token(it.token, ask.token))
        for it in sessions
    )


def _belongs_to_session(seen: Presented, sessions: Iterable[SessionFacts]) -> bool:
    """Say whether a token that was held up started, ended or accompanied a session."""
    for it in sessions:
        if it.station_id != seen.station_id:
            continue
        is_around = it.started_at - PATIENCE <= seen.at and (it.ended_at is None or seen.at <= it.ended_at + _STOPPING)
        # Refused before the start, it failed by itself: the desk may have unblocked it in between.
        is_its_own = seen.status != "Accepted" and seen.at < it.started_at
        if is_around and not is_its_own and _is_same_token(it.token, seen.token):
            return True
        is_stop = it.ended_at is not None and abs(it.ended_at - seen.at) <= _STOPPING
        if is_stop and seen.status == "Accepted":
            return True
    return False


def _follows_ask(seen: Presented, asks: Iterable[Ask]) -> bool:
    """A station may ask about the token of a start from afar: that is the same attempt."""
    own = [it for it in asks if it.station_id == seen.station_id and it.at <= seen.at <= it.at + PATIENCE]
    return any(_is_same_token(it.token, seen.token) for it in own)


def _is_again(one: Presented, other: Presented) -> bool:
    is_same = one.station_id == other.station_id and _is_same_token(one.token, other.token)
    return is_same and one.status == other.status and other.at - one.at <= AGAIN


def _is_same_token(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.strip().casefold() == other.strip().casefold()
