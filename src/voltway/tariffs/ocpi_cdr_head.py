"""What a CDR says beside its price: token, place, ids; and the forms of it in OCPI 2.1.1, 2.2.1 and 2.3.0."""

from dataclasses import dataclass
from datetime import datetime

from voltway.kernel.clock import to_rfc3339
from voltway.tariffs.model import JsonObject, OcpiVersion

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class CdrToken:
    """OCPI CdrToken: what started the session."""

    country_code: str
    party_id: str
    uid: str
    type: str
    contract_id: str


@dataclass(frozen=True, slots=True)
class CdrLocation:
    """OCPI CdrLocation: the place as it was at the start; `country` is alpha-3, latitude and longitude are texts.

    `time_zone` (IANA) goes into the CDR beside OCPI's keys: without it nobody can check local prices (billing note 14).
    """

    id: str
    address: str
    city: str
    country: str
    latitude: str
    longitude: str
    evse_uid: str
    evse_id: str
    connector_id: str
    connector_standard: str
    connector_format: str
    connector_power_type: str
    name: str | None = None
    postal_code: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class CdrHead:
    """What a CDR says beside its price; `auth_method` is AUTH_REQUEST, COMMAND or WHITELIST, instants aware."""

    id: str
    country_code: str
    party_id: str
    session_id: str
    started_at: datetime
    ended_at: datetime
    token: CdrToken
    auth_method: str
    location: CdrLocation
    last_updated: datetime
    meter_id: str | None = None
    remark: str | None = None
    extra: JsonObject | None = None


def head_document(head: CdrHead, ocpi_version: OcpiVersion) -> Document:
    """Write who, where and when, in the order of the CDR object; what is unknown is left out."""
    written = _old_head(head) if ocpi_version is OcpiVersion.V2_1_1 else _head(head)
    return _known(written)


def _head(head: CdrHead) -> Document:
    return {
        "country_code": head.country_code,
        "party_id": head.party_id,
        "id": head.id,
        "start_date_time": to_rfc3339(head.started_at),
        "end_date_time": to_rfc3339(head.ended_at),
        "session_id": head.session_id,
        "cdr_token": _token(head.token),
        "auth_method": head.auth_method,
        "cdr_location": _location(head.location),
        "time_zone": head.location.time_zone,
        "meter_id": head.meter_id,
    }


def _old_head(head: CdrHead) -> Document:
    """Write 2.1.1's head: it knows no parties, no session and no COMMAND."""
    return {
        "id": head.id,
        "start_date_time": to_rfc3339(head.started_at),
        "stop_date_time": to_rfc3339(head.ended_at),
        "auth_id": head.token.contract_id,
        "auth_method": "WHITELIST" if head.auth_method == "WHITELIST" else "AUTH_REQUEST",
        "location": _old_location(head.location, to_rfc3339(head.last_updated)),
        "meter_id": head.meter_id,
    }


def _old_location(place: CdrLocation, last_updated: str) -> Document:
    """Write a Location of 2.1.1 with the one EVSE and connector; voltage and amperage are not known here."""
    connector: Document = {
        "id": place.connector_id,
        "standard": place.connector_standard,
        "format": place.connector_format,
        "power_type": place.connector_power_type,
        "last_updated": last_updated,
    }
    evse: Document = {
        "uid": place.evse_uid,
        "evse_id": place.evse_id,
        "status": "UNKNOWN",
        "connectors": [connector],
        "last_updated": last_updated,
    }
    return _known(
        {
            "id": place.id,
            "type": "UNKNOWN",
            "name": place.name,
            "address": place.address,
            "city": place.city,
            "postal_code": place.postal_code,
            "country": place.country,
            "coordinates": {"latitude": place.latitude, "longitude": place.longitude},
            "evses": [evse],
            "time_zone": place.time_zone,
            "last_updated": last_updated,
        }
    )


def _known(document: Document) -> Document:
    return {key: item for key, item in document.items() if item is not None}


def _token(token: CdrToken) -> Document:
    return {
        "country_code": token.country_code,
        "party_id": token.party_id,
        "uid": token.uid,
        "type": token.type,
        "contract_id": token.contract_id,
    }


def _location(place: CdrLocation) -> Document:
    return _known(
        {
            "id": place.id,
            "name": place.name,
            "address": place.address,
            "city": place.city,
            "postal_code": place.postal_code,
            "country": place.country,
            "coordinates": {"latitude": place.latitude, "longitude": place.longitude},
            "evse_uid": place.evse_uid,
            "evse_id": place.evse_id,
            "connector_id": place.connector_id,
            "connector_standard": place.connector_standard,
            "connector_format": place.connector_format,
            "connector_power_type": place.connector_power_type,
        }
    )
