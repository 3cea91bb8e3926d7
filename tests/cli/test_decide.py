"""``claims``, ``gate`` and ``selftest``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.ci import MARKER
from tests.cli.commands import CLAIMED, one_line, run
from tests.runs import record_runs


def test_a_missing_baseline_file_is_reported(store: Path) -> None:
    result = run("gate", "v1.0", "v2.0", "--baseline-file", "none.json", "--store", store)
    assert result.exit_code == 4
    assert one_line(result) == "benchmark-recorder: none.json: there is no such file"


def test_a_gate_takes_a_version_against_its_own_past(store: Path) -> None:
    run("export", "--format", "json", "--output", "pinned.json", "--store", store)
    for past in (("--baseline-file", "pinned.json"), ("--baseline-days", "7")):
        assert "same version" not in run("gate", "v1.0", "v1.0", *past, "--store", store).stderr


def test_each_claim_has_a_status(store: Path) -> None:
    text = run("claims", "v2.0", "v1.0", *CLAIMED, "--store", store).stdout
    assert re.search(r"^execution time at least 30% lower .* REFUTED$", text, re.MULTILINE)
    assert re.search(r"^cost within 1% .* NOT SHOWN$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ([], 'name what was claimed: --claim "time 30% lower"'),
        (["--claim", "faster"], "claim: expected"),
        (["--claim", "time 30% higher"], "time: lower is better"),
    ],
)
def test_a_claim_that_says_nothing_is_wrong_usage(claim: list[str], said: str, store: Path) -> None:
    result = run("claims", "v1.0", "v2.0", *claim, "--store", store)
    assert result.exit_code == 2
    assert said in one_line(result)


def test_a_gate_passes_blocks_and_has_no_data(store: Path) -> None:
    assert run("gate", "v1.0", "v2.0", "--store", store).exit_code == 0
    blocked = run("gate", "v2.0", "v1.0", "--store", store)
    assert blocked.exit_code == 1
    assert blocked.stdout.startswith("Gate: blocked: v1.0 against v2.0\n")
    assert run("gate", "v1.0", "v9", "--store", store).exit_code == 4


def test_an_inconclusive_gate_fails_only_if_asked(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "few.json") as recorder:
        record_runs(recorder, tasks=2, repeats=1)
    asked = ["gate", "v1.0", "v2.0", "--store", "few.json"]
    assert run(*asked).exit_code == 0
    assert run(*asked, "--on-inconclusive", "fail").exit_code == 3
    assert run(*asked, "--on-inconclusive", "pass").exit_code == 0


def test_a_gate_may_be_asked_again_and_again(store: Path) -> None:
    shown = run("gate", "v1.0", "v2.0", "--sequential", "--json", "--store", store)
    assert (shown.exit_code, json.loads(shown.stdout)["sequential"]) == (0, True)
    undecided = ("gate", "v1.0", "v2.0", "--sequential", "--require", "failures", "--task-id", "task-03")
    assert [
        run(*undecided, "--on-inconclusive", reaction, "--store", store).exit_code for reaction in ("warn", "fail")
    ] == [0, 3]
    ranks = run("gate", "v1.0", "v2.0", "--sequential", "--method", "rank", "--store", store)
    assert ranks.exit_code == 2
    assert one_line(ranks).startswith("benchmark-recorder: method: ")


def test_a_gate_is_written_in_each_format(store: Path) -> None:
    asked = ("gate", "v2.0", "v1.0", "--store", store)
    assert run(*asked, "--format", "markdown").stdout.startswith("# Gate: blocked: `v1.0` against `v2.0`\n")
    document = json.loads(run(*asked, "--format", "json").stdout)
    assert (document["schema_version"], document["state"], document["exit_code"]) == (1, "block", 1)
    suite = ET.fromstring(run(*asked, "--format", "junit").stdout)[0]
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert failed == [check["metric"] for check in document["checks"] if check["state"] == "block"] != []
    assert suite.get("failures") == str(len(failed))
    assert suite.get("tests") == "3"


def test_a_gate_compares_with_a_window_of_days_or_a_pinned_file(store: Path) -> None:
    asked = ("gate", "v1.0", "v2.0", "--json", "--store", store)
    plain = json.loads(run(*asked).stdout)
    run("export", "--format", "json", "--version", "v1.0", "--output", "pinned.json", "--store", store)
    assert json.loads(run(*asked, "--baseline-file", "pinned.json").stdout)["checks"] == plain["checks"]
    assert json.loads(run(*asked, "--baseline-days", "7").stdout)["checks"] == plain["checks"]
    both = run(*asked, "--baseline-file", "pinned.json", "--baseline-days", "7")
    assert both.exit_code == 2
    assert run(*asked, "--baseline-file", "nowhere.json").exit_code == 4


def test_selftest_shows_both_kinds_of_splits(store: Path) -> None:
    text = run("selftest", "v1.0", "--splits", "100", "--store", store).stdout
    assert re.search(r"^within tasks +100 +[<\d.]+ ", text, re.MULTILINE)
    assert re.search(r"^time +\+\d+\.\d%$", text, re.MULTILINE)
    assert text == run("selftest", "v1.0", "--splits", "100", "--seed", "0", "--store", store).stdout
    assert run("selftest", "v1.0", "--splits", "0", "--store", store).exit_code == 2


def test_inside_github_a_verdict_is_an_annotation_and_a_summary(store: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    blocked = run("gate", "v2.0", "v1.0", "--json", "--store", store, **github)
    json.loads(blocked.stdout)
    assert re.match(r"::error title=Benchmark gate%3A block::v1\.0 against v2\.0: blocked\. ", blocked.stderr)
    assert summary.read_text().startswith("before\n# Gate: blocked")
    passed = run("gate", "v1.0", "v2.0", "--store", store, **github)
    assert passed.stderr == ""


def test_a_full_summary_says_so(store: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * (900 * 1024))
    run("gate", "v1.0", "v2.0", "--store", store, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.stat().st_size < 901 * 1024
    assert summary.read_text().endswith("did not fit here.\n")


def test_a_gate_writes_the_body_of_a_comment(store: Path) -> None:
    result = run("gate", "v2.0", "v1.0", "--comment", "c.md", "--store", store)
    assert result.exit_code == 1
    assert result.stdout.startswith("Gate: blocked: v1.0 against v2.0\n")
    marker, _, heading, *_ = Path("c.md").read_text().splitlines()
    assert marker.startswith(f"{MARKER} v2.0 ")
    assert heading == "### Gate: blocked: `v1.0` against `v2.0`"
    run("gate", "v2.0", "v1.0", "--comment", "c.md", "--comment-id", "linux", "--store", store)
    assert Path("c.md").read_text().startswith(f"{MARKER} linux ")
    assert run("gate", "v1.0", "v9", "--comment", "c.md", "--store", store).exit_code == 4
    assert "### Gate: no data" in Path("c.md").read_text()


@pytest.mark.parametrize(
    ("target", "state"), [("20", "pass"), ("20%", "pass"), ("60%", "warn"), ("none", "pass"), ("-5", "pass")]
)
def test_the_alert_on_speed_has_a_target(target: str, state: str, store: Path) -> None:
    answer = run("gate", "v1.0", "v2.0", "--target", target, "--json", "--store", store)
    assert json.loads(answer.stdout)["state"] == state


@pytest.mark.parametrize("target", ["fast", "100", "nan", "inf", "", "%"])
def test_a_target_that_is_not_a_percentage_is_wrong_usage(target: str, store: Path) -> None:
    result = run("gate", "v1.0", "v2.0", "--target", target, "--store", store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"benchmark-recorder: --target: expected a percentage below 100, or none, got {target!r}\n"
    )


def test_a_summary_that_cannot_be_written_is_reported_and_the_verdict_stays(store: Path, tmp_path: Path) -> None:
    full = run("gate", "v2.0", "v1.0", "--store", store, GITHUB_STEP_SUMMARY="/dev/full")
    assert full.stderr == "benchmark-recorder: GITHUB_STEP_SUMMARY: cannot write /dev/full: No space left on device\n"
    result = run("gate", "v2.0", "v1.0", "--store", store, GITHUB_STEP_SUMMARY=str(tmp_path / "no" / "s.md"))
    assert result.exit_code == 1
    assert result.stderr.startswith("benchmark-recorder: GITHUB_STEP_SUMMARY: cannot write ")


def test_a_gates_limits_and_what_it_requires_are_options(store: Path) -> None:
    gate = ("gate", "v1.0", "v2.0", "--store", store, "--json")
    shown = json.loads(run(*gate, "--margin", "time=5%", "--margin", "cost=0.9", "--require", "cost").stdout)
    limits = {check["metric"]: (check["margin"], check["required"]) for check in shown["checks"]}
    assert limits == {"execution_time": (0.05, False), "failure_rate": (0.02, False), "cost": (0.9, True)}
    assert json.loads(run(*gate, "--policy", "guide").stdout)["policy"] == "literal"


@pytest.mark.parametrize("margin", ["time", "time=", "time=fast", "time=5%%", "speed=5%", "time=500%"])
def test_a_wrong_limit_is_an_error_that_names_the_option(margin: str, store: Path) -> None:
    result = run("gate", "v1.0", "v2.0", "--margin", margin, "--store", store)
    assert result.exit_code == 2
    assert "margin" in one_line(result)


def test_a_gate_without_its_server_is_inconclusive_unless_partial_data_will_do(store: Path) -> None:
    journal = {
        "BENCHMARK_RECORDER_STORE": "mongodb://127.0.0.1:9/bench?serverSelectionTimeoutMS=100",
        "BENCHMARK_RECORDER_JOURNAL": str(store),
    }
    given = ["v1.0", "v2.0", "--on-inconclusive", "fail"]
    assert run("gate", *given, **journal).exit_code == 3
    assert run("gate", *given, "--allow-partial", **journal).exit_code == 0
    report = ["report", "v1.0", "v2.0", "--gate"]
    assert "inconclusive" in run(*report, **journal).stderr
    assert "inconclusive" not in run(*report, "--allow-partial", **journal).stderr
    claims = ["claims", "v1.0", "v2.0", "--claim", "time 10% lower"]
    assert "NOT SHOWN" in run(*claims, **journal).stdout
    assert "NOT SHOWN" not in run(*claims, "--allow-partial", **journal).stdout


def test_a_plan_says_how_many_further_runs_a_decision_takes(store: Path) -> None:
    shown = run("plan", "v1.0", "v2.0", "--effect", "12%", "--power", "95%", "--store", store)
    assert shown.exit_code == 0
    assert "to block a candidate whose execution time is worse by 12% with 95% power" in " ".join(shown.stdout.split())
    alone = run("plan", "v1.0", "--effect", "0", "--metric", "failures", "--json", "--store", store)
    plan = json.loads(alone.stdout)["plan"]
    assert (plan["v2"], plan["metric"], plan["margin"]) == (None, "failure_rate", 0.02)
    assert plan["needed"]["runs"] > 0
    assert run("plan", "v1.0", "--effect", "much", "--store", store).exit_code == 2
    assert run("plan", "v9", "--effect", "0.2", "--store", store).exit_code == 4
