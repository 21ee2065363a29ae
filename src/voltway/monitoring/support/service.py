"""Use cases of the support desk: find what a caller means by whatever they can read out, and say what went wrong.

Everything happens in one transaction, so that the sentence and the messages behind it tell of the same moment.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from voltway.httpapi.caller import Caller
from voltway.identity.model import IdToken, match_key_of
from voltway.identity.service import Identity
from voltway.infra.db import Database, Transaction
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import Fault, InvalidInput
from voltway.kernel.ids import StationId
from voltway.monitoring.support import session_causes, start_causes, store
from voltway.monitoring.support.cases import Query, attempts_of, nearest, windows_around
from voltway.monitoring.support.evidence import Gathered, gather
from voltway.monitoring.support.frames import MOST_SHOWN, shown
from voltway.monitoring.support.model import (
    Ask,
    Attempt,
    Case,
    Explanation,
    Found,
    IncidentSeen,
    Message,
    Place,
    Presented,
    Ref,
    SessionFacts,
    Silence,
)
from voltway.monitoring.support.session_causes import explain_session
from voltway.monitoring.support.start_causes import explain_attempt, explain_silence
from voltway.monitoring.support.store import FoundStation, Span
from voltway.monitoring.support.texts import worded


@dataclass(frozen=True, slots=True)
class AccountRef:
    """A customer's account with the tokens that belong to it."""

    id: str
    name: str
    tokens: tuple[str, ...] = ()


AccountLookup = Callable[[Transaction, str], Awaitable[Sequence[AccountRef]]]
"""Finds accounts by a telephone number or a token, within the transaction of the operator that asks."""
MrecText = Callable[[str, str, str], str | None]
"""Words (vendor, error code, vendor's code) as the ChargeX minimum required error code; None where it has none."""


@dataclass(frozen=True, slots=True)
class ExplainedCase:
    """A case with its sentence, the messages behind it (what the sentence rests on first) and the incidents there."""

    case: Case
    explanation: Explanation
    messages: list[Message]
    incidents: list[IncidentSeen]
    log: Span


@dataclass(frozen=True, slots=True)
class Answer:
    """All that was found."""

    tokens: list[IdToken] = field(default_factory=list)
    accounts: list[AccountRef] = field(default_factory=list)
    stations: list[FoundStation] = field(default_factory=list)
    sessions: list[SessionFacts] = field(default_factory=list)
    cases: list[ExplainedCase] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the query means: tokens (None: any) at stations (None: anywhere)."""

    tokens: list[IdToken]
    accounts: list[AccountRef]
    stations: list[FoundStation]
    keys: list[str] | None
    station_ids: list[StationId] | None


class Support:
    """Answers the desk's questions."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        *,
        find_accounts: AccountLookup | None = None,
        mrec_text: MrecText | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        self._database = database
        self._identity = identity
        self._find_accounts = find_accounts
        self._mrec_text = mrec_text
        self._now = clock

    async def search(self, caller: Caller, query: Query) -> Answer:
        """Find tokens, accounts, stations and sessions, and explain what happened.

        Raises:
            InvalidInput: nothing to look for, or a telephone number that is none.
        """
        if not any((query.token, query.contact, query.station, query.session)):
            message = "name at least one of token, contact, station_id and session_id"
            raise InvalidInput(message, [Fault("/", message)])
        async with self._database.transaction(caller.operator_id) as tx:
            scope = await self._scope(tx, query)
            sessions = await self._sessions(tx, query, scope)
            attempts, around = await self._attempts(tx, query, scope, sessions)
            named = [it.station_id for it in (*sessions, *around)]
            known = await _known_stations(tx, scope, named)
            cases = [_case(it, known) for it in sessions] + [Case(it.at, it.place, it) for it in attempts]
            cases = nearest(cases or self._silences(query, scope), query)
            gathered = await gather(tx, cases, known, {it.match_key: it.status for it in scope.tokens})
            explained = [self._explained(case, it) for case, it in zip(cases, gathered, strict=True)]
            older = await _older_messages(tx, explained)
        for it in explained:
            it.messages[:0] = [older[ref] for ref in it.explanation.evidence if ref in older]
            del it.messages[MOST_SHOWN:]
        return Answer(scope.tokens, scope.accounts, scope.stations, sessions, explained)

    # ---- what is meant

    async def _scope(self, tx: Transaction, query: Query) -> _Scope:
        accounts = await self._accounts(tx, query)
        tokens = await self._tokens(tx, query, accounts)
        stations = [] if query.station is None else await store.stations_by_code(tx, query.station)
        by_token = query.token is not None or query.contact is not None
        texts = [token.token for token in tokens] + ([query.token] if query.token is not None else [])
        return _Scope(
            tokens,
            accounts,
            stations,
            sorted({match_key_of(text) for text in texts}) if by_token else None,
            None if query.station is None else [it.station_id for it in stations],
        )

    async def _accounts(self, tx: Transaction, query: Query) -> list[AccountRef]:
        asked = query.contact or query.token
        if self._find_accounts is None or asked is None:
            return []
        return list(await self._find_accounts(tx, asked))

    async def _tokens(self, tx: Transaction, query: Query, accounts: Iterable[AccountRef]) -> list[IdToken]:
        found = [] if query.contact is None else await self._identity.find_tokens_by_phone(tx, query.contact)
        keys = [match_key_of(text) for account in accounts for text in account.tokens]
        if query.token is not None:
            keys.append(match_key_of(query.token))
        found += await store.tokens_by_keys(tx, keys) if keys else []
        if query.token is not None and not found:
            found = await store.tokens_like(tx, query.token.strip())
        return list({token.match_key: token for token in found}.values())

    # ---- what is found

    async def _sessions(self, tx: Transaction, query: Query, scope: _Scope) -> list[SessionFacts]:
        span = Span(query.begin, query.end)
        if query.session is not None:
            named = await store.sessions_by_name(tx, query.session)
            return [it for it in named if _is_within(it, scope)]
        if scope.keys is not None:
            return await store.sessions_by_token(tx, scope.keys, scope.station_ids, span)
        return await store.sessions_at(tx, scope.station_ids or [], span)

    async def _attempts(
        self, tx: Transaction, query: Query, scope: _Scope, sessions: Sequence[SessionFacts]
    ) -> tuple[list[Attempt], list[Presented | Ask]]:
        """Return starts that no session followed, and all tokens held up and starts asked for that were looked at."""
        if query.session is not None:
            return [], []
        span = Span(query.begin, query.end)
        presented = await store.presented_tokens(tx, scope.keys, scope.station_ids, span)
        asks = await store.audited_starts(tx, scope.keys, scope.station_ids, span)
        seen: list[Presented | Ask] = [*presented, *asks]
        if not seen:
            return [], []
        known = await _known_stations(tx, scope, [it.station_id for it in seen])
        around = [it for _, it in await store.sessions_around(tx, windows_around(seen))]
        places = {key: _place(station) for key, station in known.items()}
        return attempts_of(presented, asks, [*sessions, *around], places), seen

    def _silences(self, query: Query, scope: _Scope) -> list[Case]:
        """Nothing was found: then the question is what was the matter there and then."""
        if query.session is not None:
            return []
        now = self._now()
        begin, end = query.begin or now - query.within, min(query.end or now, now)
        places: list[Place | None] = [_place(it) for it in scope.stations]
        if query.station is None and scope.keys:
            places = [None]
        return [Case(begin, place, Silence(begin, max(begin, end), place, query.token)) for place in places]

    # ---- why

    def _explained(self, case: Case, gathered: Gathered) -> ExplainedCase:
        found = self._found(case, gathered)
        zone = "UTC" if case.place is None else case.place.time_zone
        explanation = worded(found, time_zone=zone)
        instants = [case.at, *(window.begin for window in gathered.windows[1:])]
        if isinstance(case.subject, SessionFacts) and case.subject.ended_at is not None:
            instants.append(case.subject.ended_at)
        return ExplainedCase(
            case,
            explanation,
            shown(gathered.messages, explanation.evidence, instants),
            list(gathered.evidence.incidents),
            Span(
                min((it.begin for it in gathered.windows), default=None),
                max((it.end for it in gathered.windows), default=None),
            ),
        )

    def _found(self, case: Case, gathered: Gathered) -> Found:
        now, fault_text = self._now(), partial(self._fault_text, gathered.evidence.vendor)
        if isinstance(case.subject, SessionFacts):
            return explain_session(session_causes.Look(case.subject, gathered.evidence, now, fault_text))
        look = start_causes.Look(case.subject, gathered.evidence, now, fault_text)
        return explain_attempt(look) if isinstance(case.subject, Attempt) else explain_silence(look)

    def _fault_text(self, vendor: str, error_code: str, vendor_error_code: str) -> str:
        codes = [code for code in (error_code, vendor_error_code) if code and code != "NoError"]
        if not codes:
            return "it named no error code"
        meaning = None if self._mrec_text is None else self._mrec_text(vendor, error_code, vendor_error_code)
        return ", ".join(codes) + (f": {meaning}" if meaning else "")


async def _older_messages(tx: Transaction, cases: Iterable[ExplainedCase]) -> dict[Ref, Message]:
    """Return what sentences rest on from before their case: a fault may have been reported days ago."""
    shown_refs = {message.ref for it in cases for message in it.messages}
    missing = {ref for it in cases for ref in it.explanation.evidence} - shown_refs
    return {it.ref: it for it in await store.messages_by_refs(tx, sorted(missing))} if missing else {}


async def _known_stations(
    tx: Transaction, scope: _Scope, station_ids: Iterable[StationId]
) -> dict[StationId, FoundStation]:
    known = {it.station_id: it for it in scope.stations}
    missing = [key for key in station_ids if key not in known]
    if missing:
        known |= {it.station_id: it for it in await store.stations_by_ids(tx, missing)}
    return known


def _case(session: SessionFacts, known: dict[StationId, FoundStation]) -> Case:
    return Case(session.started_at, _place(known[session.station_id]), session)


def _place(station: FoundStation) -> Place:
    return Place(station.station_id, station.identity, station.location_id, station.time_zone)


def _is_within(session: SessionFacts, scope: _Scope) -> bool:
    is_token = scope.keys is None or (session.token or "").strip().casefold() in scope.keys
    return is_token and (scope.station_ids is None or session.station_id in scope.station_ids)
