"""What an operator does in a test: calls the REST API as administrator, starts stations, reads the truth."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.system.running import Running, environ_for

Json = dict[str, Any]
Found = TypeVar("Found")
NAMES = ("SIM-00001", "SIM-00002")
"""The first speaks OCPP 1.6, the second 2.0.1."""
TARIFF: Json = {
    "country_code": "DE",
    "party_id": "VWY",
    "id": "DAY",
    "currency": "EUR",
    "elements": [
        {
            "price_components": [
                {"type": "ENERGY", "price": 0.45, "vat": 19, "step_size": 1},
                {"type": "TIME", "price": 0.6, "vat": 19, "step_size": 1},
                {"type": "FLAT", "price": 0.5, "vat": 19, "step_size": 1},
            ]
        }
    ],
    "last_updated": "2026-01-01T00:00:00Z",
}


@dataclass(frozen=True, slots=True)
class Api:
    """The REST API of a running Voltway."""

    url: str
    key: str

    def request(self, method: str, path: str, body: Json | None = None, **headers: str) -> bytes:
        """Return the answer's body; an answer of 400 or above fails with what it says."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"} | headers
        request = urllib.request.Request(self.url + path, data, sent, method=method)  # noqa: S310 - our own address
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:  # noqa: S310
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def get(self, path: str) -> Any:
        """Return a document."""
        return json.loads(self.request("GET", path))

    def post(self, path: str, body: Json) -> Any:
        """Send a document and return what came of it."""
        return json.loads(self.request("POST", path, body))

    def every(self, path: str) -> list[Json]:
        """Return all items of a list, page by page."""
        items: list[Json] = []
        joint = "&" if "?" in path else "?"
        cursor = ""
        while True:
            page = self.get(f"{path}{joint}limit=200{cursor}")
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = f"&cursor={page['next_cursor']}"


def api_of(running: Running) -> Api:
    """Return the API with the administrator's key."""
    return Api(running.run["http_url"], (running.data_dir / "admin-token").read_text().strip())


def enter_tariff(api: Api) -> None:
    """Enter one tariff and assign it to the whole network."""
    api.post("/api/v1/tariffs", TARIFF)
    api.post("/api/v1/tariff-assignments", {"tariff_id": TARIFF["id"], "target_kind": "operator"})


def enter_network(api: Api) -> None:
    """Do what an operator does before the first station is mounted: place, stations, tokens, tariff."""
    place = {"id": "DEPOT", "name": "Depot", "country": "DEU", "time_zone": "Europe/Berlin"}
    api.post("/api/v1/locations", place)
    for name in NAMES:
        api.post("/api/v1/stations", {"id": name, "location_id": "DEPOT", "auth": "none"})
    for number in range(1, 41):
        api.post("/api/v1/tokens", {"token": f"SIM-T-{number:04d}"})
    enter_tariff(api)


@dataclass(slots=True)
class Stations:
    """A running `voltway simulate` with its truth file."""

    process: subprocess.Popen[str]
    truth_file: Path
    log: Path

    def summary(self, timeout_s: float) -> Json:
        """Wait for the end and return the summary."""
        written, _ = self.process.communicate(timeout=timeout_s)
        summary: Json = json.loads(written)
        return summary

    def truth(self) -> list[Json]:
        """Return what really happened, one object a session."""
        return [json.loads(line) for line in self.truth_file.read_text().splitlines()]


@contextmanager
def simulate(running: Running, folder: Path, *arguments: str) -> Iterator[Stations]:
    """Start `voltway simulate` against a running Voltway, and make sure that it is gone afterwards."""
    stations = Stations(_started(running, folder, arguments), folder / "truth.jsonl", folder / "simulate.stderr")
    with stations.process:
        try:
            yield stations
        finally:
            stations.process.kill()


def _started(running: Running, folder: Path, arguments: Sequence[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "voltway.cli", "simulate", "--url", running.run["ocpp_url"], "--json"]
    with (folder / "simulate.stderr").open("w") as stream:
        return subprocess.Popen(
            [*command, "--truth", str(folder / "truth.jsonl"), *arguments],
            env=environ_for(folder), stdout=subprocess.PIPE, stderr=stream, text=True,
        )  # fmt: skip


def wait_until(find: Callable[[], Found], *, timeout_s: float = 30.0) -> Found:
    """Return what `find` returns as soon as it is something."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if found := find():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{find} found nothing within {timeout_s} s")


def milliwh(kwh: str | None) -> int | None:
    """Return kWh as text in milliwatt-hours, exactly."""
    if kwh is None:
        return None
    whole, _, fraction = kwh.partition(".")
    return int(whole + fraction.ljust(6, "0")[:6])


def tracebacks(running: Running, *, role: str = "") -> list[str]:
    """Return the log lines (of one role, or of all) that tell of a defect: tracebacks, messages not storable."""
    lines = running.log.read_text(errors="replace").splitlines()
    of_role = f'"role": "{role}' if role else ""
    return [line for line in lines if of_role in line and ("Traceback" in line or "message_not_storable" in line)]
