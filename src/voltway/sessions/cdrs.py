"""The CDR of a session: OCPI 2.2.1 document, totals and explanation; corrections by credit and a new one. Pure.

A CDR never changes. Where late data change energy or price, the newest is taken back by a credit CDR (same totals, cost
negative, `credit_reference_id`) and a new one follows: numbers 1, 2 (credit), 3, …
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from voltway.kernel.clock import to_rfc3339
from voltway.kernel.energy import kwh_of
from voltway.kernel.money import decimal_text
from voltway.sessions.model import Session
from voltway.tariffs.explain import Document, session_explanation
from voltway.tariffs.model import Tariff
from voltway.tariffs.ocpi import CdrHead, CdrLocation, CdrToken, cdr_document, dumps, loads
from voltway.tariffs.priced import Priced

_TOKEN_TYPES = {
    "ISO14443": "RFID",
    "ISO15693": "RFID",
    "Central": "APP_USER",
    "DirectPayment": "AD_HOC_USER",
    "NoAuthorization": "AD_HOC_USER",
}
_UNKNOWN = "unknown"
_NO_COUNTRY = "ZZZ"
"""ISO 3166 leaves ZZZ to users: the station stands nowhere yet."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session was, as far as somebody entered it; `country` is alpha-3."""

    identity: str
    time_zone: str
    location_code: str | None = None
    location_name: str | None = None
    address: str | None = None
    city: str | None = None
    postal_code: str | None = None
    country: str | None = None
    lat: float | None = None
    lon: float | None = None
    power_type: str | None = None
    standard: str | None = None
    max_power_w: int | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """Whose CDR it is: OCPI's country (alpha-2) and party."""

    country_code: str
    party_id: str


@dataclass(frozen=True, slots=True)
class Cdr:
    """A CDR as it is stored; `document` and `explanation` are JSON text, totals in main units of the currency."""

    cdr_id: str
    session_id: UUID
    number: int
    started_at: datetime
    ended_at: datetime
    currency: str
    energy_milliwh: int
    total_excl_vat: Decimal
    total_incl_vat: Decimal | None
    document: str
    explanation: str
    synthetic: bool
    is_credit: bool = False


@dataclass(frozen=True, slots=True)
class Billed:
    """An ended session with its price."""

    session: Session
    priced: Priced
    tariff: Tariff


def cdr_of(billed: Billed, place: Place, party: Party, *, number: int, now: datetime) -> Cdr:
    """Write the CDR of a session; `number` counts the session's CDRs from 1."""
    session, priced = billed.session, billed.priced
    assert session.ended_at is not None, "only an ended session has a CDR"
    total = priced.total
    head = _head(session, place, party, number=number, now=now)
    return Cdr(
        cdr_id=head.id,
        session_id=session.session_id,
        number=number,
        started_at=session.started_at,
        ended_at=session.ended_at,
        currency=priced.currency,
        energy_milliwh=int(priced.milliwh),
        total_excl_vat=Decimal(decimal_text(total.excl_vat)),
        total_incl_vat=None if total.incl_vat is None else Decimal(decimal_text(total.incl_vat)),
        document=dumps(cdr_document(head, priced, billed.tariff)),
        explanation=dumps(session_explanation(priced)),
        synthetic=session.synthetic,
    )


def credit_of(cdr: Cdr, *, now: datetime) -> Cdr:
    """Write the credit that takes a CDR back."""
    document = loads(cdr.document)
    assert isinstance(document, Mapping), "a CDR is an object"
    number = cdr.number + 1
    cdr_id = cdr_id_of(cdr.session_id, number)
    cost = {key: -value for key, value in document["total_cost"].items()}
    credited = {"id": cdr_id, "total_cost": cost, "credit": True, "credit_reference_id": cdr.cdr_id}
    incl = None if cdr.total_incl_vat is None else -cdr.total_incl_vat
    incl_text = None if incl is None else decimal_text(incl)
    amounts: Document = {"excl_vat": decimal_text(-cdr.total_excl_vat), "incl_vat": incl_text}
    explanation: Document = {
        "lines": [],
        "adjustments": [{"kind": "credit", "text": f"Takes back CDR {cdr.cdr_id}"} | amounts],
    }
    return Cdr(
        cdr_id=cdr_id,
        session_id=cdr.session_id,
        number=number,
        started_at=cdr.started_at,
        ended_at=cdr.ended_at,
        currency=cdr.currency,
        energy_milliwh=cdr.energy_milliwh,
        total_excl_vat=-cdr.total_excl_vat,
        total_incl_vat=incl,
        document=dumps({**document, **credited, "last_updated": to_rfc3339(now)}),
        explanation=dumps(explanation),
        synthetic=cdr.synthetic,
        is_credit=True,
    )


def corrections(standing: Cdr | None, fresh: Cdr | None, *, now: datetime) -> list[Cdr]:
    """Return the CDRs to write so that `fresh` stands (None: nothing is owed); none where it stands already.

    `standing` is the CDR that counts now; `fresh` carries the number that follows it if nothing is taken back.
    """
    if standing is None:
        return [] if fresh is None else [fresh]
    if fresh is not None and _says_the_same(standing, fresh):
        return []
    credit = credit_of(standing, now=now)
    return [credit] if fresh is None else [credit, _renumbered(fresh, credit.number + 1)]


def cdr_id_of(session_id: UUID, number: int) -> str:
    """Return a CDR's id, at most 39 characters."""
    return f"{session_id.hex}-{number}"


def _says_the_same(old: Cdr, new: Cdr) -> bool:
    before, after = loads(old.document), loads(new.document)
    assert isinstance(before, Mapping), "a CDR is an object"
    assert isinstance(after, Mapping), "a CDR is an object"
    billed = (
        "start_date_time", "end_date_time", "currency", "total_cost", "total_energy", "total_time",
        "total_parking_time", "charging_periods",
    )  # fmt: skip
    same = all(before.get(key) == after.get(key) for key in billed)
    return same and old.energy_milliwh == new.energy_milliwh


def _renumbered(cdr: Cdr, number: int) -> Cdr:
    cdr_id = cdr_id_of(cdr.session_id, number)
    document = loads(cdr.document)
    assert isinstance(document, Mapping), "a CDR is an object"
    return Cdr(
        cdr_id,
        cdr.session_id,
        number,
        cdr.started_at,
        cdr.ended_at,
        cdr.currency,
        cdr.energy_milliwh,
        cdr.total_excl_vat,
        cdr.total_incl_vat,
        dumps({**document, "id": cdr_id}),
        cdr.explanation,
        cdr.synthetic,
    )


def _head(session: Session, place: Place, party: Party, *, number: int, now: datetime) -> CdrHead:
    assert session.ended_at is not None, "only an ended session has a CDR"
    token = CdrToken(
        country_code=party.country_code,
        party_id=party.party_id,
        uid=(session.token or "")[:36],
        type=_TOKEN_TYPES.get(session.token_type or "", "OTHER"),
        contract_id=(session.token_group or session.token or "")[:36],
    )
    return CdrHead(
        id=cdr_id_of(session.session_id, number),
        country_code=party.country_code,
        party_id=party.party_id,
        session_id=str(session.session_id),
        started_at=session.started_at,
        ended_at=session.ended_at,
        token=token,
        auth_method="COMMAND" if session.remote_start_id is not None else "AUTH_REQUEST",
        location=_location(session, place, party),
        last_updated=now,
    )


def _location(session: Session, place: Place, party: Party) -> CdrLocation:
    own = f"{place.identity}*{session.evse_id}"
    is_dc = place.power_type == "DC"
    return CdrLocation(
        id=(place.location_code or place.identity)[:36],
        name=place.location_name,
        address=(place.address or _UNKNOWN)[:45],
        city=(place.city or _UNKNOWN)[:45],
        postal_code=place.postal_code,
        country=place.country or _NO_COUNTRY,
        latitude=f"{place.lat or 0:.6f}",
        longitude=f"{place.lon or 0:.6f}",
        evse_uid=own[-36:],
        evse_id=f"{party.country_code}*{party.party_id}*E{own}"[:48],
        connector_id=str(session.connector_id),
        connector_standard=place.standard or ("IEC_62196_T2_COMBO" if is_dc else "IEC_62196_T2"),
        connector_format="CABLE" if is_dc else "SOCKET",
        connector_power_type=place.power_type or "AC_3_PHASE",
        time_zone=place.time_zone,
    )


def kwh_text(milliwh: int) -> str:
    """Write an energy in kWh as a decimal string."""
    return str(kwh_of(milliwh))
