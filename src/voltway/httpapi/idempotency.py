"""Idempotency-Key on POST: the same request sent again gets the answer of the first, and nothing is done twice.

Under one operator a key belongs to one request (method, path, query, body). A repeat gets the stored answer with
`Idempotency-Replayed: true`; another request under the key, or a repeat while the first still runs, gets 409. Refused
requests (4xx, 503) did nothing and give their key back. Kept for ever.
Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voltway.httpapi import store
from voltway.httpapi.caller import Caller, authenticate
from voltway.httpapi.problems import problem_response, request_id_of, status_of
from voltway.infra.db import Database
from voltway.kernel.errors import Conflict, InvalidInput, VoltwayError

HEADER = "idempotency-key"
MAX_KEY_CHARACTERS = 255
MAX_BODY_BYTES = 16 * 1024 * 1024
_UNAVAILABLE = 503


def mark_secret(request: Request) -> None:
    """Say that this answer shows a secret once, so that it is never stored for a replay."""
    request.state.secret_answer = True


class Idempotency:
    """ASGI layer inside the envelope; only a POST under /api/ with the header is touched."""

    def __init__(self, app: ASGIApp, *, database: Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Replay, refuse or run one request."""
        key = _key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await self._once(request, key, send)
        except VoltwayError as error:
            response = problem_response(status_of(error), error.code, error.message, request_id=request_id_of(request))
        if response is not None:
            await response(scope, receive, send)

    async def _once(self, request: Request, key: str, send: Send) -> Response | None:
        """Return an answer to send, None where the application has answered already."""
        if not 1 <= len(key) <= MAX_KEY_CHARACTERS:
            raise InvalidInput(f"an Idempotency-Key has 1 to {MAX_KEY_CHARACTERS} characters")
        caller = await authenticate(request)
        body = await _read_body(request)
        digest = sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode() + body).digest()
        async with self._database.transaction(caller.operator_id) as tx:
            claimed = await store.claim_key(tx, operator_id=caller.operator_id, key=key, request_hash=digest)
            answer = None if claimed else await store.find_answer(tx, key)
        if not claimed:
            return _replay(answer, digest)
        await self._run(request, body, caller, key, send)
        return None

    async def _run(self, request: Request, body: bytes, caller: Caller, key: str, send: Send) -> None:
        recorder = _Recorder(send)
        try:
            await self._app(request.scope, _replaying(body, request.receive), recorder.send)
        finally:
            # Without a status a bug struck: nobody knows what was done, so the key stays taken.
            if recorder.status is not None:
                await self._settle(request, recorder, caller, key)

    async def _settle(self, request: Request, recorder: "_Recorder", caller: Caller, key: str) -> None:
        secret = getattr(request.state, "secret_answer", False)
        async with self._database.transaction(caller.operator_id) as tx:
            if recorder.was_refused:
                await store.release_key(tx, key)
                return
            kept = None if secret else bytes(recorder.body)
            await store.keep_answer(tx, key, status=recorder.status, body=kept, content_type=recorder.content_type)


class _Recorder:
    """Passes an answer on and remembers it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.content_type: str | None = None
        self.body = bytearray()

    @property
    def was_refused(self) -> bool:
        """A refusal did nothing: every route is one transaction that rolled back."""
        return self.status is not None and (400 <= self.status < 500 or self.status == _UNAVAILABLE)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = {name.lower(): value for name, value in message["headers"]}
            self.content_type = headers.get(b"content-type", b"").decode("latin-1") or None
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
        await self._send(message)


def _key_of(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/api/"):
        return None
    found = next((value for name, value in scope["headers"] if name == HEADER.encode()), None)
    return None if found is None else found.decode("latin-1")


async def _read_body(request: Request) -> bytes:
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > MAX_BODY_BYTES:
            raise InvalidInput(f"the body is longer than {MAX_BODY_BYTES} bytes")
    return bytes(parts)


def _replaying(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def receive_again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _replay(answer: store.StoredAnswer | None, digest: bytes) -> Response:
    if answer is None:
        raise Conflict("the first request under this Idempotency-Key has just been refused; send it again")
    if answer.request_hash != digest:
        raise Conflict("this Idempotency-Key belongs to another request")
    if answer.status is None:
        raise Conflict("the first request under this Idempotency-Key is still in flight, or its outcome was lost")
    if answer.body is None:
        raise Conflict("this was done already; its answer showed a secret, which is shown only once")
    headers = {"Idempotency-Replayed": "true"}
    return Response(answer.body, answer.status, headers=headers, media_type=answer.content_type)
