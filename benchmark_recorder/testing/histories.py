"""Records that try a store, and what its answers are held to."""

from __future__ import annotations

import dataclasses
import math
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmark_recorder.cells import Cell, Cells, Moments, total
from benchmark_recorder.fields import FIELDS, Field
from benchmark_recorder.queries import Query
from benchmark_recorder.records import stamp, task_id_of
from benchmark_recorder.validation import admit

if TYPE_CHECKING:
    from benchmark_recorder.records import Document

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_document(**fields: Any) -> Document:  # noqa: ANN401
    """An admitted document; any field by its name, the rest plausible."""
    record_id, _ = stamp()
    task = fields.get("task_description", "Create a landing page")
    document: Document = {
        "record_id": record_id,
        "timestamp": START.isoformat(timespec="microseconds"),
        "version": "v1.0",
        "git_commit": None,
        "task_id": task_id_of(task),
        "task_description": task,
        "execution_time": 1.5,
        "success": True,
        "agent_selected": "builder_agent",
        "cost_estimated": 0.002,
        "difficulty": 0.2,
        "metadata": {},
    }
    return admit(document | fields)[0]


_NOT_BY_CHANCE: Final = frozenset({"cost_known", "parent_id"})


def make_history(count: int, seed: int = 1) -> list[Document]:
    """Executions of two versions over a few tasks, different in every way that a query can ask for."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible history, no secret
    return [_execution(rng, number) for number in range(count)]


def _some(rng: random.Random, field: Field) -> Any:  # noqa: ANN401 - of the field's kind
    is_agent = field.name == "expected_agent"
    texts = ["builder_agent", "content_agent"] if is_agent else [f"{field.name}-1", f"{field.name}-2"]
    of_kind = {
        "id": f"{rng.getrandbits(128):032x}",
        "texts": texts,
        "number": rng.random(),
        "count": rng.randrange(10_000),
        "flag": True,
    }
    return of_kind[field.kind] if field.kind in of_kind else rng.choice(texts)


def _execution(rng: random.Random, number: int) -> Document:
    fields: Document = {
        "timestamp": (START + timedelta(hours=number, microseconds=number)).isoformat(timespec="microseconds"),
        "version": rng.choice(["v1.0", "v2.0"]),
        "task_description": rng.choice(["Create a landing page", "Write a blog post", f"one of a kind {number}"]),
        "execution_time": rng.choice([0.0, rng.lognormvariate(0, 1), rng.lognormvariate(0, 1)]),
        "success": rng.random() < 0.8,
        "agent_selected": rng.choice([None, "builder_agent", "content_agent"]),
        "cost_estimated": rng.choice([0.0, rng.lognormvariate(-6, 1)]),
        "difficulty": rng.choice([None, rng.random()]),
        "git_commit": rng.choice([None, "a" * 40, "b" * 40]),
        "metadata": rng.choice([{}, {"run": "r1"}, {"run": "r2", "repeat": number % 3}]),
    }
    left_out = (field for field in FIELDS if field.absent == "left out" and field.name not in _NOT_BY_CHANCE)
    fields |= {field.name: _some(rng, field) for field in left_out if rng.random() < 0.6}
    if fields["success"]:
        fields.pop("error_type", None)
    if not fields["cost_estimated"] and rng.random() < 0.5:
        fields["cost_known"] = True
    return make_document(**fields)


QUERIES = (
    Query.of(),
    Query.of(model="model-1", runs="all"),
    Query.of(error_type=["error_type-1", "no such type"], host="alpha"),
    Query.of(commit="a" * 40, expected_agent="builder_agent", runs="all"),
    Query.of(dropped=["dropped-1", "no such argument"]),
    Query.of(version="v1.0"),
    Query.of(version=["v1.0", "v2.0"]),
    Query.of(version="no such version"),
    Query.of(version=[]),
    Query.of(task="Create a landing page"),
    Query.of(task_id=task_id_of("Write a blog post"), version="v2.0"),
    Query.of(agent=["builder_agent", "no such agent"]),
    Query.of(success=False),
    Query.of(since=START + timedelta(hours=20), until=START + timedelta(hours=60)),
    Query.of(last_days=1, now=START + timedelta(hours=70)),
    Query.of(metadata={"run": "r1"}),
    Query.of(metadata={"run": "r2", "repeat": 1}),
    Query.of(metadata={"repeat": True}),
    Query.of(metadata={"repeat": 1.0}),
)
"""Each is a question that a store answers differently from the next one."""

HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    "[/foo] [link=https://example.com]x[/link]",
    "\x1b[31mred\x1b[0m\x07\x00\x9b",
    "a | b ` c ``` d",
    "::error::no\n::set-output name=a::b",
    "=cmd|' /C calc'!A0",
    "@everyone",
    "\u202egnp.exe\u202c",
    '{"$ne": null} "quoted" \\ back',
    "line\nbreak\r\n\ttab\u2028\u2029",
    "'; DROP TABLE executions; --",
    "]}\n]}",
    "NaN",
    "日本語 é 😀",
    "x" * 4096,
)
"""Texts that break something somewhere; every output and every store meets them."""


_MOMENTS: Final = ("time", "log_time", "cost", "log_cost")
_GREATEST: Final = ("max_time", "max_cost")
"""Of units these are means, which are calculated."""


def assert_same_cells(found: Cells, expected: Cells) -> None:
    """The same cells in the same order, numbers to a relative 1e-9."""
    assert [_labels(cell) for cell in found.cells] == [_labels(cell) for cell in expected.cells]
    for one, other in zip(found.cells, expected.cells, strict=True):
        for name in _MOMENTS:
            _assert_same_moments(getattr(one, name), getattr(other, name))
        for name in _GREATEST:
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9 if other.units else 0, abs=0)
        if one.units is not None and other.units is not None:
            assert (one.units.runs, one.units.shared) == (other.units.runs, other.units.shared)
            _assert_same_moments(one.units.success_rate, other.units.success_rate)
            _assert_same_moments(one.units.routing_rate, other.units.routing_rate)
    for version in expected.versions:
        whole, other_whole = total(found.of(version)), total(expected.of(version))
        assert whole is not None
        assert other_whole is not None
        assert whole.n == other_whole.n


def _assert_same_moments(mine: Moments, theirs: Moments) -> None:
    scale = math.sqrt(theirs.m2 / theirs.n) + abs(theirs.mean) if theirs.n else 0.0
    assert mine.n == theirs.n
    assert mine.mean == pytest.approx(theirs.mean, rel=1e-9, abs=1e-9 * scale)
    assert mine.m2 == pytest.approx(theirs.m2, rel=1e-9, abs=1e-9 * scale**2 * (theirs.n or 1))


def _labels(cell: Cell) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(cell) if field.name not in {*_MOMENTS, *_GREATEST, "units"}]
    return {name: getattr(cell, name) for name in names} | {"counts units": cell.units is not None}
