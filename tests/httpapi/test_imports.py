"""Importing tables: all faults at once, nothing half done, a dry run that keeps nothing."""

import asyncio

import pytest
from fastapi import APIRouter
from tests.httpapi.client import ADMIN, OTHER, Api, add_operator, running_api

from voltway.httpapi import imports
from voltway.httpapi.paging import PageRequest
from voltway.identity.service import Identity
from voltway.imports import make_importers
from voltway.infra.db import Database
from voltway.stations.service import Stations

LOCATIONS = "id,name,time_zone,lat,lon\nL1,Alex,Europe/Berlin,52.52,13.41\nL2,Zoo,Europe/Berlin,,\n"


async def _send(api: Api, kind: str, text: str | bytes, *, dry_run: bool = False) -> tuple[int, object]:
    answer = await api.client.post(
        f"/api/v1/import/{kind}",
        params={"dry_run": dry_run},
        content=text.encode() if isinstance(text, str) else text,
        headers={"Content-Type": "text/csv"},
    )
    document = answer.json()
    if answer.status_code != 200:
        return answer.status_code, [fault["pointer"] for fault in document["errors"]]
    return 200, (document["created"], document["updated"], document["unchanged"], len(document["faults"]))


def _routes(database: Database) -> APIRouter:
    return imports.router(make_importers(database))


async def _count(api: Api, kind: str) -> int:
    stations, identity = Stations(api.database), Identity(api.database)
    match kind:
        case "locations":
            return len((await stations.list_locations(ADMIN, PageRequest())).items)
        case _:
            return len((await identity.list_tokens(ADMIN, PageRequest())).items)


async def test_a_table_is_created_changed_and_left_alone(database_url: str) -> None:
    async with running_api(database_url, _routes) as api:
        assert await _send(api, "locations", LOCATIONS, dry_run=True) == (200, (2, 0, 0, 0))
        assert await _count(api, "locations") == 0
        assert await _send(api, "locations", LOCATIONS) == (200, (2, 0, 0, 0))
        assert await _send(api, "locations", LOCATIONS) == (200, (0, 0, 2, 0))
        changed = LOCATIONS.replace("Zoo", "Zoologischer Garten")
        assert await _send(api, "locations", changed) == (200, (0, 1, 1, 0))
        audit = (await api.client.get("/api/v1/audit", params={"action": "import.locations"})).json()
    assert [entry["detail"] for entry in audit["items"]][-1] == {"created": 2, "updated": 0}


async def test_one_fault_keeps_everything_out(database_url: str) -> None:
    async with running_api(database_url, _routes) as api:
        broken = LOCATIONS + "L3,,Mars/Olympus,91,\nL1,again,UTC,,\n"
        assert await _send(api, "locations", broken) == (422, ["4:2", "4:3", "4:4", "5:1"])
        assert await _send(api, "locations", broken, dry_run=True) == (200, (0, 0, 0, 4))
        assert await _count(api, "locations") == 0


async def test_a_fault_that_only_the_database_knows_has_its_place_too(database_url: str) -> None:
    """A location that is not there, and an identity that another operator holds."""
    add_operator(database_url, 2, "Other")
    async with running_api(database_url, _routes) as api:
        await make_importers(api.database)["stations"].run(OTHER, "id\nTAKEN\n", dry_run=False)
        await _send(api, "locations", LOCATIONS)
        text = "id,location_id\nA,L1\nB,L9\n"
        assert await _send(api, "stations", text) == (422, ["3:2"])
        assert await _send(api, "stations", "id\nA\nTAKEN\nB\n") == (422, ["3:1"])
        assert await _send(api, "stations", "id\nA\nB\n") == (200, (2, 0, 0, 0))


async def test_a_stations_password_is_kept_hashed_and_compared(database_url: str) -> None:
    async with running_api(database_url, _routes) as api:
        text = "id,groups,password\nA,fast; city,correct-horse\n"
        assert await _send(api, "stations", text) == (200, (1, 0, 0, 0))
        assert await _send(api, "stations", text) == (200, (0, 0, 1, 0))
        assert await _send(api, "stations", text.replace("correct", "another")) == (200, (0, 1, 0, 0))
        assert await _send(api, "stations", text.replace("correct-horse", "")) == (200, (0, 0, 1, 0))


async def test_gateways_are_woken_only_when_something_was_kept(database_url: str) -> None:
    woken: list[str] = []

    async def wake() -> None:
        woken.append("stations.changed")

    database = Database(database_url, pool_size=1)
    stations = make_importers(database, stations_changed=wake)["stations"]
    await stations.run(ADMIN, "id\nA\n", dry_run=True)
    await stations.run(ADMIN, "id\n\tA\x00\n", dry_run=False)
    assert woken == []
    await stations.run(ADMIN, "id\nA\n", dry_run=False)
    assert woken == ["stations.changed"]
    await database.close()


async def test_tokens_are_one_in_upper_and_lower_case(database_url: str) -> None:
    async with running_api(database_url, _routes) as api:
        assert await _send(api, "tokens", "token\nAB\nab\n") == (422, ["3:1"])
        assert await _send(api, "tokens", "token,group,expires_at\nAB,fleet,2030-01-01T00:00:00Z\n") == (
            200,
            (1, 0, 0, 0),
        )
        assert await _send(api, "tokens", "token,group,expires_at\nAB,fleet,2030-01-01T01:00:00+01:00\n") == (
            200,
            (0, 0, 1, 0),
        )
        assert await _send(api, "tokens", "token,status\nab,Blocked\n") == (200, (0, 1, 0, 0))
        assert await _count(api, "tokens") == 1


@pytest.mark.parametrize("text", [b"token\n\xff\n", b"\xff\xfe"])
async def test_what_is_no_utf_8_is_refused(database_url: str, text: bytes) -> None:
    async with running_api(database_url, _routes) as api:
        status, _ = await _send(api, "tokens", text)
    assert status == 422


async def test_an_unknown_kind_is_not_found(database_url: str) -> None:
    async with running_api(database_url, _routes) as api:
        answer = await api.client.post("/api/v1/import/cars", content=b"")
    assert answer.status_code == 404


async def test_two_imports_at_once_do_not_both_create(database_url: str) -> None:
    """One wins, the other finds its rows taken and keeps nothing."""
    async with running_api(database_url, _routes) as api:
        answers = await asyncio.gather(*(_send(api, "locations", LOCATIONS) for _ in range(2)))
        assert sorted(status for status, _ in answers) in ([200, 200], [200, 422])
        assert await _count(api, "locations") == 2
