"""Records made of an application's OpenTelemetry spans: the shortest way in for a program that is instrumented already.

The names are those that pydantic-ai 2.68 writes (the GenAI conventions), and OpenInference for langgraph 1.2 and
openai-agents 0.24. What a span is, is read from its attributes when its run is over: they come late.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from benchmark_recorder.errors import missing
from benchmark_recorder.log import logger

try:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import StatusCode
except ImportError as error:
    raise missing("BenchmarkSpanProcessor needs the SDK of OpenTelemetry", "otel") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

SCOPES: Final = ("pydantic-ai", "openinference.instrumentation.")
"""How the instrumentation scopes of agents begin."""

TASK: Final = "benchmark.task"
"""An attribute of a run's first span that names its task."""

MOST_OPEN: Final = 10_000
"""Runs that have not ended; beyond them the oldest are forgotten."""

_INPUT: Final = ("gen_ai.usage.input_tokens", "llm.token_count.prompt")
_OUTPUT: Final = ("gen_ai.usage.output_tokens", "llm.token_count.completion")
_MODEL: Final = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name")
_KINDS: Final = {
    "execute_tool": "tool",
    "chat": "model",
    "generate_content": "model",
    "text_completion": "model",
    "invoke_agent": "agent",
}
"""What a span is, by its operation."""

_CANCELLED: Final = "Cancelled"

_Key = int
"""A span's id, of 64 random bits."""


class Recorder(Protocol):
    """What records: a ``BenchmarkRecorder``."""

    def record_execution(self, *arguments: Any, **fields: Any) -> None:  # noqa: ANN401
        """Record one execution."""


@dataclass(slots=True)
class _Run:
    """The spans of a run: the first span of a known scope, and all below it."""

    root: _Key
    parents: dict[_Key, _Key | None] = field(default_factory=dict)
    ended: dict[_Key, ReadableSpan] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether its root has ended, and no span is open; where the root failed, some spans never end."""
        root = self.ended.get(self.root)
        return root is not None and (len(self.ended) == len(self.parents) or _has_failed(root))


class BenchmarkSpanProcessor(SpanProcessor):
    """Records one execution for each run of an agent; ``provider.add_span_processor`` takes it.

    Duration, outcome, agent, model and tokens come from the spans; no framework says what a run costs. A run below a
    web request's span is a run of its own; an agent inside of another one's tool is part of that one's run.

    Args:
        recorder: records; what it refuses is logged, and never disturbs the application.
        version: of the orchestrator; the recorder's unless given.
        task: names a run's task by the attributes of its first span; default: its attribute ``benchmark.task``, else
            the agent.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        version: str | None = None,
        task: Callable[[Mapping[str, Any]], str | None] | None = None,
    ) -> None:
        self._recorder = recorder
        self._version = version
        self._task = task or (lambda attributes: attributes.get(TASK))
        self._runs: dict[_Key, _Run] = {}
        self._open: dict[_Key, _Run] = {}
        self._lock = threading.RLock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """See ``SpanProcessor``."""
        scope = span.instrumentation_scope
        key = span.context.span_id
        parent = None if span.parent is None else span.parent.span_id
        with self._lock:
            run = None if parent is None else self._runs.get(parent)
            if run is None:
                if scope is None or not scope.name.startswith(SCOPES):
                    return
                run = self._open[key] = _Run(key)
                if len(self._open) > MOST_OPEN:
                    self._forget(next(iter(self._open.values())))
            run.parents[key] = parent
            self._runs[key] = run

    def on_end(self, span: ReadableSpan) -> None:
        """See ``SpanProcessor``."""
        key = span.context.span_id
        with self._lock:
            run = self._runs.get(key)
            if run is None:
                return
            run.ended[key] = span
            if not run.is_over:
                return
            self._forget(run)
        self._record(run)

    def shutdown(self) -> None:
        """Record the runs whose first span has ended; spans below it that did not end are left out."""
        self.force_flush()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """The same; it never waits."""
        with self._lock:
            over = [run for run in self._open.values() if run.root in run.ended]
            for run in over:
                self._forget(run)
        for run in over:
            self._record(run)
        return True

    def _forget(self, run: _Run) -> None:
        self._open.pop(run.root, None)
        for key in run.parents:
            self._runs.pop(key, None)

    def _record(self, run: _Run) -> None:
        try:
            root = run.ended[run.root]
            fields = _fields(run, root)
            task = self._task(root.attributes or {}) or fields["agent_selected"]
            self._recorder.record_execution(task, _seconds(root), version=self._version, **fields)
        except Exception:
            logger.exception("a run of an agent is not recorded")


def _fields(run: _Run, root: ReadableSpan) -> dict[str, Any]:
    """What a run's spans say of it."""
    kinds = {key: _kind(span) for key, span in run.ended.items()}
    spans = run.ended.items()
    models = [span for key, span in spans if kinds[key] == "model"]
    agents = [span for key, span in spans if kinds[key] == "agent" and not _is_inside(run, key, kinds)]
    tokens = _total(models, _INPUT), _total(models, _OUTPUT)
    if tokens == (None, None):
        tokens = _total(agents, _INPUT), _total(agents, _OUTPUT)
    failed = next((span for span in (*agents, root) if _has_failed(span)), None)
    error_type = _class_of(failed) if failed else None
    if failed is None and any(_is_cut_off(span, kinds[key]) for key, span in spans):
        error_type = _CANCELLED
    names = dict.fromkeys(filter(None, (_text(span, _MODEL) for span in models)))
    last = max(agents, key=lambda span: span.end_time or 0, default=None)
    metadata: dict[str, Any] = {"trace_id": f"{root.context.trace_id:032x}"}
    if len(names) > 1:
        metadata["models"] = list(names)
    return {
        "success": error_type is None,
        "error_type": error_type,
        "agent_selected": (last and _text(last, ("gen_ai.agent.name", "agent.name"))) or root.name,
        "model": next(iter(names)) if len(names) == 1 else None,
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "timestamp": datetime.fromtimestamp((root.end_time or 0) / 1e9, UTC),
        "metadata": metadata,
    }


def _kind(span: ReadableSpan) -> str:
    """What a span is; a kind AGENT alone is no evidence, for OpenInference guesses it from names."""
    attributes = span.attributes or {}
    operation = attributes.get("gen_ai.operation.name")
    if isinstance(operation, str) and operation in _KINDS:
        return _KINDS[operation]
    if "gen_ai.tool.name" in attributes or "tool.name" in attributes:
        return "tool"
    if attributes.get("openinference.span.kind") == "LLM":
        return "model"
    return "agent" if "agent.name" in attributes else "step"


def _is_inside(run: _Run, key: _Key, kinds: Mapping[_Key, str]) -> bool:
    """Whether an agent or a tool of the same run is above a span."""
    above = run.parents[key]
    while above is not None and above in run.parents:
        if kinds.get(above) in {"agent", "tool"}:
            return True
        above = run.parents[above]
    return False


def _has_failed(span: ReadableSpan) -> bool:
    return span.status.status_code is StatusCode.ERROR


def _is_cut_off(span: ReadableSpan, kind: str) -> bool:
    """Whether a span ended in the middle, which no status says: a call without an answer, or a cancelled tool."""
    if kind == "tool":
        return _has_failed(span) and _class_of(span) == _CANCELLED
    if kind != "model":
        return False
    attributes = span.attributes or {}
    return _MODEL[0] not in attributes and "gen_ai.request.model" in attributes and _INPUT[0] not in attributes


def _class_of(span: ReadableSpan) -> str:
    """The class of the failure: of the exception, else what the span says of it."""
    of_events = (event.attributes.get("exception.type") for event in reversed(span.events) if event.attributes)
    named = next(filter(None, of_events), None) or (span.attributes or {}).get("error.type")
    if named is None:
        return (span.status.description or "error")[:200]
    name = str(named).rpartition(".")[2]
    return _CANCELLED if name == "CancelledError" else name


def _seconds(span: ReadableSpan) -> float:
    return max(0, (span.end_time or 0) - (span.start_time or 0)) / 1e9


def _text(span: ReadableSpan, names: Iterable[str]) -> str | None:
    attributes = span.attributes or {}
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def _total(spans: Iterable[ReadableSpan], names: Iterable[str]) -> int | None:
    """The sum of the first number of each span that has one of these names; ``None`` where nothing is said."""
    total = None
    for span in spans:
        attributes = span.attributes or {}
        for name in names:
            value = attributes.get(name)
            if isinstance(value, int):
                total = (total or 0) + value
                break
    return total
