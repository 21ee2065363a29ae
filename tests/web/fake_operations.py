"""The stand-in for monitoring behind the operations view: fixed shapes, seeded data, one incident API that acts.

Shapes are those of monitoring/incidents/api.py, timeline/api.py and numbers/{uptime,usage}_api.py.
"""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 3, 2, 17, 30, tzinfo=UTC)
LOCATIONS = {"HARBOUR": "Harbour Square", "MILL": "Mill Lane", "NORTH": "Northern Station", "BREWERY": "Old Brewery"}
Json = dict[str, Any]


class FakeOperations:
    """What monitoring answers; a test may change any of it."""

    def __init__(self) -> None:
        self.scopes = ["admin", "command", "read", "write"]
        self.incidents = {it["id"]: it for it in (incident(number) for number in range(1, 5))}
        self.entries = {id_: entries(it) for id_, it in self.incidents.items()}
        self.symptoms = {id_: [symptom(it)] for id_, it in self.incidents.items()}
        self.states = {
            "available": 214, "preparing": 3, "charging": 96, "suspended_by_car": 12, "suspended_by_station": 2,
            "finishing": 4, "reserved": 1, "unavailable": 9, "faulted": 6, "offline": 21,
        }  # fmt: skip
        self.evses = [evse(number) for number in range(3)]
        self.has_more_evses = False
        self.power = power()
        self.locations = [{"id": code, "name": name} for code, name in LOCATIONS.items()]
        self.demand = [demand("HARBOUR", "Fri", "Fri", (16, 19), 0.92), demand("MILL", "Mon", "Thu", (7, 9), 0.83)]
        self.hours = week()
        self.ports = [port(number) for number in range(40)]
        self.queries: list[tuple[str, Json]] = []

    def get(self, path: str, query: Json) -> Json | None:
        """Answer a GET under /api/v1; None where there is nothing."""
        self.queries.append((path, query))
        if path.startswith("incidents/"):
            return self.detail(int(path.removeprefix("incidents/")))
        fixed = {
            "monitoring/states": self.states,
            "monitoring/power": self.power,
            "usage/demand": {"items": self.demand},
            "usage/heatmap": heatmap(query.get("location", ""), self.hours),
            "uptime": uptime(self.ports),
            "incidents": _items(list(self.incidents.values())),
            "locations": _items(self.locations),
            "monitoring/evses": _items(self.evses, "more" if self.has_more_evses else None),
        }
        return fixed.get(path)

    def detail(self, incident_id: int) -> Json | None:
        """Return an incident with its timeline."""
        found = self.incidents.get(incident_id)
        if found is None:
            return None
        return found | {"entries": self.entries[incident_id], "current_symptoms": self.symptoms[incident_id]}

    def post(self, incident_id: int, verb: str, body: Json) -> Json | None:
        """Acknowledge or comment as the API does: on the timeline too."""
        found = self.incidents.get(incident_id)
        if found is None:
            return None
        kind = "acknowledged" if verb == "acknowledge" else "commented"
        if verb == "acknowledge":
            found |= {"state": "acknowledged", "acknowledged_at": text(NOW)}
        found["updated_at"] = text(NOW + timedelta(seconds=len(self.entries[incident_id])))
        entry = {"at": text(NOW), "kind": kind, "actor": "Control room", "text": body.get("text", ""), "data": None}
        self.entries[incident_id].append(entry)
        return deepcopy(self.detail(incident_id))


WORDS = [
    ("site_dark", "critical", "20 stations of Harbour Square are offline: uplink or power", "HARBOUR", None, 1),
    ("faulted", "major", "EVSE 2 of DE*VWY*E0007 is faulted: GroundFailure", "MILL", "DE*VWY*E0007", 2),
    ("silent_connector", "minor", "No session since Friday while its neighbours are used", "NORTH", "DE*VWY*E0031", 1),
    ("faulted", "major", "EVSE 1 of DE*VWY*E0012 is faulted: OverTemperature", "BREWERY", "DE*VWY*E0012", 1),
]
"""Rule, severity, title, place of each incident; of the two major ones the later number is the older."""


def incident(number: int, **changes: object) -> Json:
    """Build one open incident; the first has a cost in money, the third none yet, the fourth somebody who has it."""
    rule, severity, title, location, station, evse_id = WORDS[(number - 1) % len(WORDS)]
    began = NOW - timedelta(minutes=7 + 23 * number)
    document: Json = {
        "id": number, "rule": rule, "severity": severity, "state": "assigned" if number == 4 else "open",
        "title": title, "location_id": location, "location_name": LOCATIONS[location], "station_id": station,
        "evse_id": evse_id if station else None, "time_zone": "Europe/Berlin",
        "mrec": "CX009" if number == 2 else None, "error_code": None, "vendor_error_code": None,
        "began_at": text(began), "opened_at": text(began + timedelta(seconds=45)),
        "acknowledged_at": text(began + timedelta(minutes=4)) if number == 4 else None, "ended_at": None,
        "updated_at": text(NOW - timedelta(minutes=1)), "assignee": "Mara Lind" if number == 4 else None,
        "reopened": 1 if number == 4 else 0, "symptoms": 20 if number == 1 else 1,
        "lost_kwh": None if number == 3 else f"{41.25 / number:.3f}",
        "lost_revenue": "24.3375" if number == 1 else None, "currency": "EUR",
    }  # fmt: skip
    return document | changes


def symptom(it: Json) -> Json:
    """Build what a rule holds against the place of an incident."""
    place = {name: it[name] for name in ("rule", "location_id", "station_id", "evse_id")}
    return place | {"since": it["began_at"], "raised_at": it["opened_at"], "value": 1.0, "detail": "it said Faulted"}


def entries(it: Json) -> list[Json]:
    """Build the beginning of an incident's timeline."""
    return [{"at": it["opened_at"], "kind": "opened", "actor": "rules", "text": "raised by its rule", "data": None}]


def evse(number: int) -> Json:
    """Build one EVSE as it is now, with evidence of 14 minutes and more."""
    seen = text(NOW - timedelta(minutes=14 + 30 * number))
    return {
        "station_id": f"DE*VWY*E{number:04d}", "evse_id": 1, "location_id": "HARBOUR" if number else None,
        "feeder": None, "state": "offline", "cause": "link_closed", "since": seen, "evidence": "its link closed",
        "evidence_at": seen, "evidence_age_s": 840.0, "last_seen_at": seen, "max_power_w": 150_000, "power_w": None,
        "session_id": None, "session_started_at": None, "session_energy_kwh": None, "soc_pct": None,
    }  # fmt: skip


def power() -> Json:
    """Build the power of the network and its sites."""
    sites = {"HARBOUR": 912_400.0, "MILL": 640_200.0, "NORTH": 290_600.0}
    return {
        "as_of": text(NOW),
        "network_w": sum(sites.values()),
        "sites": sites,
        "feeders": [],
        "stations": {},
        "evses": [],
    }


def demand(location: str, first_day: str, last_day: str, hours: tuple[int, int], share: float) -> Json:
    """Build a busy period."""
    return {
        "location": location, "time_zone": "Europe/Berlin", "first_day": first_day, "last_day": last_day,
        "begin_hour": hours[0], "end_hour": hours[1], "occupied_share": share, "sentence": "",
    }  # fmt: skip


def heatmap(location: str, hours: list[list[float | None]]) -> Json:
    """Build a site's week."""
    return {"location": location, "time_zone": "Europe/Berlin", "hours": hours, "busiest": ""}


def uptime(ports: list[Json]) -> Json:
    """Build the answer of NEVI."""
    return {
        "law": "nevi", "period": "2025-04/2026-03", "target_percent": "97.000", "uptime_percent": "91.000",
        "is_met": False, "ports": len(ports), "items": ports, "next_cursor": None,
    }  # fmt: skip


def week() -> list[list[float | None]]:
    """Build a week that is busiest on Friday from 16 to 19, and unknown on Sunday night."""
    hours: list[list[float | None]] = [
        [round(0.05 + 0.5 * max(0.0, 1 - abs(hour - 13 - day % 3) / 9), 4) for hour in range(24)] for day in range(7)
    ]
    hours[4][16:19] = [0.7, 0.72, 0.71]
    hours[6][0:4] = [None] * 4
    return hours


def port(number: int) -> Json:
    """Build one port by NEVI: forty of them, of which the first three had outages this month and two fail the year."""
    outage = {0: "500", 1: "60", 2: "3.5"}.get(number, "0")
    excluded = "200" if number == 0 else "0"
    sums = {"minutes": "2490", "outage_minutes": outage, "excluded_minutes": excluded, "uptime_percent": None}
    return sums | {
        "station_id": f"DE*VWY*E{number:04d}", "evse_id": 1, "location_id": "HARBOUR", "max_power_w": 150_000,
        "is_met": number > 1, "outages": [], "exclusions": [], "months": [{"month": "2026-03"} | sums],
    }  # fmt: skip


def text(instant: datetime) -> str:
    """Write an instant as the API does."""
    return instant.isoformat().replace("+00:00", "Z")


def _items(items: list[Json], cursor: str | None = None) -> Json:
    return {"items": items, "next_cursor": cursor}
