from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmark_recorder.analysis import METRICS, GateCheck, LiteralCheck, check_gate
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.decision_sentences import check_sentence
from benchmark_recorder.reporting.numbers import signed
from benchmark_recorder.reporting.views import View, worded
from benchmark_recorder.reporting.wording import short_unit
from benchmark_recorder.stores.memory import MemoryStore
from tests.analysis.histories import cells_of, runs, task_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RATIOS = [1.0004, 0.9996, 1.004, 1.0, 1.15]

ANSWERS: dict[str, Callable[[BenchmarkRecorder], Any]] = {
    "gate": lambda recorder: recorder.check_gate("v1", "v2"),
    "literal gate": lambda recorder: recorder.check_gate("v1", "v2", policy="literal"),
    "claims": lambda recorder: recorder.check_claims("v1", "v2", GUIDE_CLAIMS),
    "comparison": lambda recorder: recorder.compare_versions("v1", "v2"),
    "cost": lambda recorder: recorder.compare_versions("v1", "v2", "cost"),
    "joint": lambda recorder: recorder.compare_all("v1", "v2"),
    "self-test": lambda recorder: recorder.selftest("v1", splits=50),
    "report": lambda recorder: recorder.generate_report(["v1", "v2"]),
    "markdown": lambda recorder: recorder.generate_report(["v1", "v2"], "markdown"),
}


def history(ratio: float, spread: float = 0.002, repeats: int = 40) -> BenchmarkRecorder:
    """Two versions whose times and costs differ by that ratio as closely as chance lets them."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    rng = np.random.default_rng(0)
    for version, factor in (("v1", 1.0), ("v2", ratio)):
        for task in range(4):
            noise = rng.normal(0, spread, repeats)
            for run, scale in enumerate(factor * np.exp(noise - noise.mean())):
                right = "builder" if run % 5 else "writer"
                recorder.record_execution(
                    *(f"Task {task}", float(scale), run > 2, version, right, 0.01 * float(scale)),
                    expected_agent="builder",
                    task_id=f"t{task}",
                )
    return recorder


def sizes(text: str) -> set[str]:
    """Every number with a decimal point that stands before a percent sign, without its sign."""
    return set(re.findall(r"[+-]?([\d,]*\.\d+)%", text))


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("name", ANSWERS)
def test_percent_follows_its_number_and_nothing_but_zero_is_shown_as_zero(ratio: float, name: str) -> None:
    text = str(ANSWERS[name](history(ratio)))
    assert "%" in text
    assert not re.search(r"\d %", text)
    assert "-0.0%" not in text
    assert "+0.0%" not in text
    if ratio != 1 and name in {"gate", "comparison", "cost", "joint", "report", "markdown"}:
        assert {"gate": signed(ratio - 1, "%")}.get(name, signed(ratio - 1, "%")[1:]) in text


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("policy", ["default", "literal"])
def test_a_gates_table_and_its_sentences_have_the_same_digits(ratio: float, policy: Any) -> None:
    result = history(ratio).check_gate("v1", "v2", policy=policy)
    rows = {line.split(" (")[0]: line for line in str(result).splitlines() if line.endswith(tuple(STATES))}
    checks: Sequence[GateCheck | LiteralCheck] = result.checks if policy == "default" else result.literal
    for check, label in zip(checks, ("time", "failures", "cost"), strict=True):
        change = signed(check.worsening)
        assert f" {change}{short_unit(METRICS[check.metric].kind)} " in rows[label]
        assert f" {change}" in check.sentence
        assert sizes(check.sentence) <= sizes(rows[label])


STATES = ("pass", "block", "inconclusive", "missing")


@pytest.mark.parametrize("ratio", [0.5, 0.6, *RATIOS])
def test_a_claims_sentence_has_the_figures_of_its_row(ratio: float) -> None:
    report = history(ratio).check_claims("v1", "v2", GUIDE_CLAIMS)
    for result in report.results:
        row = next(line for line in str(report).splitlines() if line.startswith(f"{result.text}  "))
        assert sizes(result.sentence) == sizes(row)
        assert all(level in result.sentence for level in re.findall(r"\((9\d%)\)", row))


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_joint_sentence_has_the_changes_of_its_table(ratio: float) -> None:
    joint = history(ratio).compare_all("v1", "v2")
    table = "\n".join(line for line in str(joint).splitlines() if "+160" in line)
    assert sizes(joint.sentence) <= sizes(table)


def gate_check(**change: Any) -> GateCheck:
    check = GateCheck("cost", "pass", 1.0, 1.0, 0.0004, 0.008, 0.05, 2e-92, 6e-92, 0.01, 1e-40, required=True)
    return replace(check, **change)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "Cost +0.04%, at worst +0.8%: within the limit of 5% (p < 0.0001)."),
        ({"p_margin": 0.012}, "Cost +0.04%, at worst +0.8%: within the limit of 5% (p = 0.012)."),
        (
            {"state": "block", "worsening": 0.2, "bound": 0.3, "p_adjusted": 0.002063, "p_margin": 0.99},
            "Cost +20.0%, at worst +30.0%: worse (p = 0.0021 after Holm), and beyond the limit of 5%.",
        ),
        (
            {"state": "inconclusive", "bound": 0.2, "p_margin": 0.2944},
            "Cost +0.04%, at worst +20.0%: not shown to be within the limit of 5% (p = 0.29); these runs reveal a "
            "worsening of 1.0% or more.",
        ),
        (
            {"state": "inconclusive", "worsening": 0.06, "bound": 0.2, "p_adjusted": 0.3, "detectable": None},
            "Cost +6.0%, at worst +20.0%: beyond the limit of 5%, which may well be chance (p = 0.3 after Holm).",
        ),
        (
            {"state": "warn", "worsening": 0.06, "bound": 0.2, "p_adjusted": 0.07},
            "Cost +6.0%, at worst +20.0%: probably worse (p = 0.07 after Holm), and beyond the limit of 5%.",
        ),
        ({"bound": None, "p_margin": 0.001}, "Cost +0.04%: within the limit of 5% (p = 0.001)."),
        (
            {"state": "block", "worsening": None, "bound": None},
            "Cost rose from zero: worse (p < 0.0001 after Holm), and beyond the limit of 5%.",
        ),
        ({"state": "missing", "p_margin": None}, "Cost cannot be judged: there are too few values."),
        (
            {"metric": "failure_rate", "worsening": -0.0, "bound": 0.01, "margin": 0.02},
            "Failure rate 0.0 points, at worst +1.0 points: within the limit of 2 points (p < 0.0001).",
        ),
    ],
)  # fmt: skip
def test_a_p_value_belongs_to_what_the_sentence_says(change: dict[str, Any], expected: str) -> None:
    assert check_sentence(gate_check(**change)) == expected


@pytest.mark.parametrize("slower", [0.8, 0.97, 1.0, 1.05, 1.09, 1.11, 1.2, 1.5])
@pytest.mark.parametrize("spread", [0.02, 0.5])
def test_the_p_value_of_the_margin_agrees_with_the_bound(slower: float, spread: float) -> None:
    rng = np.random.default_rng(1)
    names = task_names(13, 8)
    old, new = rng.lognormal(0, spread, (2, len(names)))
    failed = [run % 8 == 0 for run in range(len(names))]
    cells = cells_of(
        runs("v1", names, time=old, cost=old, success=[not one for one in failed]),
        runs("v2", names, time=slower * new, cost=slower * new, success=[not one for one in failed]),
    )
    for check in check_gate(cells, "v1", "v2").checks:
        assert check.bound is not None
        assert check.p_margin is not None
        assert (check.bound <= check.margin) == (check.p_margin <= 0.05)
        said = worded(check).sentence
        assert (": within the limit" in said) == (check.state == "pass") == (check.p_margin <= 0.05)
        beyond = check.worsening is None or check.worsening > check.margin
        assert ("after Holm" in said) == beyond


def told(value: Any) -> Any:
    """What of a result counts when two are compared; NaN is equal to itself here, as not in each release of Python."""
    if is_dataclass(value):
        return {field.name: told(getattr(value, field.name)) for field in fields(value) if field.compare}
    return [told(inner) for inner in value] if isinstance(value, tuple) else repr(value)


def test_a_result_of_the_analysis_holds_no_sentence() -> None:
    names = task_names(3, 2)
    result = check_gate(cells_of(runs("v1", names), runs("v2", names)), "v1", "v2")
    assert not isinstance(result, View)
    assert (result.sentence, result.difference) == ("", None)
    assert {check.sentence for check in result.checks} == {check.sentence for check in result.literal} == {""}
    assert {caveat.sentence for caveat in (*result.warnings, *result.alerts)} == {""}
    assert all(str(caveat) == caveat.code for caveat in result.warnings)
    assert told(worded(result)) == told(result)
    assert all(caveat.sentence for caveat in worded(result).warnings)
