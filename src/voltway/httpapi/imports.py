"""Tables into the database: one flow for every kind, one transaction, a dry run that does all but keep it.

A slice says in an `ImportPlan` how its rows are read, found, made and changed; nothing is kept while anything is wrong.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from voltway.httpapi.caller import Caller, Writer
from voltway.httpapi.tables import Column, TableRow, read_table
from voltway.infra.db import Database, Transaction
from voltway.kernel.errors import Conflict, Fault, InvalidFile, InvalidInput, NotFound

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did (or would do); with faults nothing was kept.

    `table`: the faults' pointers are LINE:FIELD of a table, else JSON Pointers.
    """

    kind: str
    dry_run: bool
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)
    table: bool = True

    def raise_for(self, file: str) -> None:
        """Raise InvalidFile where there are faults."""
        if self.faults:
            raise InvalidFile(file, self.faults, table=self.table)


class ImportPlan(ABC):
    """How one kind of rows is read and written; `values` hold the table's columns by name."""

    kind: str
    columns: Sequence[Column]
    key_column: str

    def read(self, text: str) -> tuple[list[TableRow], list[Fault], bool]:
        """Return rows, faults and whether it was a table."""
        return (*read_table(text, self.columns), True)

    @abstractmethod
    def key_of(self, values: Values) -> str:
        """Return what makes two rows the same thing."""

    @abstractmethod
    async def existing(self, tx: Transaction, keys: Sequence[str]) -> Mapping[str, Values]:
        """Return what is stored, by key, in the table's columns."""

    async def check(self, tx: Transaction, rows: Sequence[TableRow]) -> list[Fault]:
        """Return faults that only the database knows, such as a reference to nothing."""
        del tx, rows
        return []

    def changes(self, stored: Values, given: Values) -> Values:
        """Return the given values that differ from what is stored."""
        return {name: value for name, value in given.items() if stored.get(name) != value}

    @abstractmethod
    async def create(self, tx: Transaction, caller: Caller, values: Values) -> None:
        """Store a new thing; raise Conflict where the database refuses it."""

    @abstractmethod
    async def change(self, tx: Transaction, caller: Caller, key: str, changes: Values) -> None:
        """Change a thing that is stored."""

    @abstractmethod
    async def finish(self, tx: Transaction, caller: Caller, report: ImportReport) -> None:
        """Write the audit in the same transaction."""


class Importer:
    """Runs one plan against the database."""

    def __init__(
        self, database: Database, plan: ImportPlan, *, committed: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._database = database
        self._plan = plan
        self._committed = committed

    async def run(self, caller: Caller, text: str, *, dry_run: bool) -> ImportReport:
        """Import a text, or only say what would happen; with faults nothing is kept."""
        rows, faults, is_table = self._plan.read(text)
        faults += self._repeated(rows)
        async with self._database.transaction(caller.operator_id) as tx:
            faults += await self._plan.check(tx, rows)
            counts = {} if faults else await self._apply(tx, caller, rows, faults)
            report = ImportReport(self._plan.kind, dry_run, **counts, faults=_sorted(faults), table=is_table)
            if dry_run or faults:
                await tx.rollback()
            else:
                await self._plan.finish(tx, caller, report)
        if self._committed is not None and not dry_run and not faults:
            await self._committed()
        return report

    async def _apply(
        self, tx: Transaction, caller: Caller, rows: Sequence[TableRow], faults: list[Fault]
    ) -> dict[str, int]:
        plan = self._plan
        stored = await plan.existing(tx, [plan.key_of(row.values) for row in rows])
        counts = {"created": 0, "updated": 0, "unchanged": 0}
        for row in rows:
            try:
                counts[await self._apply_row(tx, caller, row, stored)] += 1
            except Conflict as error:
                # The transaction is broken from here on, so the rows after this one stay unjudged.
                faults.append(row.fault(plan.key_column, error.message))
                return {}
        return counts

    async def _apply_row(self, tx: Transaction, caller: Caller, row: TableRow, stored: Mapping[str, Values]) -> str:
        key = self._plan.key_of(row.values)
        if key not in stored:
            await self._plan.create(tx, caller, row.values)
            return "created"
        changes = self._plan.changes(stored[key], row.values)
        if changes:
            await self._plan.change(tx, caller, key, changes)
        return "updated" if changes else "unchanged"

    def _repeated(self, rows: Sequence[TableRow]) -> list[Fault]:
        first: dict[str, int] = {}
        faults = []
        for row in rows:
            line = first.setdefault(self._plan.key_of(row.values), row.line)
            if line != row.line:
                faults.append(row.fault(self._plan.key_column, f"stands in line {line} already"))
        return faults


def decode_text(body: bytes) -> str:
    """Return the text of an uploaded file; raise InvalidInput where it is no UTF-8."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise InvalidInput("this is not UTF-8", [Fault(f"{line}:1", "this is not UTF-8")]) from error


def router(importers: Mapping[str, Importer]) -> APIRouter:
    """Build `POST /api/v1/import/{kind}`."""
    routes = APIRouter(prefix="/api/v1", tags=["import"])
    body: dict[str, Any] = {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}

    @routes.post("/import/{kind}", summary="Import a table, or try it", openapi_extra={"requestBody": body})
    async def import_table(
        caller: Writer,
        request: Request,
        kind: Annotated[str, Path(description=f"One of {', '.join(importers)}.")],
        dry_run: Annotated[bool, Query(description="Say what would happen, keep nothing.")] = False,
    ) -> ImportReport:
        importer = importers.get(kind)
        if importer is None:
            raise NotFound(f"{kind} cannot be imported; one of {', '.join(importers)} can")
        report = await importer.run(caller, decode_text(await request.body()), dry_run=dry_run)
        if not dry_run:
            report.raise_for(kind)
        return report

    return routes


def _sorted(faults: Sequence[Fault]) -> list[Fault]:
    def place(fault: Fault) -> tuple[int, ...]:
        parts = fault.pointer.split(":")
        return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()

    return sorted(faults, key=place)
