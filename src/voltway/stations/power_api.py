"""Routes of a location's electrical tree."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from voltway.httpapi.caller import Reader, Writer
from voltway.httpapi.fields import Identifier
from voltway.httpapi.paging import Page
from voltway.stations.power_nodes import NodeKind, NodeValues, PowerNode, PowerNodes

_TREE = "/locations/{location_id}/power-nodes"
_NODE = _TREE + "/{code}"
Code = Annotated[Identifier, Path(max_length=50, description="How the node is called on site, e.g. F1.")]


class PowerNodeBody(BaseModel):
    """A node: what it is, what feeds it, and how much it carries."""

    model_config = ConfigDict(extra="forbid")

    kind: NodeKind
    name: str | None = Field(default=None, max_length=255)
    parent: Identifier | None = Field(default=None, description="The code of the node that feeds it; null: the top.")
    limit_w: int | None = Field(default=None, gt=0, le=1_000_000_000, description="What may flow through it, in W.")


def router(nodes: PowerNodes) -> APIRouter:
    """Build the routes of electrical trees."""
    routes = APIRouter(prefix="/api/v1", tags=["stations"])

    @routes.get(_TREE, summary="The electrical tree of a location")
    async def list_power_nodes(caller: Reader, location_id: str) -> Page[PowerNode]:
        return Page(items=await nodes.list_nodes(caller, location_id))

    @routes.get(_NODE, summary="One node of the electrical tree")
    async def get_power_node(caller: Reader, location_id: str, code: Code) -> PowerNode:
        return await nodes.get_node(caller, location_id, code)

    @routes.put(_NODE, summary="Make or change a node of the electrical tree")
    async def put_power_node(caller: Writer, location_id: str, code: Code, body: PowerNodeBody) -> PowerNode:
        return await nodes.put_node(caller, location_id, code, NodeValues(**body.model_dump()))

    @routes.delete(_NODE, status_code=204, summary="Delete a node that feeds nothing")
    async def delete_power_node(caller: Writer, location_id: str, code: Code) -> None:
        await nodes.delete_node(caller, location_id, code)

    return routes
