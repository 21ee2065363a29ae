"""Partitions of the big tables: made ahead of time, dropped whole when their retention is over."""

from datetime import datetime, timedelta
from typing import Literal

from voltway.infra.db import Transaction
from voltway.infra.sql import fetch_one, run

AHEAD = timedelta(days=70)
Partitioned = Literal["meter_value", "ocpp_message"]


async def ensure_partitions(tx: Transaction, now: datetime) -> None:
    """Make the partitions of the coming weeks; those that exist stay."""
    await run(tx, "SELECT voltway_ensure_partitions(:low, :high)", low=now - timedelta(days=1), high=now + AHEAD)


async def drop_partitions(tx: Transaction, table: Partitioned, before: datetime) -> int:
    """Drop the partitions that end before an instant; return how many."""
    row = await fetch_one(tx, "SELECT voltway_drop_partitions(:table, :before) AS dropped", table=table, before=before)
    assert row is not None, "a function's value is one row"
    return int(row["dropped"])
