"""What the linter says: findings with a code, a severity, a JSON Pointer, a sentence and a fix, and their report.

The codes and severities are those of contracts.md (`voltway tariff lint`); made by the other `lint_*` modules.
"""

from dataclasses import dataclass
from enum import StrEnum


class RuleSet(StrEnum):
    """What a tariff is checked against: OCPI's text, or also the law of a place (billing note 35)."""

    OCPI = "ocpi"
    AFIR = "afir"
    NEVI = "nevi"
    UK = "uk"
    DE = "de"


class Severity(StrEnum):
    """How bad a finding is: an error makes the tariff not ok, a warning may cost money, an info is good to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_ERRORS = frozenset(
    {
        "bad_value",
        "no_elements",
        "time_24_00",
        "min_above_max",
        "component_order",
        "ad_hoc_not_per_kwh",
        "price_not_locked",
    }
)
_INFOS = frozenset({"free_dimension", "step_size_unit", "dst_gap", "dst_repeat"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a tariff: `path` is a JSON Pointer (to a missing key: where it would stand)."""

    code: str
    path: str
    message: str
    fix: str

    @property
    def severity(self) -> Severity:
        """Return the severity that contracts.md gives the code."""
        if self.code in _ERRORS:
            return Severity.ERROR
        return Severity.INFO if self.code in _INFOS else Severity.WARNING

    def document(self) -> dict[str, str]:
        """Return the finding as it stands in the `--json` document."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "path": self.path,
            "message": self.message,
            "fix": self.fix,
        }


@dataclass(frozen=True, slots=True)
class LintReport:
    """All findings of one tariff, sorted by path and code; `tariff_id` None where the tariff does not say it."""

    tariff_id: str | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Tell whether no finding is an error."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    def document(self) -> dict[str, object]:
        """Return the `--json` document of contracts.md."""
        found = [finding.document() for finding in self.findings]
        return {"tariff_id": self.tariff_id, "ok": self.ok, "findings": found}


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return the findings sorted by path and code as plain strings, equal ones by message, each once."""
    return tuple(sorted(set(findings), key=lambda finding: (finding.path, finding.code, finding.message, finding.fix)))


def lint_table(report: LintReport) -> str:
    """Write a report for people: severity, path and sentence in columns, the fix below each."""
    name = f"Tariff {report.tariff_id}" if report.tariff_id is not None else "The tariff"
    if not report.findings:
        return f"{name}: nothing found."
    rows = [(finding.severity.value, finding.path or "/", finding.code) for finding in report.findings]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{name}: {_count(report)}."]
    for cells, finding in zip(rows, report.findings, strict=True):
        left = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        lines += [f"{left}  {finding.message}", f"{' ' * len(left)}  Fix: {finding.fix}"]
    return "\n".join(lines)


def listed(words: list[str]) -> str:
    """Join words as a sentence does.

    >>> listed(["Monday", "Tuesday", "Sunday"])
    'Monday, Tuesday and Sunday'
    """
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def _count(report: LintReport) -> str:
    counts = [(kind.value, sum(item.severity is kind for item in report.findings)) for kind in Severity]
    return listed([f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in counts if count])
