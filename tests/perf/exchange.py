"""What imports and spans cost. ``python tests/perf/run.py exchange``.

Processor seconds, in turn: a log of Inspect against ``json.load`` of its summaries; a span against one call of
``record_execution``.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backports.zstd import zipfile
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.exchange import BenchmarkSpanProcessor
from benchmark_recorder.exchange.entry import Asked
from benchmark_recorder.exchange.inspect_log import archive_entries
from tests.perf.ratios import ROUNDS, Line, print_table

LOG = Path(__file__).resolve().parents[1] / "data" / "exchange" / "inspect.eval"
SAMPLES = 100_000
RUNS = 2_000
SPANS = 4
"""Of a run."""


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def inspect_line(folder: Path) -> Line:
    with zipfile.ZipFile(LOG) as archive:
        header, samples = archive.read("header.json"), json.loads(archive.read("summaries.json"))
    summaries = json.dumps([{**s, "id": f"{s['id']} {n}"} for n in range(SAMPLES // len(samples)) for s in samples])
    with zipfile.ZipFile(folder / "log.eval", "w", zipfile.ZIP_ZSTANDARD) as archive:
        archive.writestr("header.json", header)
        archive.writestr("summaries.json", summaries)

    def read() -> None:
        assert sum(1 for _ in archive_entries(folder / "log.eval", Asked("v1", scorer="includes"), [])) == SAMPLES

    ratios = []
    for _ in range(ROUNDS):
        bare = seconds(lambda: json.load(io.StringIO(summaries)))
        ratios.append(seconds(read) / bare)
    return Line(f"a log of Inspect, {SAMPLES:,} samples, over json.load of its summaries", ratios, "<= 2")


class Calls(SpanProcessor):
    """Keeps what a processor is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[bool, Any]] = []

    def on_start(self, span: Any, parent_context: object = None) -> None:
        self.calls.append((True, span))

    def on_end(self, span: ReadableSpan) -> None:
        self.calls.append((False, span))


def traced() -> list[tuple[bool, Any]]:
    """The calls of many runs."""
    provider, kept = TracerProvider(), Calls()
    provider.add_span_processor(kept)
    tracer = provider.get_tracer("pydantic-ai")
    call: dict[str, str | int] = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "m"}
    call["gen_ai.usage.input_tokens"] = 10
    tool: dict[str, str | int] = {"gen_ai.tool.name": "lookup"}
    for _ in range(RUNS):
        with tracer.start_as_current_span("run", attributes={"gen_ai.operation.name": "invoke_agent"}):
            for attributes in (call, tool, call):
                with tracer.start_as_current_span("step", attributes=attributes):
                    pass
    return kept.calls


def span_line(folder: Path) -> Line:
    recorder = BenchmarkRecorder(folder / "metrics.json")
    calls = traced()

    def record() -> None:
        for _ in range(RUNS):
            recorder.record_execution("t", 1.0, True, "v1", "agent", model="m", input_tokens=20)

    def process() -> None:
        processor = BenchmarkSpanProcessor(recorder, version="v1")
        for is_start, span in calls:
            (processor.on_start if is_start else processor.on_end)(span)

    ratios = [seconds(process) / SPANS / seconds(record) for _ in range(ROUNDS)]
    assert recorder.get_historical_metrics("v1").count == 2 * ROUNDS * RUNS
    return Line("the span processor, a span, over record_execution", ratios, "<= 2", f"runs of {SPANS} spans")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        lines = [inspect_line(Path(folder)), span_line(Path(folder))]
    print_table("Imports and spans", lines)
    return 0 if all(line.holds for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
