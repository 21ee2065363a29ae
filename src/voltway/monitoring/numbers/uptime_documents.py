"""Figures of uptime as the API writes them: percentages rounded down, minutes as decimal texts, each outage."""

from collections.abc import Sequence
from fractions import Fraction

from pydantic import AwareDatetime, BaseModel

from voltway.monitoring.numbers.exclusions import Applied, ExclusionCause
from voltway.monitoring.numbers.uptime_model import (
    NeviMonth,
    NeviPort,
    Outage,
    Port,
    SlaPort,
    SlaResult,
    UkNetwork,
    UkPort,
)
from voltway.monitoring.numbers.uptime_nevi import TARGET as NEVI_TARGET
from voltway.monitoring.numbers.uptime_spans import minutes_text, percent_text
from voltway.monitoring.numbers.uptime_uk import TARGET as UK_TARGET
from voltway.monitoring.timeline.model import OperatorState


class OutageDocument(BaseModel):
    """A stretch that does not count as up."""

    begin_at: AwareDatetime
    end_at: AwareDatetime
    state: OperatorState
    cause: str


class AppliedDocument(BaseModel):
    """An exclusion that covers some of the outages."""

    exclusion_id: int
    cause: ExclusionCause
    evidence: str
    begin_at: AwareDatetime
    end_at: AwareDatetime
    excluded_minutes: str


class MonthDocument(BaseModel):
    """A month of a port, as EV-ChART wants it."""

    month: str
    minutes: str
    outage_minutes: str
    excluded_minutes: str
    uptime_percent: str | None


class PortDocument(BaseModel):
    """A port's figures; `neutral_minutes` and `closed_minutes` are the UK's, `months` NEVI's."""

    station_id: str
    evse_id: int
    location_id: str | None
    max_power_w: int | None
    minutes: str
    outage_minutes: str
    excluded_minutes: str
    neutral_minutes: str | None = None
    closed_minutes: str | None = None
    uptime_percent: str | None
    uptime_in_service_percent: str | None = None
    is_met: bool | None = None
    outages: list[OutageDocument]
    exclusions: list[AppliedDocument]
    months: list[MonthDocument] = []


class UptimeDocument(BaseModel):
    """The figure of all ports together, and a page of the ports.

    NEVI has no figure of a network, so `uptime_percent` is the worst port there; `is_met` says whether all ports pass.
    """

    law: str
    contract: str | None = None
    begin_at: AwareDatetime | None = None
    end_at: AwareDatetime | None = None
    period: str
    target_percent: str
    uptime_percent: str | None
    ineligible_reliable_percent: str | None = None
    mean_percent: str | None = None
    is_met: bool | None
    ports: int
    items: list[PortDocument]
    next_cursor: str | None = None


def nevi_document(ports: Sequence[NeviPort]) -> UptimeDocument:
    """Write ports by NEVI."""
    first = ports[0] if ports else None
    return UptimeDocument(
        law="nevi",
        period="12 months" if first is None else f"{first.months[0].month.text}/{first.months[-1].month.text}",
        target_percent=_text(NEVI_TARGET),
        uptime_percent=percent_text(min((port.percent for port in ports), default=None)),
        is_met=all(port.is_met for port in ports) if ports else None,
        ports=len(ports),
        items=[_nevi(port) for port in ports],
    )


def uk_document(network: UkNetwork) -> UptimeDocument:
    """Write the UK's network."""
    return UptimeDocument(
        law="uk",
        begin_at=network.begin_at,
        end_at=network.end_at,
        period="custom",
        target_percent=_text(UK_TARGET),
        uptime_percent=percent_text(network.percent),
        ineligible_reliable_percent=percent_text(network.percent_ineligible_reliable),
        mean_percent=percent_text(network.percent_mean),
        is_met=network.is_met,
        ports=len(network.ports),
        items=[_uk(port) for port in network.ports],
    )


def sla_document(result: SlaResult) -> UptimeDocument:
    """Write a contract's result."""
    return UptimeDocument(
        law="sla",
        contract=result.contract,
        period=f"{result.begin.text}/{result.begin.after(result.months - 1).text}",
        target_percent=_text(result.target),
        uptime_percent=percent_text(result.percent),
        is_met=result.is_met,
        ports=len(result.ports),
        items=[_sla(port, result.target) for port in result.ports],
    )


def _nevi(one: NeviPort) -> PortDocument:
    return _port(one.port, one.outages, one.exclusions).model_copy(
        update={
            "minutes": minutes_text(one.service_us),
            "outage_minutes": minutes_text(one.outage_us),
            "excluded_minutes": minutes_text(one.excluded_us),
            "uptime_percent": percent_text(one.percent),
            "uptime_in_service_percent": percent_text(one.percent_in_service),
            "is_met": one.is_met,
            "months": [_month(month) for month in one.months],
        }
    )


def _uk(one: UkPort) -> PortDocument:
    return _port(one.port, one.outages, ()).model_copy(
        update={
            "minutes": minutes_text(one.service_us),
            "outage_minutes": minutes_text(one.unreliable_us),
            "neutral_minutes": minutes_text(one.neutral_us),
            "closed_minutes": minutes_text(one.closed_us),
            "uptime_percent": percent_text(one.percent),
        }
    )


def _sla(one: SlaPort, target: Fraction) -> PortDocument:
    return _port(one.port, one.outages, one.exclusions).model_copy(
        update={
            "minutes": minutes_text(one.service_us),
            "outage_minutes": minutes_text(one.down_us),
            "excluded_minutes": minutes_text(one.excluded_us),
            "uptime_percent": percent_text(one.percent),
            "is_met": None if one.percent is None else one.percent >= target,
        }
    )


def _port(port: Port, outages: Sequence[Outage], exclusions: Sequence[Applied]) -> PortDocument:
    """Return a port's document, its figures still to be written."""
    return PortDocument(
        station_id=port.station_id,
        evse_id=port.evse_id,
        location_id=port.location_id,
        max_power_w=port.max_power_w,
        minutes=minutes_text(0),
        outage_minutes=minutes_text(0),
        excluded_minutes=minutes_text(0),
        uptime_percent=None,
        outages=[
            OutageDocument(begin_at=one.begin_at, end_at=one.end_at, state=one.state, cause=one.cause)
            for one in outages
        ],
        exclusions=[_applied(one) for one in exclusions],
    )


def _applied(one: Applied) -> AppliedDocument:
    return AppliedDocument(
        exclusion_id=one.exclusion_id,
        cause=one.cause,
        evidence=one.evidence,
        begin_at=one.begin_at,
        end_at=one.end_at,
        excluded_minutes=minutes_text(one.excluded_us),
    )


def _month(month: NeviMonth) -> MonthDocument:
    return MonthDocument(
        month=month.month.text,
        minutes=minutes_text(month.service_us),
        outage_minutes=minutes_text(month.outage_us),
        excluded_minutes=minutes_text(month.excluded_us),
        uptime_percent=percent_text(month.percent),
    )


def _text(percent: Fraction) -> str:
    return percent_text(percent) or "0"
