"""The one module that knows `apprise`: which targets may be used, how they are shown, and sending to one of them.

`apprise` takes half a second to import; it is imported as it is needed, so that processes which only check a target
now and then start fast.
"""

import logging
import re
import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voltway.infra.addresses import AddressRefused, check_public
from voltway.kernel.errors import InvalidInput
from voltway.monitoring.incidents.model import Severity

if TYPE_CHECKING:
    from apprise import NotifyBase

MAIL = frozenset({"mailto", "mailtos"})
MAIL_SERVICES = frozenset({"brevo", "mailersend", "mailgun", "o365", "postmark", "resend", "sendgrid", "ses", "smtp2go",
                           "sparkpost"})  # fmt: skip
SMS = frozenset({"bulksms", "burstsms", "clickatell", "clicksend", "d7sms", "46elks", "atalk", "freemobile", "infobip",
                 "kavenegar", "msgbird", "msg91", "octopush", "plivo", "seven", "sinch", "smseagle", "smseagles",
                 "smsmanager", "sns", "threema", "twilio", "voipms", "vonage", "whatsapp"})  # fmt: skip
CHAT = frozenset({"cliq", "dingtalk", "discord", "feishu", "gchat", "gotify", "gotifys", "guilded", "lark", "matrix",
                  "matrixs", "mmost", "mmosts", "nctalk", "nctalks", "ntfy", "ntfys", "rocket", "rockets", "signal",
                  "signals", "slack", "tgram", "wecombot", "workflows", "workflow", "wxteams",
                  "zulip"})  # fmt: skip
PUSH_AND_DESKS = frozenset({"goalert", "goalerts", "incidentio", "opsgenie", "pagerduty", "pagertree", "pbul", "pover",
                            "prowl", "signl4", "spike", "splunk", "victorops", "betterstack", "ilert",
                            "firehydrant"})  # fmt: skip
SCHEMES = MAIL | MAIL_SERVICES | SMS | CHAT | PUSH_AND_DESKS
"""What a target may be: nothing that runs programs, reads files or shows a message on our own machine, and no plain
HTTP, which our signed webhooks do better."""
MAX_URL = 2000
MAIL_TIMEOUT_S = 30.0
"""Longer than apprise's own: a mail server that checks for spam takes its time, and who hangs up too early cannot know
whether the mail was taken."""
TIMEOUT_S = 10.0
MAX_ERROR = 500
# File names that an option of a URL may hold: keys and configurations are never read from our disk.
_FILE_OPTIONS = re.compile(r"[?&](pgpkey|pgppub|pgpprv|keyfile|template|config|attach|path)=", re.IGNORECASE)
_SECRET = re.compile(r"(url: |https?://|/bot)\S+")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent; `reference` is the same for all messages of one incident, `message_id` for all attempts at one."""

    subject: str
    body: str
    html: str
    severity: Severity
    message_id: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it: `error` is empty where it was taken; `accepted` are the recipients that have it."""

    error: str
    accepted: tuple[str, ...] = ()
    is_hopeless: bool = False


def check_target(url: str) -> str:
    """Return a target with its secrets masked; raise InvalidInput with a sentence where it cannot be used."""
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        known = ", ".join(("mailto", "slack", "tgram", "twilio", "pagerduty"))
        raise InvalidInput(
            f"{scheme[:20]!r} is no kind of target we send to; write an apprise URL that begins with one of {known}, …"
        )
    if len(url) > MAX_URL or not url.isprintable():
        raise InvalidInput(f"a target has at most {MAX_URL} characters and no control characters")
    if _FILE_OPTIONS.search(url):
        raise InvalidInput("a target must not name files of this machine")
    plugin = _plugin(url)
    if plugin is None:
        raise InvalidInput(f"this is not a complete {scheme}:// URL; see docs/operators/notifications.md")
    masked: str = plugin.url(privacy=True)  # type: ignore[no-untyped-call]
    return masked


def send(url: str, letter: Letter, *, accepted: Sequence[str] = (), allow_private: bool = False) -> Sent:
    """Send a letter to a target, at most once to each recipient that is not in `accepted`; never raises.

    Only mail may go to hosts of our own network, unless `allow_private`.
    """
    try:
        plugin = _plugin(url)
    except Exception as error:  # noqa: BLE001 - another's library: a target it chokes on must not end the courier
        return Sent(_clean(repr(error)), tuple(accepted), is_hopeless=True)
    if plugin is None:
        return Sent("this target is not understood any more; enter it again", tuple(accepted), is_hopeless=True)
    taken = list(accepted)
    _set_up(plugin, letter, taken)
    is_mail = url.partition("://")[0].lower() in MAIL
    with _listening() as lines, _guarded(is_open=is_mail or allow_private):
        try:
            done = _notify(plugin, letter, is_html=is_mail)
        except Exception as error:  # noqa: BLE001 - another's library: its faults are the message's, not the courier's
            done = False
            lines.append(repr(error))
    why = "" if done else _clean("; ".join(dict.fromkeys(lines)) or "not taken")
    return Sent(why, tuple(taken))


def _plugin(url: str) -> "NotifyBase | None":
    with _imports, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'imghdr'", DeprecationWarning)  # apprise's own business
        import apprise  # noqa: PLC0415 - half a second that most processes never need
        from apprise.plugins.email import NotifyEmail  # noqa: PLC0415

        asset = apprise.AppriseAsset(
            app_id="Voltway",
            app_desc="Voltway",
            app_url="",
            async_mode=False,
            storage_mode=apprise.PersistentStoreMode.MEMORY,
        )
        if url.partition("://")[0].lower() not in MAIL:
            return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        # `instantiate` would import some two hundred plugins, a second of work that a mail does not need.
        results: dict[str, Any] | None = NotifyEmail.parse_url(url)  # type: ignore[no-untyped-call]
        try:
            return None if results is None else NotifyEmail(**results, asset=asset)  # type: ignore[no-untyped-call]
        except TypeError:  # how a plugin says that something is missing
            return None


def _set_up(plugin: Any, letter: Letter, taken: list[str]) -> None:
    """Set what the URL does not say: waits, headers, one piece, and who has the message already."""
    is_mail = hasattr(plugin, "smtp_host")
    plugin.socket_connect_timeout = MAIL_TIMEOUT_S if is_mail else TIMEOUT_S
    plugin.socket_read_timeout = MAIL_TIMEOUT_S if is_mail else TIMEOUT_S
    plugin.overflow_mode = "truncate"
    plugin.is_delivered = lambda key, per_message=False: not per_message and str(key) in taken
    # Recipients are texts or numbers; apprise marks the piece of a message as well, with an object of this run.
    plugin.mark_delivered = lambda key, per_message=False: (
        taken.append(str(key)) if isinstance(key, str | int | tuple) and not per_message else None
    )
    if is_mail:
        plugin.headers = {
            "Auto-Submitted": "auto-generated",
            "X-Voltway-Message": letter.message_id,
            **({"References": letter.reference} if letter.reference else {}),
            **plugin.headers,
        }


def _notify(plugin: Any, letter: Letter, *, is_html: bool) -> bool:
    # The first line is the subject; where there is a title, it is not said twice.
    body = letter.html if is_html else letter.body.removeprefix(letter.subject).lstrip("\n") or letter.subject
    return bool(
        plugin.notify(
            body=body,
            title=letter.subject,
            notify_type=_KINDS[letter.severity],
            body_format="html" if is_html else "text",
        )
    )


_KINDS = {
    Severity.INFO: "info",
    Severity.MINOR: "warning",
    Severity.MAJOR: "warning",
    Severity.CRITICAL: "failure",
}


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect what apprise logs in this thread about why it failed."""
    lines: list[str] = []
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if record.thread == thread and (record.levelno >= logging.WARNING or text.startswith("Socket Exception")):
                lines.append(text)

    logger, collector = logging.getLogger("apprise"), Collector()
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(collector)
    try:
        yield lines
    finally:
        logger.removeHandler(collector)


_imports = threading.Lock()
_guard = threading.local()
_getaddrinfo: Callable[..., Any] = socket.getaddrinfo


@contextmanager
def _guarded(*, is_open: bool) -> Iterator[None]:
    """Let this thread look up only hosts outside; it connects to what it looks up, so no name changes in between."""
    if socket.getaddrinfo is not _judged_getaddrinfo:
        socket.getaddrinfo = _judged_getaddrinfo
    _guard.is_closed = not is_open
    try:
        yield
    finally:
        _guard.is_closed = False


def _judged_getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    found = _getaddrinfo(host, *arguments, **options)
    if getattr(_guard, "is_closed", False):
        try:
            check_public(str(host), [str(info[4][0]) for info in found])
        except AddressRefused as error:
            raise OSError(error.message) from error
    return found


def _clean(error: str) -> str:
    """Shorten an error and take out what may hold a secret: URLs, whose paths are often tokens."""
    return _SECRET.sub(lambda match: f"{match[1]}…", error)[:MAX_ERROR]
