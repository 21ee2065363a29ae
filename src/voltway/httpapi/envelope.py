"""What wraps every answer: request id, security headers, one access log line, metrics, and the last resort for bugs.

Pure ASGI, so that streams pass through untouched. A query string is never logged: it may carry a one-time login.
"""

import re
from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voltway.httpapi.metrics import count_request
from voltway.httpapi.problems import problem_response
from voltway.kernel.clock import monotonic_s

_log = structlog.get_logger("voltway.http")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_QUIET = {"/healthz", "/readyz", "/metrics"}
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Envelope:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other protocols (lifespan) pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        begun_s = monotonic_s()
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the HTTP edge's supervisor: a bug ends one request, seen
            await _fail(scope, receive, answer, error)
        finally:
            _note(scope, answer, monotonic_s() - begun_s)


class _Answer:
    """One answer on its way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.request_id = _request_id(scope)
        self.status: int | None = None
        self._is_api = scope["path"].startswith("/api/")
        self._send = send
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        """Pass a message on; the first one gets our headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            if self._is_api:
                headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


async def _fail(scope: Scope, receive: Receive, answer: _Answer, error: Exception) -> None:
    """Answer a bug with a problem, or cut an answer off that has begun."""
    _log.error("http_failed", path=scope["path"], request_id=answer.request_id, exc_info=error)
    if answer.status is not None:
        raise error
    detail = "something went wrong on our side; the log has it under this request id"
    problem = problem_response(500, "internal", detail, request_id=answer.request_id)
    await problem(scope, receive, answer.send)


def _note(scope: Scope, answer: _Answer, duration_s: float) -> None:
    # 499, as proxies write it: the caller went away before there was an answer.
    status = 499 if answer.status is None else answer.status
    # The template keeps the label bounded: a path has ids in it, and anybody can make up paths.
    route = getattr(scope.get("route"), "path", "unmatched")
    count_request(method=_method(scope), route=route, status=status, duration_s=duration_s)
    if scope["path"] in _QUIET and status < 400:
        return
    caller = scope.get("state", {}).get("caller")
    _log.info(
        "http_request",
        method=scope["method"],
        path=scope["path"],
        status=status,
        ms=round(duration_s * 1000, 1),
        request_id=answer.request_id,
        operator_id=getattr(caller, "operator_id", None),
        actor=getattr(caller, "name", None),
    )


def _request_id(scope: Scope) -> str:
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _method(scope: Scope) -> str:
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return scope["method"] if scope["method"] in known else "other"
