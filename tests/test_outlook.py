from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.reporting.json import json_text
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
