"""`voltway import`: tables from the command line into the database of this installation."""

import asyncio
import json
from pathlib import Path

import orjson
import pytest
from tests.httpapi.client import ADMIN

from voltway.httpapi.paging import PageRequest
from voltway.identity.service import Identity
from voltway.imports import make_importers, run_import
from voltway.infra.db import Database
from voltway.settings import Settings, load_settings
from voltway.tariffs.service import Tariffs

TARIFF = {
    "country_code": "DE", "party_id": "VWY", "id": "DAY", "currency": "EUR", "last_updated": "2026-01-01T00:00:00Z",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.39, "step_size": 1}]}],
}  # fmt: skip


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return load_settings(database_url=database_url, data_dir=tmp_path)


def _tokens(database_url: str) -> list[str]:
    async def read() -> list[str]:
        database = Database(database_url, pool_size=1)
        page = await Identity(database).list_tokens(ADMIN, PageRequest())
        await database.close()
        return [token.token for token in page.items]

    return asyncio.run(read())


def test_a_file_is_imported_once_it_is_right(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Faults in the form FILE:LINE:COLUMN: message with exit 2; a dry run keeps nothing; then exit 0."""
    file = tmp_path / "tokens.csv"
    file.write_text("token,status\nAA,Maybe\n,Accepted\nBB,Blocked\n", encoding="utf-8")
    assert run_import("tokens", str(file), settings) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{file}:2:2", f"{file}:3:1"]
    file.write_text("token,status\nAA,Accepted\nBB,Blocked\n", encoding="utf-8")
    assert run_import("tokens", str(file), settings, dry_run=True) == 0
    assert "2 would be created" in capsys.readouterr().err
    assert _tokens(settings.database_url) == []
    assert run_import("tokens", str(file), settings, as_json=True) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == {
        "kind": "tokens", "dry_run": False, "created": 2, "updated": 0, "unchanged": 0, "faults": [], "table": True
    }  # fmt: skip
    assert _tokens(settings.database_url) == ["AA", "BB"]


def test_faults_are_in_the_json_too(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "tariffs.json"
    file.write_bytes(orjson.dumps([TARIFF, {**TARIFF, "currency": "euro"}]))
    assert run_import("tariffs", str(file), settings, as_json=True) == 2
    captured = capsys.readouterr()
    assert [fault["pointer"] for fault in json.loads(captured.out)["faults"]] == ["/1/currency"]
    assert captured.err.startswith(f"{file}#/1/currency: ")


@pytest.mark.parametrize(
    ("kind", "file", "code"), [("cars", "x.csv", 2), ("tokens", "missing.csv", 2), ("tokens", "latin.csv", 2)]
)
def test_what_cannot_be_imported_is_one_sentence(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, kind: str, file: str, code: int
) -> None:
    (tmp_path / "latin.csv").write_bytes(b"token\n\xe4\n")
    assert run_import(kind, str(tmp_path / file), settings) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_a_database_it_is_not_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tokens.csv").write_text("token\nAA\n", encoding="utf-8")
    nowhere = load_settings(data_dir=tmp_path)
    assert run_import("tokens", str(tmp_path / "tokens.csv"), nowhere) == 3
    assert "voltway up" in capsys.readouterr().err


async def test_tariffs_come_as_json_or_csv(database_url: str) -> None:
    """The same tariff written with other spaces is unchanged; an extension makes the next version."""
    database = Database(database_url, pool_size=1)
    importer = make_importers(database)["tariffs"]
    quoted = orjson.dumps(TARIFF).decode().replace('"', '""')
    counts = []
    for text in (
        json.dumps([TARIFF]),
        json.dumps([TARIFF], indent=2),
        json.dumps(TARIFF),
        f'document\n"{quoted}"\n',
        f'document,extension\n"{quoted}","{{""price_lock"":true}}"\n',
        json.dumps([{"document": TARIFF, "extension": {"price_lock": True}}]),
    ):
        report = await importer.run(ADMIN, text, dry_run=False)
        counts.append((report.created, report.updated, report.unchanged, report.faults))
    assert counts == [(1, 0, 0, []), (0, 0, 1, []), (0, 0, 1, []), (0, 0, 1, []), (0, 1, 0, []), (0, 0, 1, [])]
    versions = await Tariffs(database).list_versions(ADMIN, "DAY", PageRequest())
    assert [it.version for it in versions.items] == [2, 1]
    broken = await importer.run(ADMIN, 'document\n"{""id"": 1}"\n{\n', dry_run=False)
    assert {fault.pointer for fault in broken.faults} == {"2:1", "3:1"}
    assert (await importer.run(ADMIN, "[", dry_run=False)).faults[0].pointer == ""
    twice = await importer.run(ADMIN, json.dumps([TARIFF, TARIFF]), dry_run=False)
    assert [fault.pointer for fault in twice.faults] == ["/1"]
    await database.close()
