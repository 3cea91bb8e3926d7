"""Real servers for channels, on this machine alone: one that takes hooks, with faults on demand, and one for mail."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "correct horse battery staple"


class HookServer(ThreadingHTTPServer):
    """Takes posts. What it does with the next ones is in ``answers``: a status, ``"stall"`` or ``"cut"``; then 200.

    Attributes:
        taken: the documents that were answered with 200, by path.
        asked: how many posts came, whatever their answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int | str | tuple[int, str]] = []
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.asked = 0
        self.released = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: HookServer

    def do_GET(self) -> None:
        self.send_error(405)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        answer: Any = self.server.answers.pop(0) if self.server.answers else 200
        status, wait = answer if isinstance(answer, tuple) else (answer, None)
        if status == "stall":
            self.server.released.wait(60)
            return
        if status == "cut":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        is_json = "json" in self.headers["Content-Type"]
        document = json.loads(body) if is_json else {"body": body.decode(), "title": self.headers["Title"]}
        if self.path.startswith("/services/") and status == 200 and (wrong := slack_refuses(document)):
            self.server.taken.append(("refused", {"why": wrong}))
            status = 400
        if status == 200:
            self.server.taken.append((self.path, document))
        self.send_response(status)
        if wait is not None:
            self.send_header("Retry-After", wait)
        if status == 302:
            self.send_header("Location", self.server.url("/elsewhere" + self.path))
        self.end_headers()
        self.wfile.write(f"answer to {self.path}".encode())  # servers may well repeat a secret

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def slack_refuses(document: dict[str, Any]) -> str:
    """Why Slack would not take a payload, by its rules for incoming webhooks and blocks; empty where it would."""
    if not isinstance(document.get("text"), str) or not document["text"]:
        return "no_text"
    if any(sign in document["text"].replace("&amp;", "").replace("&lt;", "").replace("&gt;", "") for sign in "&<>"):
        return "text is markup"
    if not 0 < len(document["blocks"]) <= 50:
        return "invalid_blocks"
    most = {"header": 150, "section": 3000}
    for block in document["blocks"]:
        text = block["text"]
        if text["type"] != "plain_text" or not 0 < len(text["text"]) <= most[block["type"]]:
            return "invalid_blocks"
    return ""


@contextmanager
def hooks() -> Iterator[HookServer]:
    with HookServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


class Inbox:
    """Keeps what it is sent; its lock is what a test reads it under."""

    def __init__(self) -> None:
        self.letters: list[tuple[list[str], EmailMessage]] = []
        self.lock = threading.Lock()
        self.logins: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        with self.lock:
            parsed = message_from_bytes(envelope.original_content or b"", policy=policy.default)
            assert isinstance(parsed, EmailMessage)
            self.letters.append((envelope.rcpt_tos, parsed))
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)


class MailServer(Controller):
    """On a port of the system's choice, which its start has to be told."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def secured(inbox: Inbox, context: ssl.SSLContext) -> MailServer:
    """One that wants STARTTLS and a login."""
    return MailServer(
        inbox,
        hostname="127.0.0.1",
        port=0,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=inbox.authenticate,
    )


def until(condition: Any, seconds: float = 30.0) -> None:
    """Wait for something that is about to happen."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
