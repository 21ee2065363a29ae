"""The monthly report for those who run the network: figures with last month beside, sites, incidents, hours. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from voltway.monitoring.numbers.uptime_calendar import Month
from voltway.monitoring.numbers.uptime_model import NeviMonth, NeviPort
from voltway.monitoring.numbers.uptime_nevi import TARGET
from voltway.monitoring.numbers.uptime_spans import Span, span_of
from voltway.monitoring.reports.document import (
    BarChart,
    Column,
    Heading,
    Heatmap,
    Kind,
    Report,
    Section,
    Table,
    TimelineStrip,
    Value,
    check_names,
    rounded,
)
from voltway.monitoring.reports.figures import MonthFacts, SiteUsage
from voltway.monitoring.reports.wording import (
    NOWHERE,
    band,
    count_column,
    kwh,
    kwh_column,
    location_of,
    minutes,
    minutes_column,
    minutes_of,
    paragraphs,
    percent,
    percent_column,
    port_id,
    text_column,
    uptime_of,
)

WORST = 10
SITES_DRAWN = 20
KIND = "monthly"


@dataclass(frozen=True, slots=True)
class MonthlySource:
    """What the monthly report is made of; `ports` by the terms of NEVI over the twelve months that end with `month`."""

    month: Month
    ports: Sequence[NeviPort]
    facts: MonthFacts
    before: MonthFacts
    """The month before."""


def build_monthly(source: MonthlySource, heading: Heading) -> Report:
    """Return the monthly report."""
    figures = [_Kpis(source.month, source.ports, source.facts)]
    figures.append(_Kpis(source.month.after(-1), source.ports, source.before))
    report = Report(
        KIND,
        "Monthly operations",
        heading,
        (
            _kpi_section(*figures),
            _site_section(source),
            _worst_section(source, heading),
            _incident_section(source.facts),
            _busy_section(source.facts, heading),
            _revenue_section(source.facts),
        ),
        _NOTES,
        {
            "Uptime": percent(figures[0].uptime),
            "Energy": f"{kwh(source.facts.energy_milliwh):,.0f} kWh",
            "Sessions": f"{source.facts.sessions:,}",
        },
    )
    check_names(report.tables)
    return report


class _Kpis:
    """The figures of one month."""

    def __init__(self, month: Month, ports: Sequence[NeviPort], facts: MonthFacts) -> None:
        self.months = [part for port in ports if (part := month_of(port, month)) is not None and part.service_us]
        self.facts = facts
        self.uptime = uptime_of((one.service_us, one.outage_us, one.excluded_us) for one in self.months)

    def rows(self) -> list[tuple[str, str, str, int, Value]]:
        """Return key, name, unit, decimals and value of each figure."""
        facts = self.facts
        service_us = sum(one.service_us for one in self.months)
        charging_us = sum((site.charging for site in facts.sites), timedelta()) // timedelta(microseconds=1)
        return [
            ("ports", "Ports in service", "", 0, len(self.months)),
            ("uptime", "Uptime", "%", 3, self.uptime),
            ("sessions", "Sessions started", "", 0, facts.sessions),
            ("without_energy", "Sessions that got no energy", "", 0, facts.empty_sessions),
            ("drivers", "Different tokens that charged", "", 0, facts.drivers),
            ("energy", "Energy", "kWh", 3, kwh(facts.energy_milliwh)),
            ("energy_per_session", "Energy per session", "kWh", 3, _ratio(kwh(facts.energy_milliwh), facts.sessions)),
            ("utilisation", "Time in use", "%", 3, Fraction(charging_us * 100, service_us) if service_us else None),
            ("incidents", "Incidents opened", "", 0, facts.incidents_opened),
            ("mttr", "Mean time to repair", "min", 2, minutes_of(facts.mean_repair)),
        ]


def month_of(port: NeviPort, month: Month) -> NeviMonth | None:
    """Return a port's figures of one of its months."""
    return next((one for one in port.months if one.month == month), None)


def _ratio(part: Decimal, whole: int) -> Fraction | None:
    return Fraction(part) / whole if whole else None


def _kpi_section(now: _Kpis, before: _Kpis) -> Section:
    # Percentages round down and others half up, so each value is rounded here, as its row says.
    rows = tuple(
        (key, name, unit, _figure(value, unit, decimals), _figure(old[4], unit, decimals))
        for (key, name, unit, decimals, value), old in zip(now.rows(), before.rows(), strict=True)
    )
    columns = (
        text_column("figure", "Key"),
        text_column("name", "Figure"),
        text_column("unit", "Unit"),
        Column("value", "This month", Kind.NUMBER, decimals=None),
        Column("month_before", "Month before", Kind.NUMBER, decimals=None),
    )
    return Section("Key figures", (Table("key_figures", "This month and the month before", columns, rows),))


def _figure(value: Value, unit: str, decimals: int) -> Value:
    kind = Kind.PERCENT if unit == "%" else Kind.NUMBER
    return rounded(value, Column("", "", kind, unit, decimals))


def _site_section(source: MonthlySource) -> Section:
    usage = {site.location: site for site in source.facts.sites}
    ports: dict[str | None, list[NeviMonth]] = defaultdict(list)
    for port in source.ports:
        part = month_of(port, source.month)
        if part is not None and part.service_us:
            ports[port.port.location_id].append(part)
    codes = sorted({*usage, *ports}, key=lambda code: (code is None, code or ""))
    rows = tuple(_site_row(code, ports.get(code, []), usage.get(code)) for code in codes)
    table = Table("sites", "Sites", _SITE_COLUMNS, rows, "There is no site with a port in service or a session.")
    by_energy = sorted((row for row in rows if row[5]), key=lambda row: -_number(row[5]))[:SITES_DRAWN]
    by_uptime = sorted((row for row in rows if row[3] is not None), key=lambda row: _number(row[3]))[:SITES_DRAWN]
    return Section(
        "Sites",
        (table,),
        (
            *_bars("Energy by site", "kWh", by_energy, 5),
            *_bars("Uptime by site, the worst first", "%", by_uptime, 3, line=float(TARGET)),
        ),
    )


_SITE_COLUMNS = (
    text_column("location", "Site"), text_column("name", "Name"), count_column("ports", "Ports"),
    percent_column("uptime", "Uptime"), count_column("sessions", "Sessions"), kwh_column("energy", "Energy"),
    Column("peak", "Peak hour", Kind.NUMBER, "kW mean", 3), text_column("peak_at", "Peak hour begins"),
)  # fmt: skip


def _site_row(code: str | None, months: Sequence[NeviMonth], usage: SiteUsage | None) -> tuple[Value, ...]:
    uptime = uptime_of((one.service_us, one.outage_us, one.excluded_us) for one in months)
    if usage is None:
        return (code or NOWHERE, "", len(months), uptime, 0, kwh(0), None, "")
    # The energy of one hour in kWh is the mean power of that hour in kW.
    peak = kwh(usage.peak_hour_milliwh) if usage.peak_hour_begin else None
    return (
        code or NOWHERE, usage.name or "", len(months), uptime, usage.sessions, kwh(usage.energy_milliwh), peak,
        usage.peak_hour_begin or "",
    )  # fmt: skip


def _bars(
    title: str, unit: str, rows: Sequence[tuple[Value, ...]], place: int, line: float | None = None
) -> tuple[BarChart, ...]:
    if not rows:
        return ()
    values = tuple(_number(row[place]) for row in rows)
    low = 0.0 if line is None else min(float(int(min(values) / 10) * 10), 90.0)
    return (BarChart(title, unit, tuple(str(row[0]) for row in rows), values, line, low),)


def _number(value: Value) -> float:
    assert isinstance(value, int | Decimal | Fraction), "only numbers are drawn"
    return float(value)


def _worst_section(source: MonthlySource, heading: Heading) -> Section:
    found = []
    for port in source.ports:
        part = month_of(port, source.month)
        if part is not None and part.outage_us > part.excluded_us:
            found.append((part.outage_us - part.excluded_us, port, part))
    found.sort(key=lambda one: (-one[0], port_id(one[1].port)))
    worst = found[:WORST]
    rows = tuple(
        (
            port_id(port.port), location_of(port), part.percent, minutes(part.outage_us), minutes(part.excluded_us),
            minutes(down_us),
        )
        for down_us, port, part in worst
    )  # fmt: skip
    columns = (
        text_column("port", "Port"), text_column("location", "Site"), percent_column("uptime", "Uptime"),
        minutes_column("outage", "Outage"), minutes_column("excluded", "Excluded"), minutes_column("down", "Counts"),
    )  # fmt: skip
    period = _period(heading)
    bands = tuple((port_id(port.port), band(port.outages, period)) for _, port, _ in worst)
    strip = (TimelineStrip("The worst ports over the month", heading.begin_at, heading.end_at, bands),) if worst else ()
    return Section(
        "Worst ports", (Table("worst_ports", "The longest outages", columns, rows, "No port was down."),), strip
    )


def _period(heading: Heading) -> Span:
    return span_of(heading.begin_at, heading.end_at)


def _incident_section(facts: MonthFacts) -> Section:
    columns = (
        text_column("rule", "Rule"), text_column("severity", "Severity"), count_column("opened", "Opened"),
        count_column("unresolved", "Unresolved"), count_column("ended", "Ended"),
        minutes_column("mttr", "Mean time to repair"), kwh_column("lost", "Lost energy"),
    )  # fmt: skip
    rows = tuple(
        (
            one.rule, one.severity, one.opened, one.unresolved, one.ended, minutes_of(one.repair),
            kwh(one.lost_milliwh),
        )
        for one in facts.incidents
    )  # fmt: skip
    return Section("Incidents", (Table("incidents", "By rule and severity", columns, rows, "No incident was opened."),))


def _busy_section(facts: MonthFacts, heading: Heading) -> Section:
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    columns = (
        text_column("day", "Day"), count_column("hour", "Hour"),
        Column("sessions", "Sessions at once, mean", Kind.NUMBER, "", 3),
    )  # fmt: skip
    hours = sorted(
        ((value, day, hour) for day, row in enumerate(facts.busy) for hour, value in enumerate(row) if value),
        key=lambda one: (-one[0], one[1], one[2]),
    )
    rows = tuple((days[day], hour, Fraction(value)) for value, day, hour in hours[:WORST])
    values = tuple(tuple(row) for row in facts.busy)
    heat = (Heatmap(f"Sessions at once by hour of {heading.zone.key}", "mean", values),) if values else ()
    return Section("Busiest hours", (Table("busiest_hours", "The busiest", columns, rows, "No session."),), heat)


def _revenue_section(facts: MonthFacts) -> Section:
    columns = (
        text_column("currency", "Currency"), count_column("cdrs", "Sessions billed"),
        Column("excl_vat", "Without VAT", Kind.MONEY, decimals=2),
        Column("incl_vat", "With VAT", Kind.MONEY, decimals=2),
    )  # fmt: skip
    rows = tuple((one.currency, one.cdrs, one.excl_vat, one.incl_vat) for one in facts.revenue)
    return Section("Revenue", (Table("revenue", "By currency", columns, rows, "No session was billed."),))


_NOTES = paragraphs("""
Uptime is that of the terms of 23 CFR 680.116(b) over the minutes in service of the month: outage is time offline,
faulted, unavailable or unknown; excluded outages count as up. A site's months are those of its own clock.

Sessions are those that started in the month; one without energy has ended with nothing on its meter.

Peak hour: the clock hour with the most energy at the site; the energy of a session is spread evenly over it, so a
short peak within an hour is not seen.

Time in use: time of sessions started in the month over time in service of all ports.

Incidents are those opened in the month; mean time to repair is from begin to end of those that have ended.

Revenue is of the charge detail records of sessions that ended in the month, corrections netted; nothing is
converted between currencies.
""")
