"""Detectors that look at one EVSE. Pure; see `detectors` for the registry and what a sign is."""

from datetime import datetime, timedelta

from voltway.monitoring.incidents.model import EvseView, Rule, Sign
from voltway.monitoring.timeline.model import Cause, OperatorState

MILLIWH_PER_WH = 1000
WEAK_SHARE = 0.065
"""A car that gets less than this share of the offer gets far too little; a single phase of 16 A is 17 % of 22 kW."""


NOTHING_SHARE = 0.008
"""Less than this is nothing: `no_delivery` looks at that."""


def number(rule: Rule, name: str) -> float:
    """Return a parameter of a rule; `rules` fills in the detector's defaults."""
    return float(rule.params[name])  # type: ignore[arg-type]  # `rules.faults_of` lets in numbers only


def faulted(view: EvseView, rule: Rule, now: datetime) -> Sign | None:
    """Say that the EVSE reports a fault, or that it closed itself. Value: 1."""
    if view.current.state is not OperatorState.FAULTED:
        return None
    if view.current.cause == Cause.CLOSED_UNASKED:
        # A station that was asked to open takes its time; one that closes for good says so for longer.
        since = view.current.begin + timedelta(minutes=number(rule, "closed_min"))
        return (
            Sign(1.0, since, "closed by the station itself", due=since) if now >= since else Sign(0.0, since, due=since)
        )
    words = [word for word in (view.error_code, view.vendor_error_code, view.info) if word and word != "NoError"]
    return Sign(1.0, view.current.begin, " ".join(words) or view.current.cause)


def no_delivery(view: EvseView, rule: Rule, _now: datetime) -> Sign | None:
    """Say that a session says charging while its register stands still. Value: 1.

    Two readings are needed, the later one with the energy of the earlier. A car that is full, or that had its share
    and paused without saying so, is given more time. Energy that flows is the proof that all is well.
    """
    session = view.session
    if session is None or view.current.state is not OperatorState.CHARGING or session.energy_since is None:
        return None
    if view.free_since is not None:
        return None  # `session_stuck` looks at a session whose place is free
    if session.last_reading_at is None or session.last_reading_at <= session.energy_since:
        is_proven = session.last_reading_at is not None and session.energy_milliwh > 0
        return Sign(0.0, session.energy_since) if is_proven else None
    if session.soc_pct is not None and session.soc_pct >= number(rule, "full_soc_pct"):
        return None
    since = max(session.energy_since, session.charging_since or session.energy_since)
    if session.energy_milliwh >= number(rule, "delivered_wh") * MILLIWH_PER_WH:
        since += timedelta(minutes=number(rule, "patience_min"))
    return Sign(1.0, since, f"charging since {since:%H:%M} UTC without any energy")


def energy_without_session(view: EvseView, rule: Rule, _now: datetime) -> Sign | None:
    """Say how much flows without a session. Value: W, from power or from two registers that follow each other."""
    meter = view.meter
    if view.session is not None or meter.at is None or not meter.is_idle:
        return None
    flowing_w = meter.power_w or 0.0
    since = meter.at
    if meter.idle_register_milliwh is not None and meter.register_milliwh is not None and meter.idle_at is not None:
        risen_milliwh = meter.register_milliwh - meter.idle_register_milliwh
        lasting_h = ((meter.register_at or meter.at) - meter.idle_at) / timedelta(hours=1)
        if lasting_h > 0 and risen_milliwh >= number(rule, "least_wh") * MILLIWH_PER_WH:
            flowing_w = max(flowing_w, risen_milliwh / MILLIWH_PER_WH / lasting_h)
            since = meter.idle_at
    return Sign(flowing_w, since, f"{flowing_w:.0f} W without a session")


def session_stuck(view: EvseView, rule: Rule, now: datetime) -> Sign | None:
    """Say that a session does not end. Value: 1.

    Zombie: the place has been free since its last sign of life, or its station is connected and says nothing of it.
    Eternal: open for very long, and for long without energy.
    """
    session = view.session
    if session is None:
        return None
    if view.free_since is not None and session.updated_at < view.free_since:
        return Sign(1.0, view.free_since, "its place is free, the session goes on")
    open_until = session.started_at + timedelta(hours=number(rule, "open_h"))
    idle_until = (session.energy_since or session.started_at) + timedelta(hours=number(rule, "idle_h"))
    eternal_at = max(open_until, idle_until)
    unheard_at = session.updated_at + timedelta(hours=number(rule, "unheard_h"))
    if now >= eternal_at:
        return Sign(1.0, eternal_at, f"open since {session.started_at:%d %b %H:%M} UTC, long without energy")
    if now >= unheard_at:
        return Sign(1.0, unheard_at, f"nothing heard of it since {session.updated_at:%d %b %H:%M} UTC")
    return Sign(0.0, session.started_at, due=min(eternal_at, unheard_at))


def low_power(view: EvseView, rule: Rule, _now: datetime) -> Sign | None:
    """Say how far the power is below the offer while a car charges. Value: the missing share, 0 to 1.

    A battery that is nearly full takes little: with a known state of charge that is too high for a judgement, and
    without one what counts is whether this session ever got more.
    """
    session, meter = view.session, view.meter
    if session is None or view.current.state is not OperatorState.CHARGING or meter.power_w is None or meter.at is None:
        return None
    offers = [it for it in (meter.offered_w, view.rated_w) if it]
    if not offers or meter.at < session.started_at:
        return None
    share = meter.power_w / min(offers)
    if share < NOTHING_SHARE:
        return None
    if session.soc_pct is not None:
        if session.soc_pct >= number(rule, "taper_soc_pct"):
            return None
    elif meter.peak_w is not None and meter.peak_w >= 2 * WEAK_SHARE * min(offers):
        return Sign(0.0, meter.at)
    return Sign(1.0 - share, meter.at, f"{meter.power_w / 1000:.1f} of {min(offers) / 1000:.0f} kW")


def temperature(view: EvseView, rule: Rule, now: datetime) -> Sign | None:
    """Say how hot it is. Value: degrees Celsius; what was measured long ago says nothing of now."""
    meter = view.meter
    if meter.temperature_c is None or meter.at is None:
        return None
    stale_at = meter.at + timedelta(minutes=number(rule, "fresh_min"))
    if now >= stale_at:
        return None
    return Sign(meter.temperature_c, meter.at, f"{meter.temperature_c:.0f} °C", due=stale_at)


def meter_anomaly(view: EvseView, rule: Rule, now: datetime) -> Sign | None:
    """Say how many of the last sessions have a meter that contradicts itself. Value: anomalies within the window."""
    if not view.recent_anomalies:
        return None
    window = timedelta(hours=number(rule, "window_h"))
    recent = sorted(it for it in view.recent_anomalies if it[0] > now - window)
    if not recent:
        return None
    codes = ", ".join(sorted({code.replace("_", " ") for _, code in recent}))
    return Sign(float(len(recent)), recent[0][0], codes, due=recent[0][0] + window)


def status_unknown(view: EvseView, _rule: Rule, _now: datetime) -> Sign | None:
    """Say that a connected station does not tell what an EVSE is. Value: 1."""
    if view.current.state is not OperatorState.UNKNOWN:
        return None
    return Sign(1.0, view.current.begin, view.current.evidence)


def availability_ignored(view: EvseView, _rule: Rule, _now: datetime) -> Sign | None:
    """Say that a station accepted to open or close and did not. Value: 1."""
    state, has_closed_itself = view.current.state, view.current.cause == Cause.CLOSED_UNASKED
    if view.wanted is None or view.wanted_since is None or state in _SAYS_NOTHING:
        return None
    if state is OperatorState.FAULTED and not has_closed_itself:
        return None  # OCPP knows one status at a time: a fault hides whether it is closed
    is_closed = state is OperatorState.UNAVAILABLE or has_closed_itself
    if view.wanted is not is_closed:
        return None
    wish = "open" if view.wanted else "closed"
    return Sign(1.0, view.wanted_since, f"wanted {wish}, accepted, and it is not")


_SAYS_NOTHING = frozenset({OperatorState.OFFLINE, OperatorState.UNKNOWN})
