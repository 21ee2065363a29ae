"""The bus between processes: NATS for wake-ups and for commands that find the gateway which holds a station.

Nothing durable lives in it: the bus is a wake-up, the table is the truth.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from traceback import format_exception
from typing import Protocol

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, Error, NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from voltway.kernel.errors import NotReady

log = structlog.get_logger()
_HELLO = "voltway.hello"

Handler = Callable[[bytes], Awaitable[bytes | None]]
"""What a subscriber does with a message; bytes are sent back to who asked."""


class NoResponders(NotReady):
    """Nobody listens on that subject: for a station's subject that means it is offline."""

    code = "no_responders"


class BusAway(NotReady):
    """The broker is not connected right now."""

    code = "bus_away"


class Subscription(Protocol):
    """A subscription that can be ended."""

    async def drain(self) -> None:
        """Stop listening; what is on its way is still handed over."""

    async def unsubscribe(self, limit: int = 0) -> None:
        """Stop receiving."""
        ...


class Bus:
    """One connection to the broker; it reconnects for ever and restores its subscriptions."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = Client()
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Connect, waiting for the broker for up to 10 s."""
        await self._client.connect(
            self._url,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,  # type: ignore[arg-type]  # a float works
            connect_timeout=2,
            ping_interval=5,
            error_cb=_log_error,
            allow_reconnect=True,
            name="voltway",
        )
        # The first request makes the inbox for all answers; several first ones at once would race for it.
        with contextlib.suppress(Error):
            await self._client.request(_HELLO, timeout=1)

    @property
    def is_connected(self) -> bool:
        """Whether the broker answers right now."""
        return bool(self._client.is_connected)

    async def publish(self, subject: str, data: bytes = b"") -> None:
        """Send a wake-up; while the broker is away it is dropped, since readers look at the table anyway."""
        if self.is_connected:
            with contextlib.suppress(ConnectionClosedError):
                await self._client.publish(subject, data)

    async def request(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Ask whoever listens on `subject` and return the answer.

        Raises:
            NoResponders: nobody listens.
            BusAway: the broker is not connected.
            TimeoutError: somebody listens, but no answer came in time.
        """
        if not self.is_connected:
            raise BusAway("the message broker is away; try again in a moment")
        try:
            answer = await self._client.request(subject, data, timeout=timeout_s)
        except NoRespondersError as error:
            raise NoResponders(f"nobody listens on {subject}") from error
        except NatsTimeout as error:
            raise TimeoutError(f"no answer on {subject} within {timeout_s} s") from error
        except Error as error:
            raise BusAway(f"the message broker is away: {error}") from error
        return bytes(answer.data)

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        """Call `handler` for every message, each in a task of its own (a subscription is serial by itself)."""

        async def on_message(message: Msg) -> None:
            task = asyncio.create_task(self._handle(message, handler))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return await self._client.subscribe(subject, cb=on_message)

    async def end(self, subscription: Subscription) -> None:
        """Stop listening without losing a request that is on its way: whoever asked gets an answer, not a timeout."""
        if self._client.is_connected:
            await subscription.drain()
        else:
            await subscription.unsubscribe()

    async def _handle(self, message: Msg, handler: Handler) -> None:
        try:
            answer = await handler(message.data)
            if answer is not None and message.reply:
                await message.respond(answer)
        except Exception as error:  # noqa: BLE001 - a subscription's supervisor: one message is lost, not the subscription
            log.error("bus_handler_failed", subject=message.subject, exception="".join(format_exception(error)))

    async def close(self) -> None:
        """Disconnect; pending handlers are given up."""
        for task in tuple(self._tasks):
            task.cancel()
        with contextlib.suppress(Error):
            await self._client.close()


async def connect(url: str) -> Bus:
    """Return a connected bus."""
    bus = Bus(url)
    await bus.connect()
    return bus


async def _log_error(error: Exception) -> None:
    log.warning("bus_error", error=str(error))


__all__ = ["Bus", "BusAway", "Handler", "NoResponders", "Subscription", "connect"]
