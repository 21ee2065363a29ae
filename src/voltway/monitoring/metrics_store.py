"""Counts what Prometheus is told of the whole installation; every statement runs under the ingest role."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from voltway.infra.db import Transaction
from voltway.infra.sql import Row, fetch_all, fetch_one

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def count_stations(tx: Transaction, now: datetime) -> Sequence[Row]:
    """Return how many approved stations in service are connected (`true`), gone (`false`) or were never seen."""
    return await fetch_all(
        tx,
        """SELECT coalesce(CAST(k.connected AS text), 'never') AS connected, count(*) AS count
             FROM station s LEFT JOIN station_link k USING (station_id)
            WHERE s.approval = 'approved' AND coalesce(s.decommissioned_at, 'infinity') > :now GROUP BY 1""",
        now=now,
    )


async def count_incidents(tx: Transaction) -> Sequence[Row]:
    """Return the unresolved incidents by severity and rule."""
    return await fetch_all(
        tx,
        """SELECT severity, rule, count(*) AS count FROM incident
            WHERE state IN ('open', 'acknowledged', 'assigned', 'reopened') GROUP BY severity, rule""",
    )


async def oldest_unacknowledged(tx: Transaction) -> Sequence[Row]:
    """Return by severity since when an incident waits that nobody has taken on; a reopened one waits anew."""
    return await fetch_all(
        tx,
        """SELECT severity, min(coalesce(again.at, opened_at)) AS since FROM incident i
             LEFT JOIN LATERAL (SELECT max(e.at) AS at FROM incident_entry e
                                 WHERE e.incident_id = i.incident_id AND e.kind = 'reopened') again ON true
            WHERE i.state IN ('open', 'acknowledged', 'assigned', 'reopened') AND i.state IN ('open', 'reopened')
            GROUP BY severity""",
    )


async def count_notifications(tx: Transaction, now: datetime) -> Sequence[Row]:
    """Return the messages by state: those that wait, and what came of the last hour's."""
    return await fetch_all(
        tx,
        """SELECT state, count(*) AS count FROM notification_message
            WHERE state IN ('pending', 'sending') OR greatest(created_at, claimed_at) >= :since GROUP BY state""",
        since=now - HOUR,
    )


async def count_deliveries(tx: Transaction, now: datetime) -> Sequence[Row]:
    """Return the webhook deliveries by state: those that wait, and what came of the last hour's."""
    return await fetch_all(
        tx,
        """SELECT state, count(*) AS count FROM webhook_delivery
            WHERE state IN ('pending', 'sending') OR greatest(created_at, claimed_at) >= :since GROUP BY state""",
        since=now - HOUR,
    )


async def count_disabled_webhooks(tx: Transaction) -> int:
    """Return how many endpoints Voltway has switched off because they refused everything."""
    row = await fetch_one(tx, "SELECT count(*) AS count FROM webhook WHERE NOT enabled AND disabled_reason IS NOT NULL")
    assert row is not None, "an aggregate has one row"
    return int(row["count"])


async def count_remedies(tx: Transaction, now: datetime) -> Sequence[Row]:
    """Return the last day's runs by action and by what came of them: the verdict, else the state they are in."""
    return await fetch_all(
        tx,
        """SELECT split_part(action, ':', 1) AS action, coalesce(result, state) AS outcome, count(*) AS count
             FROM remedy_run WHERE coalesce(sent_at, planned_at) >= :since GROUP BY 1, 2""",
        since=now - DAY,
    )


async def measure_sessions(tx: Transaction, fresh_since: datetime) -> Row:
    """Return how many sessions are open, and the sum of their fresh power in W."""
    row = await fetch_one(
        tx,
        """SELECT count(*) AS open, coalesce(sum(power_w) FILTER (WHERE updated_at >= :fresh_since), 0) AS power_w
             FROM session WHERE state IN ('pending', 'active')""",
        fresh_since=fresh_since,
    )
    assert row is not None, "an aggregate has one row"
    return row


async def measure_lags(tx: Transaction) -> Sequence[Row]:
    """Return of each consumer of the outbox since when its oldest unread row waits; None: it has read everything."""
    return await fetch_all(
        tx,
        """SELECT c.name AS consumer, (SELECT o.created_at FROM outbox o
                                        WHERE (o.xid, o.outbox_id) > (c.xid, c.outbox_id)
                                        ORDER BY o.xid, o.outbox_id LIMIT 1) AS since
             FROM consumer_cursor c""",
    )


async def count_jobs(tx: Transaction) -> Sequence[Row]:
    """Return the jobs of the queue by status; one that succeeded is gone."""
    return await fetch_all(
        tx, "SELECT CAST(status AS text) AS status, count(*) AS count FROM jobs.procrastinate_jobs GROUP BY status"
    )
