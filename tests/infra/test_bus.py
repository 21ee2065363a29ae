"""The bus: wake-ups arrive, requests find who listens, and a broker that is away is said to be."""

import asyncio

import pytest

from voltway.infra import bus
from voltway.infra.bus import Bus, BusAway, NoResponders


async def test_a_wake_up_reaches_every_listener(nats_url: str) -> None:
    """And only of its own subject."""
    here, there = await bus.connect(nats_url), await bus.connect(nats_url)
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(data: bytes) -> None:
        await heard.put(data)

    for listener in (here, there):
        await listener.subscribe("wake.bus", hear)
        await listener._client.flush()
    await here.publish("wake.other", b"not for us")
    await here.publish("wake.bus", b"up")
    assert [await asyncio.wait_for(heard.get(), 10) for _ in range(2)] == [b"up", b"up"]
    assert heard.empty()
    await here.close()
    await there.close()


async def test_a_request_finds_who_listens(nats_url: str) -> None:
    """The answer comes back; handlers run beside each other, so a slow one does not hold the others up."""
    caller, holder = await bus.connect(nats_url), await bus.connect(nats_url)
    released = asyncio.Event()

    async def answer(data: bytes) -> bytes:
        if data == b"slow":
            await released.wait()
        return data.upper()

    await holder.subscribe("station.1.command", answer)
    await holder._client.flush()
    slow = asyncio.create_task(caller.request("station.1.command", b"slow", 10))
    assert await caller.request("station.1.command", b"quick", 10) == b"QUICK"
    released.set()
    assert await slow == b"SLOW"
    await caller.close()
    await holder.close()


async def test_nobody_listening_is_known_at_once(nats_url: str) -> None:
    """That is what an offline station looks like."""
    caller = await bus.connect(nats_url)
    with pytest.raises(NoResponders, match=r"station\.9\.command"):
        await caller.request("station.9.command", b"", 30)
    await caller.close()


async def test_no_answer_in_time_is_a_timeout(nats_url: str) -> None:
    """A handler that fails or stays silent answers nobody, and the next message is handled."""
    caller, holder = await bus.connect(nats_url), await bus.connect(nats_url)

    async def answer(data: bytes) -> bytes | None:
        if data == b"fail":
            raise LookupError
        return None if data == b"hush" else b"well"

    await holder.subscribe("desk", answer)
    await holder._client.flush()
    for question in (b"fail", b"hush"):
        with pytest.raises(TimeoutError, match="no answer on desk"):
            await caller.request("desk", question, 0.05)
    assert await caller.request("desk", b"well?", 10) == b"well"
    await caller.close()
    await holder.close()


async def test_after_unsubscribing_nobody_listens(nats_url: str) -> None:
    link = await bus.connect(nats_url)

    async def answer(data: bytes) -> bytes:
        return data

    subscription = await link.subscribe("gone", answer)
    await subscription.unsubscribe()
    await link._client.flush()
    with pytest.raises(NoResponders):
        await link.request("gone", b"", 30)
    await link.close()


async def test_a_request_that_arrived_is_answered_when_listening_ends(nats_url: str) -> None:
    """What the listener has received is answered; what the broker drops at that moment times out at its caller."""
    caller, holder = await bus.connect(nats_url), await bus.connect(nats_url)
    arrived: set[bytes] = set()

    async def answer(data: bytes) -> bytes:
        arrived.add(data)
        await asyncio.sleep(0)
        return data

    for turn in range(20):
        subscription = await holder.subscribe("leaving", answer)
        await holder._client.flush()
        texts = [f"{turn}/{number}".encode() for number in range(20)]
        asking = [asyncio.create_task(caller.request("leaving", text, 2)) for text in texts]
        await asyncio.sleep(0)
        await holder.end(subscription)
        answers = await asyncio.gather(*asking, return_exceptions=True)
        lost = [text for text, it in zip(texts, answers, strict=True) if text in arrived and it != text]
        assert lost == []
    assert arrived
    await caller.close()
    await holder.close()


async def test_a_broker_that_is_away_is_said_to_be() -> None:
    """Wake-ups are dropped, since readers look at the table anyway; requests fail at once."""
    lonely = Bus("nats://127.0.0.1:1")
    assert not lonely.is_connected
    await lonely.publish("wake", b"")
    with pytest.raises(BusAway, match="try again"):
        await lonely.request("desk", b"", 1)


async def test_closing_gives_up_what_still_runs(nats_url: str) -> None:
    link = await bus.connect(nats_url)
    begun, given_up = asyncio.Event(), asyncio.Event()

    async def wait(_data: bytes) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    await link.subscribe("wait", wait)
    await link.publish("wait")
    await asyncio.wait_for(begun.wait(), 10)
    await link.close()
    await asyncio.wait_for(given_up.wait(), 10)
    assert not link.is_connected
