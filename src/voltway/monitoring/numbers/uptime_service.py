"""Use cases of uptime: figures by three laws from the timeline, exclusions and contracts.

No percentage is stored. Every figure is made anew from the timeline and the exclusions that stand, so evidence that
came late corrects it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from voltway.httpapi.caller import Caller
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.identity.audit import record
from voltway.infra.db import Database, Transaction
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock, now, to_rfc3339
from voltway.kernel.errors import Conflict, Fault, InvalidInput, NotFound
from voltway.kernel.ids import OperatorId
from voltway.monitoring.numbers import uptime_store as store
from voltway.monitoring.numbers.exclusions import Exclusion, ExclusionCause, check_exclusion
from voltway.monitoring.numbers.sla import Contract, parse_contract
from voltway.monitoring.numbers.sla_law import sla_result
from voltway.monitoring.numbers.uptime_calendar import Month, year_span
from voltway.monitoring.numbers.uptime_model import DOWN_STATES, MonthFigures, NeviPort, SlaResult, UkNetwork
from voltway.monitoring.numbers.uptime_nevi import MONTHS, nevi_month, nevi_port
from voltway.monitoring.numbers.uptime_spans import Span, share
from voltway.monitoring.numbers.uptime_store import Places, Reading
from voltway.monitoring.numbers.uptime_uk import RAPID_W, uk_network

UK = ZoneInfo("Europe/London")
_UTC = ZoneInfo("UTC")
_DAY_US = timedelta(days=1) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class NewExclusion:
    """An exclusion as somebody enters it; a location alone, a station alone, or a station with an EVSE."""

    begin_at: datetime
    end_at: datetime
    cause: ExclusionCause
    evidence: str
    evidence_url: str | None = None
    location_id: str | None = None
    station_id: str | None = None
    evse_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredContract:
    """A contract as written, and since when it says so."""

    code: str
    document: dict[str, Any]
    updated_at: datetime


class Uptime:
    """Uptime of an operator's ports.

    Args:
        shortfall_rules: rules whose incidents mean that a port delivered less than the power required of it.
    """

    def __init__(
        self, database: Database, *, clock: Clock = now, shortfall_rules: frozenset[str] = frozenset()
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = shortfall_rules

    # ---- figures

    async def nevi(
        self, operator_id: OperatorId, last: Month | None = None, places: Places | None = None
    ) -> list[NeviPort]:
        """Return each port's uptime over the twelve months that end with `last` (by default the last whole month)."""
        last = last or self.this_month().after(-1)
        reading = self._reading(last.after(1 - MONTHS).span(_UTC, MONTHS))
        async with self._database.transaction(operator_id) as tx:
            pasts = await store.list_pasts(tx, operator_id, places or Places(), reading)
        ports = (nevi_port(past, last) for past in pasts)
        return [port for port in ports if port.service_us]

    async def uk(
        self, operator_id: OperatorId, period: int | Span | None = None, places: Places | None = None
    ) -> UkNetwork:
        """Return the reliability of the rapid points over a calendar year (by default this one) or any span."""
        year = period if isinstance(period, int) else self._clock().astimezone(UK).year
        span = period if isinstance(period, Span) else year_span(year, UK)
        rapid = replace(places or Places(), min_power_w=RAPID_W)
        async with self._database.transaction(operator_id) as tx:
            pasts = await store.list_pasts(tx, operator_id, rapid, self._reading(span))
        return uk_network(pasts, span)

    async def sla(
        self, operator_id: OperatorId, code: str, month: Month | None = None, places: Places | None = None
    ) -> SlaResult:
        """Return a contract's figure over its period that holds `month` (by default this one)."""
        month = month or self.this_month()
        async with self._database.transaction(operator_id) as tx:
            contract = _contract(await _get_contract(tx, operator_id, code))
            reading = self._reading(_period(contract, month), contract)
            pasts = await store.list_pasts(tx, operator_id, places or Places(), reading)
        return sla_result(pasts, contract, month)

    async def network_month(self, tx: Transaction, operator_id: OperatorId, month: Month | None = None) -> MonthFigures:
        """Return the whole network's uptime of a month so far by the terms of `nevi`, over the minutes in service.

        The database sums; only stations with an exclusion or low power in that month are reckoned one by one.
        """
        month = month or self.this_month()
        reading = self._reading(month.span(_UTC))
        special = await store.list_special_stations(tx, operator_id, reading)
        row = await store.sum_month(tx, operator_id, month, now=reading.now, without=special)
        places = Places(station_keys=tuple(sorted(special)))
        pasts = await store.list_pasts(tx, operator_id, places, reading) if special else []
        parts = [part for past in pasts if (part := nevi_month(past, month)).service_us]
        service_us = int(row["service_us"]) + sum(part.service_us for part in parts)
        outage_us = int(row["outage_us"]) + sum(part.outage_us for part in parts)
        excluded_us = sum(part.excluded_us for part in parts)
        percent = share(service_us - outage_us + excluded_us, service_us)
        return MonthFigures(month, row["ports"] + len(parts), service_us, outage_us, excluded_us, percent)

    def this_month(self) -> Month:
        """Return the current month, in UTC."""
        instant = self._clock()
        return Month(instant.year, instant.month)

    def _reading(self, period: Span, contract: Contract | None = None) -> Reading:
        """Return what to read: a day more on both sides, since months begin when the site's do, and the grace."""
        grace_us = 0 if contract is None else contract.grace // timedelta(microseconds=1)
        window = Span(period.begin - _DAY_US - grace_us, period.end + _DAY_US)
        states = DOWN_STATES if contract is None else contract.down_states
        return Reading(window, self._clock(), states, self._rules)

    # ---- exclusions

    async def enter_exclusion(self, caller: Caller, new: NewExclusion) -> Exclusion:
        """Enter an exclusion; raise InvalidInput with all its faults, NotFound where there is no such place."""
        place = (new.location_id, new.station_id, new.evse_id)
        check_exclusion(
            new.begin_at, new.end_at, evidence=new.evidence, evidence_url=new.evidence_url, place=place
        )  # fmt: skip
        async with self._database.transaction(caller.operator_id) as tx:
            keys = await store.find_keys(
                tx, caller.operator_id, location=new.location_id, station=new.station_id, evse_id=new.evse_id
            )
            if keys is None:
                raise NotFound("there is no such location, station or EVSE")
            exclusion_id = await store.insert_exclusion(tx, caller.operator_id, self._values(caller, new, keys))
            await record(tx, caller, "exclusion.enter", str(exclusion_id), **_told(new))
            return await _get_exclusion(tx, caller.operator_id, exclusion_id)

    async def withdraw_exclusion(self, caller: Caller, exclusion_id: int, reason: str) -> Exclusion:
        """Withdraw an exclusion, which stays on record; raise Conflict where it is withdrawn already."""
        async with self._database.transaction(caller.operator_id) as tx:
            await _get_exclusion(tx, caller.operator_id, exclusion_id)
            values = {
                "exclusion_id": exclusion_id, "withdrawn_by": caller.name, "withdrawn_at": self._clock(),
                "reason": reason,
            }  # fmt: skip
            if not await store.insert_withdrawal(tx, caller.operator_id, values):
                raise Conflict(f"the exclusion {exclusion_id} is withdrawn already")
            await record(tx, caller, "exclusion.withdraw", str(exclusion_id), reason=reason)
            return await _get_exclusion(tx, caller.operator_id, exclusion_id)

    async def get_exclusion(self, caller: Caller, exclusion_id: int) -> Exclusion:
        """Return one exclusion, withdrawn or not."""
        async with self._database.transaction(caller.operator_id) as tx:
            return await _get_exclusion(tx, caller.operator_id, exclusion_id)

    async def list_exclusions(
        self, caller: Caller, wanted: PageRequest, *, station: str | None = None, location: str | None = None
    ) -> Page[Exclusion]:
        """Return exclusions, newest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_exclusions(tx, caller.operator_id, wanted, station=station, location=location)
        return page_of(rows, wanted, lambda one: (one.id,))

    def _values(self, caller: Caller, new: NewExclusion, keys: Row) -> dict[str, Any]:
        return {
            "location_id": keys["location_id"], "station_id": keys["station_id"], "evse_id": new.evse_id,
            "begin_at": new.begin_at, "end_at": new.end_at, "cause": new.cause.value, "evidence": new.evidence,
            "evidence_url": new.evidence_url, "entered_by": caller.name, "entered_at": self._clock(),
        }  # fmt: skip

    # ---- contracts

    async def put_contract(self, caller: Caller, code: str, document: Mapping[str, Any]) -> StoredContract:
        """Enter or replace a contract; raise InvalidInput with all faults of its document."""
        parse_contract(code, document)
        text = orjson.dumps(document).decode()
        async with self._database.transaction(caller.operator_id) as tx:
            await store.put_contract(tx, caller.operator_id, code, text, self._clock())
            await record(tx, caller, "sla_contract.put", code, document=dict(document))
            return _stored(await _get_contract(tx, caller.operator_id, code))

    async def delete_contract(self, caller: Caller, code: str) -> None:
        """Delete a contract."""
        async with self._database.transaction(caller.operator_id) as tx:
            before = _stored(await _get_contract(tx, caller.operator_id, code))
            await store.delete_contract(tx, caller.operator_id, code)
            await record(tx, caller, "sla_contract.delete", code, document=before.document)

    async def get_contract(self, caller: Caller, code: str) -> StoredContract:
        """Return one contract."""
        async with self._database.transaction(caller.operator_id) as tx:
            return _stored(await _get_contract(tx, caller.operator_id, code))

    async def list_contracts(self, caller: Caller, wanted: PageRequest) -> Page[StoredContract]:
        """Return contracts by code."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = [_stored(row) for row in await store.list_contracts(tx, caller.operator_id, wanted)]
        return page_of(rows, wanted, lambda one: (one.code,))


def month_from(text: str | None, name: str = "month") -> Month | None:
    """Read `YYYY-MM`; raise InvalidInput where it is none."""
    try:
        return None if text is None else Month.parse(text)
    except ValueError as error:
        raise InvalidInput("this is no month", [Fault(f"/{name}", "write YYYY-MM, e.g. 2026-03")]) from error


def _period(contract: Contract, month: Month) -> Span:
    return contract.period.holding(month).span(_UTC, contract.period.months)


def _contract(row: Row) -> Contract:
    return parse_contract(row["code"], row["document"])


def _stored(row: Row) -> StoredContract:
    return StoredContract(row["code"], row["document"], row["updated_at"])


def _told(new: NewExclusion) -> dict[str, Any]:
    return {
        "location": new.location_id, "station": new.station_id, "evse": new.evse_id, "cause": new.cause.value,
        "begin_at": to_rfc3339(new.begin_at), "end_at": to_rfc3339(new.end_at), "evidence": new.evidence,
    }  # fmt: skip


async def _get_exclusion(tx: Transaction, operator_id: OperatorId, exclusion_id: int) -> Exclusion:
    found = await store.find_exclusion(tx, operator_id, exclusion_id)
    if found is None:
        raise NotFound(f"there is no exclusion {exclusion_id}")
    return found


async def _get_contract(tx: Transaction, operator_id: OperatorId, code: str) -> Row:
    row = await store.find_contract(tx, operator_id, code)
    if row is None:
        raise NotFound(f"there is no contract {code}")
    return row
