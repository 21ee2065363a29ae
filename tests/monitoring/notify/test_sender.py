"""What may be a target, how it is shown, and mails over a real socket: content, refusals, recipients, secrets."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import orjson
import pytest
from tests.monitoring.notify.fake_smtp import Mailbox, running_mailbox

from voltway.kernel.errors import InvalidInput
from voltway.monitoring.incidents.model import Severity
from voltway.monitoring.notify import sender
from voltway.monitoring.notify.sender import SCHEMES, Letter, check_target, send

LETTER = Letter(
    "Faulted: HARBOUR – Kälte", "Faulted: HARBOUR – Kälte\n\nSeverity: major\n", "<p>Faulted: HARBOUR – Kälte</p>",
    Severity.MAJOR, "voltway-message-7", "<incident-1-7@voltway>",
)  # fmt: skip


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as box:
        yield box


def test_a_mail_arrives_as_it_was_written(mailbox: Mailbox) -> None:
    """HTML with a text part, threaded by incident, known as automatic."""
    assert send(mailbox.url(), LETTER) == sender.Sent("", ("desk@voltway.test",))
    (mail,) = mailbox.mails
    assert mailbox.subjects() == ["Faulted: HARBOUR – Kälte"]
    assert (mail["X-Voltway-Message"], mail["References"]) == ("voltway-message-7", "<incident-1-7@voltway>")
    assert mail["Auto-Submitted"] == "auto-generated"
    parts = {part.get_content_type(): part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()}
    assert set(parts) == {"text/plain", "text/html"}
    assert "Kälte" in bytes(parts["text/html"]).decode()


def test_a_refusal_is_an_error_in_words(mailbox: Mailbox) -> None:
    mailbox.refusals.append("451 4.7.1 try later")
    sent = send(mailbox.url(), LETTER)
    assert "try later" in sent.error
    assert not sent.is_hopeless
    assert send(mailbox.url(), LETTER).error == ""


def test_a_server_that_is_away_is_an_error() -> None:
    assert send("mailto://127.0.0.1:1?from=a@b.test&to=c@d.test&mode=insecure", LETTER).error


def test_who_has_it_does_not_get_it_again(mailbox: Mailbox) -> None:
    """One of two recipients is refused; the second attempt goes to that one alone."""
    url = mailbox.url("ada@voltway.test", "bob@voltway.test")
    mailbox.refused_recipients.add("bob@voltway.test")
    first = send(url, LETTER)
    assert first.error
    assert first.accepted == ("ada@voltway.test",)
    mailbox.refused_recipients.clear()
    second = send(url, LETTER, accepted=first.accepted)
    assert second == sender.Sent("", ("ada@voltway.test", "bob@voltway.test"))
    assert [mail["To"] for mail in mailbox.mails] == ["ada@voltway.test", "bob@voltway.test"]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "json://127.0.0.1/x", "xmls://host/x", "form://host", "apprise://host/token", "dbus://",
        "syslog://", "windows://", "gnome://", "macosx://", "rsyslog://host", "http://host", "mailto", "", "growl://host",
        "mqtt://host/topic", "mailto://user:pass@mail.test?to=a@b.test&pgpprv=/etc/ssl/private.asc",
        "mailto://user:pass@mail.test?to=a@b.test&template=/etc/passwd", "slack://x", "mailto://a@b.test\n", "tgram://a",
    ],
)  # fmt: skip
def test_what_is_no_target(url: str) -> None:
    """Programs, files and desktops of our own machine, plain HTTP, and what is incomplete."""
    with pytest.raises(InvalidInput):
        check_target(url)


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("mailtos://desk:s3cr3tword@mail.test?to=desk@mail.test", "s3cr3tword"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", "TIiajkdnlazkcOXrIdevi7FQ"),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", "abcdefg_hijklmnop"),
        ("pagerduty://integrationkey@apikey", "integrationkey"),
    ],
)
def test_secrets_are_masked(url: str, secret: str) -> None:
    label = check_target(url)
    assert secret not in label
    assert label.partition("://")[0] == url.partition("://")[0]


def test_every_kind_of_target_is_one_that_apprise_knows() -> None:
    import apprise  # noqa: PLC0415 - as the module does

    assert set(apprise.NotificationManager().schemas()) >= SCHEMES  # type: ignore[no-untyped-call]


class _Chat(BaseHTTPRequestHandler):
    bodies: list[bytes] = []  # noqa: RUF012 - one server a test

    status = 200

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def chat_port() -> Iterator[int]:
    _Chat.bodies.clear()
    _Chat.status = 200
    with HTTPServer(("127.0.0.1", 0), _Chat) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_chat_of_our_own_network_is_refused_unless_allowed(chat_port: int) -> None:
    """Whoever may write a route must not make us call our own network; an intranet's own chat can be allowed."""
    url = f"gotify://localhost:{chat_port}/atokenforgotify"
    refused = send(url, LETTER)
    assert "private network" in refused.error
    assert _Chat.bodies == []
    assert send(url, LETTER, allow_private=True).error == ""
    assert b"Faulted: HARBOUR" in _Chat.bodies[0]


def test_the_guard_is_open_again_afterwards(chat_port: int) -> None:
    """Only the thread that sends is judged, and only while it does."""
    send(f"gotify://localhost:{chat_port}/token", LETTER)
    assert socket.getaddrinfo("localhost", chat_port)


def test_an_error_tells_no_secret(chat_port: int) -> None:
    """Tokens are often a part of the URL that an error quotes."""
    sent = send("gotify://localhost:1/verysecrettoken", LETTER, allow_private=True)
    assert sent.error
    assert "verysecrettoken" not in sent.error


def test_what_apprise_does_not_understand_is_hopeless() -> None:
    assert send("slack://x", LETTER).is_hopeless
    assert send("nonsense", LETTER).is_hopeless


def test_chat_gets_text_and_the_subject_once(chat_port: int) -> None:
    """The first line is the title; the body goes on from there."""
    assert send(f"gotify://localhost:{chat_port}/token", LETTER, allow_private=True).error == ""
    payload = orjson.loads(_Chat.bodies[0])
    assert (payload["title"], payload["message"]) == ("Faulted: HARBOUR – Kälte", "Severity: major")


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_a_service_that_refuses_is_an_error(chat_port: int, status: int) -> None:
    _Chat.status = status
    sent = send(f"gotify://localhost:{chat_port}/token", LETTER, allow_private=True)
    assert sent.error
    assert not sent.is_hopeless
    assert len(sent.error) <= sender.MAX_ERROR


def test_a_long_message_is_one_piece(chat_port: int) -> None:
    """Cut where the service takes no more, and not sent in parts of which one could be lost."""
    long = Letter("Faulted", "Faulted\n\n" + "x" * 100_000, "<p>x</p>", Severity.CRITICAL, "voltway-message-1")
    assert send(f"gotify://localhost:{chat_port}/token", long, allow_private=True).error == ""
    assert len(_Chat.bodies) == 1


def test_several_threads_send_beside_each_other(mailbox: Mailbox, chat_port: int) -> None:
    """Each hears its own errors only, and the guard of one does not hold another."""
    urls = [
        mailbox.url(),
        f"gotify://localhost:{chat_port}/token",
        "mailto://127.0.0.1:1?from=a@b.test&mode=insecure",
    ] * 4
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda url: send(url, LETTER), urls))
    assert [bool(it.error) for it in sent] == [False, True, True] * 4
    assert all("private network" in it.error for it in sent[1::3])
    assert all("private network" not in it.error for it in sent[2::3])
    assert len(mailbox.mails) == 4


def test_a_recipient_s_name_is_no_header(mailbox: Mailbox) -> None:
    """A title with line breaks does not become a header of the mail."""
    evil = Letter("Faulted\r\nBcc: spy@voltway.test\r\n\r\nbody", "x", "<p>x</p>", Severity.INFO, "voltway-message-1")
    assert send(mailbox.url(), evil).error == ""
    (mail,) = mailbox.mails
    assert mail["Bcc"] is None
    assert mail["To"] == "desk@voltway.test"
    assert "Bcc: spy" in mailbox.subjects()[0]
