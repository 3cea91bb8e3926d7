"""What the live page costs: a look at a history of a million records, fifty readers, and recording beside it.

``python -m tests.perf.live [--quick]`` prints the table of ``docs/live-page.md``.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmark_recorder import BenchmarkRecorder, History, JSONFileStore
from benchmark_recorder.serve.board import Board
from benchmark_recorder.serve.sections import SECTIONS, View
from tests.perf.ratios import EXECUTION, Line, call_times, percentile, print_table, write_history
from tests.serve.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable


class Row(msgspec.Struct):
    """What a page needs of a record."""

    version: str
    task_id: str
    execution_time: float
    success: bool
    timestamp: str


class Rows(msgspec.Struct):
    """A document of such records."""

    metrics: list[Row]


def seconds(call: Callable[[], object]) -> float:
    """Of the processor."""
    start = time.process_time()
    call()
    return time.process_time() - start


def looks(store: Path, rounds: int) -> list[Line]:
    """What one look costs after a new record, over reading the history anew with the fastest typed decoder."""

    decode = msgspec.json.Decoder(Rows).decode
    whole = min(seconds(lambda: decode(store.read_bytes())) for _ in range(rounds))
    board = Board(History(JSONFileStore(store)), View(last_days=10_000))
    board.refresh()
    found: dict[str, list[float]] = {name: [] for name in ("whether anything changed", *SECTIONS)}
    with BenchmarkRecorder(store) as recorder:
        for _ in range(rounds):
            recorder.record_execution(**EXECUTION)
            found["whether anything changed"].append(seconds(board._state) / whole)
            for name, compute in SECTIONS.items():
                found[name].append(seconds(lambda compute=compute: compute(board._looked)) / whole)  # type: ignore[misc]
    targets = {"whether anything changed": "<= 0.02", "hours": "<= 0.1", "runs": "<= 0.1"}
    note = f"{whole * 1000:,.0f} ms"
    return [Line(f"{name} / typed decode of the file", own, targets.get(name, ""), note) for name, own in found.items()]


def readers(folder: Path, number: int, span: float) -> float:
    """Seconds of the processor that a server takes for some readers while records arrive."""
    store = folder / f"{number}.json"
    write_history(store, 5000)
    with Served(folder, store, "--last-days", "10000") as server, BenchmarkRecorder(store) as recorder:
        streams = [_stream(server) for _ in range(number)]
        for stream in streams:
            stream.setblocking(False)
        before, end = _taken(server.process.pid), time.monotonic() + span
        while time.monotonic() < end:
            recorder.record_execution(**EXECUTION)
            for stream in streams:
                _drain(stream)
            time.sleep(0.05)
        return _taken(server.process.pid) - before


def _drain(stream: socket.socket) -> None:
    try:
        while stream.recv(1 << 16):
            pass
    except BlockingIOError:
        pass


def _taken(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def recording(folder: Path, count: int) -> list[float]:
    """The p99 of a recording call with a page open, over that without, in turn."""
    ratios = []
    for turn in range(3):
        store = folder / f"recording-{turn}.json"
        write_history(store, 5000)
        with BenchmarkRecorder(store) as recorder:
            alone = percentile(call_times(lambda recorder=recorder: _record(recorder), count), 99)  # type: ignore[misc]
            with Served(folder, store, "--last-days", "10000") as server, _stream(server):
                looked_at = percentile(call_times(lambda recorder=recorder: _record(recorder), count), 99)  # type: ignore[misc]
        ratios.append(looked_at / alone)
    return ratios


def _record(recorder: BenchmarkRecorder) -> None:
    recorder.record_execution(**EXECUTION)
    time.sleep(0.001)  # so that looks fall in between


def _stream(server: Served) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", server.port))
    lines = ("GET /stream HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Cookie: {server.cookie}")
    stream.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    stream.recv(1 << 16)
    return stream


def main() -> int:
    quick = "--quick" in sys.argv
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = folder / "metrics.json"
        write_history(store, 50_000 if quick else 1_000_000)
        lines = looks(store, 3)
        span = 10.0 if quick else 30.0
        many, one = readers(folder, 50, span), readers(folder, 1, span)
        lines.append(Line("processor time with 50 readers / with one", [many / one], "<= 1.2", f"{one:.2f} s"))
        ratios = recording(folder, 2000 if quick else 10_000)
        lines.append(Line("p99 of a recording call with a page open / without", ratios, "<= 1.1"))
    print_table("The live page", lines)
    return int(not all(line.holds for line in lines))


if __name__ == "__main__":
    sys.exit(main())
