"""What a record costs, over the bare call on the same bytes. ``python tests/perf/run.py recording``."""

from __future__ import annotations

import asyncio
import fcntl
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from benchmark_recorder import BenchmarkRecorder
from tests.perf.ratios import (
    EXECUTION,
    ROUNDS,
    Line,
    call_times,
    history,
    in_turn,
    over,
    percentile,
    print_table,
    write_history,
)

MANY = 1_000_000
FEW = 1_000
PROCESSES, PER_PROCESS = 4, 5_000
THREADS, PER_THREAD = 8, 1_500


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [*one_thread(folder), *fsync(folder), *threads(folder), in_a_loop(folder), *processes(folder), first()]
    print_table("Recording", lines)
    return 0 if all(line.holds for line in lines) else 1


def line_of(path: Path) -> bytes:
    """A record as it stands in a file."""
    return path.read_bytes().split(b"\n")[-2]


def raw_write(path: Path, content: bytes) -> Callable[[], object]:
    """The bare call; its descriptor lives as long as this process."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return lambda: os.write(fd, content)


def one_thread(folder: Path) -> list[Line]:
    small, large = folder / "small.json", folder / "large.json"
    write_history(small, FEW)
    write_history(large, MANY)
    recorders = [BenchmarkRecorder(small), BenchmarkRecorder(large)]
    recorders[0].record_execution(**EXECUTION)
    (document,) = history(1)
    times = in_turn(
        {
            "raw": raw_write(folder / "raw", line_of(small)),
            "jsonl": jsonl(folder / "record.jsonl", msgspec.json.decode(line_of(small))),
            "append": lambda: recorders[0].store.append((document,), fresh=True),
            "small": partial(recorders[0].record_execution, **EXECUTION),
            "large": partial(recorders[1].record_execution, **EXECUTION),
        },
        4_000,
    )
    note = f"({min(times['raw']):.2f} us, {min(times['small']):.2f} us)"
    large.unlink()
    return [
        Line("record_execution p50 over os.write", over(times, "small", "raw"), "<= 10", note),
        Line("of which the store's append", over(times, "append", "raw")),
        Line("JSON lines under flock, no checks, over os.write", over(times, "jsonl", "raw")),
        Line(f"p50 with {MANY:,} records over p50 with {FEW:,}", over(times, "large", "small"), "<= 1.15"),
    ]


def jsonl(path: Path, document: dict[str, object]) -> Callable[[], object]:
    """A plain append of JSON lines under flock."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    encode = msgspec.json.Encoder().encode

    def append() -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, encode(document) + b"\n")
        fcntl.flock(fd, fcntl.LOCK_UN)

    return append


def fsync(folder: Path) -> list[Line]:
    path = folder / "durable.json"
    recorder = BenchmarkRecorder(path, durability="fsync")
    recorder.record_execution(**EXECUTION)
    content = line_of(path)
    fd = os.open(folder / "raw-durable", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def raw() -> None:
        os.write(fd, content)
        os.fdatasync(fd)

    times = in_turn({"raw": raw, "ours": partial(recorder.record_execution, **EXECUTION)}, 300)
    note = f"({min(times['raw']):.0f} us, {min(times['ours']):.0f} us)"
    return [Line("durability=fsync over os.write and os.fdatasync", over(times, "ours", "raw"), "<= 1.15", note)]


def threads(folder: Path) -> list[Line]:
    p99s: dict[str, list[float]] = {"ours": [], "jsonl": []}
    path = folder / "threads.json"
    recorder = BenchmarkRecorder(path)
    recorder.record_execution(**EXECUTION)
    plain = jsonl(folder / "threads.jsonl", msgspec.json.decode(line_of(path)))
    for _ in range(ROUNDS):
        p99s["jsonl"].append(percentile(in_threads(plain), 99))
        p99s["ours"].append(percentile(in_threads(partial(recorder.record_execution, **EXECUTION)), 99))
    lost = ROUNDS * THREADS * PER_THREAD + 1 - len(msgspec.json.decode(path.read_bytes())["metrics"])
    note = f"({min(p99s['jsonl']):.0f} us, {min(p99s['ours']):.0f} us)"
    return [
        Line(f"{THREADS} threads: p99 over JSON lines under flock", over(p99s, "ours", "jsonl"), "<= 2.5", note),
        Line(f"{THREADS} threads: lost or waiting", [lost + recorder.health().waiting], "<= 0"),
    ]


def in_threads(call: Callable[[], object]) -> list[int]:
    times: list[int] = []
    barrier = threading.Barrier(THREADS)

    def work() -> None:
        barrier.wait()
        mine = call_times(call, PER_THREAD)
        times.extend(mine)

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(times)


def in_a_loop(folder: Path) -> Line:
    recorder = BenchmarkRecorder(folder / "loop.json")
    call = partial(recorder.record_execution, **EXECUTION)

    async def record() -> list[int]:
        times: list[int] = []
        for _ in range(5_000):
            times += call_times(call, 1)
            await asyncio.sleep(0)
        return sorted(times)

    rounds = [asyncio.run(record()) for _ in range(ROUNDS)]
    return Line(
        "called in an asyncio loop: p99 over p50", [percentile(r, 99) / percentile(r, 50) for r in rounds], "<= 3"
    )


def processes(folder: Path) -> list[Line]:
    rates: dict[str, list[float]] = {"ours": [], "jsonl": [], "sqlite": []}
    lost = 0
    for number in range(ROUNDS):
        path = folder / f"processes-{number}.json"
        rates["jsonl"].append(rate_of(plain_lines, folder / f"processes-{number}.jsonl"))
        rates["ours"].append(rate_of(recorded, path))
        inserted(folder / f"processes-{number}.sqlite")  # made once: to switch to WAL takes the lock without waiting
        rates["sqlite"].append(rate_of(inserted, folder / f"processes-{number}.sqlite"))
        lost += PROCESSES * PER_PROCESS - len(msgspec.json.decode(path.read_bytes())["metrics"])
    best = {name: max(found) for name, found in rates.items()}
    note = f"({best['ours']:,.0f} a second; JSON lines {best['jsonl']:,.0f}; SQLite {best['sqlite']:,.0f})"
    return [
        Line(f"{PROCESSES} processes: rate over JSON lines under flock", over(rates, "ours", "jsonl"), ">= 0.4", note),
        Line(f"{PROCESSES} processes: rate over SQLite WAL", over(rates, "ours", "sqlite"), ">= 2"),
        Line(f"{PROCESSES} processes: lost", [lost], "<= 0"),
    ]


def rate_of(work: Callable[[Path], Callable[[], object]], path: Path) -> float:
    """Calls a second of all processes together."""
    context = multiprocessing.get_context("fork")
    barrier, spans = context.Barrier(PROCESSES), context.Queue()

    def run() -> None:
        call = work(path)
        barrier.wait(60)
        start = time.monotonic()
        for _ in range(PER_PROCESS):
            call()
        spans.put((start, time.monotonic()))

    children = [context.Process(target=run) for _ in range(PROCESSES)]
    for child in children:
        child.start()
    found: list[tuple[float, float]] = [spans.get(timeout=300) for _ in children]
    for child in children:
        child.join()
    return PROCESSES * PER_PROCESS / (max(end for _, end in found) - min(start for start, _ in found))


def recorded(path: Path) -> Callable[[], object]:
    return partial(BenchmarkRecorder(path).record_execution, **EXECUTION)


def plain_lines(path: Path) -> Callable[[], object]:
    return jsonl(path, history(1)[0])


def inserted(path: Path) -> Callable[[], object]:
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS executions (version TEXT, time REAL, success INT, cost REAL, rest TEXT)"
    )
    (document,) = history(1)
    rest = msgspec.json.encode(document).decode()
    row = (document["version"], document["execution_time"], document["success"], document["cost_estimated"], rest)
    return lambda: connection.execute("INSERT INTO executions VALUES (?, ?, ?, ?, ?)", row)


A_DATACLASS = """
from pydantic.dataclasses import dataclass
@dataclass
class Metric:
    timestamp: str
    version: str
    git_commit: str | None
    task_id: str
    task_description: str
    execution_time: float
    success: bool
    agent_selected: str | None
    cost_estimated: float
    difficulty: float | None
    metadata: dict | None
"""

A_RECORD = """
import os, sys
from benchmark_recorder import get_benchmark_recorder
get_benchmark_recorder(sys.argv[1]).record_execution("Create a landing page", 3.456, True, "v2.0")
"""


def first() -> Line:
    """Import and a first record, in fresh interpreters that take turns."""
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3 * ROUNDS):
            bare.append(span_of(A_DATACLASS))
            ours.append(span_of(A_RECORD, str(Path(folder, f"{number}.json"))))
    ratios = [min(ours[n : n + 3]) / min(bare[n : n + 3]) for n in range(0, 3 * ROUNDS, 3)]
    note = f"({1000 * min(bare):.0f} ms, {1000 * min(ours):.0f} ms)"
    return Line("import and a first record over an 11-field pydantic dataclass", ratios, "<= 1.3", note)


def span_of(code: str, *arguments: str) -> float:
    """Seconds of an interpreter that runs some code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
