"""The walking skeleton against the real thing: a station of each version, from its boot to a bill that adds up."""

import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.system.operating import (
    NAMES,
    TARIFF,
    Api,
    Json,
    api_of,
    enter_network,
    enter_tariff,
    milliwh,
    simulate,
    tracebacks,
    wait_until,
)
from tests.system.running import Running, voltway_up

OCPI_STEP = Decimal("0.0001")
"""OCPI's numbers have four decimals."""
CENT = Decimal("0.01")


class Listener(threading.Thread):
    """Reads the live stream, as a page does."""

    def __init__(self, api: Api) -> None:
        super().__init__(daemon=True)
        request = urllib.request.Request(  # noqa: S310 - our own address
            api.url + "/api/v1/live", headers={"Authorization": f"Bearer {api.key}"}
        )
        self._stream = urllib.request.urlopen(request, timeout=60)  # noqa: S310
        self.events: list[str] = []

    def run(self) -> None:
        """Note the name of every event until the stream ends."""
        try:
            for line in self._stream:
                if line.startswith(b"event: "):
                    self.events.append(line[7:].decode().strip())
        except (OSError, ValueError):
            return


def _bill_of(api: Api, session: Json) -> Json:
    bills: list[Json] = [it for it in api.every("/api/v1/cdrs") if it["session_id"] == session["id"]]
    assert len(bills) == 1
    found: Json = api.get(f"/api/v1/cdrs/{bills[0]['id']}")
    return found


def _adds_up(lines: list[Json], total: Json) -> bool:
    return all(
        sum((Decimal(line[side]) for line in lines), Decimal(0)).quantize(CENT) == Decimal(total[side]).quantize(CENT)
        for side in ("excl_vat", "incl_vat")
    )


class Scene:
    """A network that was entered by hand, with a station of each version on it and somebody who watches."""

    def __init__(self, running: Running, folder: Path) -> None:
        self.running, self.api = running, api_of(running)
        enter_network(self.api)
        self.listener = Listener(self.api)
        self.listener.start()
        with simulate(running, folder, "--stations", "2", "--duration", "22", "--seed", "3") as self.stations:
            self.answers = {name: self._ask(name) for name in NAMES}
            self.summary = self.stations.summary(60)
        wait_until(lambda: len(self.sessions) == len(self.stations.truth()) and self._all_billed())

    @property
    def sessions(self) -> list[Json]:
        """All sessions."""
        return self.api.every("/api/v1/sessions")

    def _all_billed(self) -> bool:
        return len(self.api.every("/api/v1/cdrs")) == sum(milliwh(it["energy_kwh"]) != 0 for it in self.sessions)

    def _ask(self, name: str) -> dict[str, Json]:
        path = f"/api/v1/stations/{name}"
        wait_until(lambda: self.api.get(f"{path}/configuration")["outcome"] == "answered")
        return {
            "configuration": self.api.get(f"{path}/configuration"),
            "trigger": self.api.post(f"{path}/trigger", {"message": "Heartbeat"}),
            "generic": self.api.post(f"{path}/commands/ClearCache", {}),
            "invalid": self.api.post(f"{path}/commands/Reset", {"type": "Sideways"}),
            "unsupported": self.api.post(f"{path}/commands/BrewCoffee", {}),
        }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Play the whole main job once."""
    folder = tmp_path_factory.mktemp("main-job")
    with voltway_up(folder / "state") as running:
        running.wait_ready()
        yield Scene(running, folder)
        assert tracebacks(running) == []


def test_every_session_is_measured_as_it_happened(scene: Scene) -> None:
    assert (scene.summary["connected"], scene.summary["unanswered"], scene.summary["call_errors"]) == (2, 0, 0)
    found = {(it["station_id"], it["transaction_id"]): milliwh(it["energy_kwh"]) for it in scene.sessions}
    truth = {(it["station"], it["transaction_id"]): it["energy_milliwh"] for it in scene.stations.truth()}
    assert found == truth
    assert {name for name, _ in found} == set(NAMES), "both versions charged"


def test_every_session_is_priced_and_explained(scene: Scene) -> None:
    """The lines of the explanation add up to the cost, and the tariff of the start is named."""
    for session in scene.sessions:
        assert (session["state"], session["anomalies"]) == ("ended", [])
        assert (session["tariff_id"], session["tariff_version"]) == (TARIFF["id"], 1)
        explanation = session["explanation"]
        assert _adds_up(explanation["lines"] + explanation["adjustments"], session["cost"])
        dimensions = {line["dimension"] for line in explanation["lines"]}
        assert dimensions >= {"ENERGY", "FLAT"}


def test_every_session_has_a_bill_in_the_words_of_ocpi(scene: Scene) -> None:
    """The CDR is OCPI 2.2.1: its energy is the session's, its total the session's cost."""
    for session in scene.sessions:
        bill = _bill_of(scene.api, session)
        document = bill["document"]
        assert bill["energy_kwh"] == session["energy_kwh"]
        assert abs(Decimal(str(document["total_energy"])) - Decimal(session["energy_kwh"])) <= OCPI_STEP / 2
        assert Decimal(bill["incl_vat"]) == Decimal(session["cost"]["incl_vat"])
        assert document["currency"] == "EUR"
        assert document["charging_periods"]
    lines = scene.api.request("GET", "/api/v1/cdrs.csv").decode().splitlines()
    assert len(lines) == 1 + len(scene.sessions)


def test_samples_belong_to_their_session(scene: Scene) -> None:
    for session in scene.sessions:
        registers = [it["register_kwh"] for it in scene.api.every(f"/api/v1/sessions/{session['id']}/samples")]
        assert registers
        assert registers == sorted(registers, key=Decimal)


def test_the_live_stream_told_it(scene: Scene) -> None:
    assert {"session", "station", "overview", "cdr"} <= set(scene.listener.events)


def test_commands_are_answered_by_stations_of_both_versions(scene: Scene) -> None:
    """Verbs and the generic route reach the station; what cannot be sent says why."""
    for name in NAMES:
        answers = scene.answers[name]
        outcomes = {what: answer["outcome"] for what, answer in answers.items()}
        assert outcomes == {
            "configuration": "answered", "trigger": "answered", "generic": "answered",
            "invalid": "invalid", "unsupported": "unsupported",
        }, name  # fmt: skip
        assert answers["trigger"]["response"]["status"] == "Accepted"
        offline = scene.api.post(f"/api/v1/stations/{name}/trigger", {"message": "Heartbeat"})
        assert offline["outcome"] == "offline", "the station has left"


def test_the_raw_log_holds_the_frames(scene: Scene) -> None:
    for name, start in zip(NAMES, ("StartTransaction", "TransactionEvent"), strict=True):
        logged = scene.api.every(f"/api/v1/stations/{name}/messages")
        assert {"BootNotification", "StatusNotification", "Heartbeat", start} <= {it["action"] for it in logged}


def test_a_session_is_started_and_stopped_from_afar(tmp_path: Path) -> None:
    """An unknown station waits for an operator; once approved it charges when the API says so, and ends likewise."""
    with voltway_up(tmp_path / "state") as running:
        running.wait_ready()
        api = api_of(running)
        enter_tariff(api)
        api.post("/api/v1/tokens", {"token": "APP-1"})
        with simulate(running, tmp_path, "--stations", "2") as stations:
            wait_until(lambda: len(api.every("/api/v1/stations")) == len(NAMES))
            assert {it["approval"] for it in api.every("/api/v1/stations")} == {"pending"}
            assert api.post(f"/api/v1/stations/{NAMES[0]}/trigger", {"message": "Heartbeat"})["outcome"] == "not_booted"
            for name in NAMES:
                assert api.post(f"/api/v1/stations/{name}/approve", {})["approval"] == "approved"
                _charge_from_afar(api, name)
            stations.process.send_signal(signal.SIGINT)
            assert stations.summary(30)["unanswered"] == 0
        assert tracebacks(running) == []


def _charge_from_afar(api: Api, name: str) -> None:
    path = f"/api/v1/stations/{name}"

    def starts() -> bool:
        answer: Json = api.post(f"{path}/start", {"token": "APP-1", "evse_id": 1})
        return (answer["outcome"], answer["response"]) == ("answered", {"status": "Accepted"})

    wait_until(starts)
    session = wait_until(lambda: api.every(f"/api/v1/sessions?station_id={name}&token=APP-1"))[0]
    time.sleep(2)  # a session of two seconds of charging is what is asked for
    stopped = api.post(f"{path}/stop", {"transaction_id": session["transaction_id"]})
    assert (stopped["outcome"], stopped["response"]["status"]) == ("answered", "Accepted")
    ended = wait_until(lambda: (it := api.get(f"/api/v1/sessions/{session['id']}"))["state"] == "ended" and it)
    assert ended["end_reason"] == "Remote"
