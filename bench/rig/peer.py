"""The peer: a central system as one writes it with the field's Python library, one database commit per message.

`ocpp`'s ChargePoint on `websockets` under asyncio's own loop (as its documentation shows), the library's schema
validation as it comes, one SQLAlchemy (asyncpg) transaction per message: the session updated and four meter values
inserted. The session's key is kept in memory, so that a reading costs no SELECT. Logging at WARNING: the library writes
each message at INFO, which applications usually show and which would cost more. Run as `python -m rig.peer`; it writes
one line of JSON when it listens.
"""

import asyncio
import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

import ocpp.messages
import websockets
from ocpp.charge_point import ChargePoint
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call_result as answers16
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import AuthorizationStatus, RegistrationStatus
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call_result as answers201
from ocpp.v201.enums import RegistrationStatusEnumType
from sqlalchemy import ForeignKey, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime
from websockets.asyncio.server import ServerConnection

from rig.load import raise_open_files

DATABASE_URL_VARIABLE = "BENCH_PEER_DATABASE_URL"
_POOL_SIZE = 20
_ENERGY = "Energy.Active.Import.Register"
_Time = DateTime(timezone=True)

Sessions = async_sessionmaker[AsyncSession]


class Table(DeclarativeBase):
    """The peer's tables."""


class ChargingSession(Table):
    """One transaction of a station; what is known of it now."""

    __tablename__ = "charging_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    station: Mapped[str] = mapped_column(index=True)
    transaction: Mapped[str]
    id_token: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(_Time)
    last_reading_at: Mapped[datetime] = mapped_column(_Time)
    register_begin_wh: Mapped[float]
    register_last_wh: Mapped[float]


class MeterValue(Table):
    """One sampled value."""

    __tablename__ = "meter_value"

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey(ChargingSession.id), index=True)
    sampled_at: Mapped[datetime] = mapped_column(_Time)
    measurand: Mapped[str]
    context: Mapped[str]
    unit: Mapped[str]
    value: Mapped[float]


async def store_start(sessions: Sessions, session: ChargingSession) -> int:
    """Store a new session and return its key."""
    async with sessions.begin() as database:
        database.add(session)
        await database.flush()
        return session.id


async def store_readings(sessions: Sessions, session_id: int, values: list[MeterValue]) -> None:
    """Store the values of one message and the session's last register, in one transaction."""
    register_wh = next(value.value for value in values if value.measurand == _ENERGY)
    changed = {"last_reading_at": values[0].sampled_at, "register_last_wh": register_wh}
    async with sessions.begin() as database:
        await database.execute(update(ChargingSession).where(ChargingSession.id == session_id).values(changed))
        database.add_all(values)


def _values(session_id: int, meter_value: list[dict[str, Any]]) -> list[MeterValue]:
    return [
        MeterValue(
            session_id=session_id,
            sampled_at=datetime.fromisoformat(batch["timestamp"]),
            measurand=sample.get("measurand", _ENERGY),
            context=sample.get("context", "Sample.Periodic"),
            unit=sample.get("unit") or sample.get("unit_of_measure", {}).get("unit", "Wh"),
            value=float(sample["value"]),
        )
        for batch in meter_value
        for sample in batch["sampled_value"]
    ]


class Station16(ChargePoint16):  # type: ignore[misc] # the library is not typed
    """A station that speaks 1.6."""

    def __init__(self, identity: str, connection: ServerConnection, sessions: Sessions) -> None:
        super().__init__(identity, connection)
        self._sessions = sessions

    @on("BootNotification")  # type: ignore[untyped-decorator]
    async def on_boot(self, **_: object) -> answers16.BootNotification:
        """Accept the station."""
        return answers16.BootNotification(datetime.now(UTC).isoformat(), 300, RegistrationStatus.accepted)

    @on("StartTransaction")  # type: ignore[untyped-decorator]
    async def on_start(self, id_tag: str, meter_start: int, timestamp: str, **_: object) -> answers16.StartTransaction:
        """Store the session; its key is the transaction id."""
        at = datetime.fromisoformat(timestamp)
        session = _session(self.id, "", id_tag, at, float(meter_start))
        key = await store_start(self._sessions, session)
        return answers16.StartTransaction(key, IdTagInfo(AuthorizationStatus.accepted))

    @on("MeterValues")  # type: ignore[untyped-decorator]
    async def on_meter_values(
        self, transaction_id: int, meter_value: list[dict[str, Any]], **_: object
    ) -> answers16.MeterValues:
        """Store the reading, then answer."""
        await store_readings(self._sessions, transaction_id, _values(transaction_id, meter_value))
        return answers16.MeterValues()


class Station201(ChargePoint201):  # type: ignore[misc] # the library is not typed
    """A station that speaks 2.0.1."""

    def __init__(self, identity: str, connection: ServerConnection, sessions: Sessions) -> None:
        super().__init__(identity, connection)
        self._sessions = sessions
        self._keys: dict[str, int] = {}

    @on("BootNotification")  # type: ignore[untyped-decorator]
    async def on_boot(self, **_: object) -> answers201.BootNotification:
        """Accept the station."""
        return answers201.BootNotification(datetime.now(UTC).isoformat(), 300, RegistrationStatusEnumType.accepted)

    @on("TransactionEvent")  # type: ignore[untyped-decorator]
    async def on_event(
        self,
        event_type: str,
        transaction_info: dict[str, Any],
        meter_value: list[dict[str, Any]],
        id_token: dict[str, str] | None = None,
        **_: object,
    ) -> answers201.TransactionEvent:
        """Store the session or the reading, then answer."""
        transaction = transaction_info["transaction_id"]
        values = _values(0, meter_value)
        if event_type == "Started" and id_token is not None:
            session = _session(self.id, transaction, id_token["id_token"], values[0].sampled_at, values[0].value)
            self._keys[transaction] = await store_start(self._sessions, session)
        else:
            key = self._keys[transaction]
            await store_readings(self._sessions, key, _values(key, meter_value))
        return answers201.TransactionEvent()


def _session(station: str, transaction: str, id_token: str, at: datetime, register_wh: float) -> ChargingSession:
    return ChargingSession(
        station=station,
        transaction=transaction,
        id_token=id_token,
        started_at=at,
        last_reading_at=at,
        register_begin_wh=register_wh,
        register_last_wh=register_wh,
    )


def _station(connection: ServerConnection, sessions: Sessions) -> ChargePoint:
    assert connection.request is not None
    identity = connection.request.path.rpartition("/")[2]
    kind = Station16 if connection.subprotocol == "ocpp1.6" else Station201
    return kind(identity, connection, sessions)


async def serve() -> None:
    """Make the tables, listen on a free port until the process is ended."""
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("ocpp").setLevel(logging.WARNING)
    url = os.environ[DATABASE_URL_VARIABLE].replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url, pool_size=_POOL_SIZE, max_overflow=0)
    async with engine.begin() as connection:
        await connection.run_sync(Table.metadata.create_all)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def link(connection: ServerConnection) -> None:
        try:
            await _station(connection, sessions).start()
        except websockets.ConnectionClosed:
            return

    options: dict[str, Any] = {"subprotocols": ["ocpp1.6", "ocpp2.0.1"], "ping_interval": None, "backlog": 4096}
    async with websockets.serve(link, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"url": f"ws://127.0.0.1:{port}/ocpp", **_settings()}), flush=True)
        await asyncio.Event().wait()


def _settings() -> dict[str, object]:
    """Say what the proofs ask for: the level at which the library logs, and how it validates."""
    level = logging.getLevelName(logging.getLogger("ocpp").getEffectiveLevel())
    return {"log_level": level, "validates_in_threads": ocpp.messages.ASYNC_VALIDATION}


if __name__ == "__main__":
    raise_open_files()
    asyncio.run(serve())
