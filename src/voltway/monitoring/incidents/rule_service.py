"""Use cases of rules: read them, change them, go back to what was shipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voltway.httpapi.caller import Caller
from voltway.identity.audit import record
from voltway.infra.db import Database, Transaction
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.kernel.errors import NotFound
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents import rule_store
from voltway.monitoring.incidents.model import Rule
from voltway.monitoring.incidents.rules import effective, faults_of, parse_rule, shipped


@dataclass(frozen=True, slots=True)
class RuleInForce:
    """A rule as it works now; `changed` names the fields that differ from the shipped one.

    `faults` tells why a stored change is not in force: this version does not understand it (any more).
    """

    rule: Rule
    changed: list[str]
    is_shipped: bool
    faults: list[str]


class Rules:
    """The rules of an operator."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._now = clock

    async def list_rules(self, caller: Caller) -> list[RuleInForce]:
        """Return every rule in force, by code."""
        async with self._database.transaction(caller.operator_id) as tx:
            overrides = await _own(tx, caller.operator_id)
        rules = effective(overrides)
        return [_in_force(rules[code], overrides.get(code, {})) for code in sorted(rules)]

    async def get_rule(self, caller: Caller, code: str) -> RuleInForce:
        """Return one rule; raise NotFound where there is none."""
        found = [it for it in await self.list_rules(caller) if it.rule.code == code]
        if not found:
            raise NotFound(f"there is no rule {code}")
        return found[0]

    async def put_rule(self, caller: Caller, code: str, document: Mapping[str, Any]) -> RuleInForce:
        """Change a rule, or add one of the operator's own; raise InvalidInput with every fault at once."""
        parse_rule(code, document)
        async with self._database.transaction(caller.operator_id) as tx:
            await rule_store.put_override(tx, caller.operator_id, code, document, self._now())
            await record(tx, caller, "rule.put", code, **document)
        return await self.get_rule(caller, code)

    async def reset_rule(self, caller: Caller, code: str) -> None:
        """Go back to the shipped rule, or drop the operator's own; raise NotFound where nothing was changed."""
        async with self._database.transaction(caller.operator_id) as tx:
            if not await rule_store.delete_override(tx, caller.operator_id, code):
                raise NotFound(f"the rule {code} is as it was shipped, or there is none")
            await record(tx, caller, "rule.reset", code)


async def rules_of(tx: Transaction, operator_id: OperatorId) -> Mapping[str, Rule]:
    """Return an operator's rules in force, in a transaction of either role."""
    return effective(await _own(tx, operator_id))


async def _own(tx: Transaction, operator_id: OperatorId) -> dict[str, dict[str, Any]]:
    return (await rule_store.read_overrides(tx)).get(operator_id, {})


def _in_force(rule: Rule, override: Mapping[str, Any]) -> RuleInForce:
    faults = faults_of(rule.code, override)
    return RuleInForce(rule, sorted(override), rule.code in shipped(), [f"{it.pointer}: {it.message}" for it in faults])
