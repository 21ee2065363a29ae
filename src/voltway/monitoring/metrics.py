"""What operations tell Prometheus: the state of the whole installation, counted in the database by the worker.

Each number is of all operators together. Labels are bounded: every family has a fixed grid of label values that is
told completely at each turn, so that what is over goes to 0, also after another worker took over. Where several
workers run, each tells the same numbers: dashboards and rules take the `max` over instances, never the sum.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import product
from traceback import format_exception
from typing import Final, get_args

import structlog
from prometheus_client import Counter, Gauge

from voltway.infra.db import Database, Transaction
from voltway.infra.sql import Row
from voltway.kernel.clock import Clock
from voltway.kernel.clock import now as wall_clock
from voltway.monitoring import metrics_store as store
from voltway.monitoring.incidents.model import Severity
from voltway.monitoring.incidents.rules import shipped
from voltway.monitoring.remedies.model import Action, Result, State
from voltway.monitoring.timeline.model import OperatorState
from voltway.monitoring.timeline.store import FRESH, count_states

EVERY_S = 15.0
OWN_RULE: Final = "own"
"""The label of every rule that an operator made: their number is not ours to bound."""
_NOTIFICATION_STATES = ("pending", "sending", "sent", "failed", "uncertain")
_DELIVERY_STATES = ("pending", "sending", "delivered", "failed")
_JOB_STATUSES = ("todo", "doing", "failed", "cancelled", "aborted")
_OUTCOMES = (*get_args(Result), *get_args(State))

log = structlog.get_logger()


class _Family:
    """A gauge of counts with its grid of label values."""

    def __init__(self, name: str, text: str, **labels: Iterable[str]) -> None:
        self._names = tuple(labels)
        self._seen = set(product(*labels.values()))
        self._gauge = Gauge(name, text, self._names, multiprocess_mode="mostrecent")

    def tell(self, rows: Iterable[Row], value: str = "count") -> None:
        """Set what is in the rows (added up where labels meet) and everything else to 0."""
        totals = dict.fromkeys(self._seen, 0.0)
        for row in rows:
            key = tuple(str(row[name]) for name in self._names)
            totals[key] = totals.get(key, 0.0) + float(row[value])
        self._seen.update(totals)
        for key, total in totals.items():
            self._gauge.labels(*key).set(total)


def _gauge(name: str, text: str) -> Gauge:
    return Gauge(name, text, multiprocess_mode="mostrecent")


EVSES = _Family("voltway_evses", "EVSEs by operator state.", state=OperatorState)
STATIONS = _Family(
    "voltway_stations", "Approved stations by connection: true, false, never.", connected=("true", "false", "never")
)
INCIDENTS = _Family(
    "voltway_incidents_unresolved", "Unresolved incidents.", severity=Severity, rule=(*shipped(), OWN_RULE)
)
UNACKNOWLEDGED = _Family(
    "voltway_incident_oldest_unacknowledged_seconds",
    "How long the oldest incident waits that nobody has taken on; 0: none waits.",
    severity=Severity,
)
NOTIFICATIONS = _Family(
    "voltway_notifications", "Messages that wait, and what came of the last hour's.", state=_NOTIFICATION_STATES
)
DELIVERIES = _Family(
    "voltway_webhook_deliveries", "Deliveries that wait, and what came of the last hour's.", state=_DELIVERY_STATES
)
WEBHOOKS_DISABLED = _gauge("voltway_webhooks_disabled", "Endpoints that Voltway has switched off.")
REMEDIES = _Family(
    "voltway_remedy_runs", "Remedies of the last day.", action=get_args(Action), outcome=_OUTCOMES
)  # fmt: skip
POWER = _gauge("voltway_power_watts", "Power that is delivered now.")
SESSIONS = _gauge("voltway_sessions_open", "Sessions that are open.")
LAG = _Family("voltway_outbox_lag_seconds", "Age of the oldest change that a consumer has not read.", consumer=())
JOBS = _Family("voltway_jobs", "Jobs of the queue; what succeeded is gone.", status=_JOB_STATUSES)
REFRESHED = _gauge("voltway_operations_refreshed_timestamp_seconds", "When these numbers were last counted.")
FAILURES = Counter("voltway_operations_refresh_failures", "Times that counting failed: the database was away.")


class OperationsMetrics:
    """Counts under the ingest role, which sees every operator."""

    def __init__(self, readers: Database, *, clock: Clock = wall_clock, every_s: float = EVERY_S) -> None:
        self._readers = readers
        self._now = clock
        self._every_s = every_s

    async def run(self, stopping: asyncio.Event) -> None:
        """Count now and every 15 s until stopping; a fault is logged, counted and waited out."""
        while not stopping.is_set():
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - a job's supervisor: the database may be away
                FAILURES.inc()
                log.warning("operations_not_counted", exception="".join(format_exception(error)))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._every_s)

    async def refresh(self) -> None:
        """Count everything in one transaction and tell it."""
        now = self._now()
        async with self._readers.transaction(None) as tx:
            await _tell_network(tx, now)
            await _tell_incidents(tx, now)
            await _tell_messages(tx, now)
            await _tell_platform(tx, now)
        REFRESHED.set(now.timestamp())


async def _tell_network(tx: Transaction, now: datetime) -> None:
    states = await count_states(tx)
    EVSES.tell({"state": state, "count": count} for state, count in states.items())
    STATIONS.tell(await store.count_stations(tx, now))
    sessions = await store.measure_sessions(tx, now - FRESH)
    SESSIONS.set(sessions["open"])
    POWER.set(sessions["power_w"])


async def _tell_incidents(tx: Transaction, now: datetime) -> None:
    known = shipped()
    incidents = await store.count_incidents(tx)
    INCIDENTS.tell({**row, "rule": row["rule"] if row["rule"] in known else OWN_RULE} for row in incidents)
    UNACKNOWLEDGED.tell(_ages(await store.oldest_unacknowledged(tx), now), "age_s")
    REMEDIES.tell(await store.count_remedies(tx, now))


async def _tell_messages(tx: Transaction, now: datetime) -> None:
    NOTIFICATIONS.tell(await store.count_notifications(tx, now))
    DELIVERIES.tell(await store.count_deliveries(tx, now))
    WEBHOOKS_DISABLED.set(await store.count_disabled_webhooks(tx))


async def _tell_platform(tx: Transaction, now: datetime) -> None:
    LAG.tell(_ages(await store.measure_lags(tx), now), "age_s")
    JOBS.tell(await store.count_jobs(tx))


def _ages(rows: Sequence[Row], now: datetime) -> Iterable[Row]:
    for row in rows:
        age_s = 0.0 if row["since"] is None else (now - row["since"]).total_seconds()
        yield {**row, "age_s": max(age_s, 0.0)}
