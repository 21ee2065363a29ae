"""Availability as three separate facts: what we asked for, what the station answered, what it then reported. Pure.

desired       the newest request of ours that reaches an EVSE (its own, or one for the station as a whole)
acknowledged  the station's answer to it (Accepted, Rejected, Scheduled), or what became of the command instead
reported      the status of its connectors, and of the station as a whole (EVSE 0)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from voltway.kernel.facts import ConnectorStatus

Verdict = Literal["in_effect", "pending", "ignored_by_station", "rejected"]
GRACE = timedelta(minutes=2)
"""A station that accepted has so long to report it; afterwards it was words only."""
MAX_NUMBER = 1000
_REFUSED = frozenset({"Rejected", "call_error", "unsupported", "invalid"})
_IN_USE = frozenset({
    ConnectorStatus.PREPARING, ConnectorStatus.OCCUPIED, ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV,
    ConnectorStatus.SUSPENDED_EVSE, ConnectorStatus.FINISHING,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish for the station (EVSE 0), an EVSE (connector 0) or one connector."""

    operative: bool
    evse_id: int = 0
    connector_id: int = 0


@dataclass(frozen=True, slots=True)
class Desired:
    """What we asked for last, for whom, and by whom."""

    operative: bool
    evse_id: int
    connector_id: int
    requested_at: datetime
    requested_by: str
    age_s: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What came of it: the station's word, or the outcome of a command that it never answered."""

    answer: str
    at: datetime
    age_s: int


@dataclass(frozen=True, slots=True)
class Reported:
    """What one connector says of itself; connector 0 of EVSE 0 is the station as a whole."""

    evse_id: int
    connector_id: int
    status: str
    at: datetime | None
    age_s: int | None


@dataclass(frozen=True, slots=True)
class EvseAvailability:
    """The three facts of one EVSE and one word about them, null where nobody ever asked for anything."""

    evse_id: int
    desired: Desired | None
    acknowledged: Acknowledged | None
    reported: list[Reported]
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class StationAvailability:
    """The availability of a station; while it is offline what it reported is old."""

    station_id: str
    connected: bool
    evses: list[EvseAvailability]


@dataclass(frozen=True, slots=True)
class AvailabilityRequest:
    """A stored request of ours."""

    wish: Wish
    requested_at: datetime
    requested_by: str
    acknowledgement: str | None
    acknowledged_at: datetime | None


def wish_of_verb(args: Mapping[str, Any]) -> Wish | None:
    """Read the arguments of our verb `availability`; None where they say nothing that could be wished."""
    return _wish(args.get("operative"), args.get("evse_id") or 0, args.get("connector_id") or 0)


def wish_of_call(payload: Mapping[str, Any]) -> Wish | None:
    """Read the payload of ChangeAvailability in the words of any version; None where it is malformed.

    >>> wish_of_call({"connectorId": 2, "type": "Inoperative"})
    Wish(operative=False, evse_id=2, connector_id=0)
    >>> wish_of_call({"operationalStatus": "Operative", "evse": {"id": 1, "connectorId": 1}})
    Wish(operative=True, evse_id=1, connector_id=1)
    """
    if "operationalStatus" in payload:
        evse = payload.get("evse") or {}
        if not isinstance(evse, Mapping):
            return None
        return _wish(_WORDS.get(str(payload["operationalStatus"])), evse.get("id", 0), evse.get("connectorId") or 0)
    return _wish(_WORDS.get(str(payload.get("type"))), payload.get("connectorId"), 0)


@dataclass(frozen=True, slots=True)
class Moment:
    """When and how we look: while connected, what a station reported is what it says now.

    `is_leveled` (2.x): station and EVSE are opened and closed apart, so that opening the station leaves a closed EVSE
    closed (OCPP 2.0.1 part 2, G03); in 1.6 the newest word counts for all it names.
    """

    now: datetime
    is_connected: bool
    is_leveled: bool = False


def evse_availability(
    evse_id: int, requests: Sequence[AvailabilityRequest], reported: Sequence[Reported], moment: Moment
) -> EvseAvailability:
    """Put the three facts of an EVSE side by side and name how they stand to each other.

    Args:
        evse_id: OCPP's number, from 1.
        requests: of the whole station, in any order.
        reported: of the whole station.
        moment: when we look.
    """
    now = moment.now
    own = [it for it in reported if it.evse_id in {0, evse_id}]
    request = _governing(evse_id, requests, is_leveled=moment.is_leveled)
    if request is None:
        return EvseAvailability(evse_id, None, None, own, None)
    wish, answer = request.wish, None
    desired = Desired(
        wish.operative, wish.evse_id, wish.connector_id, request.requested_at, request.requested_by,
        _age_s(request.requested_at, now),
    )  # fmt: skip
    if request.acknowledgement is not None and request.acknowledged_at is not None:
        answer = Acknowledged(request.acknowledgement, request.acknowledged_at, _age_s(request.acknowledged_at, now))
    verdict = _verdict(desired, answer, [it for it in own if _is_meant(it, wish)], is_live=moment.is_connected)
    return EvseAvailability(evse_id, desired, answer, own, verdict)


def reported_of(now: datetime, *, evse_id: int, connector_id: int, status: str, at: datetime | None) -> Reported:
    """Return what a connector said, with its age."""
    return Reported(evse_id, connector_id, status, at, None if at is None else _age_s(at, now))


def _governing(
    evse_id: int, requests: Sequence[AvailabilityRequest], *, is_leveled: bool
) -> AvailabilityRequest | None:
    """Return the request that an EVSE should follow."""
    whole = _newest(it for it in requests if it.wish.evse_id == 0)
    own = _newest(it for it in requests if it.wish.evse_id == evse_id)
    if is_leveled and whole is not None and own is not None:
        return own if whole.wish.operative else whole
    return _newest(it for it in (whole, own) if it is not None)


def _newest(requests: Iterable[AvailabilityRequest]) -> AvailabilityRequest | None:
    return max(requests, key=lambda it: it.requested_at, default=None)


def _verdict(desired: Desired, answer: Acknowledged | None, reported: Sequence[Reported], *, is_live: bool) -> Verdict:
    if is_live and _is_in_effect(reported, operative=desired.operative):
        return "in_effect"
    if answer is not None and answer.answer in _REFUSED:
        return "rejected"
    if not is_live or answer is None or answer.answer not in {"Accepted", "Scheduled"}:
        return "pending"
    # A fault hides whether it is closed; what is scheduled waits for the end of the session.
    excuses = {ConnectorStatus.FAULTED} | (_IN_USE if answer.answer == "Scheduled" else set())
    if answer.age_s < GRACE.total_seconds() or any(it.status in excuses for it in reported):
        return "pending"
    return "ignored_by_station"


def _is_in_effect(reported: Sequence[Reported], *, operative: bool) -> bool:
    known = [it.status for it in reported if it.status != ConnectorStatus.UNKNOWN]
    closed = [status == ConnectorStatus.UNAVAILABLE for status in known]
    if operative:
        # A fault is another fact: it is shown beside this one.
        return bool(known) and not any(closed)
    whole = [it.status for it in reported if it.evse_id == 0]
    own = [it.status == ConnectorStatus.UNAVAILABLE for it in reported if it.evse_id != 0]
    return ConnectorStatus.UNAVAILABLE in whole or (bool(own) and all(own))


def _is_meant(reported: Reported, wish: Wish) -> bool:
    """Say whether a wish is about that connector: 0 is every one of its EVSE, and the station covers all."""
    return reported.evse_id == 0 or wish.connector_id in {0, reported.connector_id}


def _wish(operative: object, evse_id: object, connector_id: object) -> Wish | None:
    if type(operative) is not bool or type(evse_id) is not int or type(connector_id) is not int:
        return None
    if not (0 <= evse_id <= MAX_NUMBER and 0 <= connector_id <= MAX_NUMBER):
        return None
    return Wish(operative, evse_id, connector_id)


def _age_s(at: datetime, now: datetime) -> int:
    return max(int((now - at).total_seconds()), 0)


_WORDS = {"Operative": True, "Inoperative": False}
