from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import (
    BenchmarkRecorder,
    ConfigurationError,
    History,
    InvalidQueryError,
    JSONFileStore,
    StoreFormatError,
    StoreUnavailableError,
    get_benchmark_history,
)
from benchmark_recorder.analysis import Claim
from benchmark_recorder.decisions import Decisions
from benchmark_recorder.errors import StoreError
from benchmark_recorder.legacy import LegacyQuestions
from benchmark_recorder.outlook import Outlook
from benchmark_recorder.recorder import EARLIER_NAMES
from benchmark_recorder.reporting.json import json_text
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import make_history
from tests.stores.remote import Remote, replicated

QUESTIONS: dict[str, tuple[Any, ...]] = {
    "get_historical_metrics": (),
    "compare_versions": ("v1.0", "v2.0"),
    "compare_all": ("v1.0", "v2.0"),
    "check_claims": ("v1.0", "v2.0", [Claim("execution_time", at_least=10)]),
    "check_gate": ("v1.0", "v2.0"),
    "selftest": ("v1.0",),
    "find_changes": ("v1.0",),
    "generate_report": (["v1.0", "v2.0"],),
}


def answers(history: History) -> dict[str, Any]:
    """What a history says to every question."""
    return {name: comparable(getattr(history, name)(*arguments)) for name, arguments in QUESTIONS.items()}


def test_a_history_has_the_questions_of_each_room() -> None:
    """They are lent one by one, so that recording loads none."""
    for room in (Decisions, Outlook):
        for name, method in vars(room).items():
            if not name.startswith("_"):
                assert getattr(History, name) is method
                assert getattr(BenchmarkRecorder, name) is method


def comparable(answer: Any) -> Any:
    return answer if isinstance(answer, str) else json_text(answer)


def below(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder, with its content."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def recorder(tmp_path: Path) -> BenchmarkRecorder:
    return BenchmarkRecorder(storage_path=tmp_path / "benchmarks" / "metrics.json")


def fill(recorder: BenchmarkRecorder, version: str, durations: list[float], **more: Any) -> None:
    for duration in durations:
        recorder.record_execution("Create landing page", duration, True, version, **more)


# Alone


def test_a_history_answers_what_the_recorder_answers_from_a_store_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    with JSONFileStore(path) as store:
        store.append(make_history(100))
    expected = answers(BenchmarkRecorder(path))
    assert answers(History(path)) == answers(History(str(path))) == answers(History(JSONFileStore(path))) == expected


def test_a_history_asks_and_a_recorder_asks_and_records() -> None:
    assert not hasattr(History(MemoryStore()), "record_execution")
    assert issubclass(BenchmarkRecorder, History)


def test_a_recorder_has_the_questions_of_the_recorder_before_it() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    theirs = {name for name in vars(LegacyQuestions) if not name.startswith("_")}
    assert theirs == EARLIER_NAMES
    assert theirs <= set(dir(recorder))
    with pytest.raises(StoreError, match="is not a JSON file"):
        _ = recorder.storage_path
    with pytest.raises(AttributeError, match="'BenchmarkRecorder' object has no attribute 'get_metric'"):
        _ = recorder.get_metric  # type: ignore[attr-defined]


@pytest.mark.parametrize("store", ["mongodb://host/database", "vertex://project"])
def test_a_url_is_an_error_that_names_the_function_for_it(store: str) -> None:
    with pytest.raises(ConfigurationError, match=r"got a URL: pass it to get_benchmark_history\(\)"):
        History(store)


@pytest.mark.parametrize("store", [None, 5, b"metrics.json", MemoryStore])
def test_what_is_neither_a_store_nor_a_path_is_an_error(store: Any) -> None:
    with pytest.raises(ConfigurationError, match="^store: expected a Store or the path of a JSON file, got "):
        History(store)


def test_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreFormatError):
        History(tmp_path).get_historical_metrics()


@pytest.mark.parametrize("exists", [True, False])
def test_questions_make_and_change_no_file(exists: bool, tmp_path: Path) -> None:
    path = tmp_path / "benchmarks" / "metrics.json"
    if exists:
        with JSONFileStore(path) as store:
            store.append(make_history(100))
    before, threads = below(tmp_path), set(threading.enumerate())
    with History(path) as history:
        assert history.get_historical_metrics().count == (100 if exists else 0)
        answers(history)
        history.health()
    assert below(tmp_path) == before
    assert set(threading.enumerate()) <= threads


def test_a_history_sees_what_is_recorded_after_it_was_made(recorder: BenchmarkRecorder) -> None:
    history = History(recorder.storage_path)
    assert history.get_historical_metrics().count == 0
    fill(recorder, "v1", [1.0, 2.0])
    assert history.get_historical_metrics("v1").count == 2


# By the settings


def test_the_settings_name_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert get_benchmark_history().store.name == str(tmp_path / "benchmarks" / "metrics.json")
    monkeypatch.setenv("BENCHMARK_RECORDER_STORE", "elsewhere.json")
    assert get_benchmark_history().store.name == str(tmp_path / "elsewhere.json")
    assert get_benchmark_history(tmp_path / "given.json").store.name == str(tmp_path / "given.json")
    assert below(tmp_path) == {}


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings say that the journal is."""
    path = tmp_path / "benchmarks" / "metrics.json"
    monkeypatch.setenv("BENCHMARK_RECORDER_JOURNAL", str(path))
    return path


def test_what_waits_in_the_journal_of_a_remote_store_counts_as_for_the_recorder(tmp_path: Path, journal: Path) -> None:
    remote, documents = Remote(), make_history(100)
    with replicated(tmp_path, remote, "off") as store:
        store.append(documents[:60])
        store.delivery.deliver(lambda: True)
        store.append(documents[60:])
        expected = answers(BenchmarkRecorder(store=store))
    before, threads = below(tmp_path), set(threading.enumerate())
    with get_benchmark_history(remote) as history:
        assert history.get_historical_metrics().count == 100
        assert answers(history) == expected
        assert history.health().pending == 40
    assert below(tmp_path) == before
    assert set(threading.enumerate()) <= threads
    assert len(remote._documents) == 60


def test_what_a_remote_store_refused_counts_also_without_the_journal(tmp_path: Path, journal: Path) -> None:
    remote = Remote()
    remote.refused_versions = {"v1.0"}
    with replicated(tmp_path, remote, "off") as store:
        store.append(make_history(100))
        store.delivery.deliver(lambda: True)
    journal.unlink()
    assert get_benchmark_history(remote).get_historical_metrics().count == 100


def test_without_a_journal_a_remote_store_answers_alone_and_nothing_is_made(tmp_path: Path, journal: Path) -> None:
    remote = Remote()
    remote.append(make_history(100))
    history = get_benchmark_history(remote)
    assert history.get_historical_metrics().count == 100
    answers(history)
    remote.is_down = True
    with pytest.raises(StoreUnavailableError):
        history.get_historical_metrics()
    assert below(tmp_path) == {}
    assert not journal.exists()


def test_a_journal_in_front_of_a_store_that_is_down_answers_alone(tmp_path: Path, journal: Path) -> None:
    remote = Remote()
    with replicated(tmp_path, remote, "off") as store:
        store.append(make_history(10))
    remote.is_down = True
    found = get_benchmark_history(remote).get_historical_metrics()
    assert found.count == 10
    assert "store_out_of_reach" in [caveat.code for caveat in found.warnings]


# Questions


def test_figures_read_as_attributes_and_as_keys(recorder: BenchmarkRecorder) -> None:
    fill(recorder, "v1", [1.0, 2.0, 3.0, 4.0], cost=0.5)
    metrics = recorder.get_historical_metrics(version="v1")
    assert metrics["count"] == metrics.count == 4
    assert metrics["mean"] == metrics.mean == 2.5
    assert (metrics["p50"], metrics["min"], metrics["max"]) == (2.5, 1.0, 4.0)
    assert metrics["p90"] == pytest.approx(3.7)
    assert metrics["p95"] == pytest.approx(3.85)
    assert metrics["p99"] == pytest.approx(3.97)
    assert metrics["std"] == pytest.approx(1.2909944487358056)
    assert (metrics["success_rate"], metrics["total_cost"], metrics["mean_cost"]) == (1.0, 2.0, 0.5)
    assert {"count", "mean", "p50"} <= set(dict(metrics))


def test_every_query_argument_narrows_the_answer(recorder: BenchmarkRecorder) -> None:
    recorder.record_execution(
        "A", 1.0, True, "v1", "x", metadata={"run": 1}, task_id="a", timestamp="2026-01-01T00:00:00Z"
    )
    recorder.record_execution("B", 3.0, False, "v2", "y", metadata={"run": 2}, task_id="b")
    questions: list[dict[str, Any]] = [
        {"version": "v1"},
        {"task_id": "a"},
        {"task": "A"},
        {"agent": "x"},
        {"success": True},
        {"until": "2026-02-01T00:00:00Z"},
        {"metadata": {"run": 1}},
    ]
    for question in questions:
        assert recorder.get_historical_metrics(**question).mean == 1.0, question
    for question in ({"since": "2026-02-01T00:00:00Z"}, {"last_days": 1}, {"version": ["v2", "v3"]}):
        assert recorder.get_historical_metrics(**question).mean == 3.0, question
    assert recorder.get_historical_metrics("v1", "b").count == 0
    assert recorder.get_historical_metrics().count == 2


def test_an_unknown_query_argument_is_an_error_that_lists_the_known_ones(recorder: BenchmarkRecorder) -> None:
    with pytest.raises(InvalidQueryError, match="unknown query argument vesion; known are version, task, "):
        recorder.get_historical_metrics(vesion="v1")  # type: ignore[call-overload]
    with pytest.raises(InvalidQueryError, match="^version: the versions are already named"):
        recorder.compare_versions("v1", "v2", version="v3")  # type: ignore[call-overload]
    with pytest.raises(InvalidQueryError, match="^v2: expected the name of a version, got ''"):
        recorder.compare_versions("v1", "")
    with pytest.raises(InvalidQueryError, match="^versions: expected"):
        recorder.generate_report([])


def test_an_unknown_metric_is_an_error_that_lists_the_known_ones(recorder: BenchmarkRecorder) -> None:
    with pytest.raises(InvalidQueryError, match="execution_time.*speed"):
        recorder.compare_versions("v1", "v2", "speed")


@pytest.mark.parametrize("metric", ["execution_time", "success_rate", "failure_rate", "cost", "routing_accuracy"])
def test_a_comparison_without_data_is_an_empty_answer_that_says_so(recorder: BenchmarkRecorder, metric: str) -> None:
    for comparison in (recorder.compare_versions("v1", "v2", metric),):
        assert (comparison["v1_count"], comparison["v2_count"]) == (0, 0)
        assert math.isnan(comparison["v1_value"])
        assert math.isnan(comparison["improvement_percent"])
        assert comparison["significant"] is False
        assert any("v1" in str(warning) for warning in comparison["warnings"])


def test_a_comparison_with_one_empty_side_names_it(recorder: BenchmarkRecorder) -> None:
    fill(recorder, "v1", [1.0, 2.0])
    comparison = recorder.compare_versions("v1", "no such version")
    assert (comparison.v1_count, comparison.v2_count, comparison.significant) == (2, 0, False)
    assert comparison.v1_value == 1.5
    assert any("no such version" in str(warning) for warning in comparison.warnings)


def test_improvement_is_positive_where_the_second_version_is_better(recorder: BenchmarkRecorder) -> None:
    fill(recorder, "v1", [10.0, 10.1, 9.9, 10.0], cost=1.0)
    fill(recorder, "v2", [6.5, 6.4, 6.6, 6.5], cost=2.0)
    time = recorder.compare_versions("v1", "v2", "execution_time")
    assert time["improvement_percent"] == pytest.approx(35.0)
    assert time["improvement"] == pytest.approx(0.35)
    assert time["significant"] is True
    assert recorder.compare_versions("v1", "v2", "cost")["improvement_percent"] == pytest.approx(-100.0)


def test_a_report_takes_its_versions_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidQueryError, match="^version: "):
        BenchmarkRecorder(tmp_path / "m.json").generate_report(["v"], version="v")  # type: ignore[call-arg]
