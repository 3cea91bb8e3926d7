from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.reporting.json import json_text
from benchmark_recorder.stores.memory import MemoryStore
from tests.days import followed, record_days

STEP = [1.0] * 20 + [1.4] * 20


def test_changes_are_of_the_version_that_is_asked_for_or_of_all() -> None:
    recorder = followed("v", STEP)
    record_days(recorder, "w", [1.0] * 40, seed=3)
    assert [change.at for change in recorder.find_changes("v").changes] == ["2026-09-21"]
    assert recorder.find_changes("w").changes == ()
    assert recorder.find_changes(["v", "w"]).version == "v, w"
    assert recorder.find_changes().version == "all versions"
    assert [change.at for change in recorder.find_changes().changes] == ["2026-09-21"]


def test_changes_are_of_the_runs_that_are_asked_for() -> None:
    recorder = followed("v", STEP)
    assert recorder.find_changes("v", until="2026-09-15").changes == ()
    found = recorder.find_changes("v", agent="nobody")
    assert found.warnings[0].sentence == "There are no runs of version v that match the query."


def test_runs_that_are_dated_in_the_future_are_left_out_and_counted() -> None:
    recorder = followed("v", STEP)
    later = datetime.now(UTC) + timedelta(days=30)
    for _ in range(9):
        recorder.record_execution("a", 50.0, True, "v", task_id="a", timestamp=later)
    found = recorder.find_changes("v")
    assert [change.at for change in found.changes] == ["2026-09-21"]
    (caveat,) = found.warnings
    assert (caveat.code, caveat.figures["runs"]) == ("dated_ahead", 9)
    assert f"9 runs dated in the future, up to {later:%Y-%m-%d}, are left out." in str(found)


def test_an_unknown_argument_is_an_error() -> None:
    recorder = followed("v", [1.0])
    with pytest.raises(InvalidQueryError, match="last_days"):
        recorder.find_changes("v", last_days=-1)


def test_changes_read_as_json_and_as_words() -> None:
    found = followed("v", STEP).find_changes("v")
    document = json.loads(json_text(found))
    assert document["changes"][0]["cause"] == "unknown"
    assert document["changes"][0]["effect"] == pytest.approx(-0.4, abs=0.05)
    assert str(found.changes[0]) in " ".join(str(found).split())
    assert len(found.to_pandas()) == 1


def test_changes_by_day_and_by_commit_come_from_every_kind_of_file(tmp_path: object) -> None:
    memory = followed("v", STEP, about=lambda day: {"git_commit": f"{day:040x}"})
    with BenchmarkRecorder(f"{tmp_path}/m.json") as recorder:
        for metric in memory.get_all_metrics():
            recorder.record(metric)
        for by in ("day", "commit"):
            assert recorder.find_changes("v", by=by) == memory.find_changes("v", by=by)


def test_further_runs_are_predicted_from_those_after_the_last_change() -> None:
    found = followed("v", STEP).predict(version="v", repeats=2)
    assert found.since is not None
    assert [one.runs for one in found.tasks] == [60, 60, 60]
    assert found.tasks[0].time.value == pytest.approx(1.4, rel=0.05)
    (caveat,) = found.warnings
    assert (caveat.code, caveat.figures["runs"], caveat.figures["all"]) == ("since_change", 180, 360)
    assert "changed on 2026-09-21; only runs from then on are used, 180 of 360" in " ".join(str(found).split())


def test_a_version_that_drifts_is_predicted_with_a_caveat() -> None:
    found = followed("v", [1.02**day for day in range(60)]).predict(version="v")
    assert found.since is None
    assert "drifting" in [caveat.code for caveat in found.warnings]


def test_tasks_are_named_by_id_or_by_text() -> None:
    with BenchmarkRecorder(store=MemoryStore()) as recorder:
        for n in range(6):
            recorder.record_execution("Fix CSS", 1.0 + n / 10, True, "v")
            recorder.record_execution("Write", 2.0 + n / 10, True, "v", task_id="write")
        found = recorder.predict(["Fix CSS", "write", "other"], version="v")
    assert [one.runs for one in found.tasks] == [6, 6, 0]
    assert [one.basis for one in found.tasks][-1] == "other tasks"


def test_nothing_is_predicted_from_nothing() -> None:
    found = BenchmarkRecorder(store=MemoryStore()).predict(["x"], version="v")
    assert found.total_time.value is None
    assert "There are no runs of version v." in " ".join(str(found).split())


@pytest.mark.parametrize(
    ("argument", "asked"),
    [
        ("tasks", {"tasks": "Fix CSS"}),
        ("tasks", {"tasks": [1]}),
        ("tasks", {"tasks": 3}),
        ("repeats", {"repeats": 0}),
        ("repeats", {"repeats": 1.5}),
        ("repeats", {"repeats": 100_000}),
        ("concurrency", {"concurrency": 0}),
        ("concurrency", {"concurrency": True}),
        ("version", {"version": ""}),
        ("modle", {"modle": "x"}),
    ],
)
def test_what_cannot_be_predicted_names_the_argument(argument: str, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidQueryError, match=argument):
        followed("v", [1.0, 1.0]).predict(**{"version": "v", **asked})
