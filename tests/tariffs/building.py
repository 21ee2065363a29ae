"""Short ways to write tariffs and periods in tests."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from voltway.kernel.clock import to_micros
from voltway.kernel.energy import Energy
from voltway.kernel.ids import TariffId
from voltway.tariffs.engine import price
from voltway.tariffs.model import (
    ChargingPeriod,
    Dimension,
    IdleRule,
    PeriodKind,
    PriceComponent,
    PriceLimit,
    Restrictions,
    Tariff,
    TariffElement,
)
from voltway.tariffs.ocpi import CdrHead, CdrLocation, CdrToken

BERLIN = "Europe/Berlin"
ENERGY, TIME, PARKING, FLAT = Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME, Dimension.FLAT
CHARGING, PARKED, RESERVED = PeriodKind.CHARGING, PeriodKind.PARKING, PeriodKind.RESERVATION


def component(dimension: Dimension, text: str, step_size: int = 1, vat: str | None = None) -> PriceComponent:
    """Build a component from decimal texts."""
    return PriceComponent(dimension, Decimal(text), None if vat is None else Decimal(vat), step_size)


def element(*components: PriceComponent, only: Restrictions | None = None) -> TariffElement:
    """Build an element; `only` are its restrictions."""
    return TariffElement(components, only)


def tariff(
    *elements: TariffElement,
    least: PriceLimit | None = None,
    most: PriceLimit | None = None,
    idle: IdleRule | None = None,
    price_lock: bool = False,
) -> Tariff:
    """Build an OCPI 2.2.1 tariff in EUR."""
    return Tariff(TariffId("T1"), "EUR", elements, min_price=least, max_price=most, idle=idle, price_lock=price_lock)


def at(text: str) -> datetime:
    """Read an instant; without an offset it is UTC."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def clock(text: str) -> time:
    """Read HH:MM."""
    return time.fromisoformat(text)


def stays(start: str, *parts: tuple[float, str, PeriodKind]) -> list[ChargingPeriod]:
    """Build consecutive periods of (minutes, kWh, kind)."""
    found, begin = [], at(start)
    for minutes, kwh, kind in parts:
        end = begin + timedelta(minutes=minutes)
        found.append(ChargingPeriod(begin, end, Energy(int(Decimal(kwh) * 1_000_000)), kind))
        begin = end
    return found


class Part(NamedTuple):
    """A stretch of a session; power in kW and current in A (all phases) where somebody names them."""

    minutes: float
    kwh: str = "0"
    kind: PeriodKind = CHARGING
    power_kw: float | None = None
    current_a: float | None = None


def parked(minutes: float) -> Part:
    """Build an idle stretch."""
    return Part(minutes, kind=PARKED)


def reserved(minutes: float) -> Part:
    """Build a reservation."""
    return Part(minutes, kind=RESERVED)


def session(start: str, parts: Sequence[Part]) -> list[ChargingPeriod]:
    """Build consecutive periods with the powers and currents of their parts."""
    plain = stays(start, *((part.minutes, part.kwh, part.kind) for part in parts))
    return [
        replace(period, power_w=part.power_kw and part.power_kw * 1000, current_a=part.current_a)
        for period, part in zip(plain, parts, strict=True)
    ]


def excl(of: Tariff, periods: list[ChargingPeriod], time_zone: str = "UTC") -> Fraction:
    """Price without VAT."""
    return price(of, periods, time_zone=time_zone).total.excl_vat


def cut(period: ChargingPeriod, instant: datetime) -> list[ChargingPeriod]:
    """Cut a period at an instant with energy in proportion to time (to a mWh)."""
    start_us, end_us, middle_us = to_micros(period.start), to_micros(period.end), to_micros(instant)
    if period.energy is None:
        return [replace(period, end=instant), replace(period, start=instant)]
    whole = period.energy.milliwh
    front = whole * (middle_us - start_us) // (end_us - start_us)
    return [
        replace(period, end=instant, energy=Energy(front)),
        replace(period, start=instant, energy=Energy(whole - front)),
    ]


def cdr_head(started_at: datetime, ended_at: datetime, *, time_zone: str | None = None) -> CdrHead:
    """Build what a CDR says beside its price."""
    place = CdrLocation(
        id="L1", address="Street 1", city="Berlin", country="DEU", latitude="52.5", longitude="13.4",
        evse_uid="E1", evse_id="DE*ALL*E1", connector_id="1", connector_standard="IEC_62196_T2",
        connector_format="SOCKET", connector_power_type="AC_3_PHASE", time_zone=time_zone,
    )  # fmt: skip
    token = CdrToken("DE", "ALL", "04AABB", "RFID", "DE-ALL-C1")
    return CdrHead("C1", "DE", "ALL", "S1", started_at, ended_at, token, "WHITELIST", place, ended_at)
