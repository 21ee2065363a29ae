"""What `voltway tariff lint` and `POST /api/v1/tariffs/lint` are asked: a tariff in, the report or faults out. Pure.

Faults point into the request as one JSON object: `/tariff/...`, `/time_zone`, `/ocpi`, `/rules`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from voltway.kernel.errors import Fault, InvalidInput
from voltway.tariffs.lint import lint_tariff
from voltway.tariffs.lint_findings import Finding, LintReport, RuleSet, in_order
from voltway.tariffs.model import OcpiVersion
from voltway.tariffs.price_request import tariff_parts, version_faults, zone_faults


@dataclass(frozen=True, slots=True)
class LintRequest:
    """A tariff as JSON (or `{"document", "extension"}`), and which rules beside OCPI's own are asked of it."""

    tariff: object
    ocpi: str | None = None
    time_zone: str | None = None
    rules: tuple[str, ...] = (RuleSet.OCPI,)


def linted_request(request: LintRequest) -> LintReport:
    """Lint the tariff of a request; raises InvalidInput where it is no tariff or an option is unknown."""
    faults = [*version_faults(request.ocpi), *zone_faults(request.time_zone), *_rule_faults(request.rules)]
    if faults:
        raise InvalidInput("the tariff was not looked at", faults)
    document, extension, inner = tariff_parts(request.tariff)
    try:
        report = lint_tariff(
            document,
            extension=extension,
            ocpi_version=None if request.ocpi is None else OcpiVersion(request.ocpi),
            time_zone=request.time_zone,
            rules=[RuleSet(rule) for rule in request.rules],
        )
    except InvalidInput as error:
        placed = [Fault(f"/tariff{inner}{fault.pointer}", fault.message) for fault in error.faults]
        raise InvalidInput(error.message, placed) from error
    return LintReport(report.tariff_id, in_order([_placed(finding, inner) for finding in report.findings]))


def _rule_faults(rules: Sequence[str]) -> list[Fault]:
    known = [rule.value for rule in RuleSet]
    return [Fault("/rules", f"{rule} is none of {', '.join(known)}") for rule in rules if rule not in known]


def _placed(finding: Finding, inner: str) -> Finding:
    """Point into the request's tariff: beside the document stands our extension."""
    is_beside = finding.path.startswith("/extension")
    return finding if is_beside else replace(finding, path=f"{inner}{finding.path}")
