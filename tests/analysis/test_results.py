from __future__ import annotations

import copy
import json
import math
import pickle
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pytest

from benchmark_recorder.analysis import (
    Estimate,
    Result,
    Summary,
    check_claims,
    check_gate,
    compare,
    compare_all,
    selftest,
    summarize_version,
)
from benchmark_recorder.analysis.results import deferred, defers, fields_as_they_are
from benchmark_recorder.columns import Durations
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.reporting.json import json_text
from benchmark_recorder.reporting.views import SummaryView, worded
from tests.analysis.histories import ASKED, Columns, cells_of, known, runs


@defers("slow")
@dataclass(frozen=True, slots=True)
class Answer(Result):
    quick: int
    slow: dict[str, int]


def answer() -> tuple[Answer, list[int]]:
    """One whose slow field counts how often it was computed."""
    computed: list[int] = []

    def compute() -> dict[str, int]:
        computed.append(1)
        return {"a": 2}

    return Answer(1, deferred(compute)), computed


@pytest.mark.parametrize(
    "look",
    [
        lambda one: one.slow,
        lambda one: one["slow"],
        lambda one: dict(one)["slow"],
        lambda one: one.to_dict()["slow"],
        lambda one: asdict(one)["slow"],
        lambda one: replace(one, quick=3).slow,
        lambda one: copy.copy(one).slow,
        lambda one: copy.deepcopy(one).slow,
        lambda one: pickle.loads(pickle.dumps(one)).slow,
        lambda one: {**one}["slow"],
    ],
    ids=range(10),
)
def test_however_a_field_is_looked_at_it_is_computed_once(look: object) -> None:
    one, computed = answer()
    assert one.quick == 1
    assert computed == []
    assert callable(look)
    assert look(one) == {"a": 2}
    assert look(one) == one.slow
    assert computed == [1]


def test_a_deferred_field_is_none_to_equality_and_repr() -> None:
    one, _ = answer()
    assert one == Answer(1, {"a": 2})
    assert repr(answer()[0]) == repr(Answer(1, {"a": 2}))
    assert one != Answer(1, {"a": 3})
    assert [field.name for field in fields(one)] == list(one) == ["quick", "slow"]


def test_what_fails_to_compute_fails_again() -> None:
    one = Answer(1, deferred(lambda: {"a": 1 // 0}))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            _ = one.slow


def test_fields_as_they_are_compute_nothing_and_share_what_is_computed() -> None:
    one, computed = answer()
    other = Answer(**fields_as_they_are(one))
    assert computed == []
    assert other.slow is one.slow
    assert computed == [1]


def summary() -> Summary:
    times = np.random.default_rng(0).lognormal(size=400)
    return summarize_version("v1", cells_of(runs("v1", ["t"] * 400, time=times, cost=times)), Durations.of(times))


def test_a_summary_is_the_same_before_and_after_its_intervals_were_looked_at() -> None:
    looked_at = summary()
    assert isinstance(looked_at.estimates["p95"], Estimate)
    views: tuple[Callable[[Summary], Summary], ...] = (lambda one: one, SummaryView.from_result)
    for view in views:
        assert view(summary()) == looked_at
        assert looked_at == view(summary())
        assert repr(view(summary())) == repr(view(looked_at))
        assert asdict(view(summary())) == asdict(looked_at)
        assert json.dumps(view(summary()).to_dict()) == json.dumps(looked_at.to_dict())
        assert pickle.loads(pickle.dumps(view(summary()))) == looked_at
        assert str(view(summary())) == str(view(looked_at))


HUGE_AND_TINY = [0.0, 5e-324, 1e-308, 1e-200, 1e-9, 0.5, 1.0, 2.0, 3.0, 1e9, 1e100, 1e200, 1e307, 1.7e308]
POOLS = [HUGE_AND_TINY, [1.0], [0.0], [1e200], [0.3, 0.31, 0.29], HUGE_AND_TINY[2:8], HUGE_AND_TINY[9:]]


def extreme(version: str, chance: random.Random) -> Columns:
    n, values = chance.choice([0, 1, 2, 3, 5, 9, 30]), chance.choice(POOLS)
    success = chance.choice([0, 0.5, 1])
    tasks = chance.choice([["a"], ["a", "b", "c"], [f"t{i}" for i in range(40)]])
    return runs(
        version,
        [chance.choice(tasks) for _ in range(n)],
        time=[chance.choice(values) for _ in range(n)],
        success=[chance.random() < success for _ in range(n)],
        cost=[chance.choice([*values, math.nan]) for _ in range(n)],
        routed=[chance.choice([None, chance.random() < success]) for _ in range(n)],
    )


def unfit(value: Any, path: str = "") -> list[str]:
    """Where a result holds an infinity, or a sentence with one or with NaN."""
    if isinstance(value, str):
        return [path] if any(word in value for word in (" inf", "+inf", "-inf", "nan")) else []
    if isinstance(value, float):
        return [path] if math.isinf(value) else []
    if isinstance(value, tuple | list):
        return [found for i, item in enumerate(value) for found in unfit(item, f"{path}[{i}]")]
    if hasattr(value, "keys"):
        return [found for key in value for found in unfit(value[key], f"{path}.{key}")]
    return []


@pytest.mark.parametrize("seed", range(60))
def test_no_history_makes_an_error_a_warning_or_an_infinity(seed: int) -> None:
    chance = random.Random(seed)
    old, new = extreme("v1", chance), extreme("v2", chance)
    cells = known(old, new)
    margin = chance.choice([None, 1e-300, 0.1, 0.999])
    results = [
        *(compare(cells, "v1", "v2", metric, scope=scope, margin=margin) for metric, scope in ASKED),
        compare_all(cells, "v1", "v2"),
        check_claims(cells, "v1", "v2", GUIDE_CLAIMS),
        check_gate(cells, "v1", "v2"),
        check_gate(cells, "v1", "v2", scope="tasks", policy="literal"),
        summarize_version("v1", cells_of(old), Durations.of(old["execution_time"])),
        selftest(old, "v1", splits=5),
    ]
    for result in results:
        assert unfit(worded(result)) == []
        json.dumps(result.to_dict(), allow_nan=False)


def test_a_renamed_field_keeps_its_key() -> None:
    """In every way that shows keys, so that no program that reads JSON notices."""
    comparison = compare(cells_of(runs("v1", ["a", "a"]), runs("v2", ["a", "a"])), "v1", "v2")
    assert comparison.alternatives
    assert comparison["beside"] is comparison.get("beside") is comparison.alternatives
    assert "alternatives" not in comparison
    assert "alternatives" not in comparison.to_dict()
    shown = {**comparison}, comparison.to_dict(), json.loads(json_text(comparison))
    assert all(answer["beside"].keys() == comparison.alternatives.keys() for answer in shown)
    assert len(comparison) == len(list(comparison)) == len(fields(comparison))
    assert worded(comparison).alternatives == comparison.alternatives
