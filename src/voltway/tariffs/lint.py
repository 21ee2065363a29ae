"""The linter of tariffs (`voltway tariff lint`): everything about a tariff that costs somebody money or breaks a rule.

One call reads the document, collects the findings of the `lint_*` modules and sorts them. Pure: no I/O.
"""

from collections.abc import Iterable, Iterator, Mapping

from voltway.kernel.errors import Fault, InvalidInput
from voltway.tariffs.lint_cover import Cover
from voltway.tariffs.lint_dst import dst_findings
from voltway.tariffs.lint_findings import Finding, LintReport, RuleSet, Severity, in_order, lint_table
from voltway.tariffs.lint_law import law_findings, lock_findings
from voltway.tariffs.lint_outline import TariffOutline, outline
from voltway.tariffs.lint_round_trip import round_trip_findings
from voltway.tariffs.lint_rules import (
    component_findings,
    fault_findings,
    flat_findings,
    key_findings,
    reservation_findings,
    window_findings,
)
from voltway.tariffs.model import JsonObject, OcpiVersion, Tariff
from voltway.tariffs.ocpi_tariff import guess_version, parse_tariff
from voltway.tariffs.rates import zone_fault

__all__ = ["Finding", "LintReport", "RuleSet", "Severity", "lint_table", "lint_tariff"]

_MOST_DEPTH = 64


def lint_tariff(
    document: object,
    *,
    extension: object = None,
    ocpi_version: OcpiVersion | None = None,
    time_zone: str | None = None,
    rules: Iterable[RuleSet] = (RuleSet.OCPI,),
) -> LintReport:
    """Return every finding about a tariff document and our extension beside it.

    OCPI's own rules always hold, the other rule sets add to them; `time_zone` is the IANA zone of the place, without
    which nights with a change of the clock are not looked at.

    Raises:
        InvalidInput: this is not a tariff (no JSON object with `currency` and `elements`), or there is no such zone.
    """
    checked = _checked(document, extension)
    _check_zone(time_zone)
    beside = extension if isinstance(extension, Mapping) else {}
    version = ocpi_version or guess_version(checked)
    wanted = [rule for rule in RuleSet if rule in set(rules)]
    read = outline(checked, beside)
    findings = [*_of_document(checked, read, version), *law_findings(read, wanted)]
    if time_zone is not None:
        findings += dst_findings(read, time_zone)
    try:
        tariff = parse_tariff(checked, extension=extension, ocpi_version=version)
    except InvalidInput as error:
        findings += fault_findings(error.faults)
    else:
        findings += _of_tariff(tariff, time_zone, wanted)
    named = checked.get("id")
    return LintReport(named if isinstance(named, str) and named else None, in_order(findings))


def _checked(document: object, extension: object) -> JsonObject:
    if not isinstance(document, Mapping) or not {"currency", "elements"} <= set(document):
        message = "this is not a tariff: a tariff is a JSON object with currency and elements"
        raise InvalidInput("not a tariff", [Fault("", message)])
    if not (_is_shallow(document) and _is_shallow(extension)):
        raise InvalidInput("not a tariff", [Fault("", f"it is nested more than {_MOST_DEPTH} levels deep")])
    return document


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(_MOST_DEPTH):
        level = [item for outer in level for item in _inside(outer)]
    return not level


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _check_zone(time_zone: str | None) -> None:
    fault = zone_fault(time_zone) if time_zone is not None else None
    if fault is not None:
        raise InvalidInput("unknown time zone", [fault])


def _of_document(document: JsonObject, read: TariffOutline, version: OcpiVersion) -> Iterator[Finding]:
    yield from key_findings(document, version)
    yield from window_findings(read)
    yield from component_findings(read, version)
    yield from flat_findings(read)
    yield from reservation_findings(read)


def _of_tariff(tariff: Tariff, time_zone: str | None, rules: list[RuleSet]) -> Iterator[Finding]:
    cover = Cover(tariff, time_zone)
    yield from cover.findings()
    yield from lock_findings(rules, is_locked=tariff.price_lock, changes=cover.changes_by_clock)
    yield from round_trip_findings(tariff, time_zone)
