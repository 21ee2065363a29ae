"""What an incident is called: what, where, and the code, in one line. Pure."""

from voltway.monitoring.incidents.model import Place, Rule
from voltway.monitoring.watch.engine import Engine


def title_of(rule: Rule, place: Place, engine: Engine, detail: str) -> str:
    """Return e.g. "Faulted: HARBOUR, station AUE-01-1, EVSE 1: GroundFailure"."""
    parts = [rule.title, where_of(place, engine), detail]
    return ": ".join(part for part in parts if part)[:500]


def where_of(place: Place, engine: Engine) -> str:
    """Return a place in words; the network as a whole has none."""
    station = engine.stations.get(place.station_id)
    if station is not None:
        row = station.row
        parts = [row.location_code, f"station {row.identity}", f"EVSE {place.evse_id}" if place.evse_id else ""]
        return ", ".join(part for part in parts if part)
    return engine.site_code(place.location_id) if place.location_id else ""
