from __future__ import annotations

import gzip
import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark_recorder import (
    BenchmarkRecorder,
    InvalidQueryError,
    InvalidRecordError,
    MemoryStore,
    StoreFormatError,
)
from benchmark_recorder.errors import BenchmarkRecorderError, RefusedRecordsError, StoreUnavailableError
from benchmark_recorder.exchange import export_records, import_file
from benchmark_recorder.exchange.importing import BATCH, MOST_NOTES
from benchmark_recorder.queries import Query
from tests.runs import record_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store

LEGACY = Path(__file__).parent.parent / "data" / "legacy-metrics.json"
OF_TOOLS = Path(__file__).parent.parent / "data" / "exchange"
"""Written by the tools themselves; see ``tools/make_files.py``."""

LINE = {"version": "v1", "task": "a", "duration": 1.5, "success": True, "timestamp": "2026-01-02T03:04:05+00:00"}


def written(path: Path, *documents: Document | str) -> Path:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in documents]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def held(store: Store) -> list[Document]:
    return list(store.documents(Query()))


def test_a_record_of_a_few_fields_is_completed(tmp_path: Path) -> None:
    store = MemoryStore()
    done = import_file(written(tmp_path / "x", LINE | {"cost": 0, "note": "kept"}), store)
    assert (done.form, done.read, done.new, done.notes) == ("jsonl", 1, 1, ())
    (document,) = held(store)
    assert document == {
        "version": "v1",
        "task_description": "a",
        "task_id": "ca978112ca1b",
        "execution_time": 1.5,
        "success": True,
        "timestamp": "2026-01-02T03:04:05.000000+00:00",
        "cost_estimated": 0,
        "cost_known": True,
        "note": "kept",
        "git_commit": None,
        "agent_selected": None,
        "difficulty": None,
        "metadata": {},
        "record_id": document["record_id"],
    }


def test_identical_records_are_different_ones_and_importing_twice_adds_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    path = written(tmp_path / "x", LINE, LINE, LINE | {"duration": 2})
    assert import_file(path, store).new == 3
    again = import_file(path, store)
    assert (again.read, again.new) == (3, 0)
    assert len({document["record_id"] for document in held(store)}) == 3


def test_a_longer_file_adds_only_what_is_new(tmp_path: Path) -> None:
    store = MemoryStore()
    import_file(written(tmp_path / "x", LINE, LINE), store)
    assert import_file(written(tmp_path / "y", LINE, LINE, LINE), store).new == 1


def test_an_id_that_is_given_is_kept_and_counts_once(tmp_path: Path) -> None:
    store = MemoryStore()
    given = LINE | {"record_id": "f" * 32}
    done = import_file(written(tmp_path / "x", given, given | {"duration": 9}), store)
    assert (done.read, done.new) == (2, 1)
    assert [(document["record_id"], document["execution_time"]) for document in held(store)] == [("f" * 32, 1.5)]


def test_a_file_that_somebody_gave_ids_to_and_then_added_to_loses_nothing(tmp_path: Path) -> None:
    first = MemoryStore()
    import_file(written(tmp_path / "x", LINE), first)
    taken_over = LINE | {"record_id": held(first)[0]["record_id"]}
    store = MemoryStore()
    assert import_file(written(tmp_path / "y", taken_over, LINE), store).new == 2


def test_an_old_file_gets_the_ids_that_it_has_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    shutil.copy(LEGACY, path)
    content, store = path.read_bytes(), MemoryStore()
    done = import_file(path, store)
    assert (done.form, done.new) == ("json", done.read)
    assert path.read_bytes() == content
    opened = [metric.record_id for metric in BenchmarkRecorder(path).get_all_metrics()]
    assert [document["record_id"] for document in held(store)] == opened


def test_a_store_may_be_imported_into_itself(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "m.json") as recorder:
        record_runs(recorder, tasks=2, repeats=2)
        content = (tmp_path / "m.json").read_bytes()
        done = import_file(tmp_path / "m.json", recorder.store)
    assert (done.read, done.new) == (8, 0)
    assert (tmp_path / "m.json").read_bytes() == content


def test_a_store_that_was_cut_is_read_to_its_last_whole_record(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "m.json") as recorder:
        record_runs(recorder, tasks=2, repeats=2)
    (tmp_path / "m.json").write_bytes((tmp_path / "m.json").read_bytes()[:-40])
    assert import_file(tmp_path / "m.json", MemoryStore()).new == 7


def test_more_than_a_batch_is_imported_whole(tmp_path: Path) -> None:
    store = MemoryStore()
    lines = [LINE | {"duration": n} for n in range(BATCH + 5)]
    assert import_file(written(tmp_path / "x", *lines), store).new == BATCH + 5
    assert [document["execution_time"] for document in held(store)] == list(range(BATCH + 5))


# Wrong lines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"duration": "fast"}, "execution_time", "expected a finite number of seconds, zero or more, got 'fast'"),
        ({"duration": -1}, "execution_time", "expected a finite number"),
        ({"duration": float("nan")}, "execution_time", "expected a finite number"),
        ({"duration": None}, "execution_time", "is missing"),
        ({"version": ""}, "version", "expected a text that is not blank"),
        (
            {"version": None},
            "version",
            "version is missing; give it in every record, or for all of them with --version",
        ),
        ({"success": "maybe"}, "success", "expected True or False, got 'maybe'"),
        ({"timestamp": "yesterday"}, "timestamp", "expected a datetime or an ISO 8601 text, got 'yesterday'"),
        ({"timestamp": None}, "timestamp", "timestamp is missing; give it in every record as ISO 8601, such as 2026-"),
        ({"task": ""}, "task_id", "task_description and task_id are both missing"),
        ({"difficulty": 2}, "difficulty", "expected a number from 0 to 1"),
        ({"cost": "free"}, "cost_estimated", "expected a finite number of US dollars"),
        ({"record_id": "7"}, "record_id", "expected 32 hexadecimal digits"),
        ({"record_id": 7}, "record_id", "expected 32 hexadecimal digits"),
        ({"metadata": [1]}, "metadata", "expected a dict"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata", "at most 16,384 fit"),
        ({"input_tokens": 1.5}, "input_tokens", "expected a whole number"),
    ],
)
def test_a_wrong_line_names_file_line_and_field_and_nothing_is_imported(
    change: Document, field: str, said: str, tmp_path: Path
) -> None:
    store = MemoryStore()
    path = written(tmp_path / "x.jsonl", LINE, *[LINE] * BATCH, "", LINE | change, LINE)
    with pytest.raises(InvalidRecordError) as caught:
        import_file(path, store)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{path}, line {BATCH + 3}: ")
    assert said in str(caught.value)
    assert held(store) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: not JSON: "),
        ("[1]", "line 2: expected a JSON object"),
        ("x", "line 2: not JSON: Expecting value at column 1"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "line 2: "),
        ('{"a": ' + "1" * 5000 + "}", "line 2: not JSON: a number has too many digits"),
    ],
    ids=["cut", "list", "text", "deep", "digits"],
)
def test_a_line_that_is_not_a_record_is_named(line: str, said: str, tmp_path: Path) -> None:
    store = MemoryStore()
    with pytest.raises(InvalidRecordError, match=said):
        import_file(written(tmp_path / "x", LINE, line), store)
    assert held(store) == []


def test_a_field_that_is_too_deep_for_a_store_is_refused(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    with pytest.raises(InvalidRecordError, match="line 2: a field is nested too deep"):
        import_file(written(tmp_path / "x", LINE, LINE | {"of_another": deep}), MemoryStore())


def test_a_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("version,execution_time,success,task\nv1,1,1,\xfc".encode("latin-1"))
    with pytest.raises(StoreFormatError, match="x.csv: cannot be read: it is not UTF-8 text"):
        import_file(tmp_path / "x.csv", MemoryStore())


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="there is no such file"):
        import_file(tmp_path / "x", MemoryStore())
    with pytest.raises(StoreUnavailableError, match="is not a regular file"):
        import_file(tmp_path, MemoryStore())


def test_numbers_are_read_however_a_data_frame_writes_them(tmp_path: Path) -> None:
    nan = float("nan")
    odd = LINE | {
        "success": 1.0,
        "input_tokens": 12.0,
        "output_tokens": nan,
        "cost": nan,
        "difficulty": nan,
        "model": nan,
    }
    store = MemoryStore()
    assert import_file(written(tmp_path / "x", odd), store).notes == ()
    (document,) = held(store)
    assert (document["success"], document["input_tokens"], document["cost_estimated"]) == (True, 12, 0.0)
    assert {"output_tokens", "model"}.isdisjoint(document)
    assert type(document["input_tokens"]) is int


@pytest.mark.parametrize("laid_out", [None, 2])
def test_an_array_of_records_is_read_like_lines(laid_out: int | None, tmp_path: Path) -> None:
    store = MemoryStore()
    (tmp_path / "x").write_text(json.dumps([LINE, LINE, LINE | {"duration": 2}], indent=laid_out))
    done = import_file(tmp_path / "x", store)
    assert (done.form, done.new) == ("json array", 3)
    assert import_file(written(tmp_path / "y", LINE, LINE), store).new == 0
    (tmp_path / "x").write_text(json.dumps([LINE, LINE | {"duration": "x"}], indent=laid_out))
    with pytest.raises(InvalidRecordError, match="x, element 2: execution_time: expected"):
        import_file(tmp_path / "x", store)


def test_a_duration_that_is_negative_by_a_rounding_is_0_with_a_note(tmp_path: Path) -> None:
    store = MemoryStore()
    done = import_file(written(tmp_path / "x", LINE | {"duration": -2e-7}), store)
    assert done.notes == ("line 1: execution_time was -2e-07, and is taken for 0",)
    assert held(store)[0]["execution_time"] == 0


def test_names_and_the_unit_of_a_file_can_be_given(tmp_path: Path) -> None:
    store = MemoryStore()
    row = {"version": "v1", "prompt": "a", "latency": 1500, "ok": True, "at": "2026-01-02T03:04:05z", "task": "kept"}
    path = written(tmp_path / "x", row)
    columns = {"latency": "duration", "prompt": "task", "ok": "success", "at": "timestamp"}
    assert import_file(path, store, columns=columns, unit="ms").new == 1
    (document,) = held(store)
    assert (document["execution_time"], document["task_description"], document["task"]) == (1.5, "a", "kept")
    (tmp_path / "y").write_text("version,prompt,latency,ok,at\nv1,b,250,1.0,2026-01-02T03:04:05z\n")
    assert import_file(tmp_path / "y", store, columns=columns, unit="ms").new == 1
    assert held(store)[1]["execution_time"] == 0.25
    with pytest.raises(InvalidQueryError, match="columns\\['a'\\]: expected one of timestamp, .*got 'nothing'"):
        import_file(path, store, columns={"a": "nothing"})
    with pytest.raises(InvalidQueryError, match="unit: expected one of s, ms, us, ns, got 'h'"):
        import_file(path, store, unit="h")


def test_a_version_that_differs_from_the_one_that_was_given_is_said(tmp_path: Path) -> None:
    notes = import_file(written(tmp_path / "x", LINE, LINE | {"version": None}), MemoryStore(), version="v9").notes
    assert notes == ("records of 'v1' keep their version: --version is for those without one",)


def test_two_versions_in_one_file_are_two_versions(tmp_path: Path) -> None:
    store = MemoryStore()
    assert import_file(written(tmp_path / "x", LINE, LINE | {"version": "v2"}), store).notes == ()
    assert [document["version"] for document in held(store)] == ["v1", "v2"]


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_clock_may_say_anything(moment: str, tmp_path: Path) -> None:
    store = MemoryStore()
    assert import_file(written(tmp_path / "x", LINE | {"timestamp": moment}), store).new == 1
    assert held(store)[0]["timestamp"].startswith(moment[:19])


def test_equal_records_without_ids_from_two_files_are_said_to_be_one_import(tmp_path: Path) -> None:
    store = MemoryStore()
    first, second = written(tmp_path / "1", LINE), written(tmp_path / "2", LINE, LINE | {"duration": 9})
    assert import_file(first, store).notes == ()
    done = import_file(second, store)
    assert done.new == 1
    assert done.notes[0].startswith("1 records without an id were there already, and are taken for a repeated import; ")
    assert import_file(second, store, source="shard 2").new == 2
    assert import_file(second, store, source="shard 2").new == 0
    assert import_file(second, store, as_new=True).new == 2
    assert import_file(second, store, as_new=True).new == 2
    given = written(tmp_path / "3", LINE | {"record_id": "f" * 32})
    assert [import_file(given, store, as_new=True, source="x").new for _ in range(2)] == [1, 0]


def test_a_file_that_grows_while_it_is_read_is_imported_as_it_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = written(tmp_path / "x", LINE), MemoryStore()
    before = store.append

    def append(documents: Sequence[Document], *, fresh: bool = False) -> int:
        with path.open("a") as file:
            file.write("{ this line is not checked\n")
        return before(documents, fresh=fresh)

    monkeypatch.setattr(store, "append", append)
    assert import_file(path, store).new == 1


# What changes ---------------------------------------------------------------------------------------------------------


def test_values_that_json_cannot_hold_are_replaced_with_a_note(tmp_path: Path) -> None:
    store = MemoryStore()
    odd = LINE | {"agent": "a\ud800", "metadata": {"x": float("inf")}, "other": ["\udc80", float("nan")], "z": "x" * 9}
    path = written(tmp_path / "x", LINE, odd)
    done = import_file(path, store)
    assert done.notes == ("line 2: had values that JSON cannot hold; they were replaced",)
    document = held(store)[1]
    assert document["agent_selected"] == "a\ufffd"
    assert (document["metadata"], document["other"]) == ({"x": None}, ["\ufffd", None])
    assert import_file(path, store).new == 0


def test_notes_are_limited_in_number(tmp_path: Path) -> None:
    lines = [LINE | {"task": f"{n}{'x' * 5000}"} for n in range(MOST_NOTES + 3)]
    notes = import_file(written(tmp_path / "x", *lines), MemoryStore()).notes
    assert len(notes) == MOST_NOTES
    assert notes[0] == "line 1: task_description was cut from 5,001 to 4,096 characters"


def test_a_version_can_be_given_for_records_without_one(tmp_path: Path) -> None:
    store = MemoryStore()
    path = written(tmp_path / "x", LINE | {"version": None}, LINE)
    import_file(path, store, version="v9")
    assert [document["version"] for document in held(store)] == ["v9", "v1"]
    assert import_file(path, store, version="v8").new == 1


def test_task_texts_are_left_out_if_they_are_not_to_be_kept(tmp_path: Path) -> None:
    store = MemoryStore()
    import_file(written(tmp_path / "x", LINE), store, keep_text=False)
    assert [(d["task_description"], d["task_id"]) for d in held(store)] == [("", "ca978112ca1b")]


# Stores that fail -----------------------------------------------------------------------------------------------------


class Failing(MemoryStore):
    """Takes so many records."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        if len(held(self)) + len(documents) > self.room:
            raise StoreUnavailableError("the disk is full")
        return super().append(documents, fresh=fresh)


class Choosy(MemoryStore):
    """Refuses what takes long."""

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        slow = {document["record_id"]: "too slow" for document in documents if document["execution_time"] > 5}
        new = super().append([one for one in documents if one["record_id"] not in slow], fresh=fresh)
        if slow:
            raise RefusedRecordsError("some", reasons=slow, new=new)
        return new


def test_if_a_store_fails_halfway_the_error_counts_the_imported_records_and_rerunning_adds_the_rest(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "x", *[LINE] * (BATCH + 3))
    store = Failing(room=BATCH)
    with pytest.raises(StoreUnavailableError, match="the disk is full; 1,000 records were imported before that"):
        import_file(path, store)
    store.room = 2 * BATCH
    assert import_file(path, store).new == 3


def test_records_that_the_store_refuses_are_reported_and_the_others_are_imported(tmp_path: Path) -> None:
    store = Choosy()
    done = import_file(written(tmp_path / "x", LINE, LINE | {"duration": 9}), store)
    assert (done.read, done.new, list(done.refused.values())) == (2, 1, ["too slow"])


# Damage ---------------------------------------------------------------------------------------------------------------

_PIECES = [
    b"null",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b"\n",
    b"\x00",
    b"\xff",
    b"1e999",
    b"-1",
    b"NaN",
    b"\\ud800",
    b"'",
]
_damages = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(_PIECES)), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def whole_files() -> dict[str, bytes]:
    store = MemoryStore()
    record_runs(BenchmarkRecorder(store=store), tasks=1, repeats=2, metadata={"a": [1, None, "é"]}, task="=1")
    texts = {}
    for form in ("jsonl", "json", "csv"):
        file = io.StringIO(newline="")
        export_records(store, file, form)
        texts[form] = file.getvalue().encode()
    benchmarks = [{"fullname": "t", "stats": {"mean": 1.5, "data": [1.0, 2.0]}}]
    report = {"machine_info": {"node": "x"}, "datetime": "2026-01-01", "benchmarks": benchmarks}
    array = b"[" + b",".join(texts["jsonl"].split(b"\n")[:-1]) + b"]"
    others = {path.name: path.read_bytes() for path in OF_TOOLS.iterdir() if path.stat().st_size < 50_000}
    return {
        **texts,
        **others,
        "array": array,
        "array.gz": gzip.compress(array),
        "pytest-benchmark": json.dumps(report).encode(),
        "legacy": LEGACY.read_bytes(),
    }


def test_a_line_after_a_benchmark_report_is_an_error(tmp_path: Path, whole_files: dict[str, bytes]) -> None:
    path = tmp_path / "x"
    path.write_bytes(whole_files["pytest-benchmark"] + b"\nnull")
    with pytest.raises(InvalidRecordError, match="x, the whole file: not JSON: Extra data"):
        import_file(path, MemoryStore())


DAMAGED = ("jsonl", "json", "csv", "array", "array.gz", "pytest-benchmark", "legacy")


@pytest.mark.parametrize("form", [*DAMAGED, "inspect.eval", "promptfoo.json", "hyperfine.json"])
@settings(max_examples=40)
@given(damages=_damages)
def test_a_damaged_file_is_imported_or_refused_as_a_whole_with_its_name(
    form: str, damages: list[tuple[float, int, bytes]], whole_files: dict[str, bytes]
) -> None:
    content, store = whole_files[form], MemoryStore()
    for place, length, piece in damages:
        start = int(place * len(content))
        content = content[:start] + piece + content[start + length :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged"
        path.write_bytes(content)
        try:
            new, complaint = import_file(path, store, version="v1", scorer="includes").new, ""
        except BenchmarkRecorderError as error:
            new, complaint = 0, str(error)
    assert len(held(store)) == new
    assert not complaint or "damaged" in complaint


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_key_in_a_file_is_the_key_of_record_execution(form: str, tmp_path: Path) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    recorder.record_execution("a", 1.0, True, "v1", idempotency_key="run-1")
    again = LINE | {"idempotency_key": "run-1"}
    path = written(tmp_path / "x", again, again | {"idempotency_key": "run-2"})
    if form == "csv":
        names = list(again)
        rows = [[str(again[name]) for name in names], [*(str(again[name]) for name in names[:-1]), "run-2"]]
        path.write_text("\n".join(",".join(row) for row in (names, *rows)))
    assert import_file(path, recorder.store).new == 1
    assert import_file(path, recorder.store).new == 0


def test_a_wrong_key_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecordError, match="line 1: idempotency_key: expected a text"):
        import_file(written(tmp_path / "x", LINE | {"idempotency_key": 3}), MemoryStore())


def test_success_with_a_class_of_failure_is_named_with_its_line(tmp_path: Path) -> None:
    store = MemoryStore()
    with pytest.raises(InvalidRecordError, match="line 2: error_type: 'Timeout' together with success"):
        import_file(written(tmp_path / "x", LINE, LINE | {"error_type": "Timeout"}), store)
    assert held(store) == []
