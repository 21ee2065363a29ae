"""Short ways to write tariff documents for the linter's tests, and to read its reports."""

from collections.abc import Iterable

from voltway.tariffs.exact_json import dumps, loads
from voltway.tariffs.lint import LintReport, RuleSet, lint_tariff

Json = dict[str, object]


def part(dimension: str, price: float | str = 1, **keys: object) -> Json:
    """Write a price component with 19 % VAT and step 1; `vat=None` leaves VAT out."""
    found = {"type": dimension, "price": price, "vat": 19, "step_size": 1} | keys
    return {key: item for key, item in found.items() if item is not None}


def only(*parts: Json, **restrictions: object) -> Json:
    """Write an element; the keywords are its restrictions."""
    found: Json = {"price_components": list(parts)}
    return found | {"restrictions": restrictions} if restrictions else found


def energy(price: float = 0.4, /, **restrictions: object) -> Json:
    """Write an element that prices energy."""
    return only(part("ENERGY", price), **restrictions)


def document(*elements: Json, **keys: object) -> Json:
    """Write an OCPI 2.2.1 tariff; `keys` come on top of it."""
    head = {"country_code": "DE", "party_id": "ABC", "id": "T", "currency": "EUR", "elements": list(elements)}
    found = loads(dumps(head | keys))
    assert isinstance(found, dict)
    return found


def lint(
    *elements: Json,
    also: Json | None = None,
    extension: Json | None = None,
    time_zone: str | None = None,
    rules: Iterable[RuleSet] = (),
    **keys: object,
) -> LintReport:
    """Lint a tariff of these elements; the keywords and `also` are further keys of the tariff."""
    beside = loads(dumps(extension)) if extension is not None else None
    return lint_tariff(document(*elements, **(also or {}), **keys), extension=beside, time_zone=time_zone, rules=rules)


def found(report: LintReport, *codes: str) -> list[tuple[str, str]]:
    """Return code and path of the findings, of some codes only if they are named."""
    return [(item.code, item.path) for item in report.findings if not codes or item.code in codes]


def words(report: LintReport, code: str) -> list[str]:
    """Return the messages of one code."""
    return [item.message for item in report.findings if item.code == code]
