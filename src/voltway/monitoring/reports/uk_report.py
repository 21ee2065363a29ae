"""The UK report: reliability of the network of rapid charge points by SI 2023/1168 reg. 7. Pure."""

from decimal import Decimal

from voltway.monitoring.numbers.uptime_model import UkNetwork, UkPort
from voltway.monitoring.numbers.uptime_spans import span_of
from voltway.monitoring.numbers.uptime_uk import OCPI_STATUS, TARGET
from voltway.monitoring.reports.document import (
    BarChart,
    Column,
    Heading,
    Kind,
    Report,
    Section,
    Table,
    TimelineStrip,
    Value,
    check_names,
)
from voltway.monitoring.reports.wording import (
    NOWHERE,
    band,
    count_column,
    minutes,
    minutes_column,
    paragraphs,
    percent,
    percent_column,
    port_id,
    text_column,
)

KIND = "uk"
PORTS_DRAWN = 40


def build_uk(network: UkNetwork, heading: Heading) -> Report:
    """Return the UK's reliability report."""
    verdict = {None: "not measured", True: "met", False: "NOT met"}[network.is_met]
    if heading.is_incomplete and network.is_met is not None:
        verdict = f"{verdict} so far"
    report = Report(
        KIND,
        "UK: reliability of rapid charge points",
        heading,
        (
            Section("The network", (_network(network),)),
            Section("Charge points", (_points(network),), _pictures(network, heading)),
            Section("Time that was not reliable or not measured", (_outages(network),)),
        ),
        _NOTES,
        {
            "Network reliability": percent(network.percent),
            "99 % requirement": verdict,
            "Charge points measured": f"{sum(one.percent is not None for one in network.ports)}",
        },
    )
    check_names(report.tables)
    return report


def _network(network: UkNetwork) -> Table:
    ports = network.ports
    rows: tuple[tuple[Value, ...], ...] = (
        (
            len(ports),
            minutes(sum(one.reliable_us for one in ports)),
            minutes(sum(one.unreliable_us for one in ports)),
            minutes(sum(one.neutral_us for one in ports)),
            minutes(sum(one.closed_us for one in ports)),
            network.percent,
            network.percent_ineligible_reliable,
            network.percent_mean,
            network.is_met,
        ),
    )
    columns = (
        count_column("charge_points", "Charge points"), minutes_column("reliable", "Reliable"),
        minutes_column("not_reliable", "Not reliable"), minutes_column("ineligible", "Ineligible"),
        minutes_column("closed", "Closed hours"), percent_column("reliability", "Reliability"),
        percent_column("reliability_ineligible_reliable", "Ineligible as reliable"),
        percent_column("reliability_mean", "Mean of points"), Column("is_met", "At least 99 %", Kind.YES_NO),
    )  # fmt: skip
    return Table("network", "All rapid charge points together", columns, rows)


def _points(network: UkNetwork) -> Table:
    columns = (
        text_column("charge_point", "Charge point"), text_column("location", "Site"),
        Column("power_kw", "Power", Kind.NUMBER, "kW", 1), minutes_column("service", "In service"),
        minutes_column("reliable", "Reliable"), minutes_column("not_reliable", "Not reliable"),
        minutes_column("ineligible", "Ineligible"), minutes_column("closed", "Closed hours"),
        percent_column("reliability", "Reliability"),
    )  # fmt: skip
    rows = tuple(_point(one) for one in network.ports)
    empty = "No charge point of 50 kW or above was in service."
    return Table("charge_points", "Each charge point", columns, rows, empty)


def _point(one: UkPort) -> tuple[Value, ...]:
    power_w = one.port.max_power_w
    return (
        port_id(one.port), one.port.location_id or NOWHERE, None if power_w is None else Decimal(power_w).scaleb(-3),
        minutes(one.service_us), minutes(one.reliable_us), minutes(one.unreliable_us), minutes(one.neutral_us),
        minutes(one.closed_us), one.percent,
    )  # fmt: skip


def _pictures(network: UkNetwork, heading: Heading) -> tuple[BarChart | TimelineStrip, ...]:
    measured = sorted(
        ((one.percent, port_id(one.port), one) for one in network.ports if one.percent is not None),
        key=lambda found: found[:2],
    )[:PORTS_DRAWN]
    if not measured:
        return ()
    names = tuple(name for _, name, _ in measured)
    values = tuple(float(value) for value, _, _ in measured)
    low = min([90.0, *(float(int(value / 10) * 10) for value in values)])
    period = span_of(heading.begin_at, heading.end_at)
    bands = tuple((name, band(one.outages, period)) for _, name, one in measured)
    return (
        BarChart("Reliability, the worst first", "%", names, values, float(TARGET), low),
        TimelineStrip("Over the period", heading.begin_at, heading.end_at, bands),
    )


def _outages(network: UkNetwork) -> Table:
    columns = (
        text_column("charge_point", "Charge point"), Column("begin_at", "Begin", Kind.INSTANT),
        Column("end_at", "End", Kind.INSTANT), text_column("status", "OCPI status"), text_column("state", "State"),
        text_column("cause", "Cause"),
    )  # fmt: skip
    rows = tuple(
        (port_id(port.port), one.begin_at, one.end_at, OCPI_STATUS[one.state].value, one.state.value, one.cause)
        for port in network.ports
        for one in port.outages
    )
    return Table("outages", "Every stretch", columns, rows, "There was none.")


_NOTES = paragraphs("""
The Public Charge Point Regulations 2023 (SI 2023/1168), regulation 7: the network of rapid charge points (50 kW or
above) must be, on average, reliable for 99 % of the time during each calendar year. A part of a year shows where
the year stands; the regulation judges the whole one.

Reliable: OCPI statuses AVAILABLE, CHARGING, RESERVED. Not reliable: INOPERATIVE, OUTOFORDER. Ineligible: UNKNOWN
(offline or never seen). Reliability is reliable time over reliable and not reliable time of all points together:
ineligible time is in neither, which gives the lowest of the readings.

`Ineligible as reliable` follows the letter of regulation 7(3)(b); `Mean of points` is the mean of the points' own
figures. The regulation does not choose; read the department's guidance for the year before you publish.

Closed hours (regulation 7(5)) do not count. A charge point is one EVSE; those without a power on record are not
measured. Percentages are rounded down.
""")
