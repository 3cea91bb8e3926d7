"""The live page, served by a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.sync_api import Page

ADDRESS = re.compile(r"live page: (http://\S+:(\d+))/\?token=(\S+)")


class Answer(NamedTuple):
    """What came back over a socket."""

    status: int
    headers: Mapping[str, str]
    body: str


class Served:
    """``benchmark-recorder serve`` over a file or a URL, with a home of its own."""

    def __init__(self, home: Path, store: Path | str, *options: str) -> None:
        self.home = home
        self.place = str(store)
        self.store = Path(store)
        self.options = options
        self.port = 0
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "benchmark_recorder", "serve", "--store", self.place]
        environment = {**os.environ, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config")}
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *self.options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if found := ADDRESS.search(line):
                self.address, self.port, self.token = found[1], int(found[2]), found[3]
                return
        raise AssertionError("".join(self.said))

    def end(self, sign: int = signal.SIGTERM) -> str:
        """What it said until then."""
        self.process.send_signal(sign)
        rest, _ = self.process.communicate(timeout=60)
        return "".join(self.said) + rest

    def open(self, page: Page, arguments: str = "") -> Page:
        page.goto(f"{self.address}/?token={self.token}&{arguments}")
        page.get_by_text("live", exact=True).wait_for()
        return page

    def ask(self, path: str = "/", *, method: str = "GET", **headers: str) -> Answer:
        """What comes back, until the server closes or, for a stream, its first kilobyte."""
        lines = {"Host": f"127.0.0.1:{self.port}", "Connection": "close"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(f"{text}\r\n".encode("latin-1"))
            received = b""
            while part := connection.recv(65536):
                received += part
                if b"event: time" in received:
                    break
        head, _, body = received.decode().partition("\r\n\r\n")
        first, *rest = head.split("\r\n")
        pairs = (line.partition(": ") for line in rest)
        return Answer(int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, body)

    @property
    def cookie(self) -> str:
        return f"benchmark_recorder_{self.port}={self.token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
