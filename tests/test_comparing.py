from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder import JSONFileStore, MemoryStore
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.testing import make_document

if TYPE_CHECKING:
    from benchmark_recorder.stores.base import Store


@pytest.fixture(params=["memory", "json"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else JSONFileStore(tmp_path / "m.json")


def codes(recorder: BenchmarkRecorder, version: str = "v1") -> list[str]:
    ours = {"only_parts", "unfinished", "late_children"}
    return [caveat.code for caveat in recorder.get_historical_metrics(version).warnings if caveat.code in ours]


def runs(recorder: BenchmarkRecorder, version: str = "v1", count: int = 4) -> None:
    for number in range(count):
        with recorder.measure(f"task {number % 2}", version) as run:
            run.duration = 1.0 + number / 10
            with recorder.measure("a step", version) as step:
                step.cost = 0.5


def test_parts_whose_roots_are_there_need_no_word(store: Store) -> None:
    recorder = BenchmarkRecorder(store=store)
    runs(recorder)
    assert codes(recorder) == []


def test_parts_of_a_run_that_never_ended_are_counted_with_their_cost(store: Store) -> None:
    recorder = BenchmarkRecorder(store=store)
    for version in ("v1", "v2"):
        runs(recorder, version)
    killed = recorder.measure("killed", "v1")
    killed.__enter__()
    for _ in range(3):
        with recorder.measure("a step", "v1") as step:
            step.cost = 0.25
    killed.lineage.leave()
    assert codes(recorder) == ["unfinished"]
    said = str(recorder.get_historical_metrics("v1"))
    assert "1 run of v1 never ended" in said
    assert "3 parts, with a known cost of 0.75 USD, are in no figure" in " ".join(said.split())
    for answer in (
        recorder.compare_versions("v1", "v2"),
        recorder.check_gate("v1", "v2"),
    ):
        assert "unfinished" in {caveat.code for caveat in answer.warnings}
    assert codes(recorder, "v2") == []


def test_a_version_that_has_parts_only_says_so(store: Store) -> None:
    recorder = BenchmarkRecorder(store=store)
    with recorder.measure("a batch", "batch"):
        for _ in range(5):
            with recorder.measure("a task", "v1"):
                pass
    assert codes(recorder) == ["only_parts"]
    assert "5 that were parts of other runs" in " ".join(str(recorder.get_historical_metrics("v1")).split())
    assert recorder.get_historical_metrics("v1", runs="children").count == 5


def test_parts_that_ended_after_their_root_are_counted(store: Store) -> None:
    root = make_document(version="v1", timestamp="2026-01-01T00:00:00+00:00")
    late = make_document(version="v1", timestamp="2026-01-01T00:00:01+00:00", parent_id=root["record_id"])
    early = make_document(version="v1", timestamp="2025-12-31T23:59:59+00:00", parent_id=root["record_id"])
    store.append([early, root, late])
    assert codes(BenchmarkRecorder(store=store)) == ["late_children"]


# Runs under load -----------------------------------------------------------------------------------------------------


def under_load(recorder: BenchmarkRecorder, version: str, rate: float | None, runs: int = 40) -> None:
    for run in range(runs):
        load = {} if rate is None else {"load": "l", "under_load": True, "load_rate": rate, "load_turn": run % 5}
        recorder.record_execution(
            "t",
            1.0 + (run + (rate or 0) / 50) / 1000,
            success=True,
            version=version,
            metadata=load,
            cost=0.1 + run / 1e4,
        )


@pytest.mark.parametrize(
    ("left", "right", "says"),
    [
        ([None], [10.0], "40 of 80 runs were under load, and the others were not"),
        ([None, 10.0], [10.0], "80 of 120 runs were under load"),
        ([10.0], [20.0], "not under load at the same rates"),
        ([10.0], [10.0, 20.0], "not under load at the same rates"),
        ([10.0, 20.0], [10.0, 20.0], None),
        ([None], [None], None),
    ],
)
def test_runs_that_were_not_under_the_same_load_are_a_caveat_and_no_gate(
    left: list[float | None], right: list[float | None], says: str | None
) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for version, rates in (("v1", left), ("v2", right)):
        for rate in rates:
            under_load(recorder, version, rate)
    answers: list[Any] = [
        recorder.compare_versions("v1", "v2"),
        recorder.compare_all("v1", "v2"),
        recorder.check_claims("v1", "v2", ["time 1% lower"]),
        gate := recorder.check_gate("v1", "v2"),
    ]
    said = {tuple(w.sentence for w in answer.warnings if w.code == "mixed_load") for answer in answers}
    assert len(said) == 1
    assert (says in min(said)[0]) if says else said == {()}
    assert gate.state == ("inconclusive" if says else "pass")
    assert recorder.check_gate("v1", "v2", policy="guide").state == ("inconclusive" if says else "warn")


def test_figures_over_runs_with_and_without_load_say_so() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    under_load(recorder, "v1", None)
    assert recorder.get_historical_metrics("v1").warnings == ()
    under_load(recorder, "v1", 10.0)
    codes = [warning.code for warning in recorder.get_historical_metrics("v1").warnings]
    assert codes == ["mixed_load"]
    assert not recorder.get_historical_metrics("v1", metadata={"under_load": True}).warnings
    assert "were under load" in " ".join(recorder.generate_report(["v1"]).split())


def test_a_baseline_from_a_window_without_load_is_mixed_too() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    under_load(recorder, "v1", None)
    under_load(recorder, "v2", 10.0)
    gate = recorder.check_gate("v1", "v2", baseline_days=1)
    assert gate.state == "inconclusive"
    assert "mixed_load" in {warning.code for warning in gate.warnings}
