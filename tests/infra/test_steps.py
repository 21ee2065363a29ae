"""The display of a start: plain lines where nobody looks, bars in a terminal, never a word on stdout."""

import io
import sys

import pytest

from voltway.infra.steps import Steps


class _Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


async def test_a_pipe_gets_one_line_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps() as steps:
        async with steps.step("PostgreSQL"):
            steps.advance(1, 2)
        steps.say("http://127.0.0.1:8000 [ready]")
    said = capsys.readouterr()
    assert said.out == ""
    first, second = said.err.splitlines()
    assert first.startswith("PostgreSQL: 0.")
    assert second == "http://127.0.0.1:8000 [ready]"


async def test_a_step_that_fails_is_not_checked_off(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail(steps: Steps) -> None:
        async with steps.step("NATS"):
            raise TimeoutError

    with pytest.raises(TimeoutError), Steps() as steps:
        await fail(steps)
    assert capsys.readouterr().err == ""


async def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Steps() as steps:
        steps.advance(1, 2)  # no step runs: nothing to move
        async with steps.step("Demo"):
            steps.advance(3, 30, "History: day 3 of 30")
    assert "History: day 3 of 30" in terminal.getvalue()
    assert "✓" in terminal.getvalue()
