"""Gathers the evidence of cases: a handful of queries for all of them together, then one look into the raw log each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from voltway.infra.db import Transaction
from voltway.kernel.ids import StationId
from voltway.monitoring.support import store
from voltway.monitoring.support.cases import Window, windows_of
from voltway.monitoring.support.frames import ask_of_message, merged_asks, turn_of
from voltway.monitoring.support.model import (
    Ask,
    BootSeen,
    Case,
    Evidence,
    Message,
    Presented,
    SessionFacts,
    StatusSeen,
    Turn,
)
from voltway.monitoring.support.store import FoundStation

MOST_MESSAGES = 200
"""Read of one window of the raw log; 50 of them are shown."""
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The evidence of a case and the messages around it."""

    evidence: Evidence
    messages: list[Message]
    windows: list[Window]


async def gather(
    tx: Transaction, cases: Sequence[Case], stations: Mapping[StationId, FoundStation], standing: Mapping[str, str]
) -> list[Gathered]:
    """Return the evidence of each case.

    Args:
        tx: of the operator that asks.
        cases: what is to be explained.
        stations: all that cases name.
        standing: how tokens stand now, by match key.
    """
    windows = [window for number, case in enumerate(cases) for window in windows_of(number, case)]
    if not windows:
        return [Gathered(_bare(case, standing), [], []) for case in cases]
    events = await store.events_in(tx, windows)
    before = await store.statuses_before(tx, [it for it in windows if not _is_session(cases[it.case])])
    links = _by_case(await store.links_around(tx, windows))
    audited = _by_case(await store.commands_in(tx, windows))
    incidents = _by_case(await store.incidents_around(tx, windows))
    others = _by_case(await store.sessions_around(tx, windows))
    limits = await store.plug_limits(tx, [it.station_id for it in windows])
    statuses: dict[int, list[StatusSeen]] = _by_case([*before, *_only(events, StatusSeen)])
    gathered = []
    for number, case in enumerate(cases):
        own = [it for it in windows if it.case == number]
        messages = [it for window in own for it in await store.messages_in(tx, window, MOST_MESSAGES)]
        station = None if case.place is None else stations.get(case.place.station_id)
        evidence = Evidence(
            presented=tuple(_by_case(_only(events, Presented))[number]),
            statuses=tuple(sorted(statuses[number])),
            boots=tuple(_by_case(_only(events, BootSeen))[number]),
            links=tuple(sorted(links[number])),
            asks=_asks(audited[number], messages),
            turns=_turns(case, messages),
            incidents=tuple(incidents[number]),
            sessions=tuple(it for it in others[number] if it != case.subject),
            evse_ids=() if station is None else tuple(station.evse_ids),
            approval="approved" if station is None else station.approval,
            vendor="" if station is None else station.vendor or "",
            plug_limit_s=None if station is None else limits.get(station.station_id),
            token_standing=_bare(case, standing).token_standing,
        )
        gathered.append(Gathered(evidence, messages, own))
    return gathered


def _bare(case: Case, standing: Mapping[str, str]) -> Evidence:
    return Evidence(token_standing=standing.get((case.token or "").strip().casefold()))


def _asks(audited: Sequence[Ask], messages: Sequence[Message]) -> tuple[Ask, ...]:
    logged = [ask for message in messages if (ask := ask_of_message(message)) is not None]
    wishes = [it for it in audited if it.kind == "availability"]
    # Requests of availability are stored before they are sent, so their table alone tells of them.
    commands = merged_asks(
        [it for it in audited if it.kind != "availability"], [it for it in logged if it.kind != "availability"]
    )
    return tuple(sorted([*wishes, *commands], key=lambda it: it.at))


def _turns(case: Case, messages: Sequence[Message]) -> tuple[Turn, ...]:
    if not isinstance(case.subject, SessionFacts):
        return ()
    turns = (turn_of(message, case.subject) for message in messages)
    return tuple(turn for turn in turns if turn is not None)


def _is_session(case: Case) -> bool:
    return isinstance(case.subject, SessionFacts)


def _by_case(found: Sequence[tuple[int, Item]]) -> dict[int, list[Item]]:
    groups: dict[int, list[Item]] = defaultdict(list)
    for number, item in found:
        groups[number].append(item)
    return groups


def _only(found: Sequence[tuple[int, object]], kind: type[Item]) -> list[tuple[int, Item]]:
    return [(number, item) for number, item in found if isinstance(item, kind)]
