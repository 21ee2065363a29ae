"""Tables of idTokens; see `httpapi.imports` for the flow."""

from collections.abc import Mapping, Sequence
from typing import Any

from voltway.httpapi.caller import Caller
from voltway.httpapi.imports import ImportPlan, ImportReport, Values
from voltway.httpapi.tables import Column, choice_cell, instant_cell, text_cell
from voltway.identity import store
from voltway.identity.audit import record
from voltway.identity.model import TokenStanding, TokenType, match_key_of
from voltway.identity.phones import normalise_phone
from voltway.infra.db import Transaction
from voltway.kernel.clock import now
from voltway.kernel.errors import InvalidInput


def _phone_cell(cell: str) -> str:
    try:
        return normalise_phone(cell)
    except InvalidInput as error:
        raise ValueError(error.message) from None


class TokenPlan(ImportPlan):
    """Tokens: token[,type,status,group,expires_at,note,contact_name,contact_phone]; case does not matter."""

    kind = "tokens"
    key_column = "token"
    columns = (
        Column("token", text_cell(), is_required=True),
        Column("type", choice_cell(TokenType), empty="ISO14443"),
        Column("status", choice_cell(TokenStanding), empty="Accepted"),
        Column("group", text_cell()),
        Column("expires_at", instant_cell),
        Column("note", text_cell(500)),
        Column("contact_name", text_cell(100)),
        Column("contact_phone", _phone_cell),
    )

    def key_of(self, values: Values) -> str:
        """Return what tokens are compared by."""
        return match_key_of(values["token"])

    async def existing(self, tx: Transaction, keys: Sequence[str]) -> Mapping[str, Values]:
        """Return the stored tokens."""
        found = await store.find_tokens(tx, keys)
        return {key: {name: getattr(token, name) for name in _COMPARED} for key, token in found.items()}

    async def create(self, tx: Transaction, caller: Caller, values: Values) -> None:
        """Store a new token."""
        columns = {"match_key": self.key_of(values), **_columns(values)}
        await store.insert_token(tx, caller.operator_id, columns)

    async def change(self, tx: Transaction, caller: Caller, key: str, changes: Values) -> None:
        """Change a token."""
        del caller
        await store.update_token(tx, key, {**_columns(changes), "updated_at": now()})

    async def finish(self, tx: Transaction, caller: Caller, report: ImportReport) -> None:
        """Write one audit row for the whole table."""
        await record(tx, caller, "import.tokens", "", created=report.created, updated=report.updated)


_COMPARED = ("token", "type", "status", "group", "expires_at", "note", "contact_name", "contact_phone")


def _columns(values: Values) -> dict[str, Any]:
    return {"group_token" if name == "group" else name: value for name, value in values.items()}
