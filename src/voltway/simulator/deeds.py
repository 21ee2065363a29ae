"""What a station does on command, in either version: reset, availability, limits, reports of progress. No I/O."""

from collections.abc import Callable, Sequence

from voltway.simulator.bay import Bay
from voltway.simulator.calls import Json, Message
from voltway.simulator.session import Status
from voltway.simulator.station import Station

STEP_S = 1.0
"""Between two reports of progress of a job."""


def stop_soon(station: Station, bay: Bay) -> None:
    """End a session on command, after the answer has left."""
    station.world.timeline.after(0.2, lambda: bay.stop("Remote"))


def set_availability(station: Station, evse_id: int, *, operative: bool) -> str:
    """Take an EVSE, or all (0), in or out of service; return 1.6's and 2.0.1's common words."""
    bays = station.bays if evse_id == 0 else tuple(bay for bay in station.bays if bay.spec.evse_id == evse_id)
    if not bays:
        return "Rejected"
    outcomes = [bay.set_operative(operative=operative) for bay in bays]
    return "Scheduled" if "Scheduled" in outcomes else "Accepted"


def reset(station: Station, *, stop_reason: str, boot_reason: str) -> None:
    """Reset a moment from now, after the answer has left."""
    station.world.timeline.after(0.2, lambda: station.reboot(boot_reason, stop_reason=stop_reason))


def limits_changed(station: Station) -> None:
    """Let every EVSE obey its profiles at once."""
    for bay in station.bays:
        bay.limits_changed()


def reserve(station: Station, evse_id: int) -> str:
    """Reserve an EVSE (0: any free one)."""
    wanted = [bay for bay in station.bays if evse_id in {0, bay.spec.evse_id}]
    if not wanted:
        return "Rejected"
    for bay in wanted:
        if bay.status is Status.AVAILABLE:
            bay.set_status(Status.RESERVED)
            return "Accepted"
    return "Faulted" if wanted[0].status is Status.FAULTED else "Occupied"


def cancel_reservation(station: Station) -> bool:
    """Free what is reserved; False if nothing is."""
    reserved = [bay for bay in station.bays if bay.status is Status.RESERVED]
    for bay in reserved:
        bay.set_status(Status.AVAILABLE)
    return bool(reserved)


def report_progress(
    station: Station, action: str, payloads: Sequence[Json], then: Callable[[], None] | None = None
) -> None:
    """Send one report per second, then do what follows."""
    timeline = station.world.timeline
    for number, payload in enumerate(payloads):
        post_later(station, action, payload, delay_s=STEP_S * (number + 1))
    if then is not None:
        timeline.after(STEP_S * (len(payloads) + 1), then)


def post_later(station: Station, action: str, payload: Json, *, delay_s: float = 0.1) -> None:
    """Send a call after the answer has left."""
    message = Message(action, lambda: payload)
    station.world.timeline.after(delay_s, lambda: station.calls.post(message) if station.is_online else None)


def change_password(station: Station, password: bytes) -> None:
    """Take a new password for the next connection, and make that connection soon."""
    station.password = password
    station.world.timeline.after(1.0, station.drop)
