"""How languages write prices: no digit is lost, and every language has every word with the same gaps to fill."""

import re
from dataclasses import fields
from datetime import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tariffs.building import BERLIN, at, clock

from voltway.tariffs.model import Restrictions
from voltway.tariffs.price_text_form import Form, PriceTextStyle, per_minute
from voltway.tariffs.price_text_words import WORDS, Language
from voltway.tariffs.tiers import Topic, UnitPrice

PRICES = st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False)
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "GBP", "CHF", "SEK"])
POINTS = {"en_GB": ".", "en_US": ".", "es_US": "."}


def form(language: Language = Language.EN, style: PriceTextStyle = PriceTextStyle.AFIR, currency: str = "EUR") -> Form:
    """Make the form of a text in Berlin."""
    return Form.of(language, style, currency=currency, time_zone=BERLIN)


def read_back(text: str, locale: str) -> Decimal:
    """Read a shown amount: the digits on both sides of the locale's decimal sign."""
    point = POINTS.get(locale, ",")
    digits = "".join("." if sign == point else sign for sign in text if sign.isdigit() or sign in (point, "-"))
    return Decimal(digits)


@given(PRICES, CURRENCIES, st.sampled_from(list(Language)), st.sampled_from(list(PriceTextStyle)))
def test_money_keeps_every_digit(amount: Decimal, currency: str, language: Language, style: PriceTextStyle) -> None:
    """0.4567 EUR per kWh is shown as 0.4567, never as 0.46 (billing notes 27, 32), however many digits there are."""
    shown = form(language, style, currency)
    assert read_back(shown.money(amount), shown.locale) == amount
    assert read_back(shown.bare(Topic.ENERGY, amount), shown.locale) == amount


@pytest.mark.parametrize(
    ("currency", "amount", "expected"),
    [
        ("EUR", "0.5", "€0.50"),
        ("EUR", "0.4567", "€0.4567"),
        ("JPY", "50", "JP¥50"),
        ("JPY", "50.5", "JP¥50.5"),
        ("KWD", "0.05", "KWD\u00a00.050"),
        ("KWD", "0.0525", "KWD\u00a00.0525"),
        ("EUR", "1234567.5", "€1,234,567.50"),
    ],
)
def test_money_has_at_least_the_digits_of_its_currency(currency: str, amount: str, expected: str) -> None:
    """JPY 0, EUR 2, KWD 3 (ISO 4217); letters stand apart from digits (CLDR currencySpacing)."""
    assert form(currency=currency).money(Decimal(amount)) == expected


@given(PRICES)
def test_a_price_per_minute_is_exact_or_says_about(hour: Decimal) -> None:
    """Rounded half up to six decimals only where it does not end within them."""
    minute = per_minute(hour)
    assert minute.is_exact == (Fraction(minute.amount) * 60 == Fraction(hour))
    assert abs(Fraction(minute.amount) - Fraction(hour) / 60) <= Fraction(1, 2_000_000)


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        ("6.3", "€0.105 per minute"),
        ("0.00006", "€0.000001 per minute"),
        ("2", "about €0.033333 per minute (€2.00 per hour)"),
        ("0.00003", "about €0.000001 per minute (€0.00003 per hour)"),
        ("-6", "-€0.10 per minute"),
    ],
)
def test_minutes(hour: str, expected: str) -> None:
    """AFIR shows time per minute; where that is not exact the hour, which is, stands beside it."""
    listed = Decimal(hour)
    assert form().price(Topic.TIME, UnitPrice(listed, None, 1, listed)) == expected


@pytest.mark.parametrize(
    ("topic", "step_size", "expected"),
    [
        (Topic.ENERGY, 1, ""),
        (Topic.ENERGY, 0, ""),
        (Topic.ENERGY, 100, ", in steps of 100 Wh"),
        (Topic.ENERGY, 2000, ", in steps of 2 kWh"),
        (Topic.PARKING_TIME, 900, ", in steps of 15 min"),
        (Topic.TIME, 90, ", in steps of 90 s"),
        (Topic.TIME, 7200, ", in steps of 2 h"),
        (Topic.FLAT, 300, ""),
    ],
)
def test_steps_are_told_in_their_unit(topic: Topic, step_size: int, expected: str) -> None:
    """Billing notes 6, 8: Wh for energy, seconds for time, none for FLAT, 0 and 1 round nothing."""
    text = form().price(topic, UnitPrice(Decimal(60), None, step_size, Decimal(60)))
    assert text.partition(", ")[2].replace("\u00a0", " ") == expected.removeprefix(", ")


@pytest.mark.parametrize(
    ("grace_s", "language", "expected"),
    [
        (900, Language.EN, "first 15\u00a0min"),
        (900, Language.FR, "les 15 premières\u00a0min"),
        (3600, Language.ES, "los primeros 60\u00a0min"),
        (45, Language.DE, "die ersten 45\u00a0s"),
    ],
)
def test_grace(grace_s: int, language: Language, expected: str) -> None:
    """Our extension: the first minutes of idle time are free (billing note 25)."""
    assert form(language).grace(grace_s) == expected


@pytest.mark.parametrize(
    ("window", "language", "expected"),
    [
        (Restrictions(), Language.EN, ""),
        (Restrictions(start_time=clock("22:00"), end_time=clock("06:00")), Language.EN, "daily 22:00–06:00"),
        (Restrictions(start_time=clock("22:00")), Language.EN, "daily 22:00–24:00"),
        (Restrictions(end_time=clock("06:00")), Language.DE, "täglich 00:00–06:00 Uhr"),
        (Restrictions(start_time=clock("08:00"), end_time=clock("08:00")), Language.EN, ""),
        (Restrictions(day_of_week=(4, 0, 1, 2, 3)), Language.FR, "du lundi au vendredi"),
        (Restrictions(day_of_week=(0, 2)), Language.ES, "lunes y miércoles"),
        (Restrictions(day_of_week=tuple(range(7))), Language.EN, ""),
        (
            Restrictions(start_time=clock("22:00"), end_time=clock("06:00"), day_of_week=(5,)), Language.NL,
            "zaterdag 00:00–06:00 en 22:00–24:00",
        ),
        (Restrictions(start_date=at("2027-01-01").date()), Language.EN, "from 1 Jan 2027"),
        (Restrictions(end_date=at("2027-01-01").date()), Language.DE, "bis einschließlich 31.12.2026"),
        (
            Restrictions(
                start_date=at("2026-12-01").date(), end_date=at("2027-01-01").date(),
                start_time=clock("22:00"), end_time=clock("06:00"),
            ),
            Language.EN, "1 Dec 2026 to 31 Dec 2026, daily 00:00–06:00 and 22:00–24:00",
        ),
        (
            Restrictions(start_date=at("2026-12-24").date(), end_date=at("2026-12-25").date()), Language.FR,
            "le 24 déc. 2026",
        ),
    ],
)  # fmt: skip
def test_windows_in_words(window: Restrictions, language: Language, expected: str) -> None:
    """Billing notes 13, 15, 16: ends are exclusive, 00:00 ends the day, weekday and window over midnight are apart."""
    assert form(language).window(window) == expected


def test_nevi_has_the_clock_and_the_tax_of_the_us() -> None:
    """23 CFR 680.116 is read in the US: twelve hours, and a tax that is no VAT; midnight stays 12:00 AM."""
    shown = form(style=PriceTextStyle.NEVI, currency="USD")
    window = Restrictions(start_time=time(22), end_time=time(0))
    assert shown.window(window).replace("\u202f", " ") == "daily 10:00 PM–12:00 AM"
    assert shown.price(Topic.ENERGY, UnitPrice(Decimal("0.5"), Decimal("8.25"), 1, Decimal("0.5"))) == (
        "$0.50 per kWh incl. 8.25% tax"
    )


def _gaps(value: object) -> object:
    """Return which braces a table's entry has, for entries of every shape."""
    if isinstance(value, str):
        assert value.strip()
        return set(re.findall(r"\{\w+\}", value))
    if isinstance(value, tuple):
        return [_gaps(item) for item in value]
    assert hasattr(value, "items")
    return {key: _gaps(item) for key, item in value.items()}


@pytest.mark.parametrize("language", [language for language in Language if language is not Language.EN])
def test_every_language_fills_the_same_gaps(language: Language) -> None:
    """No translation forgets a price, a time or a date; no key is missing and none is empty."""
    for field in fields(WORDS[language]):
        assert _gaps(getattr(WORDS[language], field.name)) == _gaps(getattr(WORDS[Language.EN], field.name)), field.name
