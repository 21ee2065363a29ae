"""How one language writes money, quantities, instants, weekdays and restrictions: Babel's data, our words, no rounding.

Used by `tariffs.price_text` and `tariffs.calendar_text`; the only module that imports Babel. Pure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from babel import Locale
from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent

from voltway.kernel.money import decimal_text, exponent_of
from voltway.tariffs.model import Restrictions
from voltway.tariffs.price_text_words import WORDS, Ends, Forms, Language, Unit, Words
from voltway.tariffs.rates import zone
from voltway.tariffs.tiers import EXACT_DIGITS, Axis, Band, Topic, UnitPrice

_MINUTE_PLACES = 6
_WEEK = 7
_MIDNIGHT = time(0, 0)
_LETTER_BEFORE_DIGIT = re.compile(r"(?<=[A-Z])(?=\d)")  # CLDR's currencySpacing, which Babel leaves out
_PER = {
    Topic.ENERGY: Unit.KWH,
    Topic.RESERVATION_FLAT: Unit.RESERVATION,
    Topic.EXPIRED_FLAT: Unit.RESERVATION,
    Topic.TIME: Unit.MINUTE,
    Topic.PARKING_TIME: Unit.MINUTE,
    Topic.RESERVATION_TIME: Unit.MINUTE,
    Topic.EXPIRED_TIME: Unit.MINUTE,
}


class PriceTextStyle(StrEnum):
    """Whose rules a price text follows."""

    AFIR = "AFIR"
    """EU 2023/1804 Art. 5: kWh, minute, session, any other (billing note 35)."""
    NEVI = "NEVI"
    """US 23 CFR 680.116: the price per kWh first, that it holds for the session, other fees explained."""


class MinutePrice(NamedTuple):
    """A price per minute of at most six decimals, and whether it is exact."""

    amount: Decimal
    is_exact: bool


def per_minute(hour: Decimal) -> MinutePrice:
    """Return a price per hour per minute: exact where it ends within 6 decimals, else rounded half up.

    >>> per_minute(Decimal("6.3")), per_minute(Decimal(2))
    (MinutePrice(amount=Decimal('0.105'), is_exact=True), MinutePrice(amount=Decimal('0.033333'), is_exact=False))
    """
    exact = Fraction(hour) / 60
    return MinutePrice(
        Decimal(decimal_text(exact, _MINUTE_PLACES)), is_exact=not (exact * 10**_MINUTE_PLACES).denominator - 1
    )


@dataclass(frozen=True, slots=True)
class Form:
    """One language in one style, for prices in one currency at one place."""

    words: Words
    locale: str
    tax: str
    currency: str
    time_zone: str

    @classmethod
    def of(cls, language: Language, style: PriceTextStyle, *, currency: str, time_zone: str) -> "Form":
        """Choose the words; NEVI's readers live in the US: their numbers and clock, and taxes that are no VAT."""
        words = WORDS[language]
        if style is PriceTextStyle.NEVI:
            return cls(words, words.locale_us, words.tax, currency, time_zone)
        return cls(words, words.locale, words.vat, currency, time_zone)

    def money(self, amount: Decimal) -> str:
        """Write an amount with every digit it has, at least those of the currency."""
        with localcontext(prec=EXACT_DIGITS):
            text = format_currency(amount, self.currency, locale=self.locale, decimal_quantization=False)
        return _LETTER_BEFORE_DIGIT.sub("\u00a0", text)

    def number(self, value: Decimal) -> str:
        """Write a number with every digit it has."""
        with localcontext(prec=EXACT_DIGITS):
            return format_decimal(value, locale=self.locale, decimal_quantization=False)

    def taxed(self, amount: str, rate: Decimal | None) -> str:
        """Add the VAT that an amount includes; without a rate nothing is said (billing note 29)."""
        if rate is None:
            return amount
        share = format_percent(rate / 100, locale=self.locale, decimal_quantization=False)
        return self.words.incl_rate.format(price=amount, rate=share, tax=self.tax)

    def price(self, topic: Topic, price: UnitPrice | None) -> str:
        """Write a price with unit, VAT and steps; times per minute (AFIR), and per hour where that is not exact."""
        if price is None:
            return self.words.none if topic is Topic.FLAT else self.words.free
        unit = _PER.get(topic, Unit.SESSION)
        parts = [self.taxed(self._per(unit, price.amount), price.vat), self._steps(topic, price.step_size)]
        return ", ".join(part for part in parts if part)

    def _per(self, unit: Unit, amount: Decimal) -> str:
        if unit is not Unit.MINUTE:
            return f"{self.money(amount)} {self.words.per[unit]}"
        minute = per_minute(amount)
        text = f"{self.money(minute.amount)} {self.words.per[unit]}"
        if minute.is_exact:
            return text
        return f"{self.words.about.format(price=text)} ({self.money(amount)} {self.words.per[Unit.HOUR]})"

    def _steps(self, topic: Topic, step_size: int) -> str:
        is_stepped = step_size > 1 and _PER.get(topic) in (Unit.KWH, Unit.MINUTE)
        if not is_stepped:
            return ""
        if topic is not Topic.ENERGY:
            return self.words.steps.format(step=self.duration(step_size))
        whole = step_size % 1000 == 0
        step = f"{self.number(Decimal(step_size // 1000 if whole else step_size))}\u00a0{'kWh' if whole else 'Wh'}"
        return self.words.steps.format(step=step)

    def duration(self, seconds: int) -> str:
        """Write a duration in the largest unit that has no fraction: h, min or s."""
        size, unit = next((size, unit) for size, unit in ((3600, "h"), (60, "min"), (1, "s")) if seconds % size == 0)
        return f"{self.number(Decimal(seconds // size))}\u00a0{unit}"

    def grace(self, seconds: int) -> str:
        """Say that the first minutes (or seconds) are meant."""
        size, unit = (1, "s") if seconds % 60 else (60, "min")
        number = self.number(Decimal(seconds // size))
        return self.words.grace.format(number=f"{number}", unit=unit).replace(f" {unit}", f"\u00a0{unit}")

    def bands(self, bands: Iterable[Band]) -> str:
        """Say within which energies, times, powers or currents a price holds."""
        return ", ".join(self._band(band) for band in bands)

    def _band(self, band: Band) -> str:
        low = "" if band.low is None else self._quantity(band.axis, band.low)
        high = "" if band.high is None else self._quantity(band.axis, band.high)
        return _range(self.words.bands[band.axis], low, high).format(low=low, high=high)

    def _quantity(self, axis: Axis, value: Decimal) -> str:
        return self.duration(int(value)) if axis is Axis.DURATION else f"{self.number(value)}\u00a0{axis.value}"

    def clock(self, wall: time) -> str:
        """Write a time of day."""
        return format_time(wall, "short", locale=self.locale)

    def day(self, day: date) -> str:
        """Write a date."""
        return format_date(day, "medium", locale=self.locale)

    def weekday(self, weekday: int) -> str:
        """Write the name of a weekday, Monday being 0."""
        return str(Locale.parse(self.locale).days["format"]["wide"][weekday])

    def short_weekday(self, weekday: int) -> str:
        """Write the short name of a weekday, Monday being 0."""
        return str(Locale.parse(self.locale).days["stand-alone"]["abbreviated"][weekday]).rstrip(".")

    def wall(self, instant: datetime) -> str:
        """Write the local time of day of an instant, with the zone's name in the hour that comes twice."""
        local = instant.astimezone(zone(self.time_zone))
        is_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
        return f"{self.clock(local.time())} {local.tzname()}" if is_twice else self.clock(local.time())

    def at(self, forms: Forms, instant: datetime, *, seen_at: datetime) -> str:
        """Say an instant as seen from another: by the clock within a day, by weekday within a week, else by date."""
        local, seen = (moment.astimezone(zone(self.time_zone)) for moment in (instant, seen_at))
        if instant - seen_at < timedelta(days=1):
            form = forms.clock
        else:  # a weekday names a day only until its name comes again
            form = forms.weekday if (local.date() - seen.date()).days < _WEEK else forms.date
        return form.format(time=self.wall(instant), day=self.weekday(local.weekday()), date=self.day(local.date()))

    def moment(self, instant: datetime) -> str:
        """Write an instant with its date."""
        return f"{self.day(instant.astimezone(zone(self.time_zone)).date())}, {self.wall(instant)}"

    def validity(self, first: datetime | None, last: datetime | None) -> str:
        """Say from when until when something is valid; empty where it always is."""
        if first is None and last is None:
            return ""
        start = "" if first is None else self.moment(first)
        end = "" if last is None else self.moment(last)
        return _range(self.words.valid, start, end).format(first=start, last=end)

    def bare(self, topic: Topic, amount: Decimal) -> str:
        """Write an amount for a table, per minute where it is one of time: a number without currency and unit."""
        shown = per_minute(amount).amount if _PER.get(topic) is Unit.MINUTE else amount
        places = max(exponent_of(self.currency), -int(shown.normalize().as_tuple().exponent))
        with localcontext(prec=EXACT_DIGITS):
            pattern = "#,##0" + ("." + "0" * places if places else "")
            return format_decimal(shown, pattern, locale=self.locale, decimal_quantization=False)

    def window(self, r: Restrictions) -> str:
        """Say on which dates, weekdays and times restrictions hold; empty where they name none."""
        parts = [self._dates(r.start_date, r.end_date), self._days_and_hours(r)]
        return ", ".join(part for part in parts if part)

    def _dates(self, first: date | None, end: date | None) -> str:
        start = "" if first is None else self.day(first)
        last = "" if end is None else self.day(end - timedelta(days=1))
        if not start and not last:
            return ""
        if start == last:
            return self.words.one_date.format(first=start)
        return _range(self.words.dates, start, last).format(first=start, last=last)

    def _days_and_hours(self, r: Restrictions) -> str:
        every_day = len(set(r.day_of_week)) in (0, _WEEK)
        is_split = not every_day or r.start_date is not None or r.end_date is not None
        hours = self._hours(r.start_time, r.end_time, is_split=is_split)
        if every_day:
            return self.words.daily.format(hours=hours) if hours else ""
        return f"{self.days(r.day_of_week)} {hours}".strip()

    def days(self, weekdays: Iterable[int], *, is_short: bool = False) -> str:
        """Name weekdays, three and more in a row by the first and the last."""
        name = self.short_weekday if is_short else self.weekday
        parts: list[str] = []
        for run in _runs(sorted(set(weekdays))):
            if len(run) > 2:
                parts.append(self.words.days.format(first=name(run[0]), last=name(run[-1])))
            else:
                parts += [name(day) for day in run]
        return format_list(parts, locale=self.locale)

    def _hours(self, start: time | None, end: time | None, *, is_split: bool) -> str:
        """Write a window of the day; over midnight as its two parts where a day or date is tested on its own.

        Billing notes 15 and 16: 00:00 as an end is the day's end, and Friday 22:00-06:00 is Friday morning and evening.
        """
        begin, finish = start or _MIDNIGHT, end or _MIDNIGHT
        if begin == finish:
            return ""
        if finish == _MIDNIGHT or begin < finish or not is_split:
            return self._span(begin, finish)
        return format_list([self._span(_MIDNIGHT, finish), self._span(begin, _MIDNIGHT)], locale=self.locale)

    def _span(self, begin: time, finish: time) -> str:
        last = self.clock(finish)
        if finish == _MIDNIGHT and ":" in last and not self.locale.endswith("_US"):
            last = "24:00"
        return self.words.hours.format(start=self.clock(begin), end=last)


def _range(ends: Ends, low: str, high: str) -> str:
    if not low:
        return ends.below
    return ends.between if high else ends.above


def _runs(days: list[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs
