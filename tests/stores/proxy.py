"""A door to a server that lets commands in, and on request no reply out: what was applied is not confirmed."""

from __future__ import annotations

import socket
import struct
import threading
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import bson

if TYPE_CHECKING:
    from collections.abc import Iterator

INSERT = b"\x02insert\x00"
"""How the command begins in BSON."""


class Door:
    """A port of the loopback interface that leads to another one; ``with`` opens it.

    Args:
        port: the server's.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._to_drop = 0
        self.dropped = 0

    def drop(self, times: int) -> None:
        """Close the connection instead of passing the reply to an insert on, some times from now."""
        with self._lock:
            self._to_drop = times

    def _drops(self) -> bool:
        with self._lock:
            if not self._to_drop:
                return False
            self._to_drop -= 1
            self.dropped += 1
            return True

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as server:
            inserting = threading.Event()
            threading.Thread(target=self._let_in, args=(client, server, inserting), daemon=True).start()
            while reply := server.recv(1 << 16):
                if inserting.is_set() and self._drops():
                    client.shutdown(socket.SHUT_RDWR)
                    return
                inserting.clear()
                client.sendall(reply)

    @staticmethod
    def _let_in(client: socket.socket, server: socket.socket, inserting: threading.Event) -> None:
        with suppress(OSError):
            while command := client.recv(1 << 16):
                if INSERT in command:
                    inserting.set()
                server.sendall(command)
            server.shutdown(socket.SHUT_RDWR)


class Picky:
    """A door to a server that refuses commands in which some word occurs, as a server that lacks it does.

    Args:
        port: the server's.

    Attributes:
        seen: by command, the operators and options that it had.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._refusal: tuple[str, dict[str, Any]] | None = None
        self.seen: dict[str, set[str]] = defaultdict(set)

    def refuse(self, word: str, code: int, reason: str) -> None:
        """Refuse the commands that have a word, from now on; others are taken."""
        self._refusal = word, {"ok": 0.0, "code": code, "codeName": "Refused", "errmsg": reason}

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as server:
            threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()
            with client.makefile("rb") as incoming:
                while header := incoming.read(16):
                    size, number, _, kind = struct.unpack("<4i", header)
                    body = incoming.read(size - 16)
                    refusal = self._refusal_of(bson.decode(body[5:])) if kind == OP_MSG and body[4] == 0 else None
                    if refusal is None:
                        server.sendall(header + body)
                    else:
                        reply = b"\0" * 5 + bson.encode(refusal)
                        client.sendall(struct.pack("<4i", 16 + len(reply), 1, number, OP_MSG) + reply)
            server.shutdown(socket.SHUT_RDWR)

    def _refusal_of(self, command: dict[str, Any]) -> dict[str, Any] | None:
        name = next(iter(command))
        if name not in {"find", "aggregate"}:
            return None
        words = {*OPTIONS.intersection(command), *_operators(command)} - {"$db", "$clusterTime", "$readPreference"}
        self.seen[name] |= words
        return self._refusal[1] if self._refusal is not None and self._refusal[0] in words else None


OP_MSG = 2013
OPTIONS = {"collation", "allowDiskUse", "hint"}


def _operators(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, inner in part.items():
            if name.startswith("$"):
                yield name
            yield from _operators(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _operators(inner)


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while reply := server.recv(1 << 16):
            client.sendall(reply)
