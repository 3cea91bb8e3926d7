from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark_recorder import BenchmarkMetric, BenchmarkRecorder, MemoryStore
from benchmark_recorder.errors import InvalidRecordError, StoreUnavailableError
from benchmark_recorder.fields import ARGUMENT_NAMES, FIELDS, MAX_METADATA_BYTES, MAX_TEXT
from benchmark_recorder.queries import Query
from benchmark_recorder.recording.admission import _OPTIONAL
from benchmark_recorder.records import are_plain, is_plain, is_plain_metadata, task_id_of
from benchmark_recorder.validation import admit_execution, plain_json
from tests.hostile import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmark_recorder.records import Document

EXECUTION: dict[str, Any] = {
    "task": "Create a landing page",
    "duration": 3.4,
    "success": True,
    "version": "v2.0",
    "agent_selected": "builder_agent",
    "cost": 0.00012,
    "difficulty": 0.2,
    "metadata": {"run": "nightly", "attempt": 2, "share": 0.5, "cached": True, "parent": None},
}


class Text(str):
    __slots__ = ()


class Seconds(float):
    __slots__ = ()


class Agent(StrEnum):
    BUILDER = "builder_agent"


TEXTS = st.sampled_from([*HOSTILE.values(), "", "a task", "é", Text("a"), Agent.BUILDER]) | st.text(max_size=10)
NUMBERS = (
    st.sampled_from(
        [
            0,
            1,
            -1,
            True,
            0.0,
            -0.0,
            1.0,
            math.nan,
            math.inf,
            1e308,
            Seconds(1.0),
            np.float64(1.0),
            Decimal(1),
            "1",
            10**400,
        ]
    )
    | st.floats()
)
ODD = st.sampled_from([b"bytes", [], (), 1.5, object()])
METADATA = st.dictionaries(TEXTS, TEXTS | NUMBERS | st.none() | st.lists(st.integers(), max_size=2) | ODD, max_size=3)


def stored(**execution: Any) -> dict[str, Any] | None:
    """What a recorder makes of an execution; ``None`` where it refuses."""
    store = MemoryStore()
    try:
        BenchmarkRecorder(store=store).record_execution(**execution)
    except InvalidRecordError:
        return None
    (document,) = store.documents(Query())
    return document


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": st.sampled_from(["0" * 32, "0" * 31]) | TEXTS | ODD,
    "name": TEXTS | ODD,
    "texts": st.lists(TEXTS) | ODD,
    "text": TEXTS | ODD,
    "number": NUMBERS | ODD,
    "count": NUMBERS | st.integers() | ODD,
    "flag": st.sampled_from([True, False, 0, 1, "yes", np.True_]),
    "json": METADATA | ODD,
}
VALID = {
    "id": "0" * 32,
    "name": "a name",
    "text": "a text",
    "texts": ["a text"],
    "number": 3.0,
    "count": 3,
    "flag": True,
}
SAID = [field for field in FIELDS if field.argument is not None and field.kind != "time"]
PLAIN = {f.name: EXECUTION[f.argument] if f.argument in EXECUTION else VALID[f.kind] for f in SAID if f.argument}


@settings(max_examples=400)
@given(names=st.sets(st.sampled_from([field.name for field in SAID]), max_size=3), data=st.data())
def test_what_is_plain_is_what_the_schema_passes_unchanged(names: set[str], data: st.DataObject) -> None:
    said = PLAIN | {f.name: data.draw(VALUES[f.kind] | st.none(), f.name) for f in SAID if f.name in names}
    optional = {name: said[name] for name in _OPTIONAL if said[name] is not None}
    execution = {ARGUMENT_NAMES.get(name) or name: value for name, value in said.items() if name not in _OPTIONAL}
    if not (is_plain(**execution) and are_plain(optional)):
        return
    said |= {"cost_estimated": said["cost_estimated"] or 0.0, "metadata": said["metadata"] or {}}
    said = {name: value for name, value in said.items() if value is not None or name not in _OPTIONAL}
    admitted, notes = admit_execution(dict(said))
    assert notes == ()
    said.setdefault("task_id", task_id_of(said["task_description"]))
    assert repr(sorted(admitted.items())) == repr(sorted(said.items()))


@pytest.mark.parametrize(
    "record",
    [
        "recorder.record_execution('a task', 1.0, True, 'v1', 'an agent', 0.1, 0.5, {'run': 1}, model='m')",
        "recorder.record_execution('a task', 1.0, True, 'v1', timestamp='2026-01-01')",
        "recorder.measure('a task', 'v1').__enter__().__exit__(None, None, None)",
    ],
)
def test_who_records_plain_values_never_imports_pydantic(record: str, tmp_path: Path) -> None:
    program = f"""
import sys
from benchmark_recorder import BenchmarkRecorder
with BenchmarkRecorder({str(tmp_path / "metrics.json")!r}) as recorder:
    {record}
assert not [name for name in sys.modules if name.startswith("pydantic")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert "a task" in (tmp_path / "metrics.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EXECUTION)
def test_an_ordinary_execution_is_plain_with_or_without_a_field(name: str) -> None:
    assert is_plain(**EXECUTION)
    if name not in {"task", "duration", "success", "version"}:
        assert is_plain(**{**EXECUTION, name: None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", Text("a task")),
        ("task", "x" * (MAX_TEXT + 1)),
        ("task", "a\ud800"),
        ("duration", 3),
        ("duration", Seconds(3.4)),
        ("duration", np.float64(3.4)),
        ("duration", -1.0),
        ("duration", math.inf),
        ("duration", math.nan),
        ("success", 1),
        ("version", ""),
        ("agent_selected", Agent.BUILDER),
        ("cost", 0),
        ("cost", math.nan),
        ("difficulty", 1.5),
        ("metadata", OrderedDict(a=1)),
        ("metadata", {"deep": {}}),
        ("metadata", {1: "a"}),
        ("metadata", {"a": math.nan}),
        ("metadata", {"a": 2**63}),
        ("metadata", {"a": "x" * MAX_METADATA_BYTES}),
    ],
)
def test_what_has_to_be_looked_at_is_not_plain(name: str, value: object) -> None:
    assert not is_plain(**{**EXECUTION, name: value})


@pytest.mark.parametrize(
    "optional",
    [
        {"task_id": ""},
        {"model": "\ud800"},
        {"error_type": 7},
        {"input_tokens": True},
        {"input_tokens": -1},
        {"model": 3},
    ],
)
def test_optional_fields_that_have_to_be_looked_at_are_not_plain(optional: dict[str, Any]) -> None:
    assert are_plain({"model": "a-model", "input_tokens": 12, "output_tokens": 0, "task_id": "t-1"})
    assert not are_plain(optional)


def test_texts_of_any_language_are_plain() -> None:
    assert is_plain(**{**EXECUTION, "task": "창작", "version": "v2-é", "agent_selected": "строитель"})
    assert is_plain_metadata({"ключ": "値"})
    assert not is_plain_metadata({"\udfff": 1})
    assert not is_plain_metadata({"a": "\ud800"})


def test_what_cannot_be_validated_at_the_moment_is_counted_and_never_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)
    recorder = BenchmarkRecorder(store=MemoryStore())
    recorder.record_execution("a task", 1, True, "v1")
    recorder.record(BenchmarkMetric("2026-01-01T00:00:00+00:00", "v1", None, "t", "a task", 1.0, True, None, 0.0))
    recorder.record_execution("a task", 1.0, True, "v1")
    assert recorder.health().lost == 2
    assert len(list(recorder.store.documents(Query()))) == 1


def test_metadata_that_fits_however_it_is_escaped_is_plain() -> None:
    assert is_plain_metadata({})
    assert is_plain_metadata({"a": "\x01" * 1000})
    assert not is_plain_metadata({"a": "\x01" * (MAX_METADATA_BYTES // 8)})


def test_a_plain_execution_and_one_that_is_not_are_stored_alike() -> None:
    plain, odd = stored(**EXECUTION, model="m"), stored(**{**EXECUTION, "task": Text(EXECUTION["task"])}, model="m")
    assert plain is not None
    assert odd is not None
    changing = ("record_id", "timestamp")
    assert list(plain) == list(odd)
    assert {n: v for n, v in plain.items() if n not in changing} == {n: v for n, v in odd.items() if n not in changing}


class BrokenStore(MemoryStore):
    """Cannot be written until it is mended."""

    broken = True

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        if self.broken:
            raise StoreUnavailableError("cannot write")
        return super().append(documents, fresh=fresh)


def test_metadata_that_the_caller_changes_while_the_record_waits_is_stored_as_it_was() -> None:
    store, metadata = BrokenStore(), {"run": "first"}
    recorder = BenchmarkRecorder(store=store)
    recorder.record_execution("a task", 1.0, True, "v1", metadata=metadata)
    metadata["run"] = "second"
    store.broken = False
    recorder.flush()
    (document,) = store.documents(Query())
    assert document["metadata"] == {"run": "first"}


@pytest.mark.parametrize("optional", [{}, {"model": "m", "error_type": "Timeout", "input_tokens": 3}])
@pytest.mark.parametrize("wrap", [lambda metadata: metadata, lambda metadata: {"inner": metadata}])
def test_metadata_that_changes_while_it_is_looked_at_breaks_neither_its_record_nor_the_ones_behind(
    wrap: Callable[[dict[str, Any]], dict[str, Any]], optional: dict[str, Any], tmp_path: Path
) -> None:
    metadata: dict[str, Any] = {f"key {number}": number for number in range(40)}
    changes = 0

    def change(*_: object) -> None:
        nonlocal changes
        changes += 1
        if metadata.pop("new", None) is None:
            metadata["new"] = object() if changes % 4 == 1 else "text"  # the one is no JSON, the other is

    recorder = BenchmarkRecorder(tmp_path / "metrics.json", on_invalid="log")
    before = signal.signal(signal.SIGALRM, change)
    recorded = 0
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1.1e-4)
    try:
        while changes < 1000:
            recorder.record_execution("a task", 1.0, False, "v1", metadata=wrap(metadata), **optional)
            recorded += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(0.05)  # one that is under way to another thread is not for the handler before
        signal.signal(signal.SIGALRM, before)
    health = recorder.health()
    assert health.waiting == 0
    stored = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    assert len(stored) == recorded - health.invalid


def test_the_id_of_a_task_is_made_of_its_text_whatever_a_subclass_makes_of_it() -> None:
    class Node(str):
        __slots__ = ()
        __hash__ = None  # type: ignore[assignment]

        def encode(self, *_: object) -> bytes:
            raise TypeError

    store = MemoryStore()
    BenchmarkRecorder(store=store).record_execution(Node("a task"), 1.0, True, "v1")
    BenchmarkRecorder(store=store).record_execution("a task", 1.0, True, "v1")
    first, second = store.documents(Query())
    assert first["task_id"] == second["task_id"]


def test_json_of_a_file_becomes_what_every_store_can_hold() -> None:
    told = json.loads('{"\\ud800": [NaN, -Infinity, 1e999, 1.5, "\\udc80é", "x", {"y": [null, true, 3]}]}')
    assert plain_json(told) == {"\ufffd": [None, None, None, 1.5, "\ufffdé", "x", {"y": [None, True, 3]}]}
