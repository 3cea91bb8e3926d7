"""Which versions there are, in which order, and what a question about all of them costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from benchmark_recorder import BenchmarkRecorder, InvalidQueryError, MemoryStore
from benchmark_recorder.cells import Cells
from benchmark_recorder.queries import Query
from benchmark_recorder.questions import latest
from benchmark_recorder.testing import make_document
from tests.runs import record_runs

NOW = datetime.now(UTC)


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for version, days in (("b", 3), ("a", 2), ("c", 1)):
        record_runs(recorder, {version: (float(days), 0.2)}, timestamp=NOW - timedelta(days=days))
    recorder.record_execution("late", 1.0, False, "b", timestamp=NOW)
    return recorder


def test_versions_come_in_the_order_of_their_first_runs_with_the_figures_that_each_has_alone(
    recorder: BenchmarkRecorder,
) -> None:
    versions = recorder.versions()
    assert [*versions] == ["b", "a", "c"]
    assert versions.future == 0
    for name, summary in versions.items():
        alone = recorder.get_historical_metrics(name)
        for figure in ("count", "first", "last", "p50", "success_rate"):
            assert summary[figure] == alone[figure]
        assert summary.total_cost == pytest.approx(alone.total_cost)
    assert str(versions).splitlines()[0].split()[:2] == ["version", "runs"]


def test_a_query_narrows_the_versions(recorder: BenchmarkRecorder) -> None:
    assert [*recorder.versions(last_days=2.5)] == ["a", "c", "b"]
    assert [*recorder.versions(task="late")] == ["b"]
    assert [*recorder.versions(task="none of these")] == []


def test_runs_from_the_future_are_counted_and_make_no_version_the_latest(recorder: BenchmarkRecorder) -> None:
    before = recorder.versions()
    for version in ("a", "typo"):
        recorder.record_execution("x", 1.0, True, version, timestamp=NOW + timedelta(days=3650))
    versions = recorder.versions()
    assert versions == before
    assert versions.future == 2
    assert "2 runs are dated in the future, and left out." in str(versions)


def test_a_report_without_names_is_about_the_latest_two(recorder: BenchmarkRecorder) -> None:
    assert recorder.generate_report().splitlines()[0] == recorder.generate_report(["a", "c"]).splitlines()[0]
    with pytest.raises(InvalidQueryError, match="the latest 2 were asked for, and the store has only b"):
        recorder.generate_report(task="late")


def test_the_store_is_asked_once_for_all_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    store.append([make_document(version=f"v{number}") for number in range(50)])
    asked = []

    def counted(*arguments: object) -> Cells:
        asked.append(arguments)
        return MemoryStore.summarize(store, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "summarize", counted)
    recorder = BenchmarkRecorder(store=store)
    assert len(recorder.versions()) == 50
    assert len(asked) == 1


def test_the_cells_of_each_version_are_found_without_a_walk_over_all() -> None:
    store = MemoryStore()
    store.append([make_document(version=f"v{number % 7}") for number in range(50)])
    cells = store.summarize(Query())
    assert sum(len(cells.of(version)) for version in cells.versions) == len(cells.cells)
    assert cells.of("v3") is cells.of("v3")
    assert cells.of("none") == ()
    assert latest(store, Query(), 2) == [*BenchmarkRecorder(store=store).versions()][-2:]
