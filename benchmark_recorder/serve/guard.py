"""Who may ask the live page: this machine, by a name that it knows, with the token, and only to read."""

from __future__ import annotations

from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every response; the page has a policy of its own."""


class Guard:
    """Answers what may not pass, and hands on the rest.

    Args:
        app: what is guarded.
        token: what a caller has to know.
        port: the cookie's name has it, because browsers send cookies to every port of a host.
        hosts: names of this machine that a request may use, beside those of the loopback.
        any_address: whether a request may name any address, because the server listens on all of them.
    """

    def __init__(
        self, app: ASGIApp, token: str, port: int, hosts: Collection[str] = (), *, any_address: bool = False
    ) -> None:
        self._app = app
        self._token = token
        self._cookie = f"benchmark_recorder_{port}"
        self._hosts = LOOPBACK | {host.lower() for host in hosts}
        self._any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        await (self._app if refusal is None else refusal)(scope, receive, _sealed(send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> ASGIApp | None:
        """The answer to what may not pass."""
        if not self._knows(headers.get("host", "")):
            return _said(400, "This server does not go by that name; open the address that it printed.")
        if scope["method"] != "GET":
            return _said(405, "This page can only be read.", Allow="GET")
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope['scheme']}://{headers['host']}":
            return _said(403, "Another site's page asked for this.")
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if scope["path"] == "/" and self._is_token(dict(given).get("token", "")):
            rest = urlencode([pair for pair in given if pair[0] != "token"])
            cookie = f"{self._cookie}={self._token}; HttpOnly; Path=/; SameSite=Strict"
            return _said(303, "", Location=f"/?{rest}" if rest else "/", **{"Set-Cookie": cookie})
        if not (self._is_token(_cookie(headers, self._cookie)) or self._is_token(_bearer(headers))):
            return _said(403, "Open the address that the server printed: it holds the token.")
        return None

    def _knows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or (self._any_address and _is_address(name))

    def _is_token(self, text: str) -> bool:
        return compare_digest(text.encode(), self._token.encode())


def _said(status: int, sentence: str, **headers: str) -> ASGIApp:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(sentence, status, headers=headers)


def _sealed(send: Send) -> Send:
    """Gives each response ``HEADERS``, but for those that it has already."""

    async def seal(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message["headers"], *(pair for pair in added if pair[0] not in own)]
        await send(message)

    return seal


def _cookie(headers: dict[str, str], name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _bearer(headers: dict[str, str]) -> str:
    kind, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
