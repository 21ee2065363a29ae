"""The demo of `voltway up --demo`: a made city, thirty days of its past through the real rules, then its stations live.

A part of the composition: it knows the simulator, the services and the ingest. Everything it does is safe to repeat, so
a start that was interrupted goes on where it stopped, and a second start finds the same data.
"""

import asyncio
import csv
import io
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import orjson

from voltway.gateway.inbound import Inbound, LinkNote, Seat
from voltway.gateway.ingest import Ingest
from voltway.httpapi.caller import ALL_SCOPES, FIRST_OPERATOR, Caller
from voltway.httpapi.paging import PageRequest
from voltway.identity.service import make_login_token
from voltway.imports import make_importers
from voltway.infra.db import Database, Role
from voltway.infra.lifeline import Lifeline
from voltway.infra.outbox import Outbox
from voltway.kernel.clock import now, to_rfc3339
from voltway.kernel.errors import NotReady
from voltway.kernel.facts import Fact, Reply
from voltway.sessions.jobs import CONSUMER
from voltway.settings import Settings
from voltway.simulator.city import COUNTRY, TIME_ZONE, City, DriverToken, Site, made_city
from voltway.simulator.history import Remains, made_history
from voltway.simulator.registers import write_registers
from voltway.simulator.report import TruthBook
from voltway.simulator.run import SimulationOptions, simulate
from voltway.simulator.specs import StationSpec
from voltway.stations.registry import load_changes
from voltway.stations.service import Stations
from voltway.tariffs.service import Tariffs

DAYS = 30
BATCH = 1_000
FAREWELL_S = 4.0
_DEMO = Caller(FIRST_OPERATOR, "demo", ALL_SCOPES)


async def run(settings: Settings, lifeline: Lifeline, ingest: Ingest) -> None:
    """Prepare the city once, then run its stations until the lifeline says stop."""
    city = made_city(settings.demo_seed)
    database = Database(settings.database_url, pool_size=2)
    readers = Database(settings.database_url, Role.INGEST, pool_size=1)
    try:
        diary = Diary(settings.data_dir / "demo.json")
        if not diary.is_done:
            lifeline.progress(step="City: 60 sites, 200 stations", done=0, total=DAYS)
            await build(city, database, diary.password)
            await relive(city, ingest, readers=readers, lifeline=lifeline, diary=diary)
            await bill(readers, lifeline)
        if lifeline.stopping.is_set():
            return
        await _live(settings, lifeline, city, diary, await make_login_token(database, FIRST_OPERATOR))
    finally:
        await ingest.close()
        await database.close()
        await readers.close()


class Diary:
    """What the demo must remember between starts: until when its past goes, its password, whether it is told."""

    def __init__(self, file: Path, *, days: int = DAYS) -> None:
        self._file = file
        self.days = days
        fresh = {"until": to_rfc3339(now()), "password": secrets.token_urlsafe(15), "done": False}
        self._values: dict[str, Any] = orjson.loads(file.read_bytes()) if file.exists() else fresh
        self._write()

    @property
    def registers_file(self) -> Path:
        """Where the meters are kept, so that live stations go on where the past (or the last run) ended."""
        return self._file.with_name("demo-registers.json")

    @property
    def until(self) -> datetime:
        """When the made history ends; it stays the same when an interrupted start is repeated."""
        return datetime.fromisoformat(self._values["until"])

    @property
    def password(self) -> str:
        """The password of the demo's stations."""
        return str(self._values["password"])

    @property
    def is_done(self) -> bool:
        """Whether the past is told to its end."""
        return bool(self._values["done"])

    def close(self) -> None:
        """Note that the past is told."""
        self._values["done"] = True
        self._write()

    def _write(self) -> None:
        self._file.touch(mode=0o600)
        self._file.write_bytes(orjson.dumps(self._values))


async def build(city: City, database: Database, password: str) -> None:
    """Enter locations, stations, tokens and tariffs, as an operator would: by import."""
    importers = make_importers(database)
    tables = {
        "locations": [_location_row(city, site) for site in city.sites],
        "stations": [_station_row(site, spec, password) for site in city.sites for spec in site.stations],
        "tokens": [_token_row(token) for token in city.tokens],
    }
    for kind, rows in tables.items():
        report = await importers[kind].run(_DEMO, _csv(rows), dry_run=False)
        if report.faults:
            raise NotReady(f"the demo's {kind} were refused: {report.faults[0].message}")
    report = await importers["tariffs"].run(_DEMO, orjson.dumps(list(city.tariffs)).decode(), dry_run=False)
    if report.faults:
        raise NotReady(f"the demo's tariffs were refused: {report.faults[0].message}")
    await _equip(city, Stations(database, notify=_nobody, heartbeat_interval_s=300))
    await _assign(city, Tariffs(database))


async def relive(city: City, ingest: Ingest, *, readers: Database, lifeline: Lifeline, diary: Diary) -> None:
    """Put the past through the ingest's rules, in batches, marked synthetic; stopped on the way, the next start
    repeats it, which changes nothing that is there.
    """
    known = await load_changes(readers)
    seats = {it.identity: Seat(it.station_id, it.operator_id, it.identity, it.approval) for it in known.stations}
    remains = Remains()
    days, begin = diary.days, diary.until - timedelta(days=diary.days)
    lifeline.progress(step=f"{days} days of cars", done=0, total=days)
    batch: list[Inbound] = []
    for identity, fact, received_at in made_history(city, days=days, until=diary.until, remains=remains):
        batch.append(_synthetic(seats[identity], fact, received_at))
        if len(batch) == BATCH:
            await ingest.store(batch)
            batch = []
            day = (received_at - begin).days
            lifeline.progress(step=f"Day {day} of {days}", done=day, total=days)
            if lifeline.stopping.is_set():
                return
    await ingest.store([_link_note(seats[it], *link) for it, links in remains.links.items() for link in links])
    await ingest.store(batch)
    write_registers(diary.registers_file, remains.registers)
    diary.close()


async def bill(readers: Database, lifeline: Lifeline) -> None:
    """Wait until the worker has priced what the past left behind."""
    outbox = Outbox(readers)
    total = max(await outbox.backlog(CONSUMER), 1)
    while (waiting := await outbox.backlog(CONSUMER)) and not lifeline.stopping.is_set():
        lifeline.progress(step="Bills of the past", done=max(total - waiting, 0), total=total)
        with suppress(TimeoutError):
            await asyncio.wait_for(lifeline.stopping.wait(), 1.0)


async def _live(settings: Settings, lifeline: Lifeline, city: City, diary: Diary, login: str) -> None:
    host = "127.0.0.1" if settings.bind in {"0.0.0.0", "::"} else settings.bind  # noqa: S104 - compared, not bound
    options = SimulationOptions(
        url=f"ws://{host}:{settings.ocpp_port}/ocpp",
        seed=settings.demo_seed,
        passwords={"": diary.password.encode()},
        pace="city",
        specs=city.specs,
        tokens=city.live_tokens,
        registers_file=diary.registers_file,
    )
    stations = asyncio.create_task(simulate(options, TruthBook(None), lifeline.stopping))
    page = settings.public_url or f"http://{host}:{settings.http_port}"
    lifeline.ready(login_url=f"{page}/login?token={login}")
    await lifeline.stopping.wait()
    # Cars leave and sessions end in order while the gateway still listens; what does not end in time is cut off.
    with suppress(TimeoutError):
        await asyncio.wait_for(stations, FAREWELL_S)


async def _equip(city: City, stations: Stations) -> None:
    for spec in city.specs:
        for evse in spec.evses:
            power_type = "DC" if evse.dc else "AC_3_PHASE"
            values = {"power_type": power_type, "max_power_w": evse.power_w}
            await stations.put_evse(_DEMO, spec.identity, evse.evse_id, values)
            await stations.put_connector(_DEMO, spec.identity, (evse.evse_id, 1), {"standard": evse.standard})


async def _assign(city: City, tariffs: Tariffs) -> None:
    wanted = PageRequest(limit=1000, after=None)
    known = {it.target for it in (await tariffs.list_assignments(_DEMO, wanted)).items}
    for site in city.sites:
        if site.location_id not in known:
            values = {"tariff_id": site.tariff_id, "target_kind": "location", "target": site.location_id}
            await tariffs.create_assignment(_DEMO, values)


class _Nowhere:
    """Made history has nobody to answer."""

    def encode(self, _inbound: Inbound, _reply: Reply) -> bytes:
        return b""

    def deliver(self, _inbound: Inbound, _frame: bytes) -> None:
        return None


_NOWHERE = _Nowhere()


def _synthetic(seat: Seat, fact: Fact, received_at: datetime) -> Inbound:
    return Inbound(_NOWHERE, seat, fact, (), received_at, "", type(fact).__name__, frame=None, synthetic=True)


def _link_note(seat: Seat, begin: datetime, end: datetime) -> LinkNote:
    # The same link has the same key when an interrupted start is repeated.
    link_id = uuid5(_HISTORY, f"{seat.identity} {begin.isoformat()}")
    return LinkNote(seat, link_id, "history", "", "", False, begin, end, synthetic=True)


_HISTORY = UUID("5f0c7a52-6a6e-4f0f-9d57-0d7e0a6c8f11")


def _location_row(city: City, site: Site) -> dict[str, object]:
    return {
        "id": site.location_id,
        "name": site.name,
        "time_zone": TIME_ZONE,
        "address": site.street,
        "city": city.name,
        "postal_code": site.postal_code,
        "country": COUNTRY,
        "lat": site.coordinates.lat,
        "lon": site.coordinates.lon,
    }


def _station_row(site: Site, spec: StationSpec, password: str) -> dict[str, object]:
    return {
        "id": spec.identity,
        "location_id": site.location_id,
        "name": f"{site.name} {spec.identity}",
        "vendor": spec.vendor,
        "model": spec.model,
        "serial": spec.serial,
        "password": password,
    }


def _token_row(token: DriverToken) -> dict[str, object]:
    expires_at = to_rfc3339(token.expires_at) if token.expires_at is not None else ""
    return {
        "token": token.token,
        "status": token.status,
        "group": token.group or "",
        "expires_at": expires_at,
        "note": token.driver,
    }


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


async def _nobody(_subject: str) -> None:
    return None
