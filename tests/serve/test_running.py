from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import BenchmarkRecorder
from tests.serve.served import Served

if TYPE_CHECKING:
    from pathlib import Path


def a_store(folder: Path) -> Path:
    with BenchmarkRecorder(folder / "metrics.json") as recorder:
        recorder.record_execution("a task", 1.0, True, "v1")
    return folder / "metrics.json"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_soon_though_streams_are_open(tmp_path: Path, sign: signal.Signals) -> None:
    with Served(tmp_path, a_store(tmp_path)) as server:
        request = f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: {server.cookie}\r\n\r\n"
        streams = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
        for stream in streams:
            stream.sendall(request.encode())
            assert b"200 OK" in stream.recv(4096)
        said = server.end(sign)
        assert server.process.returncode == (0 if sign == signal.SIGINT else -signal.SIGTERM)
        for stream in streams:
            while stream.recv(65536):  # ends
                pass
            stream.close()
    assert "Traceback" not in said
    assert "Cancel" not in said


def test_nothing_that_it_prints_but_the_address_has_the_token(tmp_path: Path) -> None:
    with Served(tmp_path, a_store(tmp_path)) as server:
        server.ask(f"/?token={server.token}")
        server.ask(f"/nowhere?token={server.token}", Cookie=server.cookie)
        server.ask("/", method=f"GET /?token={server.token}\x00", Cookie=server.cookie)
        said = server.end()
    assert said.count(server.token) == 1


def test_a_port_that_is_taken_is_said_with_what_to_try(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "benchmark_recorder", "serve", "--store", str(a_store(tmp_path))]
        done = subprocess.run([*command, "--port", str(port)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"port: {port} is taken by another program; try --port" in done.stderr


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.77"])
def test_an_address_that_is_not_this_machines_is_an_error(tmp_path: Path, host: str) -> None:
    command = [sys.executable, "-m", "benchmark_recorder", "serve", "--store", str(a_store(tmp_path))]
    done = subprocess.run([*command, "--host", host], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"host: cannot listen on {host}" in done.stderr


def test_listening_on_every_address_is_warned_of_and_known_by_any_of_them(tmp_path: Path) -> None:
    with Served(tmp_path, a_store(tmp_path), "--host", "0.0.0.0") as server:
        assert "not encrypted" in "".join(server.said)
        assert server.ask("/", Host=f"192.0.2.1:{server.port}", Cookie=server.cookie).status == 200
        assert server.ask("/", Host=f"rebound.example:{server.port}", Cookie=server.cookie).status == 400


def test_a_missing_package_is_named_with_the_line_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ImportError\n")
    command = [sys.executable, "-c", "from benchmark_recorder.cli import main; main()", "serve", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "the live page needs starlette, uvicorn and jinja2: pip install" in done.stderr


def test_a_store_that_cannot_be_read_is_said_on_the_page_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text("not ours")
    with Served(tmp_path, path) as server:
        answer = server.ask("/", Cookie=server.cookie)
        assert answer.status == 200
        assert "This page is not up to date" in answer.body
        path.unlink()
        a_store(tmp_path)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as stream:
            stream.sendall(
                f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: {server.cookie}\r\n\r\n".encode()
            )
            received = b""
            while b"a task" not in received:
                received += stream.recv(65536)


def test_fifty_readers_get_what_one_gets(tmp_path: Path) -> None:
    with Served(tmp_path, a_store(tmp_path)) as server:
        streams = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(50)]
        request = f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: {server.cookie}\r\n\r\n"
        received = [b""] * len(streams)
        for stream in streams:
            stream.sendall(request.encode())
        with BenchmarkRecorder(tmp_path / "metrics.json") as recorder:
            recorder.record_execution("another task", 1.0, True, "v1")
        for n, stream in enumerate(streams):
            while b"another task" not in received[n]:
                part = stream.recv(65536)
                assert part
                received[n] += part
            stream.close()
        assert json.loads(received[0].split(b"data: ")[1].split(b"\n")[0])["id"] == "trouble"
