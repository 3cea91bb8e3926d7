"""With spans that the frameworks wrote, given to the real SDK in the order in which they began and ended."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode

from benchmark_recorder import BenchmarkRecorder, MemoryStore
from benchmark_recorder.exchange import BenchmarkSpanProcessor, spans
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document

FILES = Path(__file__).parent.parent / "data" / "spans"
CASES = {
    (file.stem, name): case for file in sorted(FILES.iterdir()) for name, case in json.loads(file.read_text()).items()
}
BEGIN = 1_767_225_600_000_000_000  # 2026-01-01


def provided(**options: Any) -> tuple[TracerProvider, MemoryStore]:
    provider, store = TracerProvider(), MemoryStore()
    provider.add_span_processor(BenchmarkSpanProcessor(BenchmarkRecorder(store=store), version="v1", **options))
    return provider, store


def replay(provider: TracerProvider, case: dict[str, Any]) -> None:
    described = {span["id"]: span for span in case["spans"]}
    open_: dict[int, trace.Span] = {}
    for what, number in case["order"]:
        one = described.get(number)
        if one is None:  # it never ended
            continue
        if what == "start":
            parent = trace.set_span_in_context(open_[one["parent"]]) if one["parent"] else None
            tracer = provider.get_tracer(one["scope"])
            open_[number] = tracer.start_span(one["name"], parent, start_time=BEGIN + one["start"])
            continue
        span = open_[number]
        span.set_attributes(one["attributes"])
        for named in one["exception"]:
            span.add_event("exception", {"exception.type": named})
        span.set_status(Status(StatusCode[one["status"]], one["description"] if one["status"] == "ERROR" else None))
        span.end(BEGIN + one["end"])


def held(store: MemoryStore) -> list[Document]:
    return list(store.documents(Query(runs="all")))


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_run_of_a_framework_is_one_record_with_what_really_happened(case: tuple[str, str]) -> None:
    framework, name = case
    provider, store = provided()
    replay(provider, CASES[case])
    documents = held(store)
    assert len(documents) == (5 if name == "five at once" else 1)
    agent = {"nested": "outer", "without agent in its name": "billing"}.get(name, "support_agent")
    root = min(
        (span for span in CASES[case]["spans"] if span["scope"].startswith(spans.SCOPES)),
        key=lambda span: span["start"],
    )
    for document in documents:
        assert document["success"] is (CASES[case]["raised"] is None)
        assert document["agent_selected"] == agent
        assert document["version"] == "v1"
        assert "cost_known" not in document
        assert document["cost_estimated"] == 0
        if framework == "openai-agents" or name == "timeout in model":  # the former has none of a model of one's own
            assert "input_tokens" not in document
        else:
            assert document["input_tokens"] == 2 * document["output_tokens"]
    if len(documents) == 1:
        assert documents[0]["execution_time"] == pytest.approx((root["end"] - root["start"]) / 1e9)
    expected = {"ok": 20, "nested": 40, "tool raises": 10, "limit": 10, "timeout in tool": 10, "five at once": 20}
    if name in expected and framework != "openai-agents":
        assert {document["input_tokens"] for document in documents} == {expected[name]}


@pytest.mark.parametrize(
    ("case", "error_type"),
    [
        (("pydantic-ai", "tool raises"), "ValueError"),
        (("pydantic-ai", "limit"), "UsageLimitExceeded"),
        (("pydantic-ai", "timeout in model"), "Cancelled"),
        (("pydantic-ai", "timeout in tool"), "Cancelled"),
        (("langgraph", "tool raises"), "ValueError"),
        (("langgraph", "limit"), "GraphRecursionError"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_a_failure_has_its_class(case: tuple[str, str], error_type: str) -> None:
    provider, store = provided()
    replay(provider, CASES[case])
    assert held(store)[0]["error_type"] == error_type


def test_openai_agents_has_only_a_sentence_for_a_failure() -> None:
    provider, store = provided()
    replay(provider, CASES["openai-agents", "limit"])
    assert "Max turns" in held(store)[0]["error_type"]


def test_a_task_is_named_by_an_attribute_or_by_a_function_and_else_by_the_agent() -> None:
    case = CASES["pydantic-ai", "ok"]
    for options, task in (
        ({}, "support_agent"),
        ({"task": lambda attributes: attributes["gen_ai.agent.name"] + "!"}, "support_agent!"),
    ):
        provider, store = provided(**options)
        replay(provider, case)
        assert held(store)[0]["task_description"] == task
    provider, store = provided()
    with provider.get_tracer("pydantic-ai").start_as_current_span("run", attributes={spans.TASK: "Fix CSS"}):
        pass
    assert held(store)[0]["task_description"] == "Fix CSS"


def test_spans_of_other_scopes_are_no_runs() -> None:
    provider, store = provided()
    with provider.get_tracer("web").start_as_current_span("GET /"):
        pass
    assert held(store) == []


def test_a_run_whose_inner_span_never_ends_is_recorded_at_the_flush() -> None:
    provider, store = provided()
    tracer = provider.get_tracer("pydantic-ai")
    with tracer.start_as_current_span("run"):
        tracer.start_span("never ends")
    assert held(store) == []
    provider.force_flush()
    assert len(held(store)) == 1
    provider.shutdown()
    assert len(held(store)) == 1


def test_runs_that_never_end_are_forgotten_beyond_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "MOST_OPEN", 3)
    processor = BenchmarkSpanProcessor(BenchmarkRecorder(store=MemoryStore()), version="v1")
    provider = TracerProvider()
    provider.add_span_processor(processor)
    started = [provider.get_tracer("pydantic-ai").start_span(f"run {number}") for number in range(9)]
    assert len(processor._open) == len(processor._runs) == 3
    for span in started:
        span.end()
    assert processor._open == processor._runs == {}


def test_what_the_recorder_refuses_is_logged_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    provider, store = provided(task=lambda _: 7)
    with provider.get_tracer("pydantic-ai").start_as_current_span("run"):
        pass
    assert held(store) == []
    assert "a run of an agent is not recorded" in caplog.text
    assert "task: expected" in caplog.text


def test_threads_do_not_mix_their_runs() -> None:
    provider, store = provided()
    case = CASES["pydantic-ai", "ok"]

    def replay_often() -> None:
        for _ in range(20):
            replay(provider, case)

    threads = [threading.Thread(target=replay_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(document["input_tokens"], document["success"]) for document in held(store)} == {(20, True)}
    assert len(held(store)) == 80
