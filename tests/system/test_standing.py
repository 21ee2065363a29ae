"""What stands when `voltway up` ends and starts again: sessions with their energy, and the numbers of transactions."""

import signal
from pathlib import Path

from tests.system.operating import Api, Json, api_of, enter_network, simulate, wait_until
from tests.system.running import voltway_up


def test_a_restart_keeps_all_and_numbers_no_transaction_twice(tmp_path: Path) -> None:
    """Stopped by SIGINT and started again on the same data: sessions are there, ids go on."""
    before = _one_evening(tmp_path / "state", tmp_path)
    after = _one_evening(tmp_path / "state", tmp_path)
    assert before
    assert set(before) < set(after)
    assert {key: after[key] for key in before} == before
    ids = [transaction for _, transaction in after]
    assert len(set(ids)) == len(ids)


def _one_evening(data_dir: Path, folder: Path) -> dict[tuple[str, str], str]:
    with voltway_up(data_dir) as running:
        running.wait_ready()
        api = api_of(running)
        if not api.every("/api/v1/stations"):
            enter_network(api)
        with simulate(running, folder, "--stations", "2", "--duration", "12") as stations:
            assert stations.summary(60)["unanswered"] == 0
        sessions = wait_until(lambda: _when_priced(api))
        assert running.end(signal.SIGINT)[0] == 0
        return {(it["station_id"], it["transaction_id"]): it["energy_kwh"] for it in sessions}


def _when_priced(api: Api) -> list[Json]:
    found = api.every("/api/v1/sessions")
    return found if all(it["cost"] for it in found) else []
