"""The NEVI report: uptime per port by 23 CFR 680.116(b), and the tables that 680.112(a) wants in EV-ChART. Pure.

The columns of modules 2, 3 and 4 bear the names, units and digits of EV-ChART itself. Source: the Joint Office's own
code, github.com/US-JOET/ev-chart-open-source, `database_central_config.json` (module2_data_v3 to module4_data_v3).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from voltway.monitoring.numbers.uptime_calendar import Month
from voltway.monitoring.numbers.uptime_model import NeviPort, Outage
from voltway.monitoring.numbers.uptime_nevi import TARGET
from voltway.monitoring.numbers.uptime_spans import Span, intersect, length, span_of, union
from voltway.monitoring.reports.document import (
    BarChart,
    Column,
    Heading,
    Kind,
    LineChart,
    Report,
    Section,
    Series,
    Table,
    TimelineStrip,
    check_names,
)
from voltway.monitoring.reports.figures import PortSession
from voltway.monitoring.reports.wording import (
    band,
    clipped,
    count_column,
    kwh,
    location_of,
    minutes,
    minutes_column,
    paragraphs,
    percent,
    percent_column,
    port_id,
    text_column,
    whole_seconds,
)

KIND = "nevi"
QUARTER = 3
"""680.112(a) is quarterly: of the three months that end with the report's."""
PORTS_DRAWN = 40
LINES_DRAWN = 4
_NOTE_LENGTH = 255


@dataclass(frozen=True, slots=True)
class NeviSource:
    """`years`: each port's twelve months that end with each month of the quarter; `sessions`: those of the quarter."""

    last: Month
    years: Mapping[Month, Sequence[NeviPort]]
    sessions: Sequence[PortSession]

    @property
    def ports(self) -> Sequence[NeviPort]:
        """Return the ports over the twelve months that end with the report's."""
        return self.years[self.last]


def build_nevi(source: NeviSource, heading: Heading) -> Report:
    """Return the NEVI report."""
    ports = source.ports
    report = Report(
        KIND,
        "NEVI: uptime and EV-ChART tables",
        heading,
        (
            _port_section(ports, heading),
            _month_section(ports),
            Section("EV-ChART module 2: charging sessions", (_module_2(source.sessions),)),
            Section("EV-ChART module 3: uptime", (_module_3(source.years),)),
            Section("EV-ChART module 4: outages", (_module_4(ports, source.last),)),
            Section("Outages and what excuses them", (_outages(ports), _exclusions(ports))),
        ),
        _NOTES,
        {
            "Ports": f"{len(ports)}",
            "Worst port": percent(min((port.percent for port in ports), default=None)),
            "Ports above 97 %": f"{sum(port.is_met for port in ports)} of {len(ports)}",
        },
    )
    check_names(report.tables)
    return report


def _port_section(ports: Sequence[NeviPort], heading: Heading) -> Section:
    columns = (
        text_column("port_id", "Port"), text_column("location", "Site"),
        Column("power_kw", "Power", Kind.NUMBER, "kW", 1), minutes_column("service", "In service"),
        minutes_column("t_outage", "T_outage"), minutes_column("t_excluded", "T_excluded"),
        percent_column("uptime", "Uptime"), percent_column("uptime_in_service", "While in service"),
        Column("is_met", "Above 97 %", Kind.YES_NO),
    )  # fmt: skip
    rows = tuple(
        (
            port_id(one.port), location_of(one), _kilowatts(one), minutes(one.service_us), minutes(one.outage_us),
            minutes(one.excluded_us), one.percent, one.percent_in_service, one.is_met,
        )
        for one in ports
    )  # fmt: skip
    worst = sorted(ports, key=lambda one: (one.percent, port_id(one.port)))[:PORTS_DRAWN]
    period = span_of(heading.begin_at, heading.end_at)
    pictures = (
        BarChart(
            "Uptime over twelve months, the worst first", "%", tuple(port_id(one.port) for one in worst),
            tuple(float(one.percent) for one in worst), float(TARGET), _low(worst),
        ),
        TimelineStrip(
            "Outages over twelve months", heading.begin_at, heading.end_at,
            tuple((port_id(one.port), band(one.outages, period)) for one in worst),
        ),
    )  # fmt: skip
    table = Table("ports", "Twelve months", columns, rows, "There was no port in service.")
    return Section("Uptime per port", (table,), pictures if worst else ())


def _kilowatts(one: NeviPort) -> Decimal | None:
    return None if one.port.max_power_w is None else Decimal(one.port.max_power_w).scaleb(-3)


def _low(worst: Sequence[NeviPort]) -> float:
    """Return where bars begin: bars of 90 to 100 show a difference that bars from nothing hide."""
    return min([90.0, *(float(int(one.percent / 10) * 10) for one in worst)])


def _month_section(ports: Sequence[NeviPort]) -> Section:
    columns = (
        text_column("port_id", "Port"), text_column("month", "Month"), minutes_column("service", "In service"),
        minutes_column("t_outage", "T_outage"), minutes_column("t_excluded", "T_excluded"),
        percent_column("uptime_in_service", "Uptime while in service"),
    )  # fmt: skip
    rows = tuple(
        (
            port_id(port.port), one.month.text, minutes(one.service_us), minutes(one.outage_us),
            minutes(one.excluded_us), one.percent,
        )
        for port in ports
        for one in port.months
    )  # fmt: skip
    return Section("Each month", (Table("months", "T_outage and T_excluded per month", columns, rows),), _lines(ports))


def _lines(ports: Sequence[NeviPort]) -> tuple[LineChart, ...]:
    if not ports:
        return ()
    labels = tuple(one.month.text for one in ports[0].months)
    worst = sorted(ports, key=lambda one: (one.percent, port_id(one.port)))[:LINES_DRAWN]
    series = tuple(
        Series(port_id(one.port), tuple(None if part.percent is None else float(part.percent) for part in one.months))
        for one in worst
    )
    return (LineChart("Uptime while in service, the worst ports", "%", labels, series, float(TARGET), 90.0),)


def _module_2(sessions: Sequence[PortSession]) -> Table:
    columns = (
        text_column("station_id", "Station ID"), text_column("port_id", "Port ID"),
        text_column("session_id", "Session ID"), text_column("charger_id", "Charger ID"),
        text_column("connector_id", "Connector ID"), text_column("session_start", "Session Start"),
        text_column("session_end", "Session End"), text_column("session_error", "Session Error"),
        text_column("error_other", "Session Error Description"),
        Column("energy_kwh", "Energy Charged", Kind.NUMBER, "kWh", 2),
        Column("power_kw", "Peak Power", Kind.NUMBER, "kW", 2), text_column("payment_method", "Payment Method"),
        text_column("payment_other", "Payment Method Description"),
    )  # fmt: skip
    rows = tuple(
        (
            one.location or "", f"{one.station_id}-{one.evse_id}", one.session_id, one.station_id,
            str(one.connector_id), one.started_at, one.ended_at or "", one.error[:_NOTE_LENGTH], "",
            kwh(one.energy_milliwh), None if one.peak_w is None else kwh(round(one.peak_w * 1000)), "",
            one.token_type or "",
        )
        for one in sessions
    )  # fmt: skip
    return Table("module_2_sessions", "Sessions of the last three months", columns, rows, "There was no session.")


def _module_3(years: Mapping[Month, Sequence[NeviPort]]) -> Table:
    columns = (
        text_column("station_id", "Station ID"), text_column("port_id", "Port ID"),
        text_column("uptime_reporting_start", "Uptime Reporting Start Date"),
        text_column("uptime_reporting_end", "Uptime Reporting End Date"), percent_column("uptime", "Uptime", 2),
        minutes_column("total_outage", "Total Outage"), minutes_column("total_outage_excl", "Total Excluded Outage"),
    )  # fmt: skip
    rows = tuple(
        (
            one.port.location_id or "", port_id(one.port), whole_seconds(one.begin_at), whole_seconds(one.end_at),
            one.percent, minutes(one.outage_us), minutes(one.excluded_us),
        )
        for month in sorted(years)
        for one in years[month]
    )  # fmt: skip
    title = "Twelve months that end with each of the last three"
    return Table("module_3_uptime", title, columns, rows, "There was no port in service.")


def _module_4(ports: Sequence[NeviPort], last: Month) -> Table:
    columns = (
        text_column("station_id", "Station ID"), text_column("port_id", "Port ID"),
        text_column("outage_id", "Outage ID"), minutes_column("outage_duration", "Outage Duration"),
        text_column("excluded_outage", "Excluded Outage"),
        text_column("excluded_outage_reason", "Excluded Outage Reason"),
        text_column("excluded_outage_notes", "Excluded Outage Notes"),
    )  # fmt: skip
    rows = []
    for port in ports:
        quarter = quarter_span(last, port.port.zone)
        for span in _joined(clipped(port.outages, quarter)):
            excluded_us, notes = _excuse(port, span)
            whole = excluded_us == span.end - span.begin
            rows.append((
                port.port.location_id or "", port_id(port.port), whole_seconds(span.begin_at), minutes(length([span])),
                "TRUE" if whole else "FALSE", "", notes[:_NOTE_LENGTH] if whole else "",
            ))  # fmt: skip
    return Table("module_4_outages", "Outages of the last three months", columns, tuple(rows), "There was no outage.")


def quarter_span(last: Month, zone: ZoneInfo) -> Span:
    """Return the three months that end with `last`, by the wall clock of the zone."""
    return last.after(1 - QUARTER).span(zone, QUARTER)


def _joined(outages: Iterable[Outage]) -> tuple[Span, ...]:
    """Return outages as spans; those that touch are one outage in two states."""
    return union(span_of(one.begin_at, one.end_at) for one in outages)


def _excuse(port: NeviPort, outage: Span) -> tuple[int, str]:
    """Return how much of an outage exclusions cover, and by which causes."""
    found = [one for one in port.exclusions if intersect((span_of(one.begin_at, one.end_at),), (outage,))]
    covered = intersect(union(span_of(one.begin_at, one.end_at) for one in found), (outage,))
    return length(covered), "; ".join(f"{one.cause.value}: {one.evidence}" for one in found)


def _outages(ports: Sequence[NeviPort]) -> Table:
    columns = (
        text_column("port_id", "Port"), Column("begin_at", "Begin", Kind.INSTANT),
        Column("end_at", "End", Kind.INSTANT), minutes_column("duration", "Length"),
        minutes_column("excluded", "Excluded"), text_column("state", "State"), text_column("cause", "Cause"),
    )  # fmt: skip
    rows = tuple(
        (
            port_id(port.port), one.begin_at, one.end_at, minutes(length([_span(one)])),
            minutes(_excuse(port, _span(one))[0]), one.state.value, one.cause,
        )
        for port in ports
        for one in port.outages
    )  # fmt: skip
    return Table("outages", "Every outage of the twelve months", columns, rows, "There was no outage.")


def _exclusions(ports: Sequence[NeviPort]) -> Table:
    columns = (
        text_column("port_id", "Port"), count_column("exclusion", "Number"), text_column("cause", "Cause"),
        Column("begin_at", "Begin", Kind.INSTANT), Column("end_at", "End", Kind.INSTANT),
        minutes_column("excluded", "Covers"), text_column("evidence", "Evidence"),
    )  # fmt: skip
    rows = tuple(
        (
            port_id(port.port), one.exclusion_id, one.cause.value, one.begin_at, one.end_at, minutes(one.excluded_us),
            one.evidence,
        )
        for port in ports
        for one in port.exclusions
    )  # fmt: skip
    return Table("exclusions", "Exclusions that apply", columns, rows, "Nothing was excluded.")


def _span(outage: Outage) -> Span:
    return span_of(outage.begin_at, outage.end_at)


_NOTES = paragraphs("""
Uptime by 23 CFR 680.116(b): (525,600 - (T_outage - T_excluded)) / 525,600, in minutes, per port over the twelve
months that end with the report's; it must be greater than 97 %. Percentages are rounded down.

A port is one EVSE; its id is the station's identity, a hyphen and the EVSE. In the EV-ChART tables `station_id` is
the code of the location (EV-ChART's station is the site) and `charger_id` the station's identity; enter there the
permanent ids that your state has registered (at most 36 characters).

Modules 2, 3 and 4 have the column names, units and digits of EV-ChART's own published code. Sessions and outages
are those of the three months that end with the report's; uptime is given for each of them.

`session_error`: the MREC or error codes of incidents at the port while the session ran, else, where it got no
energy, why it ended. `power_kw` is the highest power that the station reported. How a session was paid is not known
here: `payment_method` is empty and `payment_other` says the type of the token.

Outages that follow each other without a gap are one in module 4; one that began
before the three months counts from their begin. `excluded_outage` is TRUE where exclusions cover
all of it; `excluded_outage_reason` is a number from 1 to 6 whose meanings EV-ChART's code does not publish: it is
empty, and the notes say the cause. The table `outages` has the excluded minutes of each.

Less than the required power counts as an outage where rules say so; it is in T_outage, not in the lists of outages.
""")
