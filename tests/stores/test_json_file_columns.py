"""Columns and cells that are kept between questions, and saved between processes."""

from __future__ import annotations

import json
import os
import random
import stat
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmark_recorder import matching
from benchmark_recorder.cells import CELL_FIELDS, Cells, collect, tabulate
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document, timestamp_micros
from benchmark_recorder.stores.json_file import JSONFileStore, cache, derived, lines, reader, table
from benchmark_recorder.stores.json_file.lines import decode_rows, keys_of, micros_of
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import QUERIES, assert_same_cells, make_document, make_history
from benchmark_recorder.testing.pairs import numbers_beyond

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

    monkeypatch.setattr(lines, "decode_rows", counted)
    return sizes


# The cache ----------------------------------------------------------------------------------------------------


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


def test_a_cache_that_is_behind_is_read_on_from(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        lambda content: content.replace(b'"offset":', b'"ofset":'),
        lambda content: content.replace(b"<f8", b">f8"),
        lambda content: content[:20] + bytes(len(content) - 20),
        lambda content: content.partition(b"\n")[0] + b"\n",
        lambda content: content.partition(b"\n")[0] + b"\n" + bytes(len(content.partition(b"\n")[2])),
        lambda content: b"benchmark-recorder columns 2\n" + content,
        lambda content: b"PK\x03\x04" + content,
        lambda content: bytes(content[:-5000]) + b"\x01" * 5000,
    ],
    ids=range(12),
)
def test_a_damaged_cache_is_not_used(path: Path, damage: Callable[[bytes], bytes]) -> None:
    history = written(path)
    JSONFileStore(path).summarize(Query())
    saved = columns_file(path).read_bytes()
    columns_file(path).write_bytes(damage(saved))
    assert_right(path, history)
    assert columns_file(path).read_bytes() == saved


def test_an_answer_is_right_whichever_byte_of_the_cache_is_damaged(path: Path) -> None:
    history = written(path, 40)
    JSONFileStore(path).summarize(Query())
    reference = MemoryStore()
    reference.append(history)
    saved = columns_file(path).read_bytes()
    for place in range(0, len(saved), 31):
        columns_file(path).write_bytes(saved[:place] + bytes([saved[place] ^ 0x15]) + saved[place + 1 :])
        store = JSONFileStore(path)
        assert_same_cells(store.summarize(Query()), reference.summarize(Query()))
        assert store.durations(Query()).ordered.tolist() == reference.durations(Query()).ordered.tolist()
        for name in ("cost", "success", "host"):
            np.testing.assert_array_equal(store.scan(Query(), [name])[name], reference.scan(Query(), [name])[name])


def test_a_cache_of_an_earlier_release_is_replaced(path: Path) -> None:
    history = written(path)
    columns_file(path).parent.mkdir()
    columns_file(path).write_bytes(b"benchmark-recorder columns 2\n" + bytes(100))
    assert JSONFileStore(path).inspect().sidecar == "stale"
    assert_right(path, history)
    assert JSONFileStore(path).inspect().sidecar == "fresh"
    assert sorted(file.name for file in columns_file(path).parent.iterdir()) == [".gitignore", "columns", "metadata"]


def test_a_cache_that_is_replaced_while_it_is_used_is_not_mixed_with_the_new_one(path: Path) -> None:
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


def test_a_cache_is_not_used_for_another_file_of_the_same_length(path: Path) -> None:
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


def test_a_cache_is_stale_after_a_rewrite_and_made_anew(path: Path) -> None:
    history = written(path)
    with JSONFileStore(path) as store:
        store.summarize(Query())
        store.prune(timestamp_micros(history[100]["timestamp"]))
    assert_right(path, history[100:])
    assert JSONFileStore(path).inspect().sidecar == "fresh"


@pytest.mark.parametrize("place", [0.05, 0.5])
def test_what_was_changed_in_place_makes_saved_columns_invalid_too(path: Path, place: float) -> None:
    history = written(path)
    later = make_document()
    with JSONFileStore(path) as store:
        store.summarize(Query())  # saves columns
        store.append([later], fresh=True)
        store.summarize(Query())  # knows more than was saved
        content = path.read_bytes()
        start = content.index(b'"execution_time":', int(len(content) * place)) + len(b'"execution_time":')
        digit = b"8" if content[start : start + 1] == b"9" else b"9"
        with path.open("r+b") as file:
            file.seek(start)
            file.write(digit)
        changed = json.loads(path.read_bytes())["metrics"]
        assert [*history, later] != changed
        reference = MemoryStore()
        reference.append(changed)
        for one in (store, JSONFileStore(path)):
            assert_same_cells(one.summarize(Query()), expected_cells(reference, Query()))


def test_a_cache_that_cannot_be_written_is_not_an_error(path: Path) -> None:
    history = written(path)
    path.with_name("metrics.json.d").write_text("in the way", encoding="utf-8")
    assert_right(path, history)


def test_an_older_file_has_no_cache(path: Path) -> None:
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
    monkeypatch.setattr(derived, "MAX_SAVED_VERSIONS", 1)
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


def test_a_question_that_the_cache_answers_reads_only_the_durations_of_its_version(
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


@pytest.mark.parametrize("limit", [0, 1, 5, 10_000])
@pytest.mark.parametrize("versions", [None, (), ("v1",), ("v1", "v2"), ("v1", "none"), ("v1", "v2", "v3")])
def test_pooling_before_counting_is_the_same_as_after(
    limit: int, versions: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MAX_MATCHED_TASKS", limit)
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
        query = Query(versions=versions, own_cells=apart)
        pooled, expected = derived.tabulate_pooled(coded, query), collect(tabulate(columns), versions, apart)
        assert_same_cells(pooled, expected)
        assert pooled.unmatched == expected.unmatched
        assert numbers_beyond(pooled) == numbers_beyond(expected)
        assert (pooled.beyond is None) == (versions != ("v1", "v2") or limit == 10_000)


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


HOSTILE_TIMES = (
    "2026-02-30T00:00:00.000000+00:00",
    "2026-13-01T00:00:00.000000+00:00",
    "2026-00-01T00:00:00.000000+00:00",
    "2026-01-01T24:00:00.000000+00:00",
    "2026-01-01T24:00:01.000000+00:00",
    "2026-01-01T00:60:00.000000+00:00",
    "2026-01-01T00:00:60.000000+00:00",
    "2026-01-01T00:00:0x.000000+00:00",
    "2026-01-01T00:00:00.00000 +00:00",
    "2026-01-01T00:00:00.000000+00:01",
    "2026-01-01T00:00:00.000000-00:00",
    "2026-01-01 00:00:00.000000+00:00",
    "0000-01-01T00:00:00.000000+00:00",
    "0001-01-01T00:00:00.000000+00:00",
    "9999-12-31T23:59:59.999999+00:00",
    "-026-01-01T00:00:00.000000+00:00",
    "٢٠٢٦-01-01T00:00:00.000000+00:00",
    "2026-01-01T00:00:00.000000+00:0",
    "02026-01-01T00:00:00.000000+00:00",
    "                             NaT",
    "never",
    "",
)


@pytest.mark.parametrize("text", HOSTILE_TIMES)
@pytest.mark.parametrize("others", [0, 40])
def test_a_hostile_time_among_few_or_many_is_what_it_is_alone(text: str, others: int) -> None:
    texts = ["2026-01-01T00:00:00.000000+00:00"] * others + [text]
    try:
        expected = timestamp_micros(text)
    except (ValueError, OverflowError) as error:
        with pytest.raises(type(error)):
            micros_of(texts)
    else:
        assert micros_of(texts)[-1] == expected


def test_two_hostile_times_are_not_read_as_one_another_s() -> None:
    with pytest.raises(ValueError, match=r".+"):
        micros_of(["2026-01-01T00:00:00.000000+00:0", "02026-01-01T00:00:00.000000+00:00"] * 20)


# Ids ------------------------------------------------------------------------------------------------------------


def test_different_ids_have_different_keys_and_the_same_one_has_the_same_among_any_others() -> None:
    ours = [document["record_id"] for document in make_history(40)]
    ids = [
        *ours,
        ours[0].upper().replace("0", "A"),
        ours[0].upper().replace("0", "A").lower(),
        ours[1][:31],
        ours[1] + "0",
        " " + ours[2][1:],
        f"{ours[3][:16]} {ours[3][16:]}",
        "run 7",
        "é" * 16,
        "",
    ]
    keys = [keys_of([record_id]) for record_id in ids]
    assert len(set(keys)) == len(ids)
    assert {len(key) for key in keys} == {16}
    for some in (ids, ids[:40], ids[::-1]):
        assert keys_of(some) == b"".join(keys_of([record_id]) for record_id in some)
    assert keys[:40] == [bytes.fromhex(record_id) for record_id in ours]
    assert keys_of([]) == b""
    assert keys_of([ours[0][:30], ours[1] + "00"]) != keys_of(ours[:2])
