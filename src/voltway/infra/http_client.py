"""The one place from which we call other people's HTTP servers.

A URL that somebody entered must not make us call our own network: a name is resolved once, its addresses are judged,
and the connection goes to that very address (a name that answers differently a moment later gains nothing). Redirects
are not followed, proxies of the environment not used, connections not kept; an answer is read up to a limit.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from voltway.infra.addresses import AddressRefused, resolve
from voltway.kernel.clock import monotonic_s
from voltway.kernel.errors import Fault, InvalidInput, VoltwayError

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class CallFailed(VoltwayError):
    """No answer: refused, not found, timed out or broken."""

    code = "call_failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; `body` at most MAX_ANSWER_BYTES, not decoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration_ms: int

    def excerpt(self, characters: int = 1000) -> str:
        """Return the beginning of the body as text that PostgreSQL takes."""
        return self.body.decode("utf-8", "replace").replace("\0", "\ufffd")[:characters]


def url_faults(url: str, *, allow_private: bool) -> list[Fault]:
    """Return what is wrong with a URL to call, before it is looked up: HTTPS with a host and no password in it."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        return [Fault("/url", f"not a URL: {error}")]
    faults = []
    if parsed.scheme != "https" and not (allow_private and parsed.scheme == "http"):
        faults.append(Fault("/url", "write an https:// URL"))
    if not parsed.host:
        faults.append(Fault("/url", "the URL names no host"))
    if parsed.port is not None and not 1 <= parsed.port <= 65535:
        faults.append(Fault("/url", "a port is a number from 1 to 65535"))
    if parsed.userinfo:
        faults.append(Fault("/url", "leave name and password out; the signature says who calls"))
    if parsed.fragment:
        faults.append(Fault("/url", "leave the part after # out; it is never sent"))
    return faults


class HttpClient:
    """Calls servers outside.

    Args:
        allow_private: let it reach private addresses and plain HTTP (tests, intranets).
        timeout_s: how long one call may take in all.
    """

    def __init__(self, *, allow_private: bool = False, timeout_s: float = TIMEOUT_S) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0)),
            follow_redirects=False,
            trust_env=False,
            # A kept connection is known by its address alone and might be used for another name at that address.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    async def check(self, url: str) -> None:
        """Raise InvalidInput where a URL may not be called; a host that does not answer now may do so later."""
        faults = url_faults(url, allow_private=self._allow_private)
        if not faults:
            try:
                await self._addresses(httpx.URL(url))
            except AddressRefused as error:
                faults = [Fault("/url", error.message)]
            except (OSError, TimeoutError):
                pass
        if faults:
            raise InvalidInput("this URL cannot be called", faults)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Send content and return the answer, whatever its status.

        Raises:
            AddressRefused: the host leads inside.
            CallFailed: there is no answer.
        """
        begun_s = monotonic_s()
        try:
            async with asyncio.timeout(self._timeout_s):
                parsed = httpx.URL(url)
                if url_faults(url, allow_private=self._allow_private):
                    raise CallFailed("this URL may not be called")
                return await self._send(parsed, content, headers, begun_s)
        except TimeoutError as error:
            raise CallFailed(f"no answer within {self._timeout_s:g} s") from error
        except (httpx.HTTPError, OSError, httpx.InvalidURL) as error:
            raise CallFailed(_words(error)) from error

    async def _send(self, url: httpx.URL, content: bytes, headers: Mapping[str, str], begun_s: float) -> Answer:
        addresses = await self._addresses(url)
        for number, address in enumerate(addresses):
            try:
                return await self._send_to(url, address, content, {**headers, "Host": url.netloc.decode()}, begun_s)
            except httpx.ConnectError:
                if number == len(addresses) - 1:
                    raise
        raise CallFailed(f"{url.host} has no address")

    async def _send_to(
        self, url: httpx.URL, address: str, content: bytes, headers: Mapping[str, str], begun_s: float
    ) -> Answer:
        request = self._client.build_request(
            "POST",
            url.copy_with(host=address),
            content=content,
            headers=headers,
            # The certificate must be of the name that was asked for, not of the address.
            extensions={"sni_hostname": url.raw_host.decode()},
        )
        response = await self._client.send(request, stream=True)
        try:
            body = await _read(response)
        finally:
            await response.aclose()
        return Answer(response.status_code, dict(response.headers), body, round((monotonic_s() - begun_s) * 1000))

    async def _addresses(self, url: httpx.URL) -> list[str]:
        port = url.port or _PORTS[url.scheme]
        return await resolve(url.raw_host.decode().strip("[]"), port, allow_private=self._allow_private)


async def _read(response: httpx.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= MAX_ANSWER_BYTES:
            break
    return body[:MAX_ANSWER_BYTES]


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
