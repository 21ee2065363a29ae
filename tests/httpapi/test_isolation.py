"""Rows of one operator are invisible to another: every table carries its operator under a forced policy."""

import psycopg
import pytest
from tests.httpapi.client import Api, add_operator, running_api

from voltway.httpapi import imports
from voltway.imports import make_importers
from voltway.infra.db import Database, Role
from voltway.kernel.ids import OperatorId
from voltway.stations import api as stations_api
from voltway.stations.service import Stations
from voltway.tariffs import api as tariffs_api
from voltway.tariffs.service import Tariffs

NOT_OURS = "relname = 'alembic_version' OR relname LIKE 'procrastinate%'"
LISTS = (
    "/locations", "/stations", "/evses", "/connectors", "/tokens", "/tariffs", "/tariff-assignments", "/api-keys",
    "/audit",
)  # fmt: skip
TARIFF = """{"country_code": "DE", "party_id": "VWY", "id": "NIGHT", "currency": "EUR",
 "elements": [{"price_components": [{"type": "ENERGY", "price": 0.39, "step_size": 1}]}],
 "last_updated": "2026-01-01T00:00:00Z"}"""


def _tables(database_url: str, condition: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            f"""SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT ({NOT_OURS}) AND ({condition})
                ORDER BY relname"""  # noqa: S608 - our own text
        ).fetchall()
    return [row[0] for row in rows]


def test_every_table_has_an_operator_and_a_forced_policy(database_url: str) -> None:
    """Partitions too, since each is a table of its own to whoever names it."""
    with_operator = (
        "EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'operator_id' AND attnotnull)"
    )
    with_policy = """relrowsecurity AND relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid
                     AND pg_get_expr(p.polqual, p.polrelid) LIKE '%operator_id = voltway_operator()%')"""
    assert len(_tables(database_url, "true")) > 40
    assert _tables(database_url, f"NOT ({with_operator})") == []
    assert _tables(database_url, f"NOT ({with_policy})") == []


def test_a_later_partition_is_protected_too(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT voltway_ensure_partitions('2031-05-01T00:00:00Z', '2031-06-02T00:00:00Z')")
    assert _tables(database_url, "relname = 'meter_value_203105' AND relforcerowsecurity") == ["meter_value_203105"]
    assert _tables(database_url, "NOT relrowsecurity") == []


def test_no_role_of_ours_owns_a_table_or_bypasses_by_accident(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        roles = connection.execute(
            """SELECT rolname, rolsuper, rolbypassrls,
                      EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid) FROM pg_roles r
               WHERE rolname IN ('voltway_app', 'voltway_ingest') ORDER BY rolname"""
        ).fetchall()
    assert roles == [("voltway_app", False, False, False), ("voltway_ingest", False, True, False)]


async def _fill(api: Api) -> None:
    for path, body in (
        ("/locations", {"id": "L1", "name": "Alex", "time_zone": "Europe/Berlin"}),
        ("/stations", {"id": "CP-1", "location_id": "L1"}),
        ("/tokens", {"token": "AABB"}),
        ("/api-keys", {"name": "theirs", "scopes": ["read"]}),
    ):
        assert (await api.client.post(f"/api/v1{path}", json=body)).status_code == 201
    assert (await api.client.put("/api/v1/stations/CP-1/evses/1/connectors/1", json={})).status_code == 200
    assert (await api.client.post("/api/v1/tariffs", content=TARIFF)).status_code == 201
    assignment = {"tariff_id": "NIGHT", "target_kind": "operator"}
    assert (await api.client.post("/api/v1/tariff-assignments", json=assignment)).status_code == 201


async def test_no_list_shows_another_operators_rows(database_url: str) -> None:
    """Nor can they be read, changed or deleted by name; the same names are free (an OCPP identity is not)."""
    add_operator(database_url, 2, "Other")
    makers = (
        lambda db: stations_api.router(Stations(db)),
        lambda db: tariffs_api.router(Tariffs(db)),
        lambda db: imports.router(make_importers(db)),
    )
    async with running_api(database_url, *makers) as api:
        await _fill(api)
        other = await api.client_with("read", "write", "admin", operator_id=2)
        for path in LISTS:
            assert (await api.client.get(f"/api/v1{path}")).json()["items"], path
        for path in LISTS[:7]:
            assert (await other.get(f"/api/v1{path}")).json()["items"] == [], path
        assert [key["name"] for key in (await other.get("/api/v1/api-keys")).json()["items"]] == ["test"]
        assert {entry["actor"] for entry in (await other.get("/api/v1/audit")).json()["items"]} == {"test"}
        for path in ("/locations/L1", "/stations/CP-1", "/tokens/AABB", "/tariffs/NIGHT", "/tariff-assignments/1"):
            assert (await other.get(f"/api/v1{path}")).status_code == 404, path
        for path in ("/locations/L1", "/stations/CP-1", "/tokens/AABB", "/tariff-assignments/1", "/api-keys/1"):
            assert (await other.delete(f"/api/v1{path}")).status_code == 404, path
        for path in ("findings", "events", "variables", "messages"):
            assert (await other.get(f"/api/v1/stations/CP-1/{path}")).status_code == 404, path
        assert (await other.post("/api/v1/tokens", json={"token": "AABB"})).status_code == 201
        assert (await other.post("/api/v1/tariffs", content=TARIFF)).status_code == 201
        assert (await other.post("/api/v1/stations", json={"id": "CP-1"})).status_code == 409
        assert (await api.client.get("/api/v1/stations/CP-1")).status_code == 200


async def test_a_transaction_without_an_operator_sees_nothing(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    async with database.transaction(None) as tx:
        assert (await tx.exec_driver_sql("SELECT count(*) FROM operator")).scalar() == 0
    await database.close()


async def test_an_operator_cannot_write_for_another(database_url: str) -> None:
    add_operator(database_url, 2, "Other")
    database = Database(database_url, Role.APP, pool_size=1)
    with pytest.raises(Exception, match="row-level security"):
        async with database.transaction(OperatorId(1)) as tx:
            await tx.exec_driver_sql(
                "INSERT INTO location (operator_id, code, name, time_zone) VALUES (2, 'X', 'x', 'UTC')"
            )
    await database.close()
