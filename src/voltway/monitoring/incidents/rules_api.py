"""Routes of rules: what is looked for, from which threshold on, and what an operator changed of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel

from voltway.httpapi.caller import Reader, Writer
from voltway.httpapi.paging import Page
from voltway.monitoring.incidents.rule_service import RuleInForce, Rules
from voltway.monitoring.incidents.rules import document_of

Code = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,63}$", description="The rule's code, e.g. station_offline.")]


class RuleDocument(BaseModel):
    """A rule in force; `changed` names what this operator changed of it, `faults` why that change is not in force."""

    code: str
    scope: str
    title: str
    detector: str
    severity: str
    threshold: float
    clear_below: float
    hold_s: float
    clear_hold_s: float
    group_by: str
    enabled: bool
    params: dict[str, Any]
    where: dict[str, list[str]]
    ladder: str | None
    changed: list[str]
    is_shipped: bool
    faults: list[str]


def router(rules: Rules) -> APIRouter:
    """Build the routes of rules."""
    routes = APIRouter(prefix="/api/v1/monitoring", tags=["incidents"])

    @routes.get("/rules", summary="Every rule in force")
    async def list_rules(caller: Reader) -> Page[RuleDocument]:
        return Page(items=[_document(it) for it in await rules.list_rules(caller)])

    @routes.get("/rules/{code}", summary="One rule")
    async def get_rule(caller: Reader, code: Code) -> RuleDocument:
        return _document(await rules.get_rule(caller, code))

    @routes.put("/rules/{code}", summary="Change a rule, or add one: only what differs from the shipped rule")
    async def put_rule(caller: Writer, code: Code, body: Annotated[dict[str, Any], Body()]) -> RuleDocument:
        return _document(await rules.put_rule(caller, code, body))

    @routes.delete("/rules/{code}", status_code=204, summary="Go back to the shipped rule")
    async def reset_rule(caller: Writer, code: Code) -> None:
        await rules.reset_rule(caller, code)

    return routes


def _document(it: RuleInForce) -> RuleDocument:
    return RuleDocument(
        code=it.rule.code, scope=it.rule.scope, changed=it.changed, is_shipped=it.is_shipped, faults=it.faults,
        **document_of(it.rule),
    )  # fmt: skip
