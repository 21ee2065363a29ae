"""Short questions to the engines for `voltway doctor`: does it answer, and what does its clock say."""

import asyncio
import time
from datetime import datetime

import nats.errors
import psycopg
from nats.aio.client import Client

from voltway.kernel.clock import now

_TIMEOUT_S = 5


def database_clock_skew_s(database_url: str) -> float:
    """Return the database's clock minus ours in seconds (half the round trip taken off); raise ConnectionError."""
    try:
        with psycopg.connect(database_url, connect_timeout=_TIMEOUT_S) as connection:
            begun_s = time.monotonic()
            row = connection.execute("select clock_timestamp()").fetchone()
            half_trip_s = (time.monotonic() - begun_s) / 2
    except psycopg.OperationalError as error:
        raise ConnectionError(str(error).strip().splitlines()[0]) from error
    assert row is not None, "a select of one value has one row"
    theirs: datetime = row[0]
    return (theirs - now()).total_seconds() + half_trip_s


async def nats_fault(nats_url: str) -> str | None:
    """Return why NATS does not answer, None where it does."""
    faults: list[str] = []

    async def note(error: Exception) -> None:
        faults.append(str(error) or type(error).__name__)

    client = Client()
    try:
        servers = nats_url.split(",")
        connecting = client.connect(servers, allow_reconnect=False, connect_timeout=_TIMEOUT_S, error_cb=note)
        await asyncio.wait_for(connecting, _TIMEOUT_S + 1)
        await client.flush(_TIMEOUT_S)
    except (nats.errors.Error, OSError, TimeoutError) as error:
        return faults[0] if faults else str(error) or type(error).__name__
    finally:
        await client.close()
    return None
