"""What `voltway price` and `POST /api/v1/price` are asked: documents in, a priced CDR or all faults at once out. Pure.

Faults point into the request as one JSON object: `/cdr/...`, `/tariff/...`, `/time_zone`, `/ocpi`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from voltway.kernel.errors import Fault, InvalidInput
from voltway.tariffs.model import OcpiVersion, Tariff
from voltway.tariffs.ocpi_cdr_reader import PartnerCdr, parse_cdr
from voltway.tariffs.ocpi_tariff import guess_version, parse_tariff
from voltway.tariffs.rates import zone_fault
from voltway.tariffs.reprice import Repriced, reprice


@dataclass(frozen=True, slots=True)
class PriceRequest:
    """A CDR as JSON (exact numbers), and what replaces or completes it; `tariff` is one Tariff or an array of them.

    A tariff may also be `{"document": Tariff, "extension": {...}}`, with our idle rule and price lock beside it, and a
    CDR what `GET /api/v1/cdrs/{id}` answers, where it is the `document`.
    """

    cdr: object
    tariff: object | None = None
    ocpi: str | None = None
    time_zone: str | None = None
    reservation_expired: bool = False


def priced_request(request: PriceRequest) -> Repriced:
    """Price the CDR of a request; raises InvalidInput with every fault of CDR, tariffs and options."""
    faults: list[Fault] = [*version_faults(request.ocpi), *zone_faults(request.time_zone)]
    version = _version(request)
    cdr = _cdr(request, version, faults)
    tariffs = _tariffs(request.tariff, version, faults) if request.tariff is not None else None
    if faults or cdr is None:
        _refuse(faults)
    try:
        return reprice(cdr, tariffs, time_zone=request.time_zone, reservation_expired=request.reservation_expired)
    except InvalidInput as error:
        _refuse([Fault(f"/cdr{_cdr_part(request)[1]}{fault.pointer}", fault.message) for fault in error.faults])


def version_faults(named: str | None) -> Iterator[Fault]:
    """Yield a fault where an OCPI version is named that is none of ours."""
    known = [version.value for version in OcpiVersion]
    if named is not None and named not in known:
        yield Fault("/ocpi", f"{named} is none of {', '.join(known)}")


def tariff_parts(found: object) -> tuple[object, object, str]:
    """Return a tariff's document, our extension beside it (or None), and the pointer of the document within `found`."""
    if isinstance(found, Mapping) and "document" in found:
        return found["document"], found.get("extension"), "/document"
    return found, None, ""


def zone_faults(time_zone: str | None) -> Iterator[Fault]:
    """Yield a fault where a time zone is named that IANA does not know."""
    if time_zone is not None and (fault := zone_fault(time_zone)) is not None:
        yield fault


def _version(request: PriceRequest) -> OcpiVersion | None:
    """Return the version asked for; else 2.3.0 where the replacing tariffs are of it, else None: the CDR says."""
    if request.ocpi in {version.value for version in OcpiVersion}:
        return OcpiVersion(request.ocpi)
    replacing = request.tariff if isinstance(request.tariff, list | tuple) else [request.tariff]
    documents = (tariff_parts(item)[0] for item in replacing)
    is_newest = any(
        isinstance(document, Mapping) and guess_version(document) is OcpiVersion.V2_3_0 for document in documents
    )
    return OcpiVersion.V2_3_0 if is_newest else None


def _cdr(request: PriceRequest, version: OcpiVersion | None, faults: list[Fault]) -> PartnerCdr | None:
    document, inner = _cdr_part(request)
    try:
        return parse_cdr(document, ocpi_version=version, with_tariffs=request.tariff is None)
    except InvalidInput as error:
        faults.extend(Fault(f"/cdr{inner}{fault.pointer}", fault.message) for fault in error.faults)
        return None


def _cdr_part(request: PriceRequest) -> tuple[object, str]:
    """Return the CDR and its pointer within what was given."""
    found = request.cdr
    if isinstance(found, Mapping) and "document" in found and "charging_periods" not in found:
        return found["document"], "/document"
    return found, ""


def _tariffs(found: object, version: OcpiVersion | None, faults: list[Fault]) -> list[Tariff]:
    is_list = isinstance(found, list | tuple)
    items = list(found) if isinstance(found, list | tuple) else [found]
    if not items:
        faults.append(Fault("/tariff", "the array holds no tariff"))
    tariffs: list[Tariff] = []
    for index, item in enumerate(items):
        document, extension, inner = tariff_parts(item)
        place = f"/tariff/{index}" if is_list else "/tariff"
        try:
            tariffs.append(parse_tariff(document, ocpi_version=version, extension=extension))
        except InvalidInput as error:
            for fault in error.faults:
                within = "" if fault.pointer.startswith("/extension") else inner
                faults.append(Fault(f"{place}{within}{fault.pointer}", fault.message))
    return tariffs


def _refuse(faults: Sequence[Fault]) -> NoReturn:
    raise InvalidInput(f"there is no price: {len(faults)} fault(s)", faults)
