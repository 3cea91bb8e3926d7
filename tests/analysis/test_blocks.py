from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from benchmark_recorder.analysis.blocks import USUAL, between, blocks_of, by_task, spread_between
from benchmark_recorder.analysis.evidence import Extra
from benchmark_recorder.analysis.metrics import log_time_of_successes
from benchmark_recorder.cells import Cell, Cells, tabulate
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.grouping import groups_of
from benchmark_recorder.history import History
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.memory import MemoryStore
from tests.analysis.histories import runs, task_names, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HOUR, DAY = 3_600_000_000, 24 * 3_600_000_000
TASKS = task_names(4, 2)


def at(version: str, moments: list[int], host: str = "here", time: NDArray[np.float64] | None = None) -> list[Cell]:
    """A version's runs of four tasks, twice each, at each of these moments, by hour and host."""
    n = len(TASKS) * len(moments)
    own = runs(version, TASKS * len(moments), time=np.ones(n) if time is None else time)
    own |= {"time": np.repeat(np.array(moments, np.int64), len(TASKS)), "host": texts([host] * n)}
    return tabulate(own, groups_of(("hour", "host"), own))


def blocks(*cells: list[Cell]) -> list[tuple[Cell, ...]]:
    return blocks_of(Cells(tuple(cell for own in cells for cell in own)), automatic=True)


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([0], 1),
        ([0, 3 * HOUR], 1),
        ([0, 3 * HOUR + 1], 2),
        ([0, 2 * HOUR, 4 * HOUR, 6 * HOUR], 1),
        ([n * HOUR for n in range(24)], 1),
        ([n * HOUR for n in range(25)], 2),
        ([n * HOUR for n in range(72)], 3),
        ([0, DAY, 2 * DAY], 3),
    ],
)
def test_a_block_ends_with_a_gap_of_over_three_hours_or_after_a_day(moments: list[int], expected: int) -> None:
    assert len(blocks(at("v1", moments))) == expected


@pytest.mark.parametrize("seed", range(5))
def test_a_store_that_tells_blocks_apart_finds_those_that_hours_are_put_together_to(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = runs("v1", task_names(300, 1), time=rng.lognormal(size=300))
    columns["time"] = rng.permutation(np.cumsum(rng.choice([1, 60, 179, 180, 181, 600], 300)) * 60_000_000)
    columns["host"] = rng.choice(texts(["here", "there", None]), 300)

    def found(keys: tuple[str, ...], *, automatic: bool) -> list[tuple[int, int, int]]:
        own = blocks_of(Cells(tuple(tabulate(columns, groups_of(keys, columns)))), automatic=automatic)
        return sorted((min(c.first for c in b), max(c.last for c in b), sum(c.n for c in b)) for b in own)

    assert len(found(("block",), automatic=False)) > 10
    assert found(("block",), automatic=False) == found(("hour", "host"), automatic=True)


def test_each_host_has_blocks_of_its_own_and_both_versions_can_be_in_one() -> None:
    found = blocks(at("v1", [0]), at("v2", [HOUR]), at("v2", [0], host="there"))
    assert sorted(sorted({cell.version for cell in own}) for own in found) == [["v1", "v2"], ["v2"]]


def test_versions_that_share_their_blocks_equally_have_nothing_between() -> None:
    days = [0, DAY, 2 * DAY]
    assert between(blocks(at("v1", days), at("v2", days)), "v1", "v2") is None


@pytest.mark.parametrize(
    ("left", "right", "contrast"),
    [([0], [DAY], 2.0), ([0, DAY], [2 * DAY], 1.5), ([0, DAY], [DAY, 2 * DAY], 0.5), ([0, DAY], [DAY], 0.5)],
)
def test_the_variance_is_that_of_the_shares_difference(left: list[int], right: list[int], contrast: float) -> None:
    found = between(blocks(at("v1", left), at("v2", right)), "v1", "v2")
    assert found is not None
    assert (found.sd, found.assumed) == (USUAL, True)
    assert found.extra.variance == pytest.approx(contrast * USUAL**2, rel=1e-12)
    known = between(blocks(at("v1", left), at("v2", right)), "v1", "v2", 0.05)
    assert known is not None
    assert known.extra.variance == pytest.approx(contrast * 0.05**2, rel=1e-12)


def spread_of(found: Sequence[Sequence[Cell]]) -> Extra | None:
    versions = sorted({cell.version for own in found for cell in own})
    return spread_between([[by_task(own, name, log_time_of_successes) for own in found] for name in versions])


def test_the_spread_between_blocks_is_that_of_an_analysis_of_variance() -> None:
    rng = np.random.default_rng(3)
    days = [DAY * n for n in range(6)]
    task = np.tile(np.repeat(np.arange(4), 2), 6)
    day = np.repeat(np.arange(6), 8)
    log = rng.normal(0, 0.3, 48) + rng.normal(0, 0.2, 6)[day] + task
    found = spread_of(blocks(at("v1", days, time=np.exp(log))))
    table = anova_lm(ols("log ~ C(task) + C(day)", pd.DataFrame({"log": log, "task": task, "day": day})).fit())
    assert found is not None
    assert found.freedom == 5
    assert found.variance == pytest.approx(table.loc["C(day)", "mean_sq"] / 8, rel=1e-9)


def test_too_few_blocks_show_no_spread_and_all_versions_count() -> None:
    assert spread_of(blocks(at("v1", [0, DAY, 2 * DAY, 3 * DAY]))) is None
    rng = np.random.default_rng(0)
    sides = [at(name, [0, DAY, 2 * DAY], time=rng.lognormal(size=24)) for name in ("v1", "v2")]
    found = spread_of(blocks(*sides))
    assert found is not None
    assert found.freedom == 4


# From a store ---------------------------------------------------------------------------------------------------------


def history(*sides: tuple[str, int, float], days_sd: float = 0.0, seed: int = 0, clock: str | None = None) -> History:
    """Runs of 13 tasks, five times each, by version, day and factor."""
    rng = np.random.default_rng(seed)
    documents: list[dict[str, Any]] = []
    shared = rng.normal(0, days_sd, 40)
    for name, day, factor in sides:
        for run in range(65):
            duration = (1 + run % 13) * factor * float(np.exp(rng.normal(0, 0.2) + shared[day]))
            documents.append(
                {
                    "record_id": f"{len(documents):032x}",
                    "timestamp": f"2026-03-{day + 1:02}T10:{run // 60:02}:{run % 60:02}+00:00",
                    "version": name,
                    "task_id": f"task {run % 13}",
                    "task_description": f"task {run % 13}",
                    "execution_time": duration,
                    "success": True,
                    "cost_estimated": 1.0,
                    "host": "here",
                    "metadata": {} if clock is None else {"clock": clock},
                }
            )
    store = MemoryStore()
    store.append(documents)
    return History(store)


def test_a_version_on_a_day_of_its_own_is_compared_with_the_usual_spread_between_days() -> None:
    asked = history(("v1", 0, 1.0), ("v2", 1, 1.3))
    found, without = asked.compare_versions("v1", "v2"), asked.compare_versions("v1", "v2", blocks=None)
    assert (found.verdict, without.verdict) == ("inconclusive", "regressed")
    assert found.effect == without.effect
    (caveat,) = [caveat for caveat in found.warnings if caveat.code == "block_sd_assumed"]
    assert "standard deviation of 20.0%" in caveat.sentence
    assert asked.compare_versions("v1", "v2", block_sd=0.01).verdict == "regressed"
    assert asked.check_gate("v1", "v2").state == "inconclusive"
    assert asked.check_gate("v1", "v2", blocks=None).state == "block"
    claim = ["time 10% lower"]
    assert asked.check_claims("v1", "v2", claim).results[0].status == "NOT SHOWN"
    assert asked.check_claims("v1", "v2", claim, blocks=None).results[0].status == "REFUTED"


def test_three_times_slower_is_found_whatever_the_day() -> None:
    assert history(("v1", 0, 1.0), ("v2", 1, 3.0)).check_gate("v1", "v2").state == "block"


def test_shared_days_are_compared_within() -> None:
    sides = [(name, day, factor) for day in range(3) for name, factor in (("v1", 1.0), ("v2", 1.3))]
    found = history(*sides, days_sd=0.2).compare_versions("v1", "v2")
    assert found.verdict == "regressed"
    assert not {"block_sd_assumed", "blocks_differ"} & {caveat.code for caveat in found.warnings}


def test_a_long_history_of_the_baseline_is_set_aside_for_the_day_that_both_ran_on() -> None:
    asked = history(*(("v1", day, 1.0) for day in range(20)), ("v2", 19, 1.2), days_sd=0.3)
    found = asked.compare_versions("v1", "v2")
    alone = asked.compare_versions("v1", "v2", since="2026-03-20T00:00:00+00:00")
    assert found.effect == pytest.approx(alone.effect, rel=1e-12)
    assert found.verdict == "regressed"


def test_other_versions_show_how_much_days_differ() -> None:
    days = [("v0", day, 1.0) for day in range(10)]
    found = history(*days, ("v1", 20, 1.0), ("v2", 21, 1.3)).compare_versions("v1", "v2")
    (caveat,) = [caveat for caveat in found.warnings if caveat.code == "blocks_differ"]
    assert caveat.figures["sd"] < 0.1
    assert found.verdict == "regressed"


def test_virtual_time_has_no_blocks() -> None:
    sides = (("v1", 0, 1.0), ("v2", 1, 1.3))
    assert history(*sides, clock="virtual").compare_versions("v1", "v2").verdict == "regressed"
    assert history(*sides, clock="real").compare_versions("v1", "v2").verdict == "inconclusive"


class AskedStore(MemoryStore):
    """Remembers what groups it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []

    def summarize(self, query: Query) -> Cells:
        self.asked.append(query.by)
        return super().summarize(query)


def test_one_session_on_one_host_is_not_asked_for_blocks() -> None:
    for day in (0, 1):
        store = AskedStore()
        store.append(list(history(("v1", 0, 1.0), ("v2", day, 3.0)).store.documents(Query())))
        History(store).compare_versions("v1", "v2")
        assert (("block",) in store.asked) is bool(day)


def test_blocks_of_a_key_are_its_values() -> None:
    asked = history(("v1", 0, 1.0), ("v2", 1, 1.3))
    assert asked.compare_versions("v1", "v2", blocks="host").verdict == "regressed"
    assert asked.compare_versions("v1", "v2", blocks="day").verdict == "inconclusive"


@pytest.mark.parametrize(("name", "value"), [("blocks", "weekday"), ("blocks", 3), ("block_sd", -1), ("block_sd", "a")])
def test_a_wrong_argument_is_named(name: str, value: object) -> None:
    asked = history(("v1", 0, 1.0), ("v2", 1, 1.0))
    for question in ("compare_versions", "compare_all", "check_gate"):
        with pytest.raises(InvalidQueryError, match=f"^{name}: expected"):
            getattr(asked, question)("v1", "v2", **{name: value})


def test_days_that_differ_seldom_make_a_difference() -> None:
    found = [
        history(("v1", 0, 1.0), ("v2", 1, 1.0), days_sd=0.2, seed=seed).compare_versions("v1", "v2").verdict
        for seed in range(100)
    ]
    # 5% or so, and 70% without blocks.
    wrong = sum(verdict in {"improved", "regressed"} for verdict in found)
    assert wrong <= stats.binom(100, 0.06).ppf(0.999)
