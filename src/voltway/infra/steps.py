"""The progress display of a start: one line per step on stderr, with a bar and a spinner where it is a terminal."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_REFRESH_S = 0.1


class Steps:
    """Shows steps one below the other; `advance` moves the bar of the step that runs."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._is_terminal = sys.stderr.isatty()
        # Refreshed from the event loop: a thread of rich's own would live through our forks.
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TimeElapsedColumn(),
            console=self._console,
            auto_refresh=False,
        )
        self._current: TaskID | None = None

    @contextlib.asynccontextmanager
    async def step(self, text: str) -> AsyncIterator[None]:
        """Show a step while the block runs; it is checked off when the block ends well."""
        started_s = time.monotonic()
        self._current = self._progress.add_task(text, total=None)
        refresher = asyncio.create_task(self._refresh()) if self._is_terminal else None
        try:
            yield
            self._progress.update(self._current, completed=1, total=1)
            if not self._is_terminal:
                self.say(f"{text}: {time.monotonic() - started_s:.1f} s")
        finally:
            if refresher is not None:
                refresher.cancel()
                self._progress.refresh()

    def advance(self, done: int, total: int, text: str = "") -> None:
        """Say how far the running step is."""
        if self._current is not None:
            self._progress.update(self._current, completed=done, total=total)
            if text:
                self._progress.update(self._current, description=text)

    def say(self, text: str) -> None:
        """Write a line for people."""
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def __enter__(self) -> Self:
        if self._is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            self._progress.stop()

    async def _refresh(self) -> None:
        while True:
            self._progress.refresh()
            await asyncio.sleep(_REFRESH_S)
