"""Channels: where messages go. Slack's incoming webhooks, mail, any JSON webhook, and those of other packages.

An address is ``slack:VARIABLE`` or ``webhook:VARIABLE``, after the environment variable that holds the URL;
``mailto:team@example.com,...``; or ``NAME:...`` after an entry point of the group ``benchmark_recorder.channels``: a
function, or a class, that makes a channel of what follows the colon. The URL of a hook is a secret: it is read from the
environment when a message is sent, and no error, log or file has it.
"""

from __future__ import annotations

import os
import re
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import localtime, parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from benchmark_recorder.errors import BenchmarkRecorderError, ConfigurationError
from benchmark_recorder.reporting import SCHEMA_VERSION, json_text
from benchmark_recorder.reporting.escaping import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT: Final = 10.0
"""Seconds that a server may take per step."""

MOST_WAIT: Final = 3600.0
"""Seconds that ``Retry-After`` may ask for."""

SLACK_TITLE: Final = 150
SLACK_TEXT: Final = 3000
"""Characters that Slack takes in a header, and in a section."""

MOST_OF_SUBJECT: Final = 500
"""Characters of a letter's subject: a header is folded in quadratic time."""

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
"""How a connection to a mail server is secured, and the usual port."""

_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_MAIL: Final = re.compile(r"[^\s@,<>\"]+@[^\s@,<>\"]+")
_LOOPBACK: Final = re.compile(r"localhost|127(\.\d+){3}|::1")


class ChannelError(BenchmarkRecorderError):
    """A channel did not take a message; says which host, and why, and never a secret.

    Attributes:
        temporary: whether the same may succeed in a moment.
        retry_after: seconds that the server asks to wait.
    """

    def __init__(self, message: str, *, temporary: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.temporary, self.retry_after = temporary, retry_after


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel sends.

    Attributes:
        id: the same for every attempt to send it.
        title: one line.
        text: all of it, ready for people.
        html: the same as a document, for mail.
        thread: the same for messages that belong together.
        data: for programs.
    """

    id: str
    title: str
    text: str
    html: str | None = None
    thread: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Channel(Protocol):
    """What an entry point's function returns."""

    def send(self, message: Message) -> None:
        """Send it, or raise; ``ChannelError`` says more than any other error, of which only the class is shown."""


def check_address(address: object, name: str) -> str:
    """The address of a channel, if it is one.

    Raises:
        ConfigurationError: it is not; never shows it, since it may be a secret.
    """
    scheme, colon, rest = address.partition(":") if isinstance(address, str) else ("", "", "")
    if "://" in f"{scheme}{colon}{rest}":
        raise ConfigurationError(
            f"{name}: a hook's URL is a secret: put it into an environment variable, and name that, as in "
            "slack:SLACK_WEBHOOK_URL"
        )
    if scheme in {"slack", "webhook"}:
        right, expected = bool(_VARIABLE.fullmatch(rest)), f"{scheme}: and a variable's name, {scheme}:TEAM_HOOK_URL"
    elif scheme == "mailto":
        right, expected = all(map(_MAIL.fullmatch, rest.split(","))), "addresses, mailto:team@example.com"
    else:
        right = bool(scheme and colon) and scheme in _others()
        expected = f"slack:VARIABLE, webhook:VARIABLE, mailto:ADDRESS{''.join(f', {one}:...' for one in _others())}"
    if not right:
        raise ConfigurationError(f"{name}: expected {expected}")
    return f"{scheme}:{rest}"


def _others() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="benchmark_recorder.channels")}


def open_channel(address: str) -> Channel:
    """The channel of an address.

    Raises:
        ConfigurationError: there is none, or what it takes from the environment is missing or wrong.
    """
    scheme, _, rest = check_address(address, "channel").partition(":")
    if scheme == "mailto":
        return Mail(rest.split(","))
    if scheme in {"slack", "webhook"}:
        hook = Hook(rest)
        return Slack(hook) if scheme == "slack" else Webhook(hook)
    channel: Channel = _others()[scheme].load()(rest)
    return channel


# Webhooks -------------------------------------------------------------------------------------------------------------


class Hook:
    """The URL in an environment variable; shows itself as the variable's name.

    Raises:
        ConfigurationError: there is none, or it is not https (http only to this machine).
    """

    __slots__ = ("_url", "host", "variable")

    def __init__(self, variable: str) -> None:
        url = os.environ.get(variable, "").strip()
        if not url:
            raise ConfigurationError(f"{variable}: the environment variable is not set; it holds the hook's URL")
        self.variable, self._url = variable, url
        self.host = _host_of(url)
        if not self.host:
            raise ConfigurationError(f"{variable}: expected an https URL without a user or password")

    def __repr__(self) -> str:
        return f"Hook({self.variable!r})"

    def post(self, payload: Mapping[str, Any]) -> None:
        """Send JSON.

        Raises:
            ChannelError: it was not taken.
        """
        failure = self._attempt(json_text(payload).encode())
        if failure is not None:  # outside of any handler: the system's errors may hold the URL
            raise failure

    def _attempt(self, body: bytes) -> ChannelError | None:
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "benchmark-recorder"}
        try:
            request = Request(self._url, data=body, headers=headers, method="POST")  # noqa: S310 - https, or loopback
            with build_opener(_NoRedirect).open(request, timeout=TIMEOUT) as answer:
                answer.read(1024)
        except HTTPError as error:
            code, wait = error.code, _seconds(error.headers.get("Retry-After"))
            error.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold the URL
            return ChannelError(f"{self.host} ({self.variable}): {_reason(error)}", temporary=True)
        else:
            return None
        known = {status.value: status.phrase for status in HTTPStatus}
        temporary = code >= 500 or code in {408, 425, 429}
        shown = f"{self.host} ({self.variable}) answered {code} {known.get(code, '')}".rstrip()
        return ChannelError(shown, temporary=temporary, retry_after=wait if temporary else None)


def _host_of(url: str) -> str:
    """Where a hook's URL leads; empty where it is none that a secret may be sent to."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    schemes = {"https", "http"} if _LOOPBACK.fullmatch(host) else {"https"}
    if parts.scheme not in schemes or parts.username is not None or not re.fullmatch("[!-~]+", url):
        return ""
    return host if port is None or not host else f"{host}:{port}"


class _NoRedirect(HTTPRedirectHandler):
    """A hook that moved is an error: the secret goes nowhere else."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        """None."""


def _seconds(text: str | None) -> float | None:
    """What ``Retry-After`` says, in seconds from now, at most an hour."""
    if text is None:
        return None
    try:
        seconds = float(text) if text.strip().isdecimal() else _until(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MOST_WAIT)


def _until(moment: datetime) -> float:
    return (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()


def _reason(error: BaseException) -> str:
    """What went wrong, in words that hold nothing which was sent."""
    inner = getattr(error, "reason", None)
    inner = inner if isinstance(inner, BaseException) else error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {inner.verify_message}"
    if isinstance(inner, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(inner, OSError) and inner.errno and not isinstance(inner, smtplib.SMTPException):
        return os.strerror(inner.errno) if inner.errno > 0 else "unknown host"
    return type(inner).__name__


class Slack:
    """An incoming webhook of Slack. Everything is plain text: no mention, link or markup is obeyed."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def send(self, message: Message) -> None:
        """See ``Channel.send``."""
        title = visible(message.title, SLACK_TITLE)
        self._hook.post(
            {
                "text": title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
                "unfurl_links": False,
                "unfurl_media": False,
                "blocks": [
                    {"type": "header", "text": _plain(title)},
                    {"type": "section", "text": _plain(_cut(message.text.strip() or title, SLACK_TEXT))},
                ],
            }
        )


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


class Webhook:
    """Anything that takes JSON: ``id``, ``thread``, ``title``, ``text`` and what the message has for programs."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def send(self, message: Message) -> None:
        """See ``Channel.send``."""
        own = {"id": message.id, "thread": message.thread, "title": message.title, "text": message.text}
        self._hook.post({"schema_version": SCHEMA_VERSION, **own, **message.data})


# Mail -----------------------------------------------------------------------------------------------------------------


class Mail:
    """Mail through a server: ``SMTP_HOST``, ``SMTP_PORT``, ``SMTP_SECURITY``, ``SMTP_USER``, ``SMTP_PASSWORD``.

    Args:
        to: addresses.
        sender: ``SMTP_FROM`` unless given, or else the first of ``to``.
    """

    def __init__(self, to: list[str], sender: str | None = None) -> None:
        self._to = to
        self._sender = sender or os.environ.get("SMTP_FROM") or to[0]

    def compose(self, message: Message) -> EmailMessage:
        """The letter: the text, and the HTML if there is any.

        Raises:
            ValueError: an address or the title has a line break.
        """
        letter, domain = EmailMessage(), self._sender.rpartition("@")[2].strip("<> ")
        letter["Subject"], letter["From"], letter["To"] = (
            message.title[:MOST_OF_SUBJECT],
            self._sender,
            ", ".join(self._to),
        )
        letter["Date"], letter["Message-ID"] = localtime(), f"<{message.id}@{domain}>"
        if message.thread and message.thread != message.id:
            letter["References"] = f"<{message.thread}@{domain}>"
        letter.set_content(message.text)
        if message.html is not None:
            letter.add_alternative(message.html, subtype="html")
        return letter

    def send(self, message: Message) -> None:
        """See ``Channel.send``.

        Raises:
            ConfigurationError: a variable is wrong.
            ChannelError: the server cannot be reached or trusted, or refuses the message.
        """
        given = os.environ.get
        host, security, user = given("SMTP_HOST", "localhost"), given("SMTP_SECURITY", "starttls"), given("SMTP_USER")
        if security not in PORTS:
            raise ConfigurationError(f"SMTP_SECURITY: expected {', '.join(PORTS)}, got {security!r}")
        if user and security == "none":
            raise ConfigurationError(
                "SMTP_SECURITY: with SMTP_USER it must be starttls or tls: a password is not sent in the clear"
            )
        port = given("SMTP_PORT") or str(PORTS[security])
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigurationError("SMTP_PORT: expected a number from 1 to 65535")
        letter = self.compose(message)
        failure = _handed_over(letter, host, int(port), security, user)
        if failure is not None:
            raise failure


def _handed_over(letter: EmailMessage, host: str, port: int, security: str, user: str | None) -> ChannelError | None:
    """Hand a letter to a server; what it or the system says may hold the password, and is left out."""
    place = f"{host}:{port} (SMTP_HOST, SMTP_PORT)"
    trusted = ssl.create_default_context()
    connect: Callable[[], smtplib.SMTP] = lambda: (  # noqa: E731
        smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=trusted)
        if security == "tls"
        else smtplib.SMTP(host, port, timeout=TIMEOUT)
    )
    try:
        with connect() as server:
            if security == "starttls":
                server.starttls(context=trusted)
            if user:
                server.login(user, os.environ.get("SMTP_PASSWORD", ""))
            refused = server.send_message(letter)
    except smtplib.SMTPResponseException as error:
        temporary = 400 <= error.smtp_code < 500
        return ChannelError(f"({error.smtp_code}) {place}: {type(error).__name__}", temporary=temporary)
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        return ChannelError(f"{place} refused each recipient: {', '.join(map(str, codes))}", temporary=max(codes) < 500)
    except Exception as error:  # noqa: BLE001 - as above
        return ChannelError(
            f"{place}: {_reason(error)}", temporary=not isinstance(error, smtplib.SMTPNotSupportedError)
        )
    if refused:  # the others have it; another attempt would bring it to them twice
        from benchmark_recorder.log import logger

        logger.warning("%s: %d of the recipients were refused", place, len(refused))
    return None
