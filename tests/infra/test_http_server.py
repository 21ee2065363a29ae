"""The HTTP role says its port once it answers, ends when told to, and says in one sentence why it cannot start."""

import asyncio
import json
import os
import socket
import urllib.request
from pathlib import Path

import pytest
from fastapi import FastAPI

from voltway.infra.http_server import bind_tcp, serve_http
from voltway.infra.lifeline import Lifeline
from voltway.kernel.errors import NotReady
from voltway.settings import Settings


def _app() -> FastAPI:
    app = FastAPI()

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


def _get(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        content: bytes = answer.read()
    return content


async def test_it_serves_between_ready_and_stop(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    lifeline = Lifeline(writing)
    serving = asyncio.create_task(serve_http(_app(), Settings(data_dir=tmp_path, http_port=0), lifeline))
    with os.fdopen(reading) as reports, os.fdopen(writing, "wb"):
        word, _, text = (await asyncio.to_thread(reports.readline)).partition(" ")
        assert word == "ready"
        assert json.loads(await asyncio.to_thread(_get, json.loads(text)["port"])) == {"status": "ok"}
        lifeline.stopping.set()
        await asyncio.wait_for(serving, 5)


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(NotReady, match=f"port {port} on 127.0.0.1 cannot be used"):
            bind_tcp("127.0.0.1", port)


def test_a_free_port_is_found() -> None:
    with bind_tcp("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0
