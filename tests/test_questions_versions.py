"""Which versions there are, in which order, and what a question about all of them costs."""

from __future__ import annotations

import json
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
    assert recorder.generate_report(task="late").splitlines()[0] == "Benchmark report: b"
    with pytest.raises(InvalidQueryError, match="the latest 2 were asked for, and the store has none"):
        recorder.generate_report(task="none of these")


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


def test_names_that_mislead_are_noted(recorder: BenchmarkRecorder) -> None:
    for name in ("latest", "a "):
        record_runs(recorder, {name: (1.0, 0.0)}, tasks=2)
    notes = [note.code for note in recorder.versions().warnings]
    assert notes == ["named_latest", "alike_names"]
    assert set(notes) <= {warning.code for warning in recorder.compare_each("a", ["a ", "latest"]).warnings}
    found = str(recorder.compare_all("a", "a "))
    assert "The names 'a' and 'a ' differ by blanks only" in " ".join(found.split())


def test_of_very_many_versions_the_newest_are_listed_and_a_report_wants_fewer() -> None:
    store = MemoryStore()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    store.append(
        [make_document(version=f"v{n}", timestamp=(start + timedelta(seconds=n)).isoformat()) for n in range(10_000)]
    )
    recorder = BenchmarkRecorder(store=store)
    lines = str(recorder.versions()).splitlines()
    assert lines[1].split()[0] == "v9900"
    assert lines[-1] == "9,900 older versions not shown."
    assert latest(store, Query(), 2) == ["v9998", "v9999"]
    for ask in (recorder.generate_report, lambda names: recorder.compare_each("v0", names)):
        with pytest.raises(
            InvalidQueryError, match="versions: at most 50 can be compared at once, got 9,999; name fewer"
        ):
            ask([f"v{n}" for n in range(1, 10_000)])


def test_a_candidate_that_is_the_baseline_or_comes_twice_is_an_error(recorder: BenchmarkRecorder) -> None:
    for names, message in ((["a", "b"], "candidates: 'a' is the baseline"), (["b", "b"], "'b' is named 2 times")):
        with pytest.raises(InvalidQueryError, match=message):
            recorder.compare_each("a", names)


def test_a_report_against_one_baseline_is_adjusted_as_compare_each_is(recorder: BenchmarkRecorder) -> None:
    record_runs(recorder, {"d": (0.9, 0.1)})
    report = json.loads(recorder.generate_report(["b", "c", "d"], "json", baseline="a", by="agent"))
    each = recorder.compare_each("a", ["b", "c", "d"])
    assert {one["v2"]: one["p_adjusted"] for one in report["comparisons"]} == {
        name: pytest.approx(one.p_adjusted) for name, one in each.comparisons.items()
    }
    assert [one["v2"] for one in report["comparisons"]] == ["d", "c", "b"]
    assert {one["v1"] for one in report["slices"]} == {"a"}
    for form in ("text", "markdown", "html"):
        whole = " ".join(recorder.generate_report(["b", "c"], form, baseline="a").split())
        assert "adjusted for all of these metrics and versions together" in whole
        assert "adjusted for all" not in recorder.generate_report(["a", "b", "c"], form)
