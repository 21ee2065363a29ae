"""The price text of a tariff: what a driver reads before the start, in five languages, by AFIR's or NEVI's rules.

Every price of the tariff is said, none is rounded silently: those that hold now first, then the later ones. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from voltway.tariffs.model import PriceLimit, Tariff, TaxIncluded
from voltway.tariffs.price_text_form import Form, PriceTextStyle
from voltway.tariffs.price_text_words import Language, Unit
from voltway.tariffs.tiers import (
    PRICED_TOPICS,
    Stretch,
    Tier,
    Topic,
    UnitPrice,
    offers,
    stretches,
    with_vat,
)

_OPTIONAL = (Topic.RESERVATION_TIME, Topic.RESERVATION_FLAT, Topic.EXPIRED_TIME, Topic.EXPIRED_FLAT)
_FEES = ((Topic.TIME,), (Topic.FLAT,), (Topic.PARKING_TIME,), _OPTIONAL)
_LOCKED = (Topic.ENERGY, Topic.TIME)


class Wording(NamedTuple):
    """In which language and by whose rules a text is written."""

    language: Language
    style: PriceTextStyle = PriceTextStyle.AFIR


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One sentence of a price text; `start` is when its price begins to hold, None if it holds already."""

    dimension: Topic
    text: str
    start: datetime | None = None

    @property
    def holds_now(self) -> bool:
        """Whether the line holds at the text's instant."""
        return self.start is None


@dataclass(frozen=True, slots=True)
class PriceText:
    """A tariff in words, in the order in which the law wants it read."""

    wording: Wording
    lines: tuple[PriceLine, ...]

    @property
    def text(self) -> str:
        """The lines, one below the other."""
        return "\n".join(line.text for line in self.lines)


def price_text(
    tariff: Tariff, wording: Wording, *, at: datetime, time_zone: str, power_w: float | None = None
) -> PriceText:
    """Say every price of a tariff: kWh, minute, session, any other (AFIR Art. 5, NEVI 23 CFR 680.116; billing note 35).

    `at` is when it is read: the prices that hold then come first and are marked where they change. `time_zone` is the
    IANA zone of the place. With `power_w`, a momentary power (billing note 20), prices of other powers are left out:
    an EVSE's greatest power is none. Raises ZoneInfoNotFoundError (a KeyError) where the zone does not exist.
    """
    form = Form.of(*wording, currency=tariff.currency, time_zone=time_zone)
    writer = _Writer(tariff, form, at, power_w)
    return PriceText(wording, tuple(writer.lines(wording.style)))


class _Writer:
    """Writes the lines of one text."""

    def __init__(self, tariff: Tariff, form: Form, at: datetime, power_w: float | None) -> None:
        self.tariff = tariff
        self.form = form
        self.words = form.words
        self.seen_at = at
        self.power_w = power_w
        begin = tariff.start_date_time
        self.at = begin if begin is not None and begin > at else at
        self.is_ambiguous = False
        self.is_changing = False

    def lines(self, style: PriceTextStyle) -> Iterator[PriceLine]:
        """Write everything; after the tariff's end only that it has ended."""
        last = self.tariff.end_date_time
        if last is not None and last <= self.seen_at:
            yield PriceLine(Topic.VALIDITY, self.words.ended.format(last=self.form.moment(last)))
            return
        if self.at > self.seen_at:
            yield from self._validity()
        yield from self._topic(Topic.ENERGY)
        is_nevi = style is PriceTextStyle.NEVI
        if is_nevi:
            yield from self._lock(is_nevi=is_nevi)
        for topics in _FEES:
            for topic in topics:
                yield from self._topic(topic)
            yield from self._explanation(topics) if is_nevi else ()
        yield from self._limits()
        yield from self._lock(is_nevi=False) if not is_nevi else ()
        yield from self._conditions()

    def _conditions(self) -> Iterator[PriceLine]:
        if self.is_ambiguous:
            yield PriceLine(Topic.CONDITIONS, self.words.first_listed)
        if self.at == self.seen_at:
            yield from self._validity()

    def _topic(self, topic: Topic) -> Iterator[PriceLine]:
        of = offers(self.tariff, topic)
        if topic in _OPTIONAL and not of:
            return
        is_priced = any(offer.price is not None for offer in of)
        idle = self.tariff.idle if topic is Topic.PARKING_TIME and is_priced else None
        if idle is not None and idle.grace_s:
            yield self._line(topic, self.form.grace(idle.grace_s), self.words.free)
        runs = stretches(self.tariff, topic, at=self.at, time_zone=self.form.time_zone, power_w=self.power_w)
        is_constant = len(runs) == 1
        self.is_changing |= not is_constant and topic in _LOCKED
        for index, run in enumerate(runs):
            when = "" if is_constant else self._when(topic, run, is_first=index == 0)
            for tier in run.tiers:
                line = self._tier(topic, tier, when, is_bare=is_constant)
                yield line if index == 0 else PriceLine(topic, line.text + self._other_times(tier), run.start)
            self.is_ambiguous |= len(run.tiers) > 2 and run.tiers[-1].is_rest
        if idle is not None and idle.cap is not None:
            cap = self._taxed(idle.cap, (topic,), is_gross=self.tariff.tax_included is TaxIncluded.YES)
            yield self._line(topic, self.words.at_most, cap)

    def _line(self, topic: Topic, condition: str, text: str) -> PriceLine:
        head = f"{self.words.labels[topic]}, {condition}" if condition else self.words.labels[topic]
        return PriceLine(topic, f"{head}{self.words.colon}{text}", self.at if self.at > self.seen_at else None)

    def _tier(self, topic: Topic, tier: Tier, when: str, *, is_bare: bool) -> PriceLine:
        bands = self.form.bands(tier.bands) or (self.words.otherwise if tier.is_rest else "")
        window = "" if is_bare else self.form.window(tier.window)
        price = self.form.price(topic, tier.price)
        return self._line(
            topic, ", ".join(part for part in (when, bands) if part), f"{price} ({window})" if window else price
        )

    def _other_times(self, tier: Tier) -> str:
        is_open = tier.price is not None and not self.form.window(tier.window)
        return f" ({self.words.other_times})" if is_open else ""

    def _when(self, topic: Topic, run: Stretch, *, is_first: bool) -> str:
        """Say from when until when; a locked price is that of sessions which start then."""
        words, is_now = self.words, is_first and self.at == self.seen_at
        begin = words.now if is_now else self.form.at(words.since, run.start, seen_at=self.seen_at)
        until = "" if run.end is None else " " + self.form.at(words.until, run.end, seen_at=self.seen_at)
        is_locked = self.tariff.price_lock and topic in _LOCKED
        return words.start.format(when=begin + until) if is_locked else begin + until

    def _explanation(self, topics: tuple[Topic, ...]) -> Iterator[PriceLine]:
        if any(self._prices(topics)):
            yield PriceLine(topics[-1], self.words.explained[topics[0]])

    def _lock(self, *, is_nevi: bool) -> Iterator[PriceLine]:
        if self.tariff.price_lock:
            yield PriceLine(Topic.PRICE_LOCK, self.words.lock)
        elif is_nevi and self.is_changing:
            yield PriceLine(Topic.PRICE_LOCK, self.words.no_lock)

    def _limits(self) -> Iterator[PriceLine]:
        for topic, limit in ((Topic.MIN_PRICE, self.tariff.min_price), (Topic.MAX_PRICE, self.tariff.max_price)):
            if limit is not None:
                yield self._line(topic, "", self._limit(limit))

    def _limit(self, limit: PriceLimit) -> str:
        rates = self._rates(PRICED_TOPICS)
        if limit.incl_vat is None or rates <= {None}:
            return self._taxed(limit.excl_vat, PRICED_TOPICS, is_gross=False)
        rate = next(iter(rates)) if len(rates) == 1 else None
        text = self._per_session(limit.incl_vat)
        if rate is not None and with_vat(limit.excl_vat, rate) == limit.incl_vat:
            return self.form.taxed(text, rate)
        return self.words.incl.format(price=text, tax=self.form.tax)

    def _taxed(self, amount: Decimal, topics: tuple[Topic, ...], *, is_gross: bool) -> str:
        """Write an amount with the VAT of these prices if they have one rate, else say on which side it stands."""
        rates = self._rates(topics)
        if len(rates) == 1:
            rate = next(iter(rates))
            gross = amount if is_gross or rate is None else with_vat(amount, rate)
            return self.form.taxed(self._per_session(gross), rate)
        side = (self.words.incl if is_gross else self.words.excl) if rates else "{price}"
        return side.format(price=self._per_session(amount), tax=self.form.tax)

    def _per_session(self, amount: Decimal) -> str:
        return f"{self.form.money(amount)} {self.words.per[Unit.SESSION]}"

    def _prices(self, topics: tuple[Topic, ...]) -> Iterator[UnitPrice]:
        found = (offer.price for topic in topics for offer in offers(self.tariff, topic))
        return (price for price in found if price is not None)

    def _rates(self, topics: tuple[Topic, ...]) -> set[Decimal | None]:
        return {price.vat for price in self._prices(topics)}

    def _validity(self) -> Iterator[PriceLine]:
        first = self.tariff.start_date_time if self.at > self.seen_at else None
        text = self.form.validity(first, self.tariff.end_date_time)
        if text:
            yield PriceLine(Topic.VALIDITY, text)
