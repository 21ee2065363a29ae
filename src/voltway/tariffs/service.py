"""Use cases of tariffs: enter versions, assign them, and find the one that applies to a session.

A version never changes: a new document becomes the next version, and what was sealed into a session keeps its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voltway.httpapi.caller import Caller
from voltway.httpapi.paging import Page, PageRequest, page_of
from voltway.identity.audit import record
from voltway.infra.db import Database, Transaction
from voltway.kernel.errors import Conflict, Fault, InvalidInput, NotFound
from voltway.kernel.ids import OperatorId, TariffId
from voltway.tariffs import store
from voltway.tariffs.assignments import Assignment, Place, Start, find_version
from voltway.tariffs.model import Tariff
from voltway.tariffs.ocpi import dumps, loads, parse_tariff
from voltway.tariffs.store import StoredTariff

NO_EXTENSION = "{}"


@dataclass(frozen=True, slots=True)
class TariffText:
    """A tariff as JSON text, checked: the OCPI document byte for byte, and our extension beside it."""

    tariff: Tariff
    document: str
    extension: str = NO_EXTENSION


class Tariffs:
    """Tariffs of an operator in versions, and where they apply."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_tariff(self, caller: Caller, text: TariffText) -> StoredTariff:
        """Enter a new tariff as its version 1; raise Conflict where its id is taken."""
        tariff_id = text.tariff.id
        async with self._database.transaction(caller.operator_id) as tx:
            await store.lock_tariff(tx, caller.operator_id, tariff_id)
            if await store.find_tariff(tx, caller.operator_id, tariff_id) is not None:
                raise Conflict(f"the tariff {tariff_id} exists already; PUT it to make a new version")
            return await add_version(tx, caller, text, version=1)

    async def put_tariff(self, caller: Caller, tariff_id: str, text: TariffText) -> StoredTariff:
        """Make the next version (the first, where there is none); the same document again changes nothing."""
        if text.tariff.id != tariff_id:
            raise InvalidInput("the document has another id", [Fault("/id", f"write {tariff_id}, as in the URL")])
        async with self._database.transaction(caller.operator_id) as tx:
            await store.lock_tariff(tx, caller.operator_id, tariff_id)
            newest = await store.find_tariff(tx, caller.operator_id, tariff_id)
            if newest is not None and (newest.document, newest.extension) == (text.document, text.extension):
                return newest
            return await add_version(tx, caller, text, version=1 if newest is None else newest.version + 1)

    async def get_tariff(self, caller: Caller, tariff_id: str, version: int | None = None) -> StoredTariff:
        """Return a version of a tariff, by default the newest."""
        async with self._database.transaction(caller.operator_id) as tx:
            return await get_stored(tx, caller.operator_id, tariff_id, version)

    async def list_tariffs(self, caller: Caller, wanted: PageRequest) -> Page[StoredTariff]:
        """Return the newest version of every tariff."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_newest(tx, wanted)
        return page_of(rows, wanted, lambda tariff: (tariff.tariff_id,))

    async def list_versions(self, caller: Caller, tariff_id: str, wanted: PageRequest) -> Page[StoredTariff]:
        """Return all versions of a tariff, newest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            await get_stored(tx, caller.operator_id, tariff_id)
            rows = await store.list_versions(tx, tariff_id, wanted)
        return page_of(rows, wanted, lambda tariff: (tariff.version,))

    async def create_assignment(self, caller: Caller, values: Mapping[str, Any]) -> Assignment:
        """Assign a tariff to a target."""
        async with self._database.transaction(caller.operator_id) as tx:
            await get_stored(tx, caller.operator_id, values["tariff_id"])
            made = await store.insert_assignment(tx, values)
            await record(tx, caller, "tariff.assign", made.tariff_id, **{**values, "assignment": made.id})
            return made

    async def update_assignment(self, caller: Caller, assignment_id: int, changes: Mapping[str, Any]) -> Assignment:
        """Change an assignment's priority or validity; for another target make another one."""
        async with self._database.transaction(caller.operator_id) as tx:
            before = await _get_assignment(tx, assignment_id)
            _check_validity({"valid_from": before.valid_from, "valid_to": before.valid_to, **changes})
            if changes:
                await store.update_assignment(tx, assignment_id, changes)
                await record(tx, caller, "tariff.reassign", before.tariff_id, assignment=assignment_id, **changes)
            return await _get_assignment(tx, assignment_id)

    async def delete_assignment(self, caller: Caller, assignment_id: int) -> None:
        """End an assignment; running sessions keep their tariff."""
        async with self._database.transaction(caller.operator_id) as tx:
            before = await _get_assignment(tx, assignment_id)
            await store.delete_assignment(tx, assignment_id)
            await record(tx, caller, "tariff.unassign", before.tariff_id, assignment=assignment_id)

    async def get_assignment(self, caller: Caller, assignment_id: int) -> Assignment:
        """Return one assignment."""
        async with self._database.transaction(caller.operator_id) as tx:
            return await _get_assignment(tx, assignment_id)

    async def list_assignments(
        self,
        caller: Caller,
        wanted: PageRequest,
        *,
        tariff_id: str | None = None,
        target_kind: str | None = None,
        target: str | None = None,
    ) -> Page[Assignment]:
        """Return assignments, newest first."""
        async with self._database.transaction(caller.operator_id) as tx:
            rows = await store.list_assignments(tx, wanted, tariff_id=tariff_id, target_kind=target_kind, target=target)
        return page_of(rows, wanted, lambda assignment: (assignment.id,))


async def find_tariff(
    tx: Transaction, operator_id: OperatorId, place: Place, *, token_group: str | None, at: datetime
) -> tuple[TariffId, int] | None:
    """Return id and version of the tariff for a session that starts at that place and instant.

    Works under either role, since every statement names the operator. None: not billable, and visible as such.
    """
    candidates = await store.assignments_covering(tx, operator_id, place)
    versions = await store.versions_of(tx, operator_id, (it.tariff_id for it in candidates))
    return find_version(candidates, versions, Start(place, at, token_group))


async def load_tariff(tx: Transaction, operator_id: OperatorId, tariff_id: str, version: int) -> Tariff:
    """Return a version ready for the price engine; raise NotFound where there is none."""
    return tariff_of(await get_stored(tx, operator_id, tariff_id, version))


def tariff_of(stored: StoredTariff) -> Tariff:
    """Read a stored version."""
    return parse_tariff(loads(stored.document), extension=loads(stored.extension), version=stored.version)


def read_tariff(text: str | bytes) -> TariffText:
    """Read a tariff from JSON text: an OCPI Tariff, or `{"document": Tariff, "extension": {...}}`.

    Raises:
        InvalidInput: with a fault per thing that is wrong, pointing into the text.
    """
    found = loads(text)
    plain = text.decode() if isinstance(text, bytes) else text
    if not isinstance(found, Mapping) or "document" not in found:
        return TariffText(parse_tariff(found), plain.strip())
    if unknown := sorted(set(found) - {"document", "extension"}):
        raise InvalidInput("unknown keys", [Fault(f"/{key}", "there is no such key") for key in unknown])
    extension = found.get("extension") or {}
    try:
        tariff = parse_tariff(found["document"], extension=extension)
    except InvalidInput as error:
        raise InvalidInput(error.message, [_within_wrapper(fault) for fault in error.faults]) from error
    return TariffText(tariff, dumps(found["document"]), dumps(extension))


async def add_version(tx: Transaction, caller: Caller, text: TariffText, *, version: int) -> StoredTariff:
    """Store a version and write the audit; the caller holds the tariff's lock."""
    values = {"currency": text.tariff.currency, "document": text.document, "extension": text.extension}
    await store.insert_version(tx, caller.operator_id, text.tariff.id, version=version, values=values)
    await record(tx, caller, "tariff.add_version", text.tariff.id, version=version)
    return await get_stored(tx, caller.operator_id, text.tariff.id, version)


async def get_stored(
    tx: Transaction, operator_id: OperatorId, tariff_id: str, version: int | None = None
) -> StoredTariff:
    """Return a version as it is stored; raise NotFound where there is none."""
    found = await store.find_tariff(tx, operator_id, tariff_id, version)
    if found is None:
        which = f"there is no tariff {tariff_id}" if version is None else f"{tariff_id} has no version {version}"
        raise NotFound(which)
    return found


async def _get_assignment(tx: Transaction, assignment_id: int) -> Assignment:
    found = await store.find_assignment(tx, assignment_id)
    if found is None:
        raise NotFound(f"there is no assignment {assignment_id}")
    return found


def _check_validity(values: Mapping[str, Any]) -> None:
    begin, end = values.get("valid_from"), values.get("valid_to")
    if begin is not None and end is not None and end <= begin:
        raise InvalidInput("the validity ends before it begins", [Fault("/valid_to", "must be after valid_from")])


def _within_wrapper(fault: Fault) -> Fault:
    inside = fault.pointer if fault.pointer.startswith("/extension") else f"/document{fault.pointer}"
    return Fault(inside, fault.message)
