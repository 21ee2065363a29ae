"""Every detector by name: what it looks at, what it reads of a rule's `params`, and the function that gives its sign.

A detector is `(view, rule, now) -> Sign | None` and pure; None: there is nothing to say. Threshold, hysteresis and
holds are the gate's (`gate.step`). Those of scope `evse` see an `EvseView`, `station` a `StationView`, `site` a
`SiteView`, `network` all sites of an operator. What needs long histories (`is_long`) is fed by a long look instead,
with a view of its own (`silence.SilentInput`).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from voltway.monitoring.incidents import detectors_evse as evse
from voltway.monitoring.incidents import detectors_site as site
from voltway.monitoring.incidents import detectors_station as station
from voltway.monitoring.incidents import silence
from voltway.monitoring.incidents.model import Rule, Scope, Sign

Detect = Callable[[Any, Rule, datetime], Sign | None]


class Detector(NamedTuple):
    """A detector: its scope, the parameters it reads with their defaults, its function, whether a long look asks it."""

    scope: Scope
    params: Mapping[str, float | bool | list[str]]
    function: Detect
    is_long: bool = False


DETECTORS: dict[str, Detector] = {
    "faulted": Detector("evse", {"closed_min": 10.0}, evse.faulted),
    "no_delivery": Detector(
        "evse", {"full_soc_pct": 95.0, "delivered_wh": 500.0, "patience_min": 45.0}, evse.no_delivery
    ),
    "energy_without_session": Detector("evse", {"least_wh": 100.0}, evse.energy_without_session),
    "session_stuck": Detector("evse", {"open_h": 24.0, "idle_h": 8.0, "unheard_h": 24.0}, evse.session_stuck),
    "low_power": Detector("evse", {"taper_soc_pct": 70.0}, evse.low_power),
    "temperature": Detector("evse", {"fresh_min": 60.0}, evse.temperature),
    "meter_anomaly": Detector("evse", {"window_h": 24.0}, evse.meter_anomaly),
    "status_unknown": Detector("evse", {}, evse.status_unknown),
    "availability_ignored": Detector("evse", {}, evse.availability_ignored),
    "silent_connector": Detector(
        "evse", {"prior": 6.0, "most_choices": 500.0}, silence.silent_connector, is_long=True
    ),
    "station_offline": Detector("station", {}, station.station_offline),
    "flapping_connection": Detector("station", {"window_min": 60.0}, station.flapping_connection),
    "clock_drift": Detector("station", {}, station.clock_drift),
    "failed_authorisations": Detector("station", {"window_h": 8.0}, station.failed_authorisations),
    "certificate_expiry": Detector("station", {"warn_days": 14.0}, station.certificate_expiry),
    "firmware_failure": Detector("station", {}, station.firmware_failure),
    "site_outage": Detector("site", {"least_stations": 3.0, "within_s": 120.0}, site.site_outage),
    "queue_at_site": Detector("site", {"least_evses": 4.0}, site.queue_at_site),
    "network_outage": Detector(
        "network", {"least_stations": 10.0, "least_sites": 2.0, "within_s": 120.0}, site.network_outage
    ),
}  # fmt: skip
