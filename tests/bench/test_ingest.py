"""The bench itself: short real runs against floor and peer, proofs that fail, and what it says when it cannot run."""

import sys
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

import ingest
from rig import proofs, servers
from rig.orders import Order, Outcome, Phase, Window
from rig.servers import Contestant, NotRunError

_SHORT = (Phase("saturated", 0.1, 0.3), Phase("paced", 0.05, 0.3))


@pytest.fixture(scope="module")
def floor() -> Iterator[Contestant]:
    """Run a floor for all tests of this file."""
    with servers.running_floor() as contestant:
        yield contestant


@pytest.fixture(scope="module")
def peer() -> Iterator[Contestant]:
    """Run a peer on its own PostgreSQL for all tests of this file."""
    with servers.running_peer() as contestant:
        yield contestant


def _order(contestant: Contestant, prefix: str, phases: tuple[Phase, ...] = _SHORT) -> Order:
    return Order(contestant.url, prefix, 10, ("1.6", "2.0.1"), phases, contestant.server_pid, contestant.postgres_pid)


def test_the_floor_answers_everything_in_both_modes(floor: Contestant) -> None:
    """Each window has messages and CPU time, the second at about half the rate of the first; nothing is lost."""
    outcome = servers.carry_out(_order(floor, "T"))
    saturated, paced = outcome.window("saturated"), outcome.window("paced")
    assert (outcome.boots, outcome.starts, outcome.unanswered, outcome.faults) == (10, 10, 0, ())
    assert saturated.messages > 100
    assert saturated.server_us > 0
    assert paced.asked_per_s == pytest.approx(saturated.per_s / 2)
    assert paced.per_s < 0.8 * saturated.per_s
    assert outcome.updates >= saturated.messages + paced.messages


def test_idle_stations_send_nothing_and_memory_is_read(floor: Contestant) -> None:
    """An idle phase boots the stations and starts no transaction."""
    outcome = servers.carry_out(_order(floor, "T", (Phase("idle", 0.0, 0.1),)))
    assert (outcome.boots, outcome.starts, outcome.updates) == (10, 0, 0)
    assert outcome.rss_idle_bytes > 0


def test_the_peer_stores_each_answered_message_and_that_is_proved(peer: Contestant) -> None:
    """Four rows a message, the sessions' energy to the milliwatt-hour, durable settings, a validation that refuses."""
    outcome = servers.carry_out(_order(peer, "T"))
    found = [*proofs.prove_server(peer), proofs.prove_rows(peer, "T", outcome), proofs.prove_replies(peer, outcome)]
    assert outcome.updates > 0
    assert [proof.claim for proof in found if not proof.holds] == []
    assert len(found) == 6


def test_a_missing_row_is_found(peer: Contestant) -> None:
    """One value deleted behind the peer's back, and the proof of rows fails."""
    outcome = servers.carry_out(_order(peer, "LOST"))
    with psycopg.connect(peer.database_url) as connection:
        connection.execute("delete from meter_value where id = (select max(id) from meter_value)")
    assert not proofs.prove_rows(peer, "LOST", outcome).holds


def test_a_setting_that_is_off_is_found(peer: Contestant) -> None:
    """A role or database that commits without waiting for the disk fails the proof."""
    database = psycopg.conninfo.conninfo_to_dict(peer.database_url)["dbname"]
    with psycopg.connect(peer.database_url, autocommit=True) as connection:
        connection.execute(f"alter database {database} set synchronous_commit = off".encode())
        try:
            assert not proofs.prove_settings(peer).holds
        finally:
            connection.execute(f"alter database {database} reset synchronous_commit".encode())
    assert proofs.prove_settings(peer).holds


def test_a_server_that_takes_bad_frames_is_found(floor: Contestant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good frame in the place of the bad one is answered, and the proof fails."""
    monkeypatch.setitem(proofs._BAD_FRAMES, "ocpp1.6", [2, "good-1", "Heartbeat", {}])
    assert not proofs.prove_refusal(floor, "ocpp1.6").holds


def test_checking_ends_the_run_at_a_failed_proof(floor: Contestant, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --check nothing is measured once a proof fails; without, it is only printed."""
    monkeypatch.setattr(servers, "carry_out", lambda _: Outcome(faults=("an error came",)))
    plan = ingest.Plan(10, ("1.6",), 1, 0.0, 0.0, 1)
    with pytest.raises(ingest.ProofFailedError, match="an error came"):
        ingest.Bench(plan, [floor], is_checking=True).run()
    finished = ingest.Bench(plan, [floor], is_checking=False).run()
    assert [proof.holds for proof in finished.proofs] == [True, True, False, False]


def test_a_server_that_answers_nothing_is_not_run(floor: Contestant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window without a message has no cost per message, and so no goal is met by it."""
    silent = Outcome((Window("saturated", 1.0, 0, None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),), unanswered=10)
    monkeypatch.setattr(servers, "carry_out", lambda _: silent)
    plan = ingest.Plan(10, ("1.6",), 1, 0.0, 0.0, 1)
    with pytest.raises(NotRunError, match="floor answered nothing within a window, 10 still wait"):
        ingest.Bench(plan, [floor], is_checking=False).run()


def test_a_server_that_is_away_is_not_run(floor: Contestant) -> None:
    """A load that cannot connect says so instead of printing figures."""
    with pytest.raises(NotRunError, match="failed"):
        servers.carry_out(replace(_order(floor, "T"), url="ws://127.0.0.1:9/ocpp"))


def test_a_missing_part_is_said_and_exits_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Contract: `not run: …`, exit 3, no figure."""
    monkeypatch.setattr(servers, "_NEEDED", ("asyncpg_that_is_not_there",))
    monkeypatch.setattr(sys, "argv", ["ingest.py", "--quick"])
    assert ingest.main() == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("not run: missing here: asyncpg_that_is_not_there")


@pytest.mark.parametrize("arguments", [["--quick", "--write-docs"], ["--stations", "0"], ["--ocpp", "2.1"]])
def test_bad_usage_exits_2(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """Published figures come from the full run only."""
    monkeypatch.setattr(sys, "argv", ["ingest.py", *arguments])
    with pytest.raises(SystemExit) as exit_:
        ingest.main()
    assert exit_.value.code == 2
