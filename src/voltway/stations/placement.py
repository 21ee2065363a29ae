"""Where a station stands and from when to when it counts: codes of places into keys, dates that fit each other."""

from collections.abc import Mapping
from typing import Any

from voltway.infra.db import Transaction
from voltway.infra.sql import Row
from voltway.kernel.errors import Fault, InvalidInput
from voltway.stations import power_store, store


async def placed(tx: Transaction, values: Mapping[str, Any], stored: Row | None = None) -> dict[str, Any]:
    """Return the columns of a new or changed station.

    Args:
        values: columns, but its location (`location`) and power node (`feeder`) by code.
        stored: the station's row as `store.find_station` gives it, None for a new one.

    Raises:
        InvalidInput: no such location, no such power node there, or dates that do not fit.
    """
    columns = dict(values)
    faults = date_faults(values, stored)
    stored_place = None if stored is None else stored["location_code"]
    place = columns.pop("location", stored_place)
    location_id = None if place is None else await store.get_location_id(tx, place)
    if place is not None and location_id is None:
        faults.append(Fault("/location_id", f"there is no location {place}"))
    if "location" in values:
        columns["location_id"] = location_id
    if "feeder" in columns:
        columns["power_node_id"] = await _power_node_id(tx, place, location_id, columns.pop("feeder"), faults)
    elif place != stored_place:
        # A feeder feeds its own site only.
        columns["power_node_id"] = None
    if faults:
        raise InvalidInput("; ".join(fault.message for fault in faults), faults)
    return columns


async def _power_node_id(
    tx: Transaction, place: str | None, location_id: int | None, code: str | None, faults: list[Fault]
) -> int | None:
    if code is None:
        return None
    found = await power_store.find_node_id(tx, location_id, code)
    if found is None:
        faults.append(no_feeder(place, code))
    return found


def no_feeder(place: str | None, code: str) -> Fault:
    """Return the fault of a power node that is not at a station's location."""
    return Fault("/feeder", f"{'a station without a location' if place is None else place} has no power node {code}")


def date_faults(values: Mapping[str, Any], stored: Row | None) -> list[Fault]:
    """Return the fault of a station that is taken out of service before it was put into service."""
    known = {} if stored is None else stored
    begin, end = (values.get(name, known.get(name)) for name in ("commissioned_at", "decommissioned_at"))
    if begin is None or end is None or begin < end:
        return []
    return [Fault("/decommissioned_at", "a station is taken out of service after it was put into service")]
