"""The demo's preparation on a real database: a small city entered as an operator would, and its past told once."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest
from tests.sessions.seeding import run_sql

from voltway.app import make_ingest
from voltway.demo import Diary, build, relive
from voltway.gateway.ingest import Ingest
from voltway.infra.bus import connect
from voltway.infra.db import Database, Role
from voltway.infra.lifeline import Lifeline
from voltway.settings import Settings
from voltway.simulator.city import City, made_city

DAYS = 2
TABLES = (
    "location", "station", "evse", "connector", "id_token", "tariff", "tariff_assignment", "session", "meter_value",
)  # fmt: skip


@pytest.fixture
def city() -> City:
    """Three sites of the demo's city, one of them with fast chargers."""
    whole = made_city(7)
    return replace(whole, sites=(whole.sites[0], whole.sites[24], whole.sites[46]))


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    """A role's end of the pipe that nobody reads."""
    fd = os.open(os.devnull, os.O_WRONLY)
    yield Lifeline(fd)
    os.close(fd)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small past has several batches too."""
    monkeypatch.setattr("voltway.demo.BATCH", 200)


@asynccontextmanager
async def opened(url: str, role: Role = Role.APP) -> AsyncIterator[Database]:
    """A database for a moment."""
    database = Database(url, role, pool_size=1)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def ingesting(url: str, nats_url: str) -> AsyncIterator[Ingest]:
    """The gateway's ingest, without a gateway."""
    bus = await connect(nats_url)
    ingest = make_ingest(Settings(database_url=url, nats_url=nats_url), bus)
    try:
        yield ingest
    finally:
        await ingest.close()
        await bus.close()


async def tell(city: City, ingest: Ingest, url: str, *, lifeline: Lifeline, diary: Diary) -> None:
    """Tell the past as a start does, with the stations read afresh."""
    async with opened(url, Role.INGEST) as readers:
        await relive(city, ingest, readers=readers, lifeline=lifeline, diary=diary)


def counts(url: str) -> dict[str, int]:
    """How many rows there are."""
    return {table: run_sql(url, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}  # noqa: S608 - our names


def test_the_diary_remembers_between_starts(tmp_path: Path) -> None:
    """The end of the past and the password stay; only the owner may read them; done is done."""
    first = Diary(tmp_path / "demo.json")
    second = Diary(tmp_path / "demo.json")
    assert (first.until, first.password, second.is_done) == (second.until, second.password, False)
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600
    second.close()
    assert Diary(tmp_path / "demo.json").is_done
    assert first.registers_file == tmp_path / "demo-registers.json"


async def test_building_twice_changes_nothing(database_url: str, city: City) -> None:
    """Sites, stations with EVSEs and connectors, drivers, tariffs and their assignments, once."""
    async with opened(database_url) as database:
        await build(city, database, "a-password-of-the-demo")
        once = counts(database_url)
        await build(city, database, "a-password-of-the-demo")
    stations = len(city.specs)
    evses = sum(len(spec.evses) for spec in city.specs)
    assert once == counts(database_url)
    assert once == {
        "location": 3, "station": stations, "evse": evses, "connector": evses, "id_token": len(city.tokens),
        "tariff": len(city.tariffs), "tariff_assignment": 3, "session": 0, "meter_value": 0,
    }  # fmt: skip


async def test_an_interrupted_past_goes_on_and_a_repeated_one_adds_nothing(
    database_url: str, nats_url: str, city: City, lifeline: Lifeline, tmp_path: Path
) -> None:
    """Stopped on the way it is not done; repeated it ends with the rows of a past told in one go, and leaves no
    session open; the meters are kept for the live stations.
    """
    diary = Diary(tmp_path / "demo.json", days=DAYS)
    async with opened(database_url) as database:
        await build(city, database, diary.password)
    async with ingesting(database_url, nats_url) as ingest:
        told = partial(tell, city, ingest, database_url, diary=diary)
        lifeline.stopping.set()
        await told(lifeline=lifeline)
        part = counts(database_url)
        assert (diary.is_done, diary.registers_file.exists()) == (False, False)
        lifeline.stopping.clear()
        await told(lifeline=lifeline)
        whole = counts(database_url)
        assert diary.is_done
        await told(lifeline=lifeline)
    assert 0 < part["meter_value"] < whole["meter_value"]
    assert counts(database_url) == whole
    rows = run_sql(
        database_url,
        "SELECT state, count(*), sum((energy_milliwh > 0)::int) FROM session WHERE synthetic GROUP BY state",
    )
    assert rows == [("ended", whole["session"], whole["session"])]
    [(last,)] = run_sql(database_url, "SELECT max(register_last_milliwh) FROM session")
    registers = orjson.loads(diary.registers_file.read_bytes())
    assert len(registers) == whole["evse"]
    # A 1.6 station reports whole watt-hours: its meter stands less than one above the last reading.
    assert 0 <= max(registers.values()) - last < 1_000
