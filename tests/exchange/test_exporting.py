from __future__ import annotations

import io
import json
import tempfile
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder import BenchmarkRecorder, InvalidQueryError, JSONFileStore, MemoryStore
from benchmark_recorder.exchange import FORMS, export_file, export_records, import_file
from benchmark_recorder.fields import METRIC_FIELDS
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.validation import admit
from tests.hostile import HOSTILE
from tests.runs import record_runs

hostile = [text[:200] for text in HOSTILE.values()]


def encodable(text: str) -> bool:
    return text == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


texts = st.text(max_size=30) | st.sampled_from(hostile)
names = st.text(min_size=1, max_size=30).filter(lambda name: not name.isspace()) | st.sampled_from(hostile)
numbers = st.floats(0, allow_infinity=False, allow_nan=False)
tokens = st.integers(0, 2**53)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = texts.filter(encodable)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | finite | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=5,
)
known = st.fixed_dictionaries(
    {
        "record_id": st.text("0123456789abcdef", min_size=32, max_size=32),
        "timestamp": st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='microseconds')}+00:00"),
        "version": names,
        "git_commit": st.none() | names,
        "task_id": names,
        "task_description": texts,
        "execution_time": numbers,
        "success": st.booleans(),
        "agent_selected": st.none() | names,
        "cost_estimated": numbers,
        "difficulty": st.none() | st.floats(0, 1),
        "metadata": st.dictionaries(texts, json_values, max_size=3),
    },
    optional={
        "cost_known": st.booleans(),
        "expected_agent": names,
        "error_type": names,
        "host": names,
        "model": names,
        "input_tokens": tokens,
        "output_tokens": tokens,
    },
)


def consistent(record: dict[str, Any]) -> dict[str, Any]:
    """The same, without a class of failure where the run succeeded."""
    return {name: value for name, value in record.items() if not (name == "error_type" and record["success"])}


documents = st.lists(
    known.map(lambda one: admit(consistent(one))[0]), max_size=4, unique_by=lambda one: one["record_id"]
)
others = st.dictionaries(
    st.text(min_size=1, max_size=9).filter(lambda name: encodable(name) and name not in METRIC_FIELDS),
    json_values,
    max_size=3,
)


def round_trip(documents: list[Document], form: str) -> list[Document]:
    """What comes back of some records."""
    store, other = MemoryStore(), MemoryStore()
    store.append(documents)
    with tempfile.TemporaryDirectory() as folder:
        assert export_file(store, Path(folder) / "x", form) == len(documents)
        done = import_file(Path(folder) / "x", other)
        assert (done.form, done.read, done.new, done.notes) == (form, len(documents), len(documents), ())
        assert import_file(Path(folder) / "x", other).new == 0
    return list(other.documents(Query()))


@given(documents.filter(bool), st.lists(others, min_size=4, max_size=4))
def test_json_lines_read_back_with_every_field(documents: list[Document], extra: list[Document]) -> None:
    whole = [document | more for document, more in zip(documents, extra, strict=False)]
    assert round_trip(whole, "jsonl") == whole


@given(documents, st.lists(others, min_size=4, max_size=4))
def test_our_json_reads_back_with_every_field(documents: list[Document], extra: list[Document]) -> None:
    whole = [document | more for document, more in zip(documents, extra, strict=False)]
    assert round_trip(whole, "json") == whole


@given(documents, st.lists(others, min_size=4, max_size=4))
def test_csv_reads_back_all_but_control_characters_and_fields_of_others(
    documents: list[Document], extra: list[Document]
) -> None:
    whole = [document | more for document, more in zip(documents, extra, strict=False)]
    assert round_trip(whole, "csv") == [
        {name: without_controls(value) if isinstance(value, str) else value for name, value in document.items()}
        for document in documents
    ]


def without_controls(text: str) -> str:
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" and c not in "\t\n\r" else c for c in text)


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_apostrophes_before_formulas_are_taken_off_again(form: str) -> None:
    said = ["=1", "'=1", "''=1", "'a", "'", "-2", "'-2", "\t=1", "a=1", "\uff1d1"]
    store = MemoryStore()
    with BenchmarkRecorder(store=store) as recorder:
        for text in said:
            recorder.record_execution(text, 1.0, True, "v1", agent_selected=text)
    came_back = round_trip(list(store.documents(Query())), form)
    assert [document["task_description"] for document in came_back] == said
    assert [document["agent_selected"] for document in came_back] == said


def test_every_line_has_every_field_if_that_is_asked_for_and_reads_back_the_same(tmp_path: Path) -> None:
    store, other = runs(input_tokens=None), MemoryStore()
    with (tmp_path / "x").open("w") as file:
        export_records(store, file, "jsonl", all_fields=True)
    lines = [json.loads(line) for line in (tmp_path / "x").read_text().splitlines()]
    assert {frozenset(line) for line in lines} == {frozenset(METRIC_FIELDS)}
    assert import_file(tmp_path / "x", other).notes == ()
    assert list(other.documents(Query())) == list(store.documents(Query()))
    with pytest.raises(InvalidQueryError, match="all_fields: only jsonl has lines"):
        export_records(store, io.StringIO(), "csv", all_fields=True)


def test_a_query_narrows_an_export(tmp_path: Path) -> None:
    store = runs()
    for form in FORMS[:4]:
        assert export_file(store, tmp_path / "x", form, Query.of(version="v1.0", task_id="task-00")) == 5


def test_an_unknown_form_is_an_error() -> None:
    with pytest.raises(InvalidQueryError, match="form: expected one of csv, jsonl, json, junit, .*got 'xml'"):
        export_records(MemoryStore(), io.StringIO(), "xml")


@pytest.mark.parametrize("form", ["xml", "customSmallerIsBetter"])
def test_a_wrong_form_leaves_the_file_alone(form: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("before")
    with pytest.raises(InvalidQueryError):
        export_file(MemoryStore(), tmp_path / "x", form)
    assert (tmp_path / "x").read_text() == "before"


def test_an_export_never_overwrites_the_store_nor_a_remote_stores_journal(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    journal = JSONFileStore(path)
    with ReplicatedStore(journal, MemoryStore(), beside=path, deliver="off") as store:
        BenchmarkRecorder(store=store).record_execution("a", 1.0, True, "v1")
        content = path.read_bytes()
        for one in (store, journal):
            with pytest.raises(InvalidQueryError, match="the records live in"):
                export_file(one, path, "jsonl")
        assert export_file(store, tmp_path / "x", "jsonl") == 1
    assert path.read_bytes() == content


def test_what_is_exported_goes_into_any_store(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "m.json") as recorder:
        record_runs(recorder, tasks=2, repeats=2)
        export_file(recorder.store, tmp_path / "x.csv", "csv")
    with JSONFileStore(tmp_path / "n.json") as store:
        assert import_file(tmp_path / "x.csv", store).new == 8
        assert import_file(tmp_path / "m.json", store).new == 0


# Figures for other programs -------------------------------------------------------------------------------------------


def runs(**fields: Any) -> MemoryStore:
    store = MemoryStore()
    record_runs(BenchmarkRecorder(store=store), **fields)
    return store


def figures(store: MemoryStore, form: str, version: str = "v1.0") -> list[dict[str, Any]]:
    file = io.StringIO()
    export_records(store, file, form, Query.of(version=version))
    assert file.getvalue().isascii()
    found: list[dict[str, Any]] = json.loads(file.getvalue(), parse_constant=pytest.fail)
    return found


def test_a_charts_names_are_the_same_for_every_version_and_its_values_those_of_the_summary() -> None:
    store = runs()
    summary = BenchmarkRecorder(store=store).get_historical_metrics("v1.0")
    smaller, bigger = figures(store, "customSmallerIsBetter"), figures(store, "customBiggerIsBetter")
    assert {entry["name"]: (entry["value"], entry["unit"]) for entry in smaller} == {
        "Execution time, mean": (summary.mean, "s"),
        "Execution time, 95th percentile": (summary.p95, "s"),
        "Failure rate": (pytest.approx(100 - 100 * summary.success_rate), "%"),
        "Cost of a run, mean": (summary.mean_cost, "USD"),
    }
    assert [entry["name"] for entry in bigger] == ["Success rate", "Routing accuracy"]
    assert bigger[0]["value"] == pytest.approx(100 * summary.success_rate)
    assert [e["name"] for e in figures(store, "customSmallerIsBetter", "v2.0")] == [e["name"] for e in smaller]
    assert smaller[0]["extra"] == "v1.0: 65 runs of 13 tasks"
    interval = summary.estimates["mean"].interval
    assert interval is not None
    assert interval.low is not None
    assert interval.high is not None
    assert float(smaller[0]["range"].removeprefix("\u00b1 ")) == pytest.approx(
        (interval.high - interval.low) / 2, rel=0.01
    )


def test_a_figure_that_is_undefined_is_left_out() -> None:
    store = runs(cost=None, expected_agent=None)
    assert [entry["name"] for entry in figures(store, "customSmallerIsBetter")][-1] == "Failure rate"
    assert [entry["name"] for entry in figures(store, "customBiggerIsBetter")] == ["Success rate"]


@pytest.mark.parametrize("versions", [None, ("v1.0", "v2.0")])
def test_a_chart_is_of_one_version(versions: tuple[str, str] | None) -> None:
    with pytest.raises(InvalidQueryError, match="version: customSmallerIsBetter needs exactly one version"):
        export_records(runs(), io.StringIO(), "customSmallerIsBetter", Query.of(version=versions))


def test_a_run_is_a_test_case_and_a_failure_one_that_failed() -> None:
    store = runs(error_type="Timeout")
    file = io.StringIO()
    assert export_records(store, file, "junit", Query.of(version="v1.0")) == 65
    suite = ET.fromstring(file.getvalue())[0]
    failed = [case for case in suite.iter("testcase") if case.find("failure") is not None]
    documents = list(store.documents(Query.of(version="v1.0")))
    assert (suite.get("tests"), suite.get("failures")) == ("65", str(len(failed)))
    assert len(failed) == sum(not document["success"] for document in documents) > 0
    assert {failure.get("message") for failure in suite.iter("failure")} == {"Timeout"}
    assert float(suite.get("time", "")) == pytest.approx(sum(d["execution_time"] for d in documents), abs=1e-4)
    first = suite.find("testcase")
    assert first is not None
    assert (first.get("classname"), first.get("name")) == ("v1.0", "Task number 0")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_in_every_field_breaks_no_form(text: str) -> None:
    store = MemoryStore()
    with BenchmarkRecorder(store=store) as recorder:
        fields: dict[str, Any] = {
            "agent_selected": text,
            "expected_agent": text,
            "model": text,
            "task_id": text,
        }
        for error_type in (None, text):
            recorder.record_execution(
                *(text, 1.5, error_type is None, text),
                metadata={text[:99]: text[:99]},
                error_type=error_type,
                **fields,
            )
    documents = list(store.documents(Query()))
    assert round_trip(documents, "jsonl") == round_trip(documents, "json") == documents
    assert len(round_trip(documents, "csv")) == 2
    version = documents[0]["version"]
    for form in ("customSmallerIsBetter", "customBiggerIsBetter"):
        for entry in figures(store, form, version):
            assert entry["extra"].isprintable()
            assert len(entry["extra"]) <= 200
    file = io.StringIO()
    export_records(store, file, "junit")
    for case in ET.fromstring(file.getvalue()).iter("testcase"):
        assert all(value.isprintable() and len(value) <= 200 for value in case.attrib.values())
