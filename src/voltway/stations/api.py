"""Routes of locations, stations, EVSEs and connectors, and of what stations told us.

A station's id may hold a slash (it is whatever stood in its URL), so routes with a suffix come before the plain one.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from voltway.httpapi.caller import Reader, Writer
from voltway.httpapi.fields import Identifier, TimeZone
from voltway.httpapi.paging import Page, WantedPage
from voltway.stations.availability import StationAvailability
from voltway.stations.model import (
    Approval,
    FallbackVersion,
    FoundConnector,
    FoundEvse,
    Location,
    LoggedMessage,
    MessageFilter,
    PowerType,
    Station,
    StationAuth,
    StationEvent,
    StationFilter,
    StationFinding,
    StationState,
    StationVariable,
)
from voltway.stations.service import Stations

STATION = "/stations/{station_id:path}"
StationRef = Annotated[str, Path(description="The OCPP identity.", max_length=255)]
EvseRef = Annotated[int, Path(ge=0, le=1000)]
ConnectorRef = Annotated[int, Path(ge=0, le=1000)]
Part = Annotated[str | None, Query(alias="q", max_length=255, description="Contained text.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """Return what was sent, by column."""
        return self.model_dump(exclude_unset=True)


class LocationPatch(_Body):
    """What may change of a location; coordinates are WGS 84 degrees."""

    name: str = Field(default="", min_length=1, max_length=255)
    address: str | None = Field(default=None, max_length=255)
    city: str | None = Field(default=None, max_length=100)
    postal_code: str | None = Field(default=None, max_length=20)
    country: str = Field(default="DEU", pattern="^[A-Z]{3}$", description="ISO 3166-1 alpha-3.")
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)
    time_zone: TimeZone = "Europe/Berlin"


class LocationBody(LocationPatch):
    """A location to enter."""

    id: Identifier
    name: str = Field(min_length=1, max_length=255)
    time_zone: TimeZone

    def given(self) -> dict[str, Any]:
        """Return what was sent, by column."""
        columns = self.model_dump(exclude_unset=True)
        return {"code": columns.pop("id"), **columns}


class StationPatch(_Body):
    """What may change of a station."""

    location_id: Identifier | None = None
    name: str | None = Field(default=None, max_length=255)
    approval: Approval = "approved"
    auth: StationAuth = Field(default="password", description="none: it may connect without a password.")
    fallback_version: FallbackVersion | None = Field(
        default=None, description="Spoken where the station offers no subprotocol; null refuses it."
    )
    groups: list[Identifier] = Field(default=[], max_length=50)
    vendor: str | None = Field(default=None, max_length=255)
    model: str | None = Field(default=None, max_length=255)
    serial: str | None = Field(default=None, max_length=255)
    commissioned_at: AwareDatetime | None = Field(default=None, description="Counted (uptime, usage) from then on.")
    decommissioned_at: AwareDatetime | None = Field(default=None, description="Out of service from then on.")
    feeder: Identifier | None = Field(default=None, description="The power node of its location that it hangs on.")

    def given(self) -> dict[str, Any]:
        """Return what was sent, by column."""
        columns = self.model_dump(exclude_unset=True, exclude={"id", "password"})
        return {"location" if name == "location_id" else name: value for name, value in columns.items()}


class StationBody(StationPatch):
    """A station to enter."""

    id: Identifier


class PasswordBody(_Body):
    """A password to set; without one we make it."""

    password: str | None = Field(default=None, min_length=8, max_length=64)


class Password(BaseModel):
    """A station's password, shown once."""

    password: str


class EvseBody(_Body):
    """What may be said of an EVSE."""

    power_type: PowerType | None = None
    max_power_w: int | None = Field(default=None, gt=0, le=10_000_000)
    physical_reference: str | None = Field(default=None, max_length=50)


class ConnectorBody(_Body):
    """What may be said of a connector; `standard` in OCPI's words, e.g. IEC_62196_T2_COMBO."""

    standard: str | None = Field(default=None, max_length=50)


class StationQuery(BaseModel):
    """Which stations to list."""

    state: StationState | None = None
    connected: bool | None = None
    location: str | None = None
    group: str | None = None
    approval: Approval | None = None
    q: str | None = Field(default=None, max_length=255, description="Contained in id, name, vendor, model or place.")


class MessageQuery(BaseModel):
    """Which logged frames to show."""

    begin: AwareDatetime | None = Field(default=None, alias="from")
    end: AwareDatetime | None = Field(default=None, alias="to")
    action: str | None = None
    direction: Literal["in", "out"] | None = Field(default=None, description="in: from the station.")
    q: str | None = Field(default=None, max_length=255, description="Text that stands in the frame or its reply.")


def router(stations: Stations) -> APIRouter:
    """Build the routes of stations."""
    routes = APIRouter(prefix="/api/v1", tags=["stations"])
    _add_locations(routes, stations)
    _add_lists(routes, stations)
    _add_actions(routes, stations)
    _add_reports(routes, stations)
    _add_parts(routes, stations)
    _add_stations(routes, stations)
    return routes


def _add_locations(routes: APIRouter, stations: Stations) -> None:
    @routes.post("/locations", status_code=201, summary="Enter a location")
    async def create_location(caller: Writer, body: LocationBody) -> Location:
        return await stations.create_location(caller, body.given())

    @routes.get("/locations", summary="List locations")
    async def list_locations(caller: Reader, pager: WantedPage, part: Part = None) -> Page[Location]:
        return pager.linked(await stations.list_locations(caller, pager.wanted, part=part))

    @routes.get("/locations/{location_id}", summary="One location")
    async def get_location(caller: Reader, location_id: str) -> Location:
        return await stations.get_location(caller, location_id)

    @routes.patch("/locations/{location_id}", summary="Change a location")
    async def update_location(caller: Writer, location_id: str, body: LocationPatch) -> Location:
        return await stations.update_location(caller, location_id, body.given())

    @routes.delete("/locations/{location_id}", status_code=204, summary="Delete a location without stations")
    async def delete_location(caller: Writer, location_id: str) -> None:
        await stations.delete_location(caller, location_id)


def _add_lists(routes: APIRouter, stations: Stations) -> None:
    @routes.get("/evses", summary="List EVSEs over all stations")
    async def list_evses(caller: Reader, pager: WantedPage, station_id: str | None = None) -> Page[FoundEvse]:
        return pager.linked(await stations.list_evses(caller, pager.wanted, station=station_id))

    @routes.get("/connectors", summary="List connectors over all stations")
    async def list_connectors(
        caller: Reader, pager: WantedPage, station_id: str | None = None, status: str | None = None
    ) -> Page[FoundConnector]:
        page = await stations.list_connectors(caller, pager.wanted, station=station_id, status=status)
        return pager.linked(page)

    @routes.post("/stations", status_code=201, summary="Enter a station")
    async def create_station(caller: Writer, body: StationBody) -> Station:
        return await stations.create_station(caller, body.id, body.given())

    @routes.get("/stations", summary="List stations")
    async def list_stations(
        caller: Reader, pager: WantedPage, query: Annotated[StationQuery, Query()]
    ) -> Page[Station]:
        wanted = StationFilter(
            state=query.state,
            connected=query.connected,
            location=query.location,
            group=query.group,
            approval=query.approval,
            part=query.q,
        )
        return pager.linked(await stations.list_stations(caller, pager.wanted, wanted))


def _add_actions(routes: APIRouter, stations: Stations) -> None:
    @routes.post(STATION + "/approve", summary="Let a station work with us")
    async def approve_station(caller: Writer, station_id: StationRef) -> Station:
        return await stations.approve(caller, station_id)

    @routes.post(STATION + "/reject", summary="Turn a station away")
    async def reject_station(caller: Writer, station_id: StationRef) -> Station:
        return await stations.reject(caller, station_id)

    @routes.put(STATION + "/password", summary="Set or make a station's password; it is shown once")
    async def set_station_password(caller: Writer, station_id: StationRef, body: PasswordBody) -> Password:
        return Password(password=await stations.set_password(caller, station_id, body.password))


def _add_reports(routes: APIRouter, stations: Stations) -> None:
    @routes.get(STATION + "/findings", summary="The tolerances a station needed, by name")
    async def list_station_findings(caller: Reader, station_id: StationRef) -> Page[StationFinding]:
        return Page(items=await stations.list_findings(caller, station_id))

    @routes.get(STATION + "/availability", summary="Availability: desired, acknowledged and reported, per EVSE")
    async def get_station_availability(caller: Reader, station_id: StationRef) -> StationAvailability:
        return await stations.get_availability(caller, station_id)

    @routes.get(STATION + "/events", summary="A station's events, newest first")
    async def list_station_events(
        caller: Reader, station_id: StationRef, pager: WantedPage, action: str | None = None
    ) -> Page[StationEvent]:
        return pager.linked(await stations.list_events(caller, station_id, pager.wanted, action=action))

    @routes.get(STATION + "/variables", summary="A station's variables or configuration keys")
    async def list_station_variables(
        caller: Reader, station_id: StationRef, pager: WantedPage, part: Part = None
    ) -> Page[StationVariable]:
        return pager.linked(await stations.list_variables(caller, station_id, pager.wanted, part=part))

    @routes.get(STATION + "/messages", summary="The raw OCPP log, newest first")
    async def list_station_messages(
        caller: Reader, station_id: StationRef, pager: WantedPage, query: Annotated[MessageQuery, Query()]
    ) -> Page[LoggedMessage]:
        outgoing = None if query.direction is None else query.direction == "out"
        wanted = MessageFilter(query.begin, query.end, query.action, outgoing, query.q)
        return pager.linked(await stations.list_messages(caller, station_id, pager.wanted, wanted))


def _add_parts(routes: APIRouter, stations: Stations) -> None:
    evse = STATION + "/evses/{evse_id}"
    connector = evse + "/connectors/{connector_id}"

    @routes.put(connector, summary="Make or change a connector")
    async def put_connector(
        caller: Writer, station_id: StationRef, evse_id: EvseRef, connector_id: ConnectorRef, body: ConnectorBody
    ) -> Station:
        return await stations.put_connector(caller, station_id, (evse_id, connector_id), body.given())

    @routes.delete(connector, status_code=204, summary="Delete a connector")
    async def delete_connector(
        caller: Writer, station_id: StationRef, evse_id: EvseRef, connector_id: ConnectorRef
    ) -> None:
        await stations.delete_connector(caller, station_id, (evse_id, connector_id))

    @routes.put(evse, summary="Make or change an EVSE")
    async def put_evse(caller: Writer, station_id: StationRef, evse_id: EvseRef, body: EvseBody) -> Station:
        return await stations.put_evse(caller, station_id, evse_id, body.given())

    @routes.delete(evse, status_code=204, summary="Delete an EVSE without sessions")
    async def delete_evse(caller: Writer, station_id: StationRef, evse_id: EvseRef) -> None:
        await stations.delete_evse(caller, station_id, evse_id)


def _add_stations(routes: APIRouter, stations: Stations) -> None:
    @routes.get(STATION, summary="One station")
    async def get_station(caller: Reader, station_id: StationRef) -> Station:
        return await stations.get_station(caller, station_id)

    @routes.patch(STATION, summary="Change a station")
    async def update_station(caller: Writer, station_id: StationRef, body: StationPatch) -> Station:
        return await stations.update_station(caller, station_id, body.given())

    @routes.delete(STATION, status_code=204, summary="Delete a station without sessions")
    async def delete_station(caller: Writer, station_id: StationRef) -> None:
        await stations.delete_station(caller, station_id)
