"""Tables of tariffs: versions of documents (append-only) and their assignments."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voltway.httpapi.paging import PageRequest
from voltway.infra.db import Transaction
from voltway.infra.sql import Row, conflict_if_refused, fetch_all, fetch_one, run, update
from voltway.kernel.ids import OperatorId, TariffId
from voltway.tariffs.assignments import Assignment, Place, TargetKind, Version
from voltway.tariffs.ocpi_reader import parse_instant

_TARIFF_COLUMNS = """tariff_id, version, currency, CAST(document AS text) AS document,
                     CAST(extension AS text) AS extension, created_at"""
_ASSIGNMENT_COLUMNS = """assignment_id, tariff_id, target_kind, target, token_group, priority, valid_from, valid_to,
                         created_at"""


@dataclass(frozen=True, slots=True)
class StoredTariff:
    """One version; `document` and `extension` are JSON text exactly as it was entered."""

    tariff_id: TariffId
    version: int
    currency: str
    document: str
    extension: str
    created_at: datetime


async def lock_tariff(tx: Transaction, operator_id: OperatorId, tariff_id: str) -> None:
    """Let one writer at a time add a version of that tariff."""
    await run(
        tx,
        "SELECT pg_advisory_xact_lock(hashtextextended(:name, :operator_id))",
        name=f"tariff {tariff_id}",
        operator_id=operator_id,
    )


async def insert_version(
    tx: Transaction, operator_id: OperatorId, tariff_id: str, *, version: int, values: Mapping[str, str]
) -> None:
    """Store a new version; `values` are currency, document and extension."""
    with conflict_if_refused(f"version {version} of {tariff_id} exists already"):
        await run(
            tx,
            """INSERT INTO tariff (operator_id, tariff_id, version, currency, document, extension)
               VALUES (:operator_id, :tariff_id, :version, :currency,
                       CAST(:document AS json), CAST(:extension AS json))""",
            operator_id=operator_id,
            tariff_id=tariff_id,
            version=version,
            **values,
        )


async def find_tariff(
    tx: Transaction, operator_id: OperatorId, tariff_id: str, version: int | None = None
) -> StoredTariff | None:
    """Return a version of a tariff, by default the newest."""
    row = await fetch_one(
        tx,
        f"""SELECT {_TARIFF_COLUMNS} FROM tariff
            WHERE operator_id = :operator_id AND tariff_id = :tariff_id
              AND (CAST(:version AS int) IS NULL OR version = :version)
            ORDER BY version DESC LIMIT 1""",  # noqa: S608 - our own names
        operator_id=operator_id,
        tariff_id=tariff_id,
        version=version,
    )
    return None if row is None else StoredTariff(**row)


async def versions_of(
    tx: Transaction, operator_id: OperatorId, tariff_ids: Iterable[TariffId]
) -> dict[TariffId, list[Version]]:
    """Return since when we have each version of some tariffs, and its validity, in the order of their numbers."""
    rows = await fetch_all(
        tx,
        """SELECT tariff_id, version, created_at, document->>'start_date_time' AS valid_from,
                  document->>'end_date_time' AS valid_to
           FROM tariff WHERE operator_id = :operator_id AND tariff_id = ANY(CAST(:tariff_ids AS text[]))
           ORDER BY tariff_id, version""",
        operator_id=operator_id,
        tariff_ids=sorted(set(tariff_ids)),
    )
    found: dict[TariffId, list[Version]] = {}
    for row in rows:
        version = Version(
            row["version"], row["created_at"], parse_instant(row["valid_from"]), parse_instant(row["valid_to"])
        )
        found.setdefault(TariffId(row["tariff_id"]), []).append(version)
    return found


async def list_newest(tx: Transaction, wanted: PageRequest) -> list[StoredTariff]:
    """Return the newest version of every tariff, by id."""
    after = wanted.after_texts(1)
    rows = await fetch_all(
        tx,
        f"""SELECT DISTINCT ON (tariff_id) {_TARIFF_COLUMNS} FROM tariff WHERE tariff_id > :after
            ORDER BY tariff_id, version DESC LIMIT :limit""",  # noqa: S608 - our own names
        after=after[0] if after else "",
        limit=wanted.fetch,
    )
    return [StoredTariff(**row) for row in rows]


async def find_newest(tx: Transaction, tariff_ids: Sequence[str]) -> dict[str, StoredTariff]:
    """Return the newest version of those of the tariffs that exist."""
    rows = await fetch_all(
        tx,
        f"""SELECT DISTINCT ON (tariff_id) {_TARIFF_COLUMNS} FROM tariff WHERE tariff_id = ANY(:tariff_ids)
            ORDER BY tariff_id, version DESC""",  # noqa: S608 - our own names
        tariff_ids=list(tariff_ids),
    )
    return {row["tariff_id"]: StoredTariff(**row) for row in rows}


async def list_versions(tx: Transaction, tariff_id: str, wanted: PageRequest) -> list[StoredTariff]:
    """Return all versions of a tariff, newest first."""
    after = wanted.after_numbers(1)
    rows = await fetch_all(
        tx,
        f"""SELECT {_TARIFF_COLUMNS} FROM tariff
            WHERE tariff_id = :tariff_id AND version < CAST(:before AS bigint)
            ORDER BY version DESC LIMIT :limit""",  # noqa: S608 - our own names
        tariff_id=tariff_id,
        before=after[0] if after else 2**31,
        limit=wanted.fetch,
    )
    return [StoredTariff(**row) for row in rows]


async def insert_assignment(tx: Transaction, values: Mapping[str, Any]) -> Assignment:
    """Store an assignment of this transaction's operator."""
    columns = list(values)
    row = await fetch_one(
        tx,
        f"""INSERT INTO tariff_assignment (operator_id, {", ".join(columns)})
            VALUES (voltway_operator(), {", ".join(f":{column}" for column in columns)})
            RETURNING {_ASSIGNMENT_COLUMNS}""",  # noqa: S608 - our own names
        **values,
    )
    assert row is not None, "INSERT … RETURNING answers with its row"
    return _assignment(row)


async def update_assignment(tx: Transaction, assignment_id: int, changes: Mapping[str, Any]) -> int:
    """Change an assignment; return 0 where there is none."""
    return await update(tx, "tariff_assignment", {"assignment_id": assignment_id}, changes)


async def delete_assignment(tx: Transaction, assignment_id: int) -> int:
    """Delete an assignment; sessions keep the version that was sealed into them."""
    return await run(tx, "DELETE FROM tariff_assignment WHERE assignment_id = :id", id=assignment_id)


async def find_assignment(tx: Transaction, assignment_id: int) -> Assignment | None:
    """Return one assignment."""
    row = await fetch_one(
        tx,
        f"SELECT {_ASSIGNMENT_COLUMNS} FROM tariff_assignment WHERE assignment_id = :id",  # noqa: S608 - our own names
        id=assignment_id,
    )
    return None if row is None else _assignment(row)


async def list_assignments(
    tx: Transaction, wanted: PageRequest, *, tariff_id: str | None, target_kind: str | None, target: str | None
) -> list[Assignment]:
    """Return assignments, newest first."""
    after = wanted.after_numbers(1)
    rows = await fetch_all(
        tx,
        f"""SELECT {_ASSIGNMENT_COLUMNS} FROM tariff_assignment
            WHERE assignment_id < :before
              AND (CAST(:tariff_id AS text) IS NULL OR tariff_id = :tariff_id)
              AND (CAST(:target_kind AS text) IS NULL OR target_kind = :target_kind)
              AND (CAST(:target AS text) IS NULL OR target = :target)
            ORDER BY assignment_id DESC LIMIT :limit""",  # noqa: S608 - our own names
        before=after[0] if after else 2**63 - 1,
        tariff_id=tariff_id,
        target_kind=target_kind,
        target=target,
        limit=wanted.fetch,
    )
    return [_assignment(row) for row in rows]


async def assignments_covering(tx: Transaction, operator_id: OperatorId, place: Place) -> list[Assignment]:
    """Return the operator's assignments whose target covers a place."""
    targets = place.targets()
    rows = await fetch_all(
        tx,
        f"""SELECT {_ASSIGNMENT_COLUMNS} FROM tariff_assignment
            WHERE operator_id = :operator_id AND (target_kind, target) IN (
                  SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:targets AS text[])))""",  # noqa: S608 - our own names
        operator_id=operator_id,
        kinds=[kind.value for kind, _ in targets],
        targets=[target for _, target in targets],
    )
    return [_assignment(row) for row in rows]


def _assignment(row: Row) -> Assignment:
    return Assignment(
        id=row["assignment_id"],
        tariff_id=TariffId(row["tariff_id"]),
        target_kind=TargetKind(row["target_kind"]),
        target=row["target"],
        token_group=row["token_group"],
        priority=row["priority"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        created_at=row["created_at"],
    )
