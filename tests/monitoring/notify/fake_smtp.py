"""A mail server of the test's own: it takes mails over a real socket, counts them, and can be slow or refuse."""

import asyncio
import email
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Mailbox:
    """What came in; `refusals` are answered (and used up) before anything is taken, `wait_s` before each answer."""

    mails: list[Message] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    refused_recipients: set[str] = field(default_factory=set)
    wait_s: float = 0.0
    port: int = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient or refuse it."""
        if address in self.refused_recipients:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a mail or refuse it."""
        if self.refusals:
            return self.refusals.pop(0)
        assert isinstance(envelope.content, bytes)
        # Taken before the answer, as a server that has queued a mail: a client that dies now has sent it.
        self.mails.append(email.message_from_bytes(envelope.content))
        await asyncio.sleep(self.wait_s)
        return "250 OK"

    def url(self, *to: str) -> str:
        """Return the apprise URL of a mailbox on this server."""
        recipients = ",".join(to or ("desk@voltway.test",))
        return f"mailto://127.0.0.1:{self.port}?from=voltway@voltway.test&to={recipients}&mode=insecure"

    def subjects(self) -> list[str]:
        """Return the subjects of what came, oldest first."""
        return [str(email.header.make_header(email.header.decode_header(mail["Subject"]))) for mail in self.mails]


def free_port() -> int:
    """Return a port that nobody listens on; aiosmtpd cannot be asked which one it got."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_mailbox(**values: Any) -> Iterator[Mailbox]:
    """Run the server in a thread."""
    mailbox = Mailbox(**values)
    mailbox.port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
