"""Sessions, readings and CDRs as the API shows them: the exact keys of contracts.md and a few more. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from voltway.infra.sql import Row
from voltway.kernel.clock import to_rfc3339
from voltway.kernel.facts import ReadingContext
from voltway.kernel.money import decimal_text
from voltway.sessions.anomalies import Anomaly, AnomalyCode, anomaly
from voltway.sessions.cdrs import Cdr, kwh_text
from voltway.sessions.quotes import Quote
from voltway.sessions.store import ListedCdr, Stored
from voltway.tariffs.explain import cost_document
from voltway.tariffs.ocpi import loads

Document = dict[str, Any]
UNPRICED: Document = {"cost": None, "next_hour": None, "explanation": None}


def session_document(stored: Stored, money: Mapping[str, Any]) -> Document:
    """Write a session; `money` has cost, next_hour and explanation."""
    session, progress = stored.state
    return {
        "id": str(session.session_id),
        "transaction_id": str(session.transaction_id),
        "station_id": stored.place.identity,
        "evse_id": session.evse_id,
        "connector_id": session.connector_id,
        "token": session.token,
        "state": session.state.value,
        "started_at": to_rfc3339(session.started_at),
        "ended_at": None if session.ended_at is None else to_rfc3339(session.ended_at),
        "end_reason": session.end_reason,
        "energy_kwh": kwh_text(progress.energy_milliwh),
        "synthetic": session.synthetic,
        "cost": money["cost"],
        "next_hour": money["next_hour"],
        "tariff_id": session.tariff_id,
        "tariff_version": session.tariff_version,
        "explanation": money["explanation"],
        "anomalies": [_anomaly_document(item) for item in anomalies_of(stored)],
        "power_w": progress.power_w,
        "soc_pct": progress.soc_pct,
        "charging_state": session.history[-1][1].value if session.history else None,
        "location_id": stored.place.location_code,
        "location_name": stored.place.location_name,
        "connector": {
            "standard": stored.place.standard,
            "power_type": stored.place.power_type,
            "max_power_w": stored.place.max_power_w,
        },
        "register_begin_kwh": _kwh_or_none(session.register_begin_milliwh),
        "register_end_kwh": _kwh_or_none(session.register_end_milliwh),
        "last_reading_at": None if progress.last_at is None else to_rfc3339(progress.last_at),
        "clock_offset_ms": session.clock_offset_ms,
        "updated_at": to_rfc3339(stored.updated_at),
    }


def anomalies_of(stored: Stored) -> tuple[Anomaly, ...]:
    """Return a session's anomalies; one without a tariff says so from its first minute."""
    session = stored.state.session
    is_said = any(item.code is AnomalyCode.NO_TARIFF for item in session.anomalies)
    if session.tariff_id is not None or is_said or not session.is_start_seen:
        return session.anomalies
    return (*session.anomalies, anomaly(AnomalyCode.NO_TARIFF, session.started_at))


def quoted_money(quote: Quote) -> Document:
    """Write what a price computed now says."""
    return {
        "cost": {"currency": quote.currency} | cost_document(quote.cost),
        "next_hour": None if quote.next_hour is None else cost_document(quote.next_hour),
        "explanation": quote.explanation,
    }


def billed_money(cdr: Cdr) -> Document:
    """Write what a CDR says; a credit leaves nothing to pay."""
    if cdr.is_credit:
        return UNPRICED | {"cost": {"currency": cdr.currency, "excl_vat": "0", "incl_vat": "0"}}
    return UNPRICED | {"cost": _total(cdr), "explanation": orjson.loads(cdr.explanation)}


def cdr_item(listed: ListedCdr) -> Document:
    """Write a CDR as lists and the live feed show it."""
    cdr = listed.cdr
    return {
        "id": cdr.cdr_id,
        "session_id": str(cdr.session_id),
        "number": cdr.number,
        "is_credit": cdr.is_credit,
        "station_id": listed.station,
        "location_name": listed.location_name,
        "token": listed.token,
        "started_at": to_rfc3339(cdr.started_at),
        "ended_at": to_rfc3339(cdr.ended_at),
        "energy_kwh": kwh_text(cdr.energy_milliwh),
        **_total(cdr),
        "synthetic": cdr.synthetic,
        "explanation": orjson.loads(cdr.explanation),
    }


def sample_document(row: Row, offset_ms: int) -> Document:
    """Write a reading; `at` is the corrected clock, `sampled_at` the station's own."""
    extra = row["extra"]
    return {
        "at": to_rfc3339(row["sampled_at"] - timedelta(milliseconds=offset_ms)),
        "sampled_at": to_rfc3339(row["sampled_at"]),
        "received_at": to_rfc3339(row["received_at"]),
        "context": ReadingContext(row["context"]).name.lower(),
        "evse_id": row["evse_id"],
        "register_kwh": _kwh_or_none(row["register_milliwh"]),
        **{name: row[name] for name in ("power_w", "current_a", "voltage_v", "soc_pct", "offered_w")},
        "extra": None if extra is None else orjson.loads(bytes(extra)),
    }


def cdr_object(cdr: Cdr) -> Mapping[str, object]:
    """Return a CDR's OCPI document with exact numbers."""
    found = loads(cdr.document)
    assert isinstance(found, Mapping), "a CDR is an object"
    return found


def _total(cdr: Cdr) -> Document:
    incl = cdr.total_incl_vat
    return {
        "currency": cdr.currency,
        "excl_vat": decimal_text(cdr.total_excl_vat),
        "incl_vat": None if incl is None else decimal_text(incl),
    }


def _anomaly_document(item: Anomaly) -> Document:
    return {
        "code": item.code.value,
        "message": item.message,
        "since": to_rfc3339(item.since),
        "touches_money": item.touches_money,
    }


def _kwh_or_none(milliwh: int | None) -> str | None:
    return None if milliwh is None else kwh_text(milliwh)
