"""Runs the HTTP application under uvicorn as a role of ours: bound first, then ready, ended by the lifeline."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from voltway.infra.lifeline import Lifeline
from voltway.kernel.errors import NotReady
from voltway.settings import Settings

_BACKLOG = 1024
# An open event stream never ends by itself; the role has 5 s in all.
_GRACE_S = 2


class _Server(uvicorn.Server):
    """A server that leaves signals to the lifeline."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind_tcp(host: str, port: int) -> socket.socket:
    """Bind a listening TCP socket (port 0: any free one); raise NotReady with one sentence where it cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise NotReady(f"port {port} on {host} cannot be used: {error.strerror}") from error


async def serve_http(app: FastAPI, settings: Settings, lifeline: Lifeline) -> None:
    """Serve until the lifeline says stop; report the bound port once connections are accepted."""
    listener = bind_tcp(settings.bind, settings.http_port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has a flag, not an event
        await asyncio.sleep(0.01)
    if not serving.done():
        lifeline.ready(port=listener.getsockname()[1])
        stopping = asyncio.create_task(lifeline.stopping.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
    server.should_exit = True
    await serving
