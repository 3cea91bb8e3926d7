from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from benchmark_recorder.analysis import GateResult
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.ci import append_summary, commands, gate_junit
from benchmark_recorder.reporting.decision_pages import claims_page, gate_page, selftest_page
from benchmark_recorder.reporting.text import render_text
from benchmark_recorder.stores.memory import MemoryStore
from tests.runs import record_runs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder)
    return recorder


def few() -> BenchmarkRecorder:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, tasks=2, repeats=1)
    return recorder


def flat(text: str) -> str:
    return " ".join(text.split())


def states(result: GateResult) -> dict[str | None, str | None]:
    """What JUnit says of each guardrail: the tag, or nothing where it passed."""
    cases = ET.fromstring(gate_junit(result)).iter("testcase")
    return {case.get("name"): next((child.tag for child in case), None) for case in cases}


@pytest.mark.parametrize(("v1", "v2"), [("v1.0", "v2.0"), ("v2.0", "v1.0")])
def test_the_page_of_a_gate_has_a_row_and_a_reason_for_each_guardrail(
    recorder: BenchmarkRecorder, v1: str, v2: str
) -> None:
    result = recorder.check_gate(v1, v2)
    text = render_text(gate_page(result))
    word = {"block": "blocked", "pass": "passed", "warn": "warning", "inconclusive": "inconclusive"}[result.state]
    assert text.startswith(f"Gate: {word}: {v2} against {v1}\n")
    for check in result.checks:
        assert check.sentence in flat(text)
        assert any(line.endswith(f"  {check.state}") for line in text.splitlines())
    for alert in result.alerts:
        assert alert.sentence in flat(text)


def test_where_the_policies_differ_the_reason_is_given() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, {"v1.0": (1.0, 0.1), "v2.0": (1.0, 0.13)}, tasks=4)
    result = recorder.check_gate("v1.0", "v2.0")
    assert result.difference is not None
    assert result.difference in flat(render_text(gate_page(result)))


def test_the_literal_policy_gives_its_own_reasons(recorder: BenchmarkRecorder) -> None:
    result = recorder.check_gate("v1.0", "v2.0", policy="literal")
    text = flat(render_text(gate_page(result)))
    assert all(check.sentence in text for check in result.literal)


def test_the_table_of_the_literal_policy_shows_what_decided() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, {"v1.0": (1.0, 0.1), "v2.0": (1.2, 0.1)}, tasks=3, repeats=2)
    result = recorder.check_gate("v1.0", "v2.0", policy="literal")
    assert result.literal_state == "block" != result.default_state
    text = render_text(gate_page(result))
    assert "at worst" not in text.partition("- ")[0]
    labels = {"execution_time": "time", "failure_rate": "failures", "cost": "cost"}
    for threshold in result.literal:
        (row,) = [line for line in text.splitlines() if line.startswith(f"{labels[threshold.metric]} (")]
        assert row.split()[-1] == ("block" if threshold.blocks else "pass")
        assert f" {100 * threshold.threshold:g}" in row


def test_a_gate_without_data_says_so(recorder: BenchmarkRecorder) -> None:
    result = recorder.check_gate("v1.0", "v9")
    assert result.sentence in flat(render_text(gate_page(result)))
    assert set(states(result).values()) == {"failure"}


def test_junit_fails_what_blocks_and_skips_what_does_not_tell(recorder: BenchmarkRecorder) -> None:
    blocked = recorder.check_gate("v2.0", "v1.0")
    assert blocked.state == "block"
    for check in blocked.checks:
        expected = {"block": "failure", "pass": None}.get(check.state, "skipped")
        assert states(blocked)[check.metric] == expected
    unsure = few().check_gate("v1.0", "v2.0")
    assert unsure.state == "inconclusive"
    assert "failure" not in states(unsure).values()
    assert "skipped" in states(unsure).values()
    failing = few().check_gate("v1.0", "v2.0", on_inconclusive="fail")
    assert "failure" in states(failing).values()


def test_junit_of_the_literal_policy_fails_what_its_thresholds_block(recorder: BenchmarkRecorder) -> None:
    result = recorder.check_gate("v2.0", "v1.0", policy="literal")
    failed = {name for name, tag in states(result).items() if tag == "failure"}
    assert failed == {check.metric for check in result.literal if check.blocks}
    assert failed


def test_a_failing_job_has_an_error_and_any_other_a_warning(recorder: BenchmarkRecorder) -> None:
    blocked = list(commands(recorder.check_gate("v2.0", "v1.0", target=20)))
    assert [line.split(" ")[0] for line in blocked] == ["::error", "::warning"]
    assert list(commands(recorder.check_gate("v1.0", "v2.0"))) == []
    warned = list(commands(recorder.check_gate("v1.0", "v2.0", coverage=50)))
    assert [line.split(" ")[0] for line in warned] == ["::warning"]
    assert "coverage is 50%25" in warned[0]
    failing = list(commands(few().check_gate("v1.0", "v2.0", on_inconclusive="fail")))
    assert failing[0].startswith("::error title=Benchmark gate%3A inconclusive::")


def test_a_version_cannot_write_an_annotation_of_its_own(recorder: BenchmarkRecorder) -> None:
    result = replace(recorder.check_gate("v2.0", "v1.0"), sentence="a\r\n::error::owned %0A::error::owned")
    (first, *_) = commands(result)
    assert "\n" not in first
    assert first.endswith("::a\\r\\n::error::owned %250A::error::owned")


def test_the_summary_is_appended_only_inside_github(recorder: BenchmarkRecorder, tmp_path: Path) -> None:
    result, place = recorder.check_gate("v1.0", "v2.0"), tmp_path / "summary.md"
    append_summary(result, {})
    assert not place.exists()
    append_summary(result, {"GITHUB_STEP_SUMMARY": str(place)})
    append_summary(result, {"GITHUB_STEP_SUMMARY": str(place)})
    assert place.read_text().count("# Gate: ") == 2


def test_each_claim_has_a_row_and_advice_where_it_is_not_met(recorder: BenchmarkRecorder) -> None:
    report = recorder.check_claims("v1.0", "v2.0", GUIDE_CLAIMS)
    text = render_text(claims_page(report))
    for result in report.results:
        assert any(line.startswith(result.text) and line.endswith(result.status) for line in text.splitlines())
        assert (f"{result.status}: {result.text}\n---" in text) == (not result.met)
        for hint in result.hints:
            assert f"- {hint}" in text
        if result.needed:
            assert result.needed.sentence in flat(text)


@pytest.mark.parametrize("scope", ["suite", "tasks"])
def test_what_got_worse_is_never_said_to_have_improved(recorder: BenchmarkRecorder, scope: Any) -> None:
    gate = recorder.check_gate("v2.0", "v1.0", scope=scope, target=20)
    claims = recorder.check_claims("v2.0", "v1.0", GUIDE_CLAIMS, scope=scope)
    for text in (flat(str(gate)), flat(str(claims)), *commands(gate)):
        assert "improved by" not in text
    assert "Execution time got worse by " in flat(str(gate))
    assert "Execution time got worse by " in flat(str(claims))


def test_claims_about_an_unknown_version_name_it(recorder: BenchmarkRecorder) -> None:
    text = render_text(claims_page(recorder.check_claims("v1.0", "v9", GUIDE_CLAIMS)))
    assert "There are no runs of version v9." in text
    assert "nan" not in text


def test_the_selftest_of_too_few_runs_says_so() -> None:
    result = few().selftest("v1.0", splits=10)
    assert result.sentence in flat(render_text(selftest_page(result)))
