"""Whole runs over real sockets: stations connect, survive dropped connections, say goodbye; the summary adds up."""

import asyncio
import signal
import sys
from pathlib import Path

import orjson
import pytest
from tests.simulator.socket_server import running_server

from voltway.simulator.report import TruthBook
from voltway.simulator.run import SimulationOptions, read_passwords, simulate


async def test_a_run_answers_every_call_and_survives_a_drop(tmp_path: Path) -> None:
    """Twenty stations run for some seconds, all connections drop once, and still everything is answered."""
    book = TruthBook(keeps=True)
    async with running_server() as csms:
        options = SimulationOptions(csms.url, stations=20, duration_s=6, registers_file=tmp_path / "meters.json")
        asyncio.get_running_loop().call_later(4, csms.drop_all)
        report = await simulate(options, book, asyncio.Event())
    assert report.ok
    assert report.connected == report.stations == 20
    assert report.sent == report.answered > 100
    assert report.sessions == len(book.sessions) > 5
    assert report.energy_milliwh == sum(truth.energy_milliwh for truth in book.sessions)
    assert report.reply_ms_p99 >= report.reply_ms_p50 > 0
    odd = {name for name, action, _ in csms.calls if action == "StartTransaction"}
    assert odd
    assert all(int(name[-1]) % 2 for name in odd), "odd numbers speak 1.6"
    meters = orjson.loads((tmp_path / "meters.json").read_bytes())
    last = {(truth.station, truth.evse): truth.register_end_milliwh for truth in book.sessions}
    assert all(meters[f"{name}/{evse}"] // 1000 >= register // 1000 for (name, evse), register in last.items())


async def test_password_reaches_the_server_as_bytes() -> None:
    """Basic authentication carries the identity and the password of each station."""
    async with running_server(b"s3cret") as csms:
        options = SimulationOptions(
            csms.url, stations=2, duration_s=1, passwords={"": b"s3cret", "SIM-00002": b"wrong"}
        )
        report = await simulate(options, TruthBook(), asyncio.Event())
    assert report.connected == 1
    assert not report.ok
    assert {b"SIM-00001:s3cret", b"SIM-00002:wrong"} <= set(csms.credentials)


@pytest.mark.parametrize(
    ("text", "passwords"),
    [
        ("hunter2\n", {"": b"hunter2"}),
        ("A:one\nB:two:three\n", {"A": b"one", "B": b"two:three"}),
    ],
)
def test_password_files(tmp_path: Path, text: str, passwords: dict[str, bytes]) -> None:
    """A password file holds one password, or one per station; the password itself may hold colons."""
    file = tmp_path / "passwords"
    file.write_text(text)
    assert read_passwords(file) == passwords


def test_a_mixed_password_file_is_refused(tmp_path: Path) -> None:
    """A file that is neither form says what it should be."""
    file = tmp_path / "passwords"
    file.write_text("A:one\njust-a-word\n")
    with pytest.raises(ValueError, match="one password, or lines"):
        read_passwords(file)


async def test_sigint_ends_the_command_in_order(tmp_path: Path) -> None:
    """`voltway simulate` without a duration runs until SIGINT, then stops its sessions and prints the summary."""
    tokens, truth = tmp_path / "tokens", tmp_path / "truth.jsonl"
    tokens.write_text("CARD-A\n\nCARD-B\n")
    async with running_server() as csms:
        command = [sys.executable, "-c", "from voltway.cli import main; main()", "simulate", "--url", csms.url]
        command += ["--stations", "4", "--tokens", str(tokens), "--truth", str(truth), "--json"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        while not any(action in {"StartTransaction", "TransactionEvent"} for _, action, _ in csms.calls):
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    summary = orjson.loads(out)
    lines = [orjson.loads(line) for line in truth.read_bytes().splitlines()]
    assert summary["sessions"] == len(lines) >= 1
    assert summary["unanswered"] == 0
    assert {line["token"] for line in lines} <= {"CARD-A", "CARD-B"}
