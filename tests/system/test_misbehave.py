"""Stations that misbehave in every way of the checklist: the gateway lives and names it, neighbours stay exact."""

from pathlib import Path

from tests.system.operating import Api, Json, api_of, enter_tariff, milliwh, simulate, tracebacks, wait_until
from tests.system.running import environ_for, voltway_up

ROWS = 20
DURATION_S = "25"


def test_misbehaving_stations_hurt_nobody_but_themselves(tmp_path: Path) -> None:
    """Bad and good stations share a gateway: it never restarts, findings are named, good sessions equal the truth."""
    environ = environ_for(
        tmp_path / "state", VOLTWAY_UNKNOWN_STATIONS="accept", VOLTWAY_UNKNOWN_TOKENS="accept_unbilled"
    )
    bad_folder = tmp_path / "bad"
    bad_folder.mkdir()
    with voltway_up(tmp_path / "state", environ=environ) as running:
        running.wait_ready()
        api = api_of(running)
        enter_tariff(api)
        pids = running.run["pids"]
        load = ("--stations", "12", "--duration", DURATION_S)
        with (
            simulate(running, bad_folder, "--prefix", "BAD", "--misbehave", *load) as bad,
            simulate(running, tmp_path, *load) as good,
        ):
            sane, odd = good.summary(90), bad.summary(100)
        assert running.run["pids"] == pids, "nothing died"
        assert len(odd["behaviours"]) == ROWS, "every row was played"
        assert (sane["connected"], sane["unanswered"], sane["call_errors"]) == (12, 0, 0)
        _sane_sessions_are_exact(api, good.truth())
        _bad_ones_are_named(api)
        assert tracebacks(running) == []


def _sane_sessions_are_exact(api: Api, truth: list[Json]) -> None:
    def sane() -> list[Json]:
        return [it for it in api.every("/api/v1/sessions") if it["station_id"].startswith("SIM-")]

    wait_until(lambda: all(it["state"] == "ended" for it in sane()))
    found = {(it["station_id"], it["transaction_id"]): milliwh(it["energy_kwh"]) for it in sane()}
    assert found == {(it["station"], it["transaction_id"]): it["energy_milliwh"] for it in truth}


def _bad_ones_are_named(api: Api) -> None:
    def codes_of(prefix: str) -> set[str]:
        names = [it["id"] for it in api.every("/api/v1/stations") if it["id"].startswith(prefix)]
        found = [api.get(f"/api/v1/stations/{name}/findings")["items"] for name in names]
        return {finding["code"] for findings in found for finding in findings}

    assert len(codes_of("BAD-")) > 3 * len(codes_of("SIM-")), "tolerances are counted where they were needed"
    held = [it for it in api.every("/api/v1/sessions?state=held") if it["station_id"].startswith("BAD-")]
    assert held, "what may be wrong in money waits for an operator"
    assert all(it["anomalies"] for it in held)
