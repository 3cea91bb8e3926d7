"""However many tasks two versions have in common, all of them count: the oracle is the same run without a cap."""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from benchmark_recorder import matching
from benchmark_recorder.analysis import Claim, check_claims, check_gate, compare, compare_all, compare_slices
from benchmark_recorder.cells import Cell, Cells, Moments, collect
from benchmark_recorder.matching import BeyondTasks

PAIR = ("v1", "v2")
METRICS = ("execution_time", "success_rate", "failure_rate", "cost", "routing_accuracy")
KINDS = ("repeated", "single", "fixed", "mixed")


def cells_of(kind: str, tasks: int = 60, group: tuple[str | None, ...] = ()) -> list[Cell]:
    """Cells of both versions: each task repeated, run once, always the same, or all of these; two tasks unmatched."""
    rng = random.Random(kind)
    cells = []
    for number in range(tasks):
        how = rng.choice(["repeated", "single", "fixed"]) if kind == "mixed" else kind
        size = rng.lognormvariate(0, 1)
        for version, factor in zip(PAIR, (1.0, 0.9), strict=True):
            n = 1 if how == "single" else rng.randint(2, 6)
            times = [size * factor * (1 if how == "fixed" else rng.lognormvariate(0, 0.2)) for _ in range(n)]
            good = [how == "fixed" or rng.random() < 0.8 for _ in times]
            if (number, version) != (0, "v1") and (number, version) != (1, "v2"):
                cells += [
                    replace(cell_of(version, f"t{number:06}", success, own, rng), group=group)
                    for success in (False, True)
                    if (own := [time for time, is_good in zip(times, good, strict=True) if is_good == success])
                ]
    return cells


def cell_of(version: str, task: str, success: bool, times: list[float], rng: random.Random) -> Cell:
    costs = [time / 100 for time in times[: rng.randint(0, 9)]]
    routed = rng.randint(0, len(times))
    time, log_time, cost, log_cost = map(moments_of, (times, map(math.log, times), costs, map(math.log, costs)))
    return Cell(
        version=version,
        task_id=task,
        success=success,
        n=len(times),
        time=time,
        log_time=log_time,
        max_time=max(times),
        cost=cost,
        log_cost=log_cost,
        max_cost=max(costs, default=0.0),
        routed=routed,
        routed_right=rng.randint(0, routed),
        git_commit=None,
        host=None,
        first=0,
        last=1,
    )


def moments_of(values: Any) -> Moments:
    return Moments.together(Moments(1, value, 0.0) for value in values)


@cache
def answers(kind: str, most: int) -> Cells:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "MAX_MATCHED_TASKS", most)
        return collect(cells_of(kind), PAIR)


def assert_alike(found: Any, expected: Any, where: str = "") -> None:
    """The same but for what ends at the cap: rows of single tasks, and the warning that says so."""
    if dataclasses.is_dataclass(found):
        assert type(found) is type(expected), where
        for field in dataclasses.fields(found):
            value = getattr(found, field.name)
            if field.name != "tasks" or not isinstance(value, tuple):
                assert_alike(value, getattr(expected, field.name), f"{where}.{field.name}")
    elif isinstance(found, dict):
        assert found.keys() == expected.keys(), where
        for name in found:
            assert_alike(found[name], expected[name], f"{where}.{name}")
    elif isinstance(found, tuple):
        found = [one for one in found if getattr(one, "code", None) != "tasks_not_listed"]
        assert len(found) == len(expected), (where, found, expected)
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other, where)
    elif isinstance(found, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True), where
    else:
        assert found == expected, where


@pytest.mark.parametrize("most", [0, 10])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", ["suite", "tasks"])
def test_the_cap_changes_no_figure_of_a_comparison_a_gate_or_a_claim(kind: str, scope: str, most: int) -> None:
    capped, lifted = answers(kind, most), answers(kind, 10_000)
    assert capped.beyond is not None
    assert lifted.beyond is None
    for metric in METRICS:
        found = compare(capped, *PAIR, metric, scope=scope)
        assert_alike(found, compare(lifted, *PAIR, metric, scope=scope), metric)
        assert len(found.tasks) == sum(row.task_id in capped.by_task("v1") for row in found.tasks) <= most
    assert_alike(compare_all(capped, *PAIR, scope=scope), compare_all(lifted, *PAIR, scope=scope))
    assert_alike(check_gate(capped, *PAIR, scope=scope), check_gate(lifted, *PAIR, scope=scope))
    claims = [Claim(metric, at_least=5.0) for metric in METRICS]
    assert_alike(check_claims(capped, *PAIR, claims, scope=scope), check_claims(lifted, *PAIR, claims, scope=scope))


def test_a_slice_has_its_own_tasks_beyond_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [
        *cells_of("mixed", group=("a",)),
        *cells_of("repeated", 40, group=("b",)),
        *cells_of("single", 5, group=("c",)),
    ]
    lifted = compare_slices(collect(cells, PAIR), *PAIR, by="model")
    monkeypatch.setattr(matching, "MAX_MATCHED_TASKS", 7)
    found = collect(cells, PAIR)
    assert_alike(compare_slices(found, *PAIR, by="model"), lifted)
    assert found.within(("no such group",)).beyond is None


def test_a_comparison_says_where_the_list_of_its_tasks_ends() -> None:
    (caveat,) = (c for c in compare(answers("repeated", 10), *PAIR).warnings if c.code == "tasks_not_listed")
    assert caveat.figures == {"listed": 10, "tasks": 57}  # of 58: one ran once in a version, and is left out
    assert not [c for c in compare(answers("repeated", 58), *PAIR).warnings if c.code == "tasks_not_listed"]


def test_tasks_without_ids_give_back_the_numbers_they_were_made_from() -> None:
    labels = [("v1", "b", True, ()), ("v2", "a", False, ()), ("v2", "b", True, ())]
    numbers = {name: [place + 1, place + 2, place + 3] for place, name in enumerate(matching.NUMBERS)}
    found = BeyondTasks.of(iter(labels), numbers)
    assert found.tasks == 2
    assert [(row.task, row.success, row.n) for row in found.rows("v1")] == [(0, True, 1)]
    assert [(row.task, row.success, row.n) for row in found.rows("v2")] == [(1, False, 2), (0, True, 3)]
    assert [row.cost for row in found.rows("v2")] == [Moments(6, 7, 8), Moments(7, 8, 9)]
    assert [row.routed_right for row in found.rows("v2")] == [13, 14]
    assert list(found.rows("v3")) == []
