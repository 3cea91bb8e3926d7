"""A door to a server that lets commands in, and on request no reply out: what was applied is not confirmed."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

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
