"""Calls to other people's servers: the address that was judged is the one that is called; limits; faults in words."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.monitoring.notify.receiver import Receiver, running_receiver

from voltway.infra.addresses import AddressRefused
from voltway.infra.http_client import MAX_ANSWER_BYTES, Answer, CallFailed, HttpClient, url_faults
from voltway.kernel.errors import InvalidInput


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with HttpClient(allow_private=True, timeout_s=5) as running:
        yield running


async def test_what_is_sent_arrives(receiver: Receiver, client: HttpClient) -> None:
    """The name stays in the Host header though the call goes to an address."""
    url = receiver.url.replace("127.0.0.1", "localhost")
    answer = await client.post(url, b"body", {"x-own": "1"})
    (request,) = receiver.requests
    assert (request.body, request.headers["x-own"]) == (b"body", "1")
    assert request.headers["host"] == f"localhost:{receiver.port}"
    assert (answer.status, answer.body, answer.excerpt()) == (200, b"thanks", "thanks")
    assert answer.duration_ms >= 0


async def test_an_address_inside_is_not_called(receiver: Receiver) -> None:
    """Neither by number nor by name."""
    async with HttpClient() as strict:
        for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "[::ffff:127.0.0.1]"):
            with pytest.raises(AddressRefused):
                await strict.post(f"https://{host}:{receiver.port}/", b"", {})
    assert receiver.requests == []


async def test_a_name_that_changes_its_mind_gains_nothing(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name is asked once, and what was judged is what is called."""
    asked: list[Any] = []

    async def answer(host: str, port: int, **options: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.99"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer)
    async with HttpClient(allow_private=True) as client:
        await client.post(f"http://rebinding.test:{receiver.port}/", b"", {})
    assert asked == ["rebinding.test"]
    assert len(receiver.requests) == 1


async def test_the_second_address_is_tried(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(host: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (it, port)) for it in ("127.0.0.99", "127.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer)
    async with HttpClient(allow_private=True) as client:
        assert (await client.post(f"http://two.test:{receiver.port}/", b"", {})).status == 200


async def test_a_redirect_is_an_answer(receiver: Receiver, client: HttpClient) -> None:
    receiver.answers = [(307, "location: http://169.254.169.254/\r\n", b"")]
    assert (await client.post(receiver.url, b"", {})).status == 307
    assert len(receiver.requests) == 1


async def test_a_long_answer_is_cut(receiver: Receiver, client: HttpClient) -> None:
    receiver.answers = [(200, "", b"x" * 300_000)]
    answer = await client.post(receiver.url, b"", {})
    assert len(answer.body) == MAX_ANSWER_BYTES
    assert len(answer.excerpt()) == 1000


def test_an_excerpt_is_text_that_a_table_takes() -> None:
    assert Answer(200, {}, b"a\0b\xff", 1).excerpt() == "a\ufffdb\ufffd"


async def test_no_answer_in_time_is_a_failure(receiver: Receiver) -> None:
    receiver.wait_s = 5
    async with HttpClient(allow_private=True, timeout_s=0.2) as client:
        with pytest.raises(CallFailed, match=r"no answer within 0\.2 s|Timeout"):
            await client.post(receiver.url, b"", {})


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://no-such-host.invalid/", "http://[::1]:1/"])
async def test_nobody_there_is_a_failure_in_words(client: HttpClient, url: str) -> None:
    with pytest.raises(CallFailed) as failed:
        await client.post(url, b"", {})
    assert failed.value.message


async def test_what_is_no_http_is_a_failure(client: HttpClient) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CallFailed):
            await client.post(f"http://127.0.0.1:{port}/", b"", {})


@pytest.mark.parametrize(
    ("url", "allow_private", "faults"),
    [
        ("https://example.com/x?y=1", False, 0), ("http://example.com/", False, 1), ("http://example.com/", True, 0),
        ("https://a:b@example.com/", False, 1), ("https://example.com/#x", False, 1), ("gopher://example.com", True, 1),
        ("https:///x", False, 1), ("", False, 2), ("https://exa mple.com:99999/", False, 1),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_url(url: str, allow_private: bool, faults: int) -> None:  # noqa: FBT001 - a table's column
    assert len(url_faults(url, allow_private=allow_private)) == faults


async def test_a_check_refuses_what_leads_inside_and_lets_the_unknown_pass() -> None:
    """A host that nobody knows today may be there tomorrow; each call judges it again."""
    async with HttpClient() as strict:
        await strict.check("https://no-such-host.invalid/")
        await strict.check("https://8.8.8.8/")
        with pytest.raises(InvalidInput) as refused:
            await strict.check("https://localhost/")
    assert "private network" in refused.value.faults[0].message


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate that nobody has signed, with its key."""
    both = tmp_path / "both.pem"
    program = shutil.which("openssl")
    assert program is not None, "the test needs openssl on the PATH"
    options = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run([program, *options.split()], cwd=tmp_path, check=True, capture_output=True)
    both.write_bytes((tmp_path / "key.pem").read_bytes() + (tmp_path / "cert.pem").read_bytes())
    return both


async def test_tls_asks_for_the_name_and_believes_no_stranger(certificate: Path, client: HttpClient) -> None:
    """The call goes to an address, the certificate must be of the name; one that nobody signed is refused."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CallFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await client.post(f"https://localhost:{port}/", b"", {})
    assert set(names) == {"localhost"}
