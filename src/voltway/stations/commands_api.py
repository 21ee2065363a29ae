"""Routes that reach a station: verbs, and every OCPP action as it stands in the specification.

For a known station the answer is always 200 with one outcome; that the station refused is an answer, not an error.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from voltway.httpapi.caller import Commander
from voltway.stations.api import STATION, StationRef
from voltway.stations.commands import Commands, Outcome

Action = Annotated[str, Path(pattern="^[A-Za-z]{1,50}$", description="An OCPP action, e.g. TriggerMessage.")]
TimeoutS = Annotated[
    float | None, Query(alias="timeout_s", gt=0, le=600, description="How long the station has to answer, in s.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StartBody(_Body):
    """Start a session for a token; without an EVSE the station chooses."""

    token: str = Field(min_length=1, max_length=255)
    token_type: str = Field(default="ISO14443", max_length=20)
    evse_id: int | None = Field(default=None, ge=1, le=1000)
    connector_id: int | None = Field(default=None, ge=1, le=1000)
    profile: dict[str, Any] | None = Field(
        default=None, description="A charging profile in the words of the station's OCPP version."
    )


class StopBody(_Body):
    """Stop the session with that transaction id."""

    transaction_id: str = Field(min_length=1, max_length=36)


class ResetBody(_Body):
    """Restart the station (or, from 2.0.1 on, one EVSE): hard is at once, soft waits for its sessions to end."""

    kind: Literal["soft", "hard"] = "soft"
    evse_id: int | None = Field(default=None, ge=1, le=1000)


class UnlockBody(_Body):
    """Unlock a connector."""

    evse_id: int = Field(ge=1, le=1000)
    connector_id: int = Field(default=1, ge=1, le=1000)


class AvailabilityBody(_Body):
    """Open or close the station, an EVSE or a connector."""

    operative: bool
    evse_id: int | None = Field(default=None, ge=0, le=1000)
    connector_id: int | None = Field(default=None, ge=1, le=1000)


class TriggerBody(_Body):
    """Ask for a message, e.g. StatusNotification."""

    message: str = Field(pattern="^[A-Za-z]{1,50}$")
    evse_id: int | None = Field(default=None, ge=0, le=1000)
    connector_id: int | None = Field(default=None, ge=1, le=1000)


class ConfigurationPatch(_Body):
    """Values to write by name; 2.x writes names as `Component.Variable`."""

    values: dict[str, str] = Field(min_length=1, max_length=100)


class Target:
    """Which station, and how long it has."""

    def __init__(self, caller: Commander, station_id: StationRef, timeout_s: TimeoutS = None) -> None:
        self.caller = caller
        self.station_id = station_id
        self.timeout_s = timeout_s


At = Annotated[Target, Depends()]


def router(commands: Commands) -> APIRouter:
    """Build the routes that reach a station; include it before the plain routes of stations."""
    routes = APIRouter(prefix="/api/v1", tags=["commands"])
    _add_generic(routes, commands)
    _add_verbs(routes, commands)
    _add_configuration(routes, commands)
    return routes


def _add_generic(routes: APIRouter, commands: Commands) -> None:
    @routes.post(STATION + "/commands/{action}", summary="Send any OCPP action; the body is its payload")
    async def send_command(at: At, action: Action, payload: Annotated[dict[str, Any] | None, Body()] = None) -> Outcome:
        return await commands.call(at.caller, at.station_id, action, payload or {}, timeout_s=at.timeout_s)


def _add_verbs(routes: APIRouter, commands: Commands) -> None:
    @routes.post(STATION + "/start", summary="Start a session")
    async def start_session(at: At, body: StartBody) -> Outcome:
        return await commands.do(at.caller, at.station_id, "start", body.model_dump(), timeout_s=at.timeout_s)

    @routes.post(STATION + "/stop", summary="Stop a session")
    async def stop_session(at: At, body: StopBody) -> Outcome:
        return await commands.do(at.caller, at.station_id, "stop", body.model_dump(), timeout_s=at.timeout_s)

    @routes.post(STATION + "/reset", summary="Restart")
    async def reset_station(at: At, body: ResetBody) -> Outcome:
        return await commands.do(at.caller, at.station_id, "reset", body.model_dump(), timeout_s=at.timeout_s)

    @routes.post(STATION + "/unlock", summary="Unlock a connector")
    async def unlock_connector(at: At, body: UnlockBody) -> Outcome:
        return await commands.do(at.caller, at.station_id, "unlock", body.model_dump(), timeout_s=at.timeout_s)

    @routes.post(STATION + "/availability", summary="Open or close")
    async def change_availability(at: At, body: AvailabilityBody) -> Outcome:
        return await commands.do(at.caller, at.station_id, "availability", body.model_dump(), timeout_s=at.timeout_s)

    @routes.post(STATION + "/trigger", summary="Ask for a message")
    async def trigger_message(at: At, body: TriggerBody) -> Outcome:
        return await commands.do(at.caller, at.station_id, "trigger", body.model_dump(), timeout_s=at.timeout_s)


def _add_configuration(routes: APIRouter, commands: Commands) -> None:
    @routes.get(STATION + "/configuration", summary="Read configuration from the station")
    async def read_configuration(
        at: At, key: Annotated[list[str] | None, Query(max_length=100, description="Names; none: all.")] = None
    ) -> Outcome:
        args = {"keys": key or []}
        return await commands.do(at.caller, at.station_id, "read_configuration", args, timeout_s=at.timeout_s)

    @routes.patch(STATION + "/configuration", summary="Write configuration to the station")
    async def write_configuration(at: At, body: ConfigurationPatch) -> Outcome:
        args = body.model_dump()
        return await commands.do(at.caller, at.station_id, "write_configuration", args, timeout_s=at.timeout_s)
