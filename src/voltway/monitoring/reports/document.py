"""A report as data: a heading, sections of typed tables and pictures, and notes on how figures came to be. Pure.

The builders (`operations`, `nevi_report`, `uk_report`) make one, the writers (CSV, XLSX, PDF, JSON) only write it, so
all formats say the same. Values are exact here; each column says how many digits a reader sees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction
from math import floor
from zoneinfo import ZoneInfo

Value = str | int | Decimal | Fraction | datetime | bool | None
"""A cell; None is "not known" and is written as nothing (a dash on paper)."""


class Kind(StrEnum):
    """What a column holds. Percentages round down, so that none claims what the exact one does not reach."""

    TEXT = "text"
    NUMBER = "number"
    PERCENT = "percent"
    MINUTES = "minutes"
    MONEY = "money"
    INSTANT = "instant"
    YES_NO = "yes_no"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `key` in files that programs read, `title` for people, `unit` behind the title."""

    key: str
    title: str
    kind: Kind = Kind.TEXT
    unit: str = ""
    decimals: int | None = 0
    """How many digits are shown; None: as many as each value has (a Decimal then)."""

    @property
    def heading(self) -> str:
        """Return the title with its unit, as people read it."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under typed columns; `name` is its file and the sheet, unique in a report (a-z, 0-9, `_`)."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    empty: str = "Nothing to show."

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.columns), f"a row of {self.name} has a value per column"


@dataclass(frozen=True, slots=True)
class Series:
    """One line or set of bars; None is a gap."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars, one per label; drawn lying, so that names fit. `line` is a target to hold them against."""

    title: str
    unit: str
    labels: tuple[str, ...]
    values: tuple[float | None, ...]
    line: float | None = None
    low: float = 0.0


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over the same labels; `low` is where the axis begins."""

    title: str
    unit: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    line: float | None = None
    low: float = 0.0


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A week by hours: `values[day][hour]`, Monday first, 7 x 24, in the report's time zone."""

    title: str
    unit: str
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a strip from `begin` to `end` (shares of the period, 0 to 1) that shows a state."""

    begin: float
    end: float
    state: str


@dataclass(frozen=True, slots=True)
class TimelineStrip:
    """Bands over one period, one per name; what no stretch covers is up or not in service."""

    title: str
    begin_at: datetime
    end_at: datetime
    bands: tuple[tuple[str, tuple[Stretch, ...]], ...]


Picture = BarChart | LineChart | Heatmap | TimelineStrip


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: pictures above the tables they belong to."""

    title: str
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose report it is, of when, in which zone its instants read, and when it was made."""

    operator: str
    period: str
    begin_at: datetime
    end_at: datetime
    zone: ZoneInfo
    made_at: datetime
    place: str | None = None

    @property
    def is_incomplete(self) -> bool:
        """Say whether the period was not over when the report was made."""
        return self.made_at < self.end_at


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report."""

    kind: str
    title: str
    heading: Heading
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    """The few figures that stand at the top, as text."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """Return every table, in order."""
        return tuple(table for section in self.sections for table in section.tables)

    @property
    def subtitle(self) -> str:
        """Return operator, place and period in one line."""
        place = f" · {self.heading.place}" if self.heading.place else ""
        return f"{self.heading.operator}{place} · {self.heading.period}"

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Return the notes, that of a period which is not over first."""
        head = self.heading
        if not head.is_incomplete:
            return self.notes
        until = local_text(head.made_at, head.zone)
        return (f"INCOMPLETE: the period is not over. All figures are up to {until}.", *self.notes)


def is_numeric(kind: Kind) -> bool:
    """Say whether a column of this kind holds numbers."""
    return kind in {Kind.NUMBER, Kind.PERCENT, Kind.MINUTES, Kind.MONEY}


def rounded(value: Value, column: Column) -> Decimal | None:
    """Return a number as its column shows it: percentages rounded down, all others half up; None stays None."""
    if value is None:
        return None
    assert isinstance(value, int | Decimal | Fraction), f"{column.key} holds numbers"
    if column.decimals is None:
        assert isinstance(value, int | Decimal), f"{column.key} holds decimals as they are to be shown"
        return Decimal(value)
    rounding = ROUND_FLOOR if column.kind is Kind.PERCENT else ROUND_HALF_UP
    if isinstance(value, Decimal):
        return value.quantize(Decimal(1).scaleb(-column.decimals), rounding=rounding)
    scaled = Fraction(value) * 10**column.decimals
    units = floor(scaled if rounding == ROUND_FLOOR else scaled + Fraction(1, 2))
    return Decimal(units).scaleb(-column.decimals)


def plain_text(value: Value, column: Column) -> str:
    """Write a cell for programs: decimals without grouping, instants RFC 3339 with the zone's offset kept as UTC."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case str():
            return value
        case _:
            return format(rounded(value, column), "f")


def people_text(value: Value, column: Column, zone: ZoneInfo) -> str:
    """Write a cell for people: thousands apart, instants in the report's zone, a dash where nothing is known."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return local_text(value, zone)
        case str():
            return value
        case _:
            return f"{rounded(value, column):,f}"


def local_text(instant: datetime, zone: ZoneInfo) -> str:
    """Write an instant by the wall clock of the zone, with its offset: two hours of one name stay apart."""
    local = instant.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"


def check_names(tables: Sequence[Table]) -> None:
    """Assert that no two tables have the same name."""
    names = [table.name for table in tables]
    assert len(set(names)) == len(names), "table names are unique in a report"
