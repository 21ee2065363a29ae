"""The week of a tariff for a terminal: hours down, days across, a letter and a shade from cheap to dear, and a legend.

Without colours the letters say the same; `show_tariff` is what `voltway tariff show` prints. Pure.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from voltway.tariffs.calendar import DAYS, Calendar, Cell, Shown, Week, week_of
from voltway.tariffs.model import Tariff
from voltway.tariffs.price_text import Wording, price_text
from voltway.tariffs.price_text_form import Form, PriceTextStyle
from voltway.tariffs.price_text_words import Language
from voltway.tariffs.rates import zone
from voltway.tariffs.tiers import Topic

# 256-colour backgrounds from cheap to dear that differ in lightness too; the text on them is white (4.5 : 1 and more).
_SHADES = (22, 23, 24, 25, 54, 90, 89, 88, 52)
_LABEL_WIDTH = 7
_NO_HOUR = "--"
_NOT_VALID = "x"
_CHANGES, _TIERED, _AGAIN = "*", "+", "²"


class Screen(NamedTuple):
    """What a reader sees: the language, whether the terminal has colours, and its width in columns."""

    language: Language = Language.EN
    colour: bool = False
    width: int = 80


def show_tariff(tariff: Tariff, screen: Screen, *, at: datetime, time_zone: str, power_w: float | None = None) -> str:
    """Return a tariff for people who check it by looking: its head, the week in which `at` lies, and its price text."""
    local = at.astimezone(zone(time_zone))
    monday = local.date() - timedelta(days=local.weekday())
    form = _form(screen, tariff, time_zone)
    week = week_of(tariff, monday=monday, time_zone=time_zone, power_w=power_w)
    text = price_text(tariff, Wording(screen.language), at=at, time_zone=time_zone, power_w=power_w)
    prices = form.words.prices_at.format(date=form.day(local.date()), time=form.wall(at))
    return "\n\n".join(
        (_head(tariff, form), calendar_text(week, screen), f"{prices}{form.words.colon.rstrip()}\n{text.text}")
    )


def calendar_text(week: Week, screen: Screen) -> str:
    """Return the week as a table of energy prices, and one more for every other price that changes by the clock."""
    form = _form(screen, week.tariff, week.time_zone)
    blocks: list[str] = []
    constant: list[str] = []
    for calendar in week.calendars:
        if calendar.is_constant and calendar.topic is not Topic.ENERGY:
            shown = max(calendar.seen(), key=lambda shown: shown.is_valid)
            constant.append(f"{form.words.labels[calendar.topic]}{form.words.colon}{_say(calendar, shown, form)}")
        else:
            blocks.append("\n".join(_Table(week, calendar, form, screen).lines()))
    return "\n\n".join([*blocks, "\n".join([*constant, *_footnotes(week, form)])])


def _form(screen: Screen, tariff: Tariff, time_zone: str) -> Form:
    return Form.of(screen.language, PriceTextStyle.AFIR, currency=tariff.currency, time_zone=time_zone)


def _head(tariff: Tariff, form: Form) -> str:
    first, last = tariff.start_date_time, tariff.end_date_time
    parts = [f"{tariff.id} v{tariff.version}", tariff.currency, form.time_zone, form.validity(first, last)]
    return " · ".join(part for part in parts if part)


def _say(calendar: Calendar, shown: Shown, form: Form) -> str:
    if not shown.is_valid:
        return form.words.not_valid
    price = form.price(calendar.topic, shown.price)
    return f"{price} ({_TIERED} {form.words.tiered})" if shown.is_tiered else price


def _footnotes(week: Week, form: Form) -> Iterator[str]:
    for change in week.clock_changes:
        marks = (
            f"{_NO_HOUR} " if change.after.replace(tzinfo=None) > change.before.replace(tzinfo=None) else f"{_AGAIN} "
        )
        day = f"{form.short_weekday(change.after.weekday())} {form.day(change.after.date())}"
        before, after = form.clock(change.before.time()), form.clock(change.after.time())
        yield marks + form.words.clock_change.format(day=day, before=before, after=after)


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a table: an hour, or the second time of an hour, and what each day has there."""

    hour: int
    is_repeated: bool
    cells: tuple[Cell | None, ...]

    @property
    def label(self) -> str:
        return f"{self.hour:02}-{self.hour + 1:02}{_AGAIN if self.is_repeated else ''}"


class _Table:
    """One calendar as lines."""

    def __init__(self, week: Week, calendar: Calendar, form: Form, screen: Screen) -> None:
        self.week = week
        self.calendar = calendar
        self.form = form
        self.screen = screen
        self.letters = _letters(calendar)
        self.cell_width = max((screen.width - _LABEL_WIDTH) // DAYS - 1, 2)
        is_marked = any(cell.changes for day in calendar.days for cell in day)
        longest = max(len(self._words_in(shown)) for shown in self.letters)
        self.has_prices = longest + len(_CHANGES) * is_marked <= self.cell_width

    def lines(self) -> Iterator[str]:
        """Write title, days, hours, legend and what changes inside an hour."""
        yield self.form.words.labels[self.calendar.topic]
        yield " " * _LABEL_WIDTH + " ".join(self._day(index).ljust(self.cell_width) for index in range(DAYS)).rstrip()
        for label, row in self._folded():
            yield (label.ljust(_LABEL_WIDTH) + " ".join(self._cell(cell, row) for cell in row.cells)).rstrip()
        for shown, letter in self.letters.items():
            yield f"  {self._painted(letter, shown)} = {_say(self.calendar, shown, self.form)}"
        yield from self._changes_inside()

    def _day(self, index: int) -> str:
        day = self.week.monday + timedelta(days=index)
        return f"{self.form.short_weekday(day.weekday())} {day.day}"[: self.cell_width]

    def _folded(self) -> Iterator[tuple[str, _Row]]:
        """Join equal neighbours that have no marks into one line, as 00-06."""
        group: list[_Row] = []
        for row in self._rows():
            if group and not (_is_plain(group[-1]) and _is_plain(row) and self._looks(group[-1]) == self._looks(row)):
                yield _joined_label(group), group[0]
                group = []
            group.append(row)
        yield _joined_label(group), group[0]

    def _rows(self) -> Iterator[_Row]:
        for hour in range(24):
            for is_repeated in (False, True):
                cells = tuple(
                    next((cell for cell in day if cell.hour == hour and cell.is_repeated is is_repeated), None)
                    for day in self.calendar.days
                )
                if not is_repeated or any(cells):
                    yield _Row(hour, is_repeated, cells)

    def _looks(self, row: _Row) -> list[Shown | None]:
        return [cell.shown if cell is not None else None for cell in row.cells]

    def _cell(self, cell: Cell | None, row: _Row) -> str:
        if cell is None:
            return ("" if row.is_repeated else _NO_HOUR).ljust(self.cell_width)
        words = self._words_in(cell.shown) if self.has_prices else self.letters[cell.shown]
        return self._painted(f"{words}{_CHANGES if cell.changes else ''}".ljust(self.cell_width), cell.shown)

    def _painted(self, text: str, shown: Shown) -> str:
        if not self.screen.colour or not shown.is_valid:
            return text
        return f"\x1b[97;48;5;{self._shade(shown)}m{text}\x1b[0m"

    def _words_in(self, shown: Shown) -> str:
        """Write the letter with the price behind it: the same text for the same price in every cell."""
        if not shown.is_valid:
            return _NOT_VALID
        amount = None if shown.price is None else shown.price.amount
        price = self.form.words.free if amount is None else self.form.bare(self.calendar.topic, amount)
        return f"{self.letters[shown]} {price}{_TIERED if shown.is_tiered else ''}"

    def _shade(self, shown: Shown) -> int:
        rank = list(self.letters).index(shown)
        return _SHADES[rank * (len(_SHADES) - 1) // max(len(self.letters) - 1, 1)]

    def _changes_inside(self) -> Iterator[str]:
        """Say the exact times of changes inside hours, equal ones of several days together."""
        found: dict[tuple[str, str], list[date]] = defaultdict(list)
        for day in self.calendar.days:
            for cell in day:
                for change in cell.changes:
                    wall, letter = self.form.wall(change.at), self.letters[change.shown]
                    found[wall, letter].append(change.at.astimezone(zone(self.week.time_zone)).date())
        if found:
            yield f"  {_CHANGES} {self.form.words.part_hour}{self.form.words.colon.rstrip()}"
        for (wall, letter), days in sorted(found.items()):
            names = self.form.days((day.weekday() for day in days), is_short=True)
            yield f"    {names} {wall} → {letter}"


def _letters(calendar: Calendar) -> dict[Shown, str]:
    """Give every distinct price a letter in rising order: a is the cheapest, free before all; x is not valid."""
    distinct = set(calendar.seen())
    rising = sorted(distinct, key=lambda shown: (not shown.is_valid, _amount(shown), shown.is_tiered, str(shown)))
    return {shown: _letter(index) if shown.is_valid else _NOT_VALID for index, shown in enumerate(rising)}


def _amount(shown: Shown) -> Decimal:
    return Decimal(0) if shown.price is None else shown.price.amount


def _letter(index: int) -> str:
    """Count a to w, then aa, ab and so on; x stays what is not valid."""
    letters = "abcdefghijklmnopqrstuvw"
    more, rest = divmod(index, len(letters))
    return (letters[more - 1] if more else "") + letters[rest]


def _is_plain(row: _Row) -> bool:
    return not row.is_repeated and all(cell is not None and not cell.changes for cell in row.cells)


def _joined_label(group: list[_Row]) -> str:
    first, last = group[0], group[-1]
    return first.label if len(group) == 1 else f"{first.hour:02}-{last.hour + 1:02}"
