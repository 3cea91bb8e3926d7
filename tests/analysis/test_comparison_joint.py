from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.multitest import multipletests

from benchmark_recorder.analysis import compare, compare_all, compare_each
from benchmark_recorder.cells import Cells, StoreNote
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import cells_of, runs, task_names

if TYPE_CHECKING:
    from collections.abc import Mapping


def suite(*, slower: float = 1, pricier: float = 1, failing: float = 0.2, spread: float = 0.02) -> Cells:
    rng = np.random.default_rng(0)
    names = task_names(13, 200)
    n = len(names)
    return cells_of(
        *(
            runs(
                version,
                names,
                time=rng.lognormal(0, spread, n) * time,
                cost=rng.lognormal(0, spread / 10, n) * cost,
                success=[i % 200 >= round(200 * fails) for i in range(n)],
            )
            for version, time, cost, fails in (("v1", 1, 1, 0.2), ("v2", slower, pricier, failing))
        )
    )


@pytest.mark.parametrize(
    ("change", "verdict", "sentence"),
    [
        (
            {"slower": 0.5},
            "better",
            "improved in 1 of 3, none worse: better in execution time (50.0%); the same, within the margin, in ",
        ),
        ({"slower": 2}, "worse", "against v1: regressed in 1 of 3, none better: worse in execution time ("),
        (
            {"slower": 0.5, "pricier": 2},
            "mixed",
            "improved in 1 and regressed in 1 of 3: better in execution time (50.0%); worse in cost (100.0%)",
        ),
        (
            {},
            "equivalent",
            "v1: the same in 3 of 3: the same, within the margin, in execution time, failure rate and cost.",
        ),
        ({"slower": 0.5, "spread": 5.0}, "better", "; undecided in "),
    ],
)
def test_the_sentence_says_what_each_metric_does(change: Mapping[str, float], verdict: str, sentence: str) -> None:
    joint = worded(compare_all(suite(**change), "v1", "v2"))
    assert joint.verdict == verdict
    assert sentence in joint.sentence
    json.dumps(joint.to_dict(), allow_nan=False)


def test_each_part_is_the_comparison_of_that_metric() -> None:
    cells = suite(slower=0.9)
    joint = compare_all(cells, "v1", "v2", scope="tasks", margins={"cost": 0.05})
    assert list(joint.comparisons) == ["execution_time", "failure_rate", "cost", "routing_accuracy"]
    assert joint["comparisons"]["cost"] == compare(cells, "v1", "v2", "cost", scope="tasks", margin=0.05)


def test_without_runs_the_verdict_is_inconclusive_and_the_versions_are_named() -> None:
    joint = worded(compare_all(Cells(), "v1", "v2"))
    assert joint.verdict == "inconclusive"
    assert joint.sentence == "v2 against v1: there are no runs of version v1 or v2 to compare."
    assert [caveat.code for caveat in joint.warnings] == ["unknown_version"] * 2


@pytest.mark.parametrize(("v1", "v2"), [("v1", "v9"), ("v9", "v1")])
def test_a_version_without_runs_is_named_and_no_other_caveat_is_given(v1: str, v2: str) -> None:
    unpriced = cells_of(runs("v1", ["t"] * 9, time=[0.0, *[1.0] * 7, 99.0], cost=[1.0] + [np.nan] * 8))
    joint = worded(compare_all(unpriced, v1, v2))
    assert joint.sentence == f"{v2} against {v1}: there are no runs of version v9 to compare."
    assert [caveat.code for caveat in joint.warnings] == ["unknown_version"]
    assert joint.warnings[0].figures["version"] == "v9"


def test_a_missing_version_comes_before_what_the_store_has_to_say() -> None:
    cells = replace(cells_of(runs("v1", ["t"] * 5)), caveats=(StoreNote("several_sources", "There are two.", {}),))
    joint = worded(compare_all(cells, "v1", "v9"))
    assert [caveat.code for caveat in joint.warnings] == ["unknown_version", "several_sources"]


def unlike(*, faster: float = 1.0, cheaper: float = 1.0, seed: int = 0, runs_a_task: int = 5) -> Cells:
    """A usual suite, in which failures and routing stay undecided."""
    rng = np.random.default_rng(seed)
    names = task_names(13, runs_a_task)
    n = len(names)
    return cells_of(
        *(
            runs(
                version,
                names,
                time=rng.lognormal(0, 0.3, n) / quick,
                cost=rng.lognormal(0, 0.3, n) / cheap,
                success=(rng.random(n) > 0.08).tolist(),
                routed=(rng.random(n) > 0.3).tolist(),
            )
            for version, quick, cheap in (("v1", 1.0, 1.0), ("v2", faster, cheaper))
        )
    )


def test_two_clear_improvements_and_two_undecided_are_better() -> None:
    joint = worded(compare_all(unlike(faster=1.5, cheaper=1.5), "v1", "v2"))
    assert joint.verdict == "better"
    assert joint.improved == ("execution_time", "cost")
    assert joint.undecided == ("failure_rate", "routing_accuracy")
    assert joint.sentence.startswith("v2 against v1: improved in 2 of 4, none worse: better in execution time (")
    assert joint.sentence.endswith("; undecided in failure rate and routing accuracy.")


def test_the_adjustment_is_holms_over_the_metrics() -> None:
    joint = compare_all(unlike(faster=1.1), "v1", "v2")
    p_values = [one.p_value for one in joint.comparisons.values()]
    assert list(joint.p_adjusted.values()) == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    for metric in (*joint.improved, *joint.regressed):
        assert joint.p_adjusted[metric] < 0.05


def test_an_unchanged_version_is_called_better_or_worse_in_at_most_five_percent() -> None:
    alone = joint = 0
    for seed in range(300):
        found = compare_all(unlike(seed=seed), "v1", "v2")
        joint += found.verdict in {"better", "worse", "mixed"}
        alone += any(one.verdict in {"improved", "regressed"} for one in found.comparisons.values())
    assert joint <= binom.ppf(0.999, 300, 0.05)
    assert alone > joint


def test_several_candidates_are_adjusted_for_their_number() -> None:
    cells = {f"v{number}": renamed(unlike(seed=number), f"v{number}") for number in range(2, 7)}
    each = compare_each(cells, "v1")
    p_values = [one.p_value for joint in each.comparisons.values() for one in joint.comparisons.values()]
    adjusted = [p for joint in each.comparisons.values() for p in joint.p_adjusted.values()]
    assert adjusted == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    assert list(each.comparisons) == list(cells)
    said = worded(each).sentence
    assert said.startswith("Against v1: v2 ")
    json.dumps(each.to_dict(), allow_nan=False)


def renamed(cells: Cells, candidate: str) -> Cells:
    """The same with another name for ``v2``."""
    return Cells(tuple(replace(cell, version=candidate) if cell.version == "v2" else cell for cell in cells.cells))
