"""What an answer costs, over msgspec and numpy on the same file. ``python tests/perf/run.py reading [RECORDS]``."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import numpy as np

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document
from benchmark_recorder.stores.json_file import JSONFileStore
from tests.perf.ratios import EXECUTION, ROUNDS, Line, history, over, print_table, write_history

RECORDS = 1_000_000

PEER = """
import sys, msgspec, numpy as np
class Record(msgspec.Struct, gc=False):
    version: str
    execution_time: float
    success: bool
    cost_estimated: float
class Document(msgspec.Struct):
    metrics: list[Record]
with open(sys.argv[1], "rb") as file:
    records = [r for r in msgspec.json.decode(file.read(), type=Document).metrics if r.version == "v2.0"]
times = np.array([r.execution_time for r in records])
print(len(records), np.percentile(times, [50, 95, 99]), times.mean())
print(sum(r.success for r in records) / len(records), sum(r.cost_estimated for r in records))
"""
"""msgspec's typed decode of four fields, and ``np.percentile``: the answer without a store."""

STORE = """
import sys
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore
store, query = JSONFileStore(sys.argv[1]), Query.of(version="v2.0")
cells, times = store.summarize(query), store.scan(query, ["execution_time"])["execution_time"]
import numpy as np
print(len(times), np.percentile(times, [50, 95, 99]), sum(cell.cost.total for cell in cells.cells))
"""

METRICS = """
import sys
from benchmark_recorder import get_benchmark_recorder
m = get_benchmark_recorder(sys.argv[1]).get_historical_metrics(version="v2.0")
print(m.count, m.mean, m.p50, m.p95, m.p99, m.success_rate, m.total_cost)
"""

COMPARISON = """
import sys
from benchmark_recorder import get_benchmark_recorder
print(get_benchmark_recorder(sys.argv[1]).compare_versions("v1.0", "v2.0").improvement_percent)
"""

SCIPY = "from scipy import special, stats"

PEAK = """
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "metrics.json")
        write_history(path, count)
        print(f"{count:,} records, {path.stat().st_size / 1e6:,.0f} MB")
        lines = [*cold(path), *memory(path), *warm(path), *lock_free(Path(name, "watched.json"))]
        lines += metadata(Path(name, "labelled.json"), count)
    print_table("Reading", lines)
    return 0 if all(line.holds for line in lines) else 1


def cold(path: Path) -> list[Line]:
    spans: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, code in (("peer", PEER), ("scipy", SCIPY)):
            spans.setdefault(name, []).append(run(code, path)[0])
        for name, code in (("store", STORE), ("metrics", METRICS), ("comparison", COMPARISON)):
            shutil.rmtree(f"{path}.d", ignore_errors=True)
            spans.setdefault(f"{name} alone", []).append(run(code, path)[0])
            spans.setdefault(f"{name} with the sidecar", []).append(run(code, path)[0])
    peer = spans["peer"]
    lines = []
    for name, what in (("metrics", "get_historical_metrics"), ("store", "of which the store and numpy")):
        for how, target in (("with the sidecar", "<= 0.25"), ("alone", "<= 2.5")):
            times = spans[f"{name} {how}"]
            ratios = [a / b for a, b in zip(times, peer, strict=True)]
            note = f"({min(times):.2f} s; msgspec {min(peer):.2f} s)"
            lines.append(Line(f"cold {what}, {how}, over msgspec", ratios, target if name == "metrics" else "", note))
    for how in ("with the sidecar", "alone"):
        allowed = [a + b for a, b in zip(spans[f"metrics {how}"], spans["scipy"], strict=True)]
        ratios = [a / b for a, b in zip(spans[f"comparison {how}"], allowed, strict=True)]
        lines.append(Line(f"cold compare_versions, {how}, over that and importing scipy", ratios, "<= 1"))
    return lines


def run(code: str, path: Path) -> tuple[float, str]:
    """Seconds of a fresh interpreter, imports included, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def memory(path: Path) -> list[Line]:
    size = path.stat().st_size
    shutil.rmtree(f"{path}.d", ignore_errors=True)
    alone = int(run(METRICS + PEAK, path)[1].split()[-1])
    saved = int(run(METRICS + PEAK, path)[1].split()[-1])
    return [
        Line("peak memory over the file, alone", [alone / size], "<= 1.5", f"({alone >> 20} MiB)"),
        Line("peak memory over the file, with the sidecar", [saved / size], "<= 0.3", f"({saved >> 20} MiB)"),
    ]


def warm(path: Path) -> list[Line]:
    """After one more record each time, over ``np.percentile`` on a ready array."""
    recorder = BenchmarkRecorder(path)
    query = Query.of(version="v2.0")
    ready = np.array(recorder.store.scan(query, ["execution_time"])["execution_time"])
    rng = Random(1)
    questions: dict[str, Callable[[], object]] = {
        "ready": lambda: np.percentile(ready, [50, 95, 99]),
        "get_historical_metrics": lambda: recorder.get_historical_metrics(version="v2.0"),
        "compare_versions": lambda: recorder.compare_versions("v1.0", "v2.0"),
        "the store's cells": lambda: recorder.store.summarize(query),
    }
    spans: dict[str, list[float]] = {name: [] for name in questions}
    for round_number in range(ROUNDS + 1):
        for name, ask in questions.items():
            repeats = []
            for _ in range(15):
                recorder.record_execution(**EXECUTION | {"duration": rng.lognormvariate(0, 0.5)})
                start = time.perf_counter()
                ask()
                repeats.append(time.perf_counter() - start)
            if round_number:  # the first round warms up
                spans[name].append(sorted(repeats)[7])
    targets = {"get_historical_metrics": "<= 2", "compare_versions": "<= 0.1", "the store's cells": "<= 0.1"}
    return [
        Line(
            f"warm {name} over np.percentile",
            [a / b for a, b in zip(spans[name], spans["ready"], strict=True)],
            target,
            f"({1000 * min(spans[name]):.2f} ms; np.percentile {1000 * min(spans['ready']):.2f} ms)",
        )
        for name, target in targets.items()
    ]


class Peer(msgspec.Struct, gc=False):
    """What a typed decode reads of a record."""

    version: str
    execution_time: float
    success: bool
    cost_estimated: float


class PeerDocument(msgspec.Struct):
    metrics: list[Peer]


def metadata(path: Path, count: int) -> list[Line]:
    """Filters and groups by metadata, of which each thousand records has three texts; the processor's time."""
    with JSONFileStore(path) as store:
        for first in range(0, count, 5000):
            documents = enumerate(history(min(5000, count - first), first), first)
            labelled = [d | labels_of(n) for n, d in documents]
            store.append(labelled, fresh=True)
    spans: dict[str, list[float]] = {}
    for round_number in range(ROUNDS + 1):
        Path(f"{path}.d", "metadata").unlink(missing_ok=True)
        for name, repeats in metadata_times(path).items():
            if round_number:  # the first round saves the columns
                spans.setdefault(name, []).append(sorted(repeats)[len(repeats) // 2])
    return [
        Line(what, over(spans, one, other), target, f"({1000 * min(spans[one]):.1f} ms)")
        for what, one, other, target in (
            ("first filter by metadata, over msgspec's typed decode", "first", "decode", "<= 0.6"),
            ("warm metrics of 500 runs by metadata, over those of a version", "filtered", "unfiltered", "<= 2"),
            *(
                (f"warm cells by {key}, over plain ones from columns", key, "plain", target)
                for key, target in KEYS.items()
            ),
        )
    ]


KEYS = dict.fromkeys(
    ("week", "day", "commit", "model", "agent", "error_type", "host", "expected_agent", "metadata.region"), "<= 1.3"
) | {"hour": ""}
"""What cells are grouped by, with the target; hours make so many cells that these are most of the time."""


def labels_of(number: int) -> Document:
    """What groups are made of."""
    return {
        "metadata": {"region": ("eu", "us", "ap")[number % 3], "run": number // 1000},
        "model": f"model-{number % 3}",
        "host": f"host-{number % 4}",
        "git_commit": f"{number % 20:040}",
        "error_type": ("TimeoutError", "ValueError")[number % 2],
        "expected_agent": ("builder_agent", "planner_agent")[number % 2],
    }


def metadata_times(path: Path) -> dict[str, list[float]]:
    decode = msgspec.json.Decoder(PeerDocument).decode
    spans: dict[str, list[float]] = {}
    with BenchmarkRecorder(path) as recorder:
        recorder.get_historical_metrics(version="v2.0")
        questions: dict[str, Callable[[], object]] = {
            "decode": lambda: decode(path.read_bytes()),
            "first": lambda: recorder.store.scan(Query.of(metadata={"run": 3}), ["execution_time"]),
            "unfiltered": lambda: recorder.get_historical_metrics(version="v2.0"),
            "filtered": lambda: recorder.get_historical_metrics(version="v2.0", metadata={"run": 7}),
            "plain": lambda: recorder.store.summarize(Query(runs="all")),  # not from kept cells
            **{key: partial(recorder.store.summarize, Query(by=(key,))) for key in KEYS},
        }
        for name, ask in questions.items():
            spans[name] = []
            for _ in range(1 if name in {"decode", "first"} else 5):
                start = time.process_time()
                ask()
                spans[name].append(time.process_time() - start)
    return spans


def lock_free(path: Path) -> list[Line]:
    """How often readers find the document invalid while one process writes."""
    lines = []
    for pause, what in ((0.005, "200 writes a second"), (0.0, "full speed")):
        for shared in (False, True):
            if path.exists():
                path.unlink()
            with JSONFileStore(path) as store:
                store.append(history(20), fresh=True)
            reads, wrong = watch(path, pause, shared=shared)
            how = "with a shared flock" if shared else "without a lock"
            target = "<= 0" if shared else ""
            lines.append(
                Line(f"documents found invalid {how}, {what}", [wrong / reads], target, f"({wrong} of {reads:,})")
            )
    return lines


def watch(path: Path, pause: float, *, shared: bool, seconds: float = 4) -> tuple[int, int]:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(pause)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.read(1)  # it has begun
    reads = wrong = 0
    deadline = threading.Event()
    timer = threading.Timer(seconds, deadline.set)
    timer.start()
    while not deadline.is_set():
        with path.open("rb") as file:
            if shared:
                fcntl.flock(file, fcntl.LOCK_SH)
            content = file.read()
        reads += 1
        try:
            json.loads(content)
        except json.JSONDecodeError:
            wrong += 1
    writer.kill()
    writer.wait()
    writer.stdout.close()
    return reads, wrong


WRITER = """
import sys, time, os
from benchmark_recorder.stores.json_file import JSONFileStore
from tests.perf.ratios import history
store, pause = JSONFileStore(sys.argv[1]), float(sys.argv[2])
documents = history(50)
os.write(1, b".")
while True:
    for document in documents:
        store.append((document,), fresh=True)
        if pause:
            time.sleep(pause)
    store.prune(2**62)
"""
"""It empties its file now and then, so that a reader reads often."""


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    sys.exit(main())
