"""A small stand-in for the API behind the live page: the fixed shapes with seeded data, and a feed that tests drive.

The page, its files and the security headers are the real ones; only the data is made here.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from tests.web.fake_operations import NOW, FakeOperations, text

from voltway.httpapi import pages
from voltway.httpapi.envelope import Envelope

KEY = "vw_test_letmein"
PLACES = ["Harbour Square", "Mill Lane", "Northern Station", "Old Brewery", "Market Hall", "Lake Park + Ride"]
Json = dict[str, Any]


class FakeApi:
    """The data that is served, the switches of a bad day, and what was asked for."""

    def __init__(self) -> None:
        self.sessions = [session(number) for number in range(8)]
        self.cdrs = [cdr(number) for number in range(3)]
        self.overview = overview()
        self.operations = FakeOperations()
        self.failing: set[str] = set()
        self.is_expired = False
        self.slow: threading.Event | None = None
        self.asked: Counter[str] = Counter()
        self.resumed_from: list[str | None] = []
        self._clients: list[asyncio.Queue[bytes | None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sent = 0

    def publish(self, event: str, data: object) -> None:
        """Send one event to every open stream."""
        self._sent += 1
        self._send(f"id: t-{self._sent}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode())

    def beat(self) -> None:
        """Send the comment that keeps a quiet feed alive."""
        self._send(b":\n\n")

    def drop_streams(self) -> None:
        """End every open stream, as a proxy that restarts."""
        self._send(None)

    def app(self) -> FastAPI:
        """Build the routes that the page uses."""
        app = FastAPI()
        app.include_router(pages.router())
        app.add_api_route("/api/v1/login", self._login, methods=["POST"])
        app.add_api_route("/api/v1/logout", self._logout, methods=["POST"])
        for name in ("me", "overview", "sessions", "cdrs", "live"):
            app.add_api_route(f"/api/v1/{name}", self._get, methods=["GET"])
        app.add_api_route("/api/v1/incidents/{incident_id}/{verb}", self._change, methods=["POST"])
        app.add_api_route("/api/v1/{path:path}", self._get_operations, methods=["GET"])
        pages.mount_files(app)
        return app

    async def _login(self, request: Request) -> Response:
        if (await request.json()).get("key") != KEY:
            return _problem(401, "unauthenticated", "this key is not known")
        self.is_expired = False
        answer = JSONResponse({})
        answer.set_cookie("voltway_session", "open", httponly=True, samesite="lax")
        return answer

    async def _logout(self) -> Response:
        answer = Response(status_code=204)
        answer.delete_cookie("voltway_session")
        return answer

    async def _get(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        if (refusal := self._refusal(name, request)) is not None:
            return refusal
        if name == "live":
            return self._live(request)
        return JSONResponse(self._answer(name, int(request.query_params.get("cursor", 0))))

    async def _get_operations(self, request: Request, path: str) -> Response:
        if (refusal := self._refusal(path, request)) is not None:
            return refusal
        answer = self.operations.get(path, dict(request.query_params))
        return _problem(404, "not_found", "there is no such thing") if answer is None else JSONResponse(answer)

    async def _change(self, request: Request, incident_id: int, verb: str) -> Response:
        if self.slow is not None:
            await asyncio.to_thread(self.slow.wait, 10)
        if (refusal := self._refusal(verb, request)) is not None:
            return refusal
        answer = self.operations.post(incident_id, verb, await request.json())
        return _problem(404, "not_found", "there is no such thing") if answer is None else JSONResponse(answer)

    def _refusal(self, name: str, request: Request) -> Response | None:
        """Count what was asked for; answer where the day is bad or nobody is signed in."""
        self.asked[name] += 1
        if name in self.failing:
            return _problem(503, "unavailable", "the database is away")
        if self.is_expired or request.cookies.get("voltway_session") != "open":
            return _problem(401, "unauthenticated", "sign in first")
        return None

    def _answer(self, name: str, start: int) -> Json:
        if name == "me":
            operator = {"name": "Stadtwerke Beispiel", "currency": "EUR", "time_zone": "Europe/Berlin"}
            return {"operator": operator, "name": "Control room", "scopes": self.operations.scopes}
        if name == "overview":
            return self.overview
        items = self.sessions if name == "sessions" else self.cdrs
        more = len(items) > start + 100
        return {"items": items[start : start + 100], "next_cursor": str(start + 100) if more else None}

    def _live(self, request: Request) -> Response:
        self.resumed_from.append(request.headers.get("last-event-id"))
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._clients.append(queue)
        return StreamingResponse(_drain(queue), media_type="text/event-stream")

    def _send(self, frame: bytes | None) -> None:
        if self._loop is None:
            return
        clients, self._clients = self._clients, [] if frame is None else self._clients
        for queue in clients:
            self._loop.call_soon_threadsafe(queue.put_nowait, frame)


@contextmanager
def serving(api: FakeApi) -> Iterator[str]:
    """Serve on a free port of the loopback; yield the URL."""
    config = uvicorn.Config(
        Envelope(api.app()), port=0, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    socket.listen()  # a page that comes before the server runs waits, instead of being refused
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        api.drop_streams()
        server.should_exit = True
        thread.join(10)
        socket.close()


def overview(*, power_w: float = 1_843_200.0, at: datetime = NOW) -> Json:
    """Build the overview of 200 stations with 15 minutes of history."""
    history = [
        [at.timestamp() - age_s, power_w * (0.72 + 0.28 * (1 - age_s / 900)) + 24_000 * ((age_s // 10 * 7) % 11 - 5)]
        for age_s in range(890, -1, -10)
    ]
    stations = {"available": 112, "charging": 68, "faulted": 4, "offline": 7}
    return {
        "power_w": power_w,
        "stations": stations | {"unavailable": 5, "unknown": 1, "pending": 3},
        "stations_total": 200,
        "sessions_active": 8,
        "energy_today_kwh": "14382.412733",
        "revenue_today": {"currency": "EUR", "incl_vat": "7411.0849"},
        "power_history": history,
        "tariff": {
            "tariff_id": "city-day-night", "currency": "EUR", "price_kwh_now": "0.59", "vat": "19",
            "next_cheaper": {"at": "2026-03-02T21:00:00Z", "price_kwh": "0.39"}, "next_dearer": None,
        },
        "as_of": text(at),
    }  # fmt: skip


def live_overview(power_w: float, *, after_s: int) -> Json:
    """Build the overview as the feed sends it: without history."""
    fresh = overview(power_w=power_w, at=NOW + timedelta(seconds=after_s))
    del fresh["power_history"]
    return fresh


def session(number: int) -> Json:
    """Build one running session; the third has an anomaly, the fourth no price, the fifth a car that is full."""
    kwh = f"{3 + number * 4.117:.6f}"
    return {
        "id": f"s-{number:03d}", "transaction_id": str(1000 + number),
        "station_id": f"DE*VWY*E{number:04d}", "evse_id": 1 + number % 2, "connector_id": 1,
        "token": f"04A2{number:04X}", "state": "active", "started_at": text(NOW - timedelta(minutes=7 + 11 * number)),
        "ended_at": None, "end_reason": None, "energy_kwh": kwh, "synthetic": False,
        "cost": None if number == 3 else {"currency": "EUR", "excl_vat": "4.1023", "incl_vat": "4.881737"},
        "next_hour": None if number == 3 else {"excl_vat": "21.008403", "incl_vat": "25"},
        "tariff_id": "city-day-night", "tariff_version": 1, "explanation": None, "anomalies": _anomalies(number),
        "power_w": 0.0 if number == 4 else 11_040.0 + 15_870 * number, "soc_pct": 40 + number if number % 3 else None,
        "location_name": PLACES[number % len(PLACES)], "charging_state": "suspended_ev" if number == 4 else "charging",
    }  # fmt: skip


def cdr(number: int) -> Json:
    """Build one bill with two energy lines, an idle line and, for the first, a minimum price."""
    line = {"tariff_id": "city-day-night", "element": 0, "vat": "19", "step_size": 1}
    energy = line | {
        "dimension": "ENERGY", "quantity": "21.482", "billed_quantity": "21.482", "unit": "kWh", "price": "0.49",
        "excl_vat": "10.52618", "incl_vat": "12.5261542", "text": "Energy from 17:41 to 18:25",
    }  # fmt: skip
    idle = line | {
        "dimension": "PARKING_TIME", "quantity": "0.1833333333", "billed_quantity": "0.1833333333", "unit": "h",
        "price": "6", "excl_vat": "1.1", "incl_vat": "1.309", "text": "Idle after the car was full",
    }  # fmt: skip
    minimum = [{"kind": "min_price", "excl_vat": "0.5", "incl_vat": "0.595"}] if number == 0 else []
    return {
        "id": f"c-{number:03d}", "session_id": f"done-{number}", "station_id": f"DE*VWY*E01{number:02d}",
        "location_name": PLACES[-1 - number % len(PLACES)], "token": "04A2FFEE",
        "started_at": text(NOW - timedelta(minutes=70 + 9 * number)),
        "ended_at": text(NOW - timedelta(minutes=2 + 9 * number)),
        "energy_kwh": "21.482", "currency": "EUR",
        "excl_vat": "12.12618" if minimum else "11.62618", "incl_vat": "14.4301542" if minimum else "13.8351542",
        "explanation": {"lines": [energy, idle], "adjustments": minimum},
    }  # fmt: skip


def changed(document: Json, **changes: object) -> Json:
    """Copy a document with other values."""
    return deepcopy(document) | changes


def _anomalies(number: int) -> list[Json]:
    if number != 2:
        return []
    message = "The register went back by 1.204 kWh; the energy before it is kept."
    return [{"code": "register_reset", "message": message, "since": text(NOW - timedelta(minutes=4))}]


def _problem(status: int, code: str, detail: str) -> JSONResponse:
    body = {"type": f"urn:voltway:{code}", "title": code, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


async def _drain(queue: "asyncio.Queue[bytes | None]") -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    while (frame := await queue.get()) is not None:
        yield frame
