"""Making rollups leaves the event loop to others: the watch shares it and has two seconds for an incident."""

import asyncio
from datetime import UTC, datetime, timedelta

from voltway.monitoring.numbers.rollup import Charge
from voltway.monitoring.numbers.rollup_jobs import BITE, quarters_of

START = datetime(2026, 3, 2, tzinfo=UTC)


def _charge(number: int) -> Charge:
    """Return a session of nine hours with a register every ten minutes."""
    begin = START + timedelta(seconds=number)
    registers = [(begin + timedelta(minutes=10 * step), 300_000 * step) for step in range(54)]
    return Charge(begin, begin + timedelta(hours=9), 54 * 300_000, registers, 0)


async def test_splitting_thousands_of_sessions_holds_nobody_up() -> None:
    """A task beside it has its turn after every bite of sessions."""
    turns = 0

    async def beat() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beating = asyncio.create_task(beat())
    quarters = await quarters_of((number, 1, _charge(number)) for number in range(2_000))
    beating.cancel()
    assert sum(it.milliwh for it in quarters) == 2_000 * 54 * 300_000
    assert turns >= 2_000 // BITE - 1
