"""Columns and cells that are kept between questions, and saved between processes."""

from __future__ import annotations

import os
import random
import stat
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmark_recorder.cells import CELL_FIELDS, Cells, collect, tabulate
from benchmark_recorder.columns import columns_of
from benchmark_recorder.identity import timestamp_micros
from benchmark_recorder.records import Document, Query
from benchmark_recorder.stores.json_file import JSONFileStore, cache, ordered, pooling, reader, table
from benchmark_recorder.stores.json_file.row import decode_rows
from benchmark_recorder.stores.json_file.run import cell_of_run
from benchmark_recorder.stores.json_file.timestamps import micros_of
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import QUERIES, assert_same_cells, make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a few records are worth saving."""
    monkeypatch.setattr(reader, "WORTH_SAVING", 10)
    return tmp_path / "metrics.json"


def written(path: Path, count: int = 200, seed: int = 1) -> list[Document]:
    history = make_history(count, seed)
    with JSONFileStore(path) as store:
        store.append(history, fresh=True)
    return history


def columns_file(path: Path) -> Path:
    return path.with_name("metrics.json.d") / "columns"


def assert_right(path: Path, history: list[Document]) -> None:
    """A store that is opened anew answers as the reference does."""
    reference = MemoryStore()
    reference.append(history)
    with JSONFileStore(path) as store:
        for query in QUERIES:
            assert_same_cells(store.summarize(query), expected_cells(reference, query))
            np.testing.assert_array_equal(store.durations(query).ordered, reference.durations(query).ordered)
            for name in ("execution_time", "cost", "time", "success", "version", "host", "record_id", "metadata"):
                found, expected = store.scan(query, [name])[name], reference.scan(query, [name])[name]
                np.testing.assert_array_equal(found, expected)


def expected_cells(reference: MemoryStore, query: Query) -> Cells:
    return collect(tabulate(reference.scan(query, CELL_FIELDS)), query.versions)


def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes of records were decoded, question by question."""
    sizes: list[int] = []

    def counted(block: bytes) -> Any:
        sizes.append(len(block))
        return decode_rows(block)

    monkeypatch.setattr(table, "decode_rows", counted)
    return sizes


# The sidecar --------------------------------------------------------------------------------------------------


def test_a_reader_saves_what_it_had_to_read_for_the_next_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = written(path)
    JSONFileStore(path).summarize(Query())
    assert stat.S_IMODE(columns_file(path).stat().st_mode) == 0o600
    assert JSONFileStore(path).inspect().sidecar == "fresh"
    decoded = reads(monkeypatch)
    assert_right(path, history)
    assert decoded == []


def test_a_few_records_are_not_worth_saving(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    written(path)
    JSONFileStore(path).summarize(Query())
    assert list(tmp_path.iterdir()) == [path]


def test_a_sidecar_that_is_behind_is_read_on_from(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = written(path)
    JSONFileStore(path).summarize(Query())
    later = make_document(version="v3.0", host="a new host")
    with JSONFileStore(path) as store:
        store.append([later], fresh=True)
        assert store.inspect().sidecar == "behind"
        decoded = reads(monkeypatch)
        store.summarize(Query())
        assert len(decoded) == 1
        assert decoded[0] < 1000
    assert_right(path, [*history, later])


def test_a_question_reads_only_what_was_added_since_the_last_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = written(path)
    with JSONFileStore(path) as store:
        store.summarize(Query())
        decoded = reads(monkeypatch)
        for document in make_history(20, seed=5):
            store.append([document], fresh=True)
            history.append(document)
            store.scan(Query(), ["time"])
        assert len(decoded) == 20
        reference = MemoryStore()
        reference.append(history)
        for query in QUERIES:
            assert_same_cells(store.summarize(query), expected_cells(reference, query))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"something else",
        lambda content: content.replace(b"columns 2\n", b"columns 1\n"),
        lambda content: content.replace(b'"offset":', b'"ofset":'),
        lambda content: content[:20] + bytes(len(content) - 20),
        lambda content: content[:-8] + b"\xff" * 8,  # durations in order
        lambda content: content[: -8 * 200 - 8] + b"\xff" * 8 + content[-8 * 200 :],  # the last column, of truth values
        lambda content: bytes(content[:-5000]) + b"\x01" * 5000,
    ],
    ids=range(10),
)
def test_a_damaged_sidecar_is_not_used(path: Path, damage: Callable[[bytes], bytes]) -> None:
    history = written(path)
    JSONFileStore(path).summarize(Query())
    saved = columns_file(path).read_bytes()
    columns_file(path).write_bytes(damage(saved))
    assert_right(path, history)
    assert columns_file(path).read_bytes() == saved


def test_a_sidecar_that_is_replaced_while_it_is_used_is_not_mixed_with_the_new_one(path: Path) -> None:
    written(path)
    store = JSONFileStore(path)
    store.summarize(Query())
    with JSONFileStore(path) as reader:
        reader.summarize(Query())  # cells alone: no column was read yet
        other = path.with_name("other.json")
        theirs = written(other, 300, seed=9)
        JSONFileStore(other).summarize(Query())
        (other.with_name("other.json.d") / "columns").replace(columns_file(path))
        other.replace(path)
        assert len(reader.scan(Query(), ["time"])["time"]) == 300
    assert_right(path, theirs)


def test_a_sidecar_is_not_used_for_another_file_of_the_same_length(path: Path) -> None:
    history = [make_document(execution_time=1.25) for _ in range(100)]
    with JSONFileStore(path) as store:
        store.append(history, fresh=True)
        store.summarize(Query())
    theirs = [make_document(execution_time=2.75) for _ in range(100)]
    JSONFileStore(path.with_name("other.json")).append(theirs, fresh=True)
    content = path.with_name("other.json").read_bytes()
    assert len(content) == path.stat().st_size
    with path.open("r+b") as file:
        file.write(content)
    assert JSONFileStore(path).inspect().sidecar == "stale"
    assert_right(path, theirs)


def test_a_sidecar_is_stale_after_a_rewrite_and_made_anew(path: Path) -> None:
    history = written(path)
    with JSONFileStore(path) as store:
        store.summarize(Query())
        store.prune(timestamp_micros(history[100]["timestamp"]))
    assert_right(path, history[100:])
    assert JSONFileStore(path).inspect().sidecar == "fresh"


def test_a_sidecar_that_cannot_be_written_is_no_error(path: Path) -> None:
    history = written(path)
    path.with_name("metrics.json.d").write_text("in the way", encoding="utf-8")
    assert_right(path, history)


def test_an_older_file_has_no_sidecar(path: Path) -> None:
    path.write_text('{"metrics": []}', encoding="utf-8")
    assert JSONFileStore(path).summarize(Query()) == Cells()
    assert list(path.parent.iterdir()) == [path]


def test_a_child_answers_for_itself(path: Path) -> None:
    history = written(path)
    store = JSONFileStore(path)
    store.summarize(Query())
    child = os.fork()
    if not child:
        store.append([make_document()], fresh=True)
        os._exit(0 if len(store.scan(Query(), ["time"])["time"]) == len(history) + 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(store.scan(Query(), ["time"])["time"]) == len(history) + 1


# Columns --------------------------------------------------------------------------------------------------------


def test_columns_that_are_handed_out_cannot_change_what_is_kept(path: Path) -> None:
    written(path)
    with JSONFileStore(path) as store:
        for name in CELL_FIELDS:
            column = store.scan(Query(), [name])[name]
            if column.flags.writeable:
                column[:] = column[::-1].copy()
        reference = MemoryStore()
        reference.append(make_history(200))
        assert_same_cells(store.summarize(Query.of(success=True)), expected_cells(reference, Query.of(success=True)))


def test_cells_are_the_same_where_they_are_too_many_to_be_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_KEPT_CELLS", 3)
    assert_right(path, written(path, 300))


def test_durations_are_the_same_where_versions_are_too_many_to_save_their_order(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered, "MAX_SAVED_VERSIONS", 1)
    assert_right(path, written(path, 300))


def test_durations_that_older_files_do_not_have_are_left_out(path: Path) -> None:
    times = [3.0, None, 1.0, 2.0, None] * 4
    with JSONFileStore(path) as store:
        store.append([make_document(version="v1") | {"execution_time": time} for time in times], fresh=True)
        for one in (store, JSONFileStore(path)):
            for query in (
                Query(),
                Query.of(version="v1"),
                Query.of(version=["v1", "v1"]),
                Query.of(version="v1", agent=None),
            ):
                assert one.durations(query).ordered.tolist() == sorted([1.0, 2.0, 3.0] * 4)
        assert store.durations(Query.of(version="none")).ordered.tolist() == []
        assert store.durations(Query.of(version=[])).ordered.tolist() == []


def test_durations_that_were_handed_out_stay_as_they_are(path: Path) -> None:
    written(path)
    with JSONFileStore(path) as store:
        query = Query.of(version="v1.0")
        before = store.durations(query).ordered
        copied = before.copy()
        assert not before.flags.writeable
        store.append([make_document(version="v1.0", execution_time=1.5)], fresh=True)
        after = store.durations(query).ordered
        np.testing.assert_array_equal(before, copied)
        assert after.tolist() == sorted([*before.tolist(), 1.5])


def test_a_question_that_the_sidecar_answers_reads_only_the_durations_of_its_version(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = written(path)
    JSONFileStore(path).summarize(Query())
    monkeypatch.setattr(cache._Saved, "column", lambda _, name: pytest.fail(f"{name} was read"))
    with JSONFileStore(path) as store:
        expected = sorted(d["execution_time"] for d in history if d["version"] == "v2.0")
        assert 0 < len(expected) < len(history)
        assert store.durations(Query.of(version="v2.0")).ordered.tolist() == expected
        store.append([make_document(version="v2.0", execution_time=0.0)], fresh=True)
        assert store.durations(Query.of(version="v2.0")).ordered.tolist() == [0.0, *expected]


def test_the_cell_of_a_single_run_is_what_is_made_of_many_at_once() -> None:
    odd: list[Document] = [
        {"execution_time": None},
        {"execution_time": 0.0, "cost_estimated": 0.0, "cost_known": True},
        {"cost_estimated": 0.0},
        {"host": None, "git_commit": "abc"},
        {"expected_agent": "a", "agent_selected": "a"},
        {"expected_agent": "a", "agent_selected": "b"},
        {"expected_agent": "a", "agent_selected": None},
        {"expected_agent": None, "agent_selected": "b"},
    ]
    for document in [*make_history(60), *(make_document() | fields for fields in odd)]:
        columns = columns_of([document], CELL_FIELDS)
        run = {name: column.tolist()[0] for name, column in columns.items()}
        assert_same_cells(Cells((cell_of_run(run),)), Cells(tuple(tabulate(columns))))


@pytest.mark.parametrize("limit", [0, 1, 5, 10_000])
@pytest.mark.parametrize("versions", [None, (), ("v1",), ("v1", "v2"), ("v1", "none"), ("v1", "v2", "v3")])
def test_pooling_before_counting_is_the_same_as_after(
    limit: int, versions: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pooling, collect.__globals__):
        target = module if isinstance(module, dict) else vars(module)
        monkeypatch.setitem(target, "MAX_MATCHED_TASKS", limit)
    rng = random.Random(limit)
    reference = MemoryStore()
    reference.append(
        [
            make_document(
                version=rng.choice(["v1", "v2", "v3"]),
                task_id=f"task {rng.choice([rng.randrange(5), rng.randrange(1000)])}",
                success=rng.random() < 0.7,
                execution_time=rng.lognormvariate(0, 1),
            )
            for _ in range(400)
        ]
    )
    query = Query(versions=versions)
    columns = reference.scan(query, CELL_FIELDS)
    empty = table.Table()
    coded = {
        name: empty._coded({name: empty._code(name, column.tolist())})[name]
        if name in table.TEXTS and len(column)
        else column
        for name, column in columns.items()
    }
    if not len(columns["time"]):
        return
    for apart in (frozenset[str](), frozenset(columns["task_id"][:40].tolist()) | {"no such task"}):
        pooled = collect(pooling.tabulate_pooled(coded, versions, apart), versions, apart)
        assert_same_cells(pooled, collect(tabulate(columns), versions, apart))


# Times ----------------------------------------------------------------------------------------------------------


def test_times_are_those_of_the_standard_library() -> None:
    rng = random.Random(3)
    texts = [
        f"{rng.randrange(1, 10_000):04d}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}T{rng.randrange(24):02d}:"
        f"{rng.randrange(60):02d}:{rng.randrange(60):02d}.{rng.randrange(10**6):06d}+00:00"
        for _ in range(2000)
    ] + ["2024-02-29T23:59:59.999999+00:00", "1970-01-01T00:00:00.000000+00:00", "1969-12-31T23:59:59.999999+00:00"]
    assert micros_of(texts).tolist() == [timestamp_micros(text) for text in texts]


def test_times_of_other_forms_are_understood_too() -> None:
    texts = [
        "2026-11-23T03:05:33.485192",
        "2026-11-23T03:05:33+02:00",
        "2026-11-23",
        "2026-11-23T03:05:33.485192+00:00",
    ]
    assert micros_of(texts).tolist() == [timestamp_micros(text) for text in texts]
    assert micros_of([]).tolist() == []


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00.000000+00:00",
        "2026-13-01T00:00:00.000000+00:00",
        "2026-01-01T24:00:01.000000+00:00",
        "2026-01-01T00:60:00.000000+00:00",
        "2026-01-01T00:00:0x.000000+00:00",
        "never",
    ],
)
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        micros_of(["2026-01-01T00:00:00.000000+00:00", text])
