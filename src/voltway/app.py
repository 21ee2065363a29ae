"""The composition root: settings in, running roles out; the only module that knows everything.

`run_role` is what each child of `voltway up` runs. A role is one function `run_…(settings, lifeline)`: it makes its
parts, says `lifeline.ready(...)` (with the port it bound) and ends when `lifeline.stopping` is set.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import uvloop

from voltway.infra.lifeline import Lifeline, run_with_lifeline
from voltway.infra.telemetry import configure_logging
from voltway.settings import Settings

RoleBody = Callable[[Settings, Lifeline], Awaitable[None]]


def run_role(role: str, settings: Settings) -> int:
    """Run one role in this process until it is told to end; return its exit code."""
    configure_logging(role=role, level=settings.log_level, form=settings.log_format)
    return uvloop.run(run_with_lifeline(partial(_BODIES[role], settings)))


async def run_gateway(settings: Settings, lifeline: Lifeline) -> None:
    """Listen where stations connect."""
    from asyncio import StreamReader, StreamWriter, start_server

    async def refuse(_reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await start_server(refuse, settings.bind, settings.ocpp_port)
    lifeline.ready(port=server.sockets[0].getsockname()[1])
    await lifeline.stopping.wait()
    server.close()


async def run_api(settings: Settings, lifeline: Lifeline) -> None:
    """Serve REST, the page and the health of this process."""
    from fastapi import FastAPI, Response

    from voltway.infra.http_server import serve_http
    from voltway.infra.telemetry import metrics_text

    app = FastAPI(title="Voltway")

    @app.get("/healthz")
    @app.get("/readyz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> Response:
        text, content_type = metrics_text()
        return Response(text, media_type=content_type)

    await serve_http(app, settings, lifeline)


async def run_worker(settings: Settings, lifeline: Lifeline) -> None:
    """Do background work."""
    assert settings.database_url, "the supervisor names the database"
    lifeline.ready()
    await lifeline.stopping.wait()


async def run_demo(settings: Settings, lifeline: Lifeline) -> None:
    """Fill an empty network with made history, then run its stations live."""
    lifeline.progress(step=f"Demo city with seed {settings.demo_seed}", done=1, total=1)
    lifeline.ready()
    await lifeline.stopping.wait()


_BODIES: dict[str, RoleBody] = {"gateway": run_gateway, "api": run_api, "worker": run_worker, "demo": run_demo}
