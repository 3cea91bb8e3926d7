"""Exports written by hand, as the table of traces, the table of observations and the public API have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import InvalidRecordError, MemoryStore
from benchmark_recorder.exchange import import_file
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document

TRACE: Document = {
    "id": "t-1",
    "timestamp": "2026-01-02T03:04:05.000Z",
    "name": "support",
    "level": "DEFAULT",
    "latency": 1.25,
    "tags": [],
    "version": "v7",
    "release": None,
    "input": "where is my parcel?",
    "totalCost": 0.002,
    "usage": {"promptTokens": 30, "completionTokens": 12, "totalTokens": 42},
    "scores": {"correct": [1]},
    "environment": "production",
}
ROOT: Document = {
    "id": "o-1",
    "traceId": "t-1",
    "parentObservationId": None,
    "type": "AGENT",
    "name": "support",
    "startTime": "2026-01-02T03:04:05.000Z",
    "endTime": "2026-01-02T03:04:06.250Z",
    "level": "ERROR",
    "version": "v7",
    "usageDetails": {"input": 30, "output": 12},
    "providedModelName": "m-1",
}


def imported(path: Path, content: Any, **options: Any) -> tuple[list[Document], tuple[str, ...]]:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    store = MemoryStore()
    done = import_file(path, store, **options)
    assert done.form == "langfuse"
    assert import_file(path, store, **options).new == 0
    return list(store.documents(Query())), done.notes


@pytest.mark.parametrize("form", ["array", "lines", "answer"])
def test_a_trace_is_a_run(form: str, tmp_path: Path) -> None:
    rows = [TRACE, TRACE | {"id": "t-2", "level": "ERROR", "version": None, "release": "r3"}]
    forms = {"array": rows, "lines": "\n".join(map(json.dumps, rows)), "answer": {"data": rows, "meta": {"page": 1}}}
    (first, second), notes = imported(tmp_path / "x", forms[form])
    assert notes == ()
    assert (first["version"], first["execution_time"], first["success"]) == ("v7", 1.25, True)
    assert (first["task_description"], first["agent_selected"]) == ("where is my parcel?", "support")
    assert (first["cost_estimated"], first["input_tokens"], first["output_tokens"]) == (0.002, 30, 12)
    assert first["metadata"] == {"environment": "production", "imported": {"tool": "langfuse", "file": "x"}}
    assert (second["version"], second["success"], second["error_type"]) == ("r3", False, "error")


def test_a_root_observation_is_a_run_and_what_is_inside_of_it_is_not(tmp_path: Path) -> None:
    inner = ROOT | {"id": "o-2", "parentObservationId": "o-1"}
    (document,), notes = imported(tmp_path / "x", [ROOT, inner])
    assert notes == ("1 observations are parts of others, and are left out",)
    assert (document["execution_time"], document["success"], document["model"]) == (1.25, False, "m-1")
    assert (document["input_tokens"], document["output_tokens"]) == (30, 12)


@pytest.mark.parametrize(
    ("scores", "success"),
    [({"correct": [1]}, True), ({"correct": [0.5]}, False), ([{"name": "correct", "value": 1}], True)],
)
def test_a_score_says_what_succeeded_if_it_is_named(scores: Any, success: bool, tmp_path: Path) -> None:
    (document,), _ = imported(tmp_path / "x", [TRACE | {"scores": scores}], scorer="correct")
    assert document["success"] is success
    assert "score" in document["metadata"]


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"level": None}, {}, "element 1: it has no level, .* name a score"),
        ({}, {"scorer": "other"}, "element 1: there is no score 'other' with a number"),
        ({"latency": None}, {}, "element 1: execution_time is missing"),
        ({"version": None}, {}, "element 1: version is missing"),
    ],
)
def test_a_trace_that_says_too_little_is_named(
    change: Document, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRecordError, match=said):
        imported(tmp_path / "x", [TRACE | change], **options)
