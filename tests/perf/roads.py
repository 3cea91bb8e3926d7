"""What an older file costs on each road, beside its peer. ``python tests/perf/run.py roads [RECORDS ...]``.

Processor seconds of fresh interpreters, imports included: others may use the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.perf.ratios import ROUNDS, Line, history, print_table
from tests.perf.reading import METRICS, PEAK, PEER

RECORDS = (100_000, 1_000_000)
PART = 5
"""How much smaller the file is that a road's growth is measured against."""

WHOLE = """
import sys
try:
    import orjson as peer
except ImportError:
    import msgspec
    class peer:
        loads, dumps = msgspec.json.decode, msgspec.json.encode
with open(sys.argv[1], "rb") as file:
    top = peer.loads(file.read())
with open(sys.argv[1] + ".peer", "wb") as file:
    file.write(b",\\n".join([peer.dumps(record) for record in top["metrics"]]))
"""
"""orjson, or msgspec where it is not installed: all values decoded, and encoded a line each."""

TAKE_OVER = """
import sys
from benchmark_recorder.stores.json_file.taking_over import take_over_behind
assert take_over_behind(sys.argv[1])
"""

DOCUMENTS = """
import sys
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore
print(sum(1 for _ in JSONFileStore(sys.argv[1]).documents(Query(runs="all"))))
"""

PLACES = """
import sys
from benchmark_recorder.stores.json_file import JSONFileStore
print(sum(len(batch.documents) for batch in JSONFileStore(sys.argv[1]).batches(None)))
"""

COMMAND = "import sys; from benchmark_recorder.cli import main; sys.argv[:] = [*sys.argv[:1], {}]; main()"
EXPORT = COMMAND.format('"export", "--store", sys.argv[1], "--output", sys.argv[1] + ".jsonl"')
IMPORT = COMMAND.format('"import", sys.argv[1], "--store", sys.argv[1] + ".imported.json"')
SYNC = COMMAND.format('"sync", "--from", sys.argv[1], "--to", sys.argv[1] + ".synced.json"')

ROADS = {
    "reading all records": DOCUMENTS,
    "delivery's batches": PLACES,
    "`export`": EXPORT,
    "`import`": IMPORT,
    "`sync` to a file": SYNC,
}
"""What must grow no faster than the file."""


def main() -> int:
    lines: list[Line] = []
    for count in [int(argument) for argument in sys.argv[1:]] or RECORDS:
        with tempfile.TemporaryDirectory() as name:
            lines += older(Path(name), count)
    print_table("Older files", lines)
    return 0 if all(line.holds for line in lines) else 1


def older(folder: Path, count: int) -> list[Line]:
    """The roads of a file of the earlier recorder with so many records."""
    path = folder / "older.json"
    write_older(path, count)
    size = path.stat().st_size
    is_large = count >= RECORDS[1]
    named = f"{count:,} records, {size / 1e6:,.0f} MB"
    spans: dict[str, list[float]] = {}
    for _ in range(ROUNDS if count <= RECORDS[0] else 1):
        for beside in folder.glob("*.*.*"):
            shutil.rmtree(beside) if beside.is_dir() else beside.unlink()
        for what, code in (("typed", PEER), ("cold", METRICS), ("saved", METRICS), ("whole", WHOLE)):
            spans.setdefault(what, []).append(run(code, path))
        copy = Path(shutil.copy(path, folder / "copy.json"))
        spans.setdefault("take-over", []).append(run(TAKE_OVER, copy))
    lines = [
        ratio(f"a question, cold, over msgspec's typed decode ({named})", spans, "cold", "typed", "<= 2.5"),
        # Of a small file, most is the interpreter, numpy and all else that is imported.
        ratio("the next one, with saved columns, over that", spans, "saved", "typed", "<= 0.25" if is_large else ""),
        ratio("the take-over, over orjson's loads and dumps", spans, "take-over", "whole", "<= 1.1"),
    ]
    shutil.rmtree(f"{path}.d")
    copy = Path(shutil.copy(path, folder / "copy.json"))
    for what, code, file in (("a question", METRICS, path), ("the take-over", TAKE_OVER, copy)):
        peak = int(output(code + PEAK, file).split()[-1])
        target = "<= 0.5" if is_large else ""
        lines.append(Line(f"peak memory of {what} over the file", [peak / size], target, f"({peak >> 20} MiB)"))
    part = folder / "part.json"
    write_older(part, count // PART)
    for what, code in ROADS.items() if not is_large else ():
        small, large = run(code, part), run(code, path)
        note = f"({small:.2f} s, {large:.2f} s)"
        lines.append(Line(f"{what}: {count:,} over {count // PART:,} records", [large / small], "<= 6", note))
    return lines


def write_older(path: Path, count: int) -> None:
    """A file of the earlier recorder, pretty-printed."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{\n  "metrics": [')
        for first in range(0, count, 5000):  # a child's peak memory begins with its parent's
            for number, document in enumerate(history(min(5000, count - first), first), first):
                del document["record_id"]
                text = json.dumps(document, indent=2).replace("\n", "\n    ")
                file.write(f"{',' if number else ''}\n    {text}")
        file.write("\n  ]\n}")


def ratio(what: str, spans: dict[str, list[float]], own: str, peer: str, target: str) -> Line:
    ratios = [a / b for a, b in zip(spans[own], spans[peer], strict=True)]
    return Line(what, ratios, target, f"({min(spans[own]):.2f} s; {min(spans[peer]):.2f} s)")


def run(code: str, path: Path) -> float:
    """Processor seconds of a fresh interpreter."""
    before = os.times()
    output(code, path)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def output(code: str, path: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
