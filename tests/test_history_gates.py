from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from benchmark_recorder import (
    BenchmarkRecorder,
    ConfigurationError,
    InvalidQueryError,
    MemoryStore,
    StoreError,
    get_benchmark_history,
    get_benchmark_recorder,
)
from benchmark_recorder.analysis import Claim
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.reporting.ci import gate_comment
from tests.stores.remote import Remote, replicated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def record(
    recorder: BenchmarkRecorder, version: str, *, seed: int, slower: float = 1, repeats: int = 5, days_ago: float = 0
) -> None:
    rng = np.random.default_rng(seed)
    for repeat in range(repeats):
        for task in range(13):
            recorder.record_execution(
                task=f"task {task}",
                duration=float(rng.lognormal(0, 0.1)) * slower,
                success=True,
                version=version,
                cost=float(rng.lognormal(-9, 0.05)),
                timestamp=NOW - timedelta(days=days_ago, seconds=repeat),
            )


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record(recorder, "v1.0", seed=1)
    record(recorder, "v2.0", seed=2, slower=0.6)
    record(recorder, "v3.0", seed=3, slower=1.5)
    return recorder


def test_claims_are_held_against_what_was_recorded(recorder: BenchmarkRecorder) -> None:
    report = recorder.check_claims("v1.0", "v2.0", GUIDE_CLAIMS)
    assert [result.claim.metric for result in report.results] == [
        "execution_time",
        "routing_accuracy",
        "failure_rate",
        "cost",
    ]
    assert report.results[0].status == "PROVEN"
    (mine,) = recorder.check_claims("v1.0", "v2.0", [Claim("execution_time", at_least=60)]).results
    assert mine.status == "REFUTED"


def test_a_gate_blocks_what_is_slower_and_lets_pass_what_is_not(recorder: BenchmarkRecorder) -> None:
    assert recorder.check_gate("v1.0", "v3.0").exit_code == 1
    assert recorder.check_gate("v1.0", "v2.0").exit_code == 0
    assert recorder.check_gate("v1.0", "v9").exit_code == 4


def test_a_gate_may_compare_a_version_with_its_own_past() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record(recorder, "v1.0", seed=1, days_ago=40, slower=9)
    record(recorder, "v1.0", seed=2, days_ago=10)
    record(recorder, "v1.0", seed=3, days_ago=1, slower=2)
    since = NOW - timedelta(days=2)
    result = recorder.check_gate("v1.0", "v1.0", baseline_days=20, since=since)
    assert (result.baseline, result.candidate) == ("v1.0 (baseline)", "v1.0")
    assert result.state == "block"
    assert result.checks[0].worsening == pytest.approx(1, abs=0.1)
    assert recorder.check_gate("v1.0", "v1.0", baseline_days=60, since=since).state != "block"


def test_a_gate_asks_for_speed_only_where_it_is_told_to(recorder: BenchmarkRecorder) -> None:
    assert not recorder.check_gate("v1.0", "v1.0").alerts
    assert recorder.check_gate("v1.0", "v1.0", target=20).alerts


def test_a_gate_whose_window_is_empty_says_so() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record(recorder, "v1.0", seed=1, days_ago=40)
    record(recorder, "v2.0", seed=2, days_ago=1)
    result = recorder.check_gate("v1.0", "v2.0", baseline_days=7)
    assert (result.state, result.exit_code) == ("no_data", 4)
    assert "no runs of version v1.0 in the 7 days before the first run of v2.0" in result.sentence


def test_a_gate_may_compare_with_a_pinned_file(recorder: BenchmarkRecorder, tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "good.json") as pinned:
        record(pinned, "v1.0", seed=8, slower=0.5)
    result = recorder.check_gate("v1.0", "v1.0", baseline_file=tmp_path / "good.json")
    assert result.state == "block"
    assert result.checks[0].worsening == pytest.approx(1, abs=0.1)


def test_a_pinned_file_without_the_baseline_is_an_error_that_names_it(
    recorder: BenchmarkRecorder, tmp_path: Path
) -> None:
    with BenchmarkRecorder(tmp_path / "good.json") as pinned:
        record(pinned, "v1.0", seed=8)
    with pytest.raises(StoreError, match=r"good.json.*v0.9"):
        recorder.check_gate("v0.9", "v2.0", baseline_file=tmp_path / "good.json")


def test_a_window_and_a_file_are_one_too_many(recorder: BenchmarkRecorder, tmp_path: Path) -> None:
    with pytest.raises(InvalidQueryError, match="baseline_days"):
        recorder.check_gate("v1.0", "v2.0", baseline_days=3, baseline_file=tmp_path / "x.json")


def test_a_version_is_tested_against_itself(recorder: BenchmarkRecorder) -> None:
    found = recorder.selftest("v1.0", splits=200)
    assert found.runs == 65
    assert found.within_tasks is not None
    assert found.within_tasks.splits == 200
    assert found.within_tasks.rate < 0.1
    assert recorder.selftest("v9").runs == 0


@pytest.mark.parametrize(("method", "claims"), [("check_claims", [GUIDE_CLAIMS]), ("check_gate", [])])
def test_an_unknown_argument_is_an_error_that_names_it(
    recorder: BenchmarkRecorder, method: str, claims: list[object]
) -> None:
    with pytest.raises(InvalidQueryError, match="colour"):
        getattr(recorder, method)("v1.0", "v2.0", *claims, colour="red")


def test_settings_of_the_project_hold_in_every_door_and_the_result_names_them(
    recorder: BenchmarkRecorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.benchmark_recorder.gate]\n"
        'margins = {time = 0.6}\nrequire = ["time", "failures"]\non_inconclusive = "fail"\nscope = "tasks"\n'
    )
    monkeypatch.chdir(tmp_path)
    assert recorder.check_gate("v1.0", "v3.0").state == "block"
    for door in (get_benchmark_recorder(recorder.store), get_benchmark_history(recorder.store)):
        result = door.check_gate("v1.0", "v3.0")
        assert (result.checks[0].margin, result.checks[0].state, result.exit_code) == (0.6, "pass", 3)
        assert [check.metric for check in result.checks if check.required] == ["execution_time", "failure_rate"]
        table = "[tool.benchmark_recorder.gate]"
        assert result.settings == {
            **dict.fromkeys(("margins", "require", "on_inconclusive", "scope"), table),
            "method": "default",
            "coverage": "default",
            "blocks": "default",
        }
        own = door.check_gate("v1.0", "v3.0", margins={"time": 0.1}, scope="suite")
        assert (own.state, own.settings["margins"], own.settings["scope"]) == ("block", "argument", "argument")


@pytest.mark.parametrize(
    ("table", "error", "said"),
    [
        (
            "limits = {time = 0.1}",
            ConfigurationError,
            "a table of margins, require, .* scope, method, coverage",
        ),
        ('margins = "5%"', InvalidQueryError, "margins: expected fractions by metric"),
        ("margins = {speed = 0.1}", InvalidQueryError, "margins: expected .*execution_time.*'speed'"),
        ('require = ["speed"]', InvalidQueryError, "require: expected .*execution_time.*'speed'"),
        ('on_inconclusive = "block"', InvalidQueryError, "on_inconclusive: expected"),
    ],
)
def test_a_wrong_setting_of_the_projects_gate_is_an_error_that_names_it(
    table: str, error: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.benchmark_recorder.gate]\n{table}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=said):
        get_benchmark_history(MemoryStore()).check_gate("v1", "v2")


def test_a_window_is_named_in_every_form_with_its_dates_and_runs() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record(recorder, "v1.0", seed=1, days_ago=3)
    record(recorder, "v2.0", seed=2)
    result = recorder.check_gate("v1.0", "v2.0", baseline_days=7)
    (caveat,) = [caveat for caveat in result.warnings if caveat.code == "baseline_window"]
    assert caveat.figures["runs"] == 65
    said = "The baseline v1.0 is its 65 runs from 2026-10-24 23:59 to 2026-10-31 23:59 UTC."
    assert caveat.sentence == said
    assert said in " ".join(str(result).split())
    assert said in " ".join(gate_comment(result).split())
    assert said in json.dumps(result.to_dict())


def test_a_trial_run_long_ago_does_not_move_the_window() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for day in range(90):
        record(recorder, "v1.0", seed=day, days_ago=day, slower=3.0 if day > 50 else 1.0, repeats=1)
    record(recorder, "v2.0", seed=100, slower=3.0)
    assert recorder.check_gate("v1.0", "v2.0", baseline_days=7).state == "block"
    record(recorder, "v2.0", seed=101, days_ago=60, slower=3.0, repeats=1)
    result = recorder.check_gate("v1.0", "v2.0", baseline_days=7)
    assert result.state == "block"
    said = [caveat.sentence for caveat in result.warnings if caveat.code == "runs_before_window"]
    assert said == [
        "13 runs of v2.0 came before the baseline's window, with a gap longer than it; the window ends where the last "
        "batch of v2.0 begins."
    ]


@pytest.fixture
def cut_off(tmp_path: Path) -> Iterator[BenchmarkRecorder]:
    """A candidate that passes and is faster, in a journal whose remote store is down."""
    remote = Remote()
    with replicated(tmp_path, remote, "off") as store:
        recorder = BenchmarkRecorder(store=store)
        record(recorder, "v1", seed=1)
        record(recorder, "v2", seed=2, slower=0.5)
        record(recorder, "slow", seed=3, slower=2)
        remote.is_down = True
        yield recorder


@pytest.mark.parametrize("policy", ["default", "guide"])
def test_a_gate_on_partial_data_never_passes_unless_told_otherwise(
    cut_off: BenchmarkRecorder, policy: Literal["default", "guide"]
) -> None:
    whole = cut_off.check_gate("v1", "v2", policy=policy, allow_partial=True)
    assert (whole.state, whole.exit_code) == ("pass", 0)
    partial = cut_off.check_gate("v1", "v2", policy=policy, on_inconclusive="fail")
    assert (partial.state, partial.exit_code) == ("inconclusive", 3)
    assert "could not be asked" in partial.sentence
    assert cut_off.check_gate("v1", "v2", policy=policy).exit_code == 0
    assert cut_off.check_gate("v1", "slow", policy=policy).exit_code == 1


def test_a_gate_against_a_window_knows_that_its_data_are_partial(cut_off: BenchmarkRecorder) -> None:
    record(cut_off, "v1", seed=4, days_ago=1)
    found = cut_off.check_gate("v1", "v2", baseline_days=3, on_inconclusive="fail")
    assert (found.state, found.exit_code) == ("inconclusive", 3)
    assert "store_out_of_reach" in {caveat.code for caveat in found.warnings}
    assert cut_off.check_gate("v1", "v2", baseline_days=3, allow_partial=True).state == "pass"


def test_no_claim_is_shown_by_partial_data_unless_told_otherwise(cut_off: BenchmarkRecorder) -> None:
    said = ["time 30% lower"]
    assert [claim.status for claim in cut_off.check_claims("v1", "v2", said).results] == ["NOT SHOWN"]
    assert [claim.status for claim in cut_off.check_claims("v1", "slow", said).results] == ["REFUTED"]
    found = cut_off.check_claims("v1", "v2", said, allow_partial=True)
    assert [claim.status for claim in found.results] == ["PROVEN"]
