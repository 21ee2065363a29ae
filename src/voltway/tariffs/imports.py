"""Tariffs in bulk: a JSON array of OCPI tariffs (or of `{"document", "extension"}`), or CSV with those columns."""

from collections.abc import Mapping, Sequence

from voltway.httpapi.caller import Caller
from voltway.httpapi.imports import ImportPlan, ImportReport, Values
from voltway.httpapi.tables import Column, TableRow, read_table
from voltway.identity.audit import record
from voltway.infra.db import Transaction
from voltway.kernel.errors import Fault, InvalidInput
from voltway.tariffs import store
from voltway.tariffs.ocpi import dumps, loads
from voltway.tariffs.service import TariffText, add_version, read_tariff


class TariffPlan(ImportPlan):
    """Tariffs: document[,extension], both JSON; where one is stored already a new document is its next version."""

    kind = "tariffs"
    key_column = "document"
    columns = (Column("document", str, is_required=True), Column("extension", str))

    def read(self, text: str) -> tuple[list[TableRow], list[Fault], bool]:
        """Read JSON where the text begins like it, else CSV."""
        if text.lstrip().startswith(("[", "{")):
            return (*_read_json(text), False)
        rows, faults = read_table(text, self.columns)
        read: list[TableRow] = []
        for row in rows:
            try:
                read.append(_with_tariff(row))
            except InvalidInput as error:
                faults += [row.fault("document", f"{fault.pointer} {fault.message}".strip()) for fault in error.faults]
        return read, faults, True

    def key_of(self, values: Values) -> str:
        """Return the tariff's id."""
        return str(_text_of(values).tariff.id)

    async def existing(self, tx: Transaction, keys: Sequence[str]) -> Mapping[str, Values]:
        """Return the newest versions that are stored."""
        found = await store.find_newest(tx, keys)
        return {key: {"stored": stored} for key, stored in found.items()}

    def changes(self, stored: Values, given: Values) -> Values:
        """Return the tariff with its next version's number where it says something else (spaces apart)."""
        before, text = stored["stored"], _text_of(given)
        same = loads(before.document) == loads(text.document) and loads(before.extension) == loads(text.extension)
        return {} if same else {"text": text, "version": before.version + 1}

    async def create(self, tx: Transaction, caller: Caller, values: Values) -> None:
        """Store version 1."""
        await add_version(tx, caller, _text_of(values), version=1)

    async def change(self, tx: Transaction, caller: Caller, key: str, changes: Values) -> None:
        """Store the next version; raise Conflict where somebody else has just done so."""
        del key
        await add_version(tx, caller, _text_of(changes), version=changes["version"])

    async def finish(self, tx: Transaction, caller: Caller, report: ImportReport) -> None:
        """Write one audit row for the whole file."""
        await record(tx, caller, "import.tariffs", "", created=report.created, updated=report.updated)


def _text_of(values: Values) -> TariffText:
    text = values["text"]
    assert isinstance(text, TariffText), "every row was read into one"
    return text


def _with_tariff(row: TableRow) -> TableRow:
    document, extension = row.values["document"], row.values.get("extension")
    whole = document if extension is None else f'{{"document":{document},"extension":{extension}}}'
    return TableRow(row.line, row.fields, {"text": read_tariff(whole)})


def _read_json(text: str) -> tuple[list[TableRow], list[Fault]]:
    try:
        found = loads(text)
    except InvalidInput as error:
        return [], list(error.faults)
    items = [("", found)] if isinstance(found, Mapping) else [(f"/{n}", it) for n, it in enumerate(_listed(found))]
    rows: list[TableRow] = []
    faults: list[Fault] = []
    for line, (pointer, item) in enumerate(items, 1):
        try:
            rows.append(TableRow(line, {}, {"text": read_tariff(dumps(item))}, pointer))
        except InvalidInput as error:
            faults += [Fault(pointer + fault.pointer, fault.message) for fault in error.faults]
    return rows, faults


def _listed(found: object) -> list[object]:
    assert isinstance(found, list), "JSON that begins with a bracket is an array"
    return found
