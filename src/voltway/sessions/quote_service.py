"""The use case of a quote: what an assumed session at an EVSE would cost, and everything that was assumed.

Place and power come from the tables, the tariff is the one that a session starting then would be sealed with, and the
price is that of `sessions.quotes`, as for every session.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from voltway.httpapi.caller import Caller
from voltway.identity.intake import KnownToken, judge_token
from voltway.identity.service import Identity
from voltway.infra.db import Database, Transaction
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock, to_rfc3339
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.energy import MILLIWH_PER_KWH, Energy
from voltway.kernel.errors import NotFound
from voltway.kernel.facts import TokenStatus
from voltway.sessions import store
from voltway.sessions.assumed import (
    AssumedSession,
    Assumption,
    AssumptionCode,
    Wish,
    assumed_session,
    kw_text,
    minutes_text,
    real_power,
)
from voltway.sessions.cdrs import kwh_text
from voltway.sessions.quotes import quote_of
from voltway.sessions.views import Document
from voltway.tariffs.assignments import Place
from voltway.tariffs.boundaries import current_bands
from voltway.tariffs.explain import cost_document
from voltway.tariffs.model import Tariff
from voltway.tariffs.price_text import Wording, price_text
from voltway.tariffs.price_text_form import PriceTextStyle
from voltway.tariffs.price_text_words import Language
from voltway.tariffs.service import find_tariff, load_tariff

RECENT = timedelta(days=90)
MAX_CHARGES = 50
_NEVI_COUNTRY = "USA"
_MINUTE_MICROS = 60_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks: at least one of `kwh` and `minutes`; `start` None is now, `token` brings its own group."""

    station: str
    evse_id: int
    kwh: Decimal | None = None
    minutes: Decimal | None = None
    start: datetime | None = None
    token_group: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """What was found out; `assumptions` are those about the tariff."""

    evse: str
    session: AssumedSession
    tariff: Tariff | None
    time_zone: str
    style: PriceTextStyle
    assumptions: tuple[Assumption, ...]


class Quotes:
    """Quotes for an operator's EVSEs."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._identity = Identity(database, clock=clock)
        self._now = clock

    async def quote(self, caller: Caller, asked: Asked) -> Document:
        """Price the session that is asked for.

        Raises:
            NotFound: there is no such EVSE or token.
            Conflict: nothing is known of the EVSE's power.
            ImpossibleWish: no sane session comes of what is asked.
        """
        start = asked.start or self._now().replace(microsecond=0)
        group, refusal = asked.token_group, None
        if asked.token is not None:
            group, refusal = await self._group_of(caller, asked.token, start)
        async with self._database.transaction(caller.operator_id) as tx:
            found = await store.find_evse(tx, asked.station, asked.evse_id)
            if found is None:
                raise NotFound(f"there is no EVSE {asked.station}/{asked.evse_id}")
            session = await self._assumed(tx, asked, found, start)
            place = Place(asked.station, asked.evse_id, tuple(found["groups"]), found["location_code"])
            sealed = await find_tariff(tx, caller.operator_id, place, token_group=group, at=start)
            tariff = None if sealed is None else await load_tariff(tx, caller.operator_id, *sealed)
        style = PriceTextStyle.NEVI if found["country"] == _NEVI_COUNTRY else PriceTextStyle.AFIR
        assumptions = (*_about_tariff(tariff, group), *([] if refusal is None else [refusal]))
        evse = f"{asked.station}/{asked.evse_id}"
        case = _Case(evse, session, tariff, found["time_zone"], style, assumptions)
        # A week of a long tariff takes more than the few milliseconds that a request may keep all others waiting.
        return await asyncio.to_thread(_document, case)

    async def _group_of(self, caller: Caller, token: str, start: datetime) -> tuple[str | None, Assumption | None]:
        known = await self._identity.get_token(caller, token)
        info = judge_token(
            KnownToken(TokenStatus(known.status), known.group, known.expires_at), start, accepts_unknown=False
        )
        if info.status is TokenStatus.ACCEPTED:
            return known.group, None
        text = f"the token {known.token} is {info.status.value.lower()}: a station refuses it, a bill would be held"
        return known.group, Assumption(AssumptionCode.TOKEN_NOT_ACCEPTED, text)

    async def _assumed(self, tx: Transaction, asked: Asked, found: Row, start: datetime) -> AssumedSession:
        since = self._now() - RECENT
        charges = await store.recent_charges(tx, found["station_id"], asked.evse_id, since=since, limit=MAX_CHARGES)
        power = real_power(found["max_power_w"], charges, since=since)
        energy = None if asked.kwh is None else Energy(int(asked.kwh * MILLIWH_PER_KWH))
        stay = None if asked.minutes is None else timedelta(microseconds=int(asked.minutes * _MINUTE_MICROS))
        return assumed_session(Wish(start, energy, stay), power)


def _about_tariff(tariff: Tariff | None, group: str | None) -> Iterator[Assumption]:
    whose = "tokens without a group" if group is None else f"tokens of the group {group}"
    if tariff is None:
        text = f"no tariff applies here then for {whose}: the session could not be billed"
        yield Assumption(AssumptionCode.NO_TARIFF, text)
        return
    code = AssumptionCode.TARIFF_WITHOUT_GROUP if group is None else AssumptionCode.TARIFF_OF_GROUP
    yield Assumption(code, f"the tariff that applies here then for {whose}")
    if current_bands(tariff):
        text = "the current is not known: prices that the tariff restricts by current do not hold"
        yield Assumption(AssumptionCode.CURRENT_UNKNOWN, text)


def _document(case: _Case) -> Document:
    session, tariff = case.session, case.tariff
    return {
        "evse": case.evse,
        "start": to_rfc3339(session.started_at),
        "end": to_rfc3339(session.ends_at),
        "charging_ends_at": to_rfc3339(session.charging_ends_at),
        "kwh": kwh_text(session.energy.milliwh),
        "minutes": minutes_text(session.ends_at - session.started_at),
        "power_kw": kw_text(session.power_w),
        "billable": tariff is not None,
        "tariff_id": None if tariff is None else tariff.id,
        "tariff_version": None if tariff is None else tariff.version,
        "time_zone": case.time_zone,
        **_money(case),
        "assumptions": [it._asdict() for it in (*session.assumptions, *case.assumptions)],
    }


def _money(case: _Case) -> Document:
    """Write the price, by the call that prices a session; without a tariff there is none, and never 0."""
    session, tariff = case.session, case.tariff
    if tariff is None:
        return {"currency": None, "cost": None, "explanation": None, "price_text": None}
    quote = quote_of(session.course(), tariff, time_zone=case.time_zone, is_running=False)
    texts = {
        language.value: price_text(
            tariff, Wording(language, case.style), at=session.started_at, time_zone=case.time_zone
        ).lines
        for language in Language
    }
    return {
        "currency": quote.currency,
        "cost": {"currency": quote.currency} | cost_document(quote.cost),
        "explanation": quote.explanation,
        "price_text": {language: [line.text for line in lines] for language, lines in texts.items()},
    }
