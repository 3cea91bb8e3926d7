from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_recorder import analysis
from benchmark_recorder.analysis import Caveat, compare, selftest, summarize_version
from benchmark_recorder.columns import Durations
from benchmark_recorder.reporting.caveat_sentences import SENTENCES
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import cells_of, runs


def said(caveats: tuple[Caveat, ...], code: str) -> str:
    (caveat,) = [caveat for caveat in caveats if caveat.code == code]
    return worded(caveat).sentence


@pytest.mark.parametrize(
    ("n", "sentence"),
    [
        (1, "With 1 run of v the 95th percentile is determined by the longest run alone."),
        (2, "With 2 runs of v the 95th percentile is determined by the longest run alone."),
    ],
)
def test_one_run_is_no_runs(n: int, sentence: str) -> None:
    columns = runs("v", ["t"] * n)
    summary = summarize_version("v", cells_of(columns), Durations.of(columns["execution_time"]))
    assert said(summary.warnings, "p95_is_the_maximum") == sentence


@pytest.mark.parametrize(
    ("costs", "sentence"),
    [
        ([1.0, np.nan, 1.0], "The cost of 1 of 3 runs of v is unknown; it is left out, not taken as free."),
        ([1.0, np.nan, np.nan], "The cost of 2 of 3 runs of v is unknown; they are left out, not taken as free."),
        ([np.nan], "The cost of 1 of 1 run of v is unknown; it is left out, not taken as free."),
    ],
)
def test_an_unknown_cost_is_one_or_many(costs: list[float], sentence: str) -> None:
    summary = summarize_version("v", cells_of(runs("v", ["t"] * len(costs), cost=costs)))
    assert said(summary.warnings, "unknown_costs") == sentence


@pytest.mark.parametrize(
    ("zeros", "words"),
    [
        (1, "1 run of v2 took no time at all; ratios leave it out."),
        (2, "2 runs of v2 took no time at all; ratios leave them out."),
    ],
)
def test_a_run_without_duration_is_one_or_many(zeros: int, words: str) -> None:
    times = [0.0] * zeros + [1.0, 1.1, 1.2]
    cells = cells_of(runs("v1", ["t"] * 3, time=[1, 2, 3]), runs("v2", ["t"] * len(times), time=times))
    assert said(compare(cells, "v1", "v2").warnings, "zero_durations") == words


@pytest.mark.parametrize(
    ("common", "words"), [(1, "only the one common task is compared."), (2, "only the 2 common tasks are compared.")]
)
def test_a_common_task_is_one_or_many(common: int, words: str) -> None:
    tasks = [f"t{i}" for i in range(common) for _ in range(4)]
    cells = cells_of(runs("v1", tasks), runs("v2", [*tasks, "other"]))
    assert said(compare(cells, "v1", "v2").warnings, "different_tasks").endswith(words)


@pytest.mark.parametrize(
    ("single", "words"),
    [
        (1, "1 of 5 runs is of a task that was run once; it is left out."),
        (2, "2 of 6 runs are of tasks that were run once; they are left out."),
    ],
)
def test_a_task_that_was_run_once_is_one_or_many(single: int, words: str) -> None:
    columns: dict[str, Any] = runs("v", ["t"] * 4 + [f"s{i}" for i in range(single)])
    assert said(selftest(columns, "v", splits=2).warnings, "single_runs") == words


def test_no_sentence_counts_one_as_many() -> None:
    """One run a side, of one task: what a first look at the library shows."""
    one = runs("v1", ["t"], cost=[1.0], routed=[True]), runs("v2", ["t"], time=[0.0], success=[False])
    cells = cells_of(*one)
    caveats = [
        caveat
        for metric in ("execution_time", "cost", "failure_rate", "routing_accuracy")
        for caveat in compare(cells, "v1", "v2", metric).warnings
    ]
    for version, columns in zip(("v1", "v2"), one, strict=True):
        caveats += summarize_version(version, cells_of(columns), Durations.of(columns["execution_time"])).warnings
    assert len(caveats) >= 5
    for caveat in caveats:
        sentence = worded(caveat).sentence
        assert not re.search(r"\b1 (runs|tasks|records|commits|hosts)\b", sentence), sentence


def test_every_code_of_the_analysis_has_a_sentence() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(analysis.__path__[0]).glob("*.py")]
    codes = {code for source in sources for code in re.findall(r'Caveat\(\s*"(\w+)"', source)}
    assert len(codes) > 15
    assert codes <= SENTENCES.keys()


def test_a_caveat_of_a_store_keeps_its_own_sentence() -> None:
    caveat = Caveat("several_sources", "There are two.", {"sources": 2})
    assert worded(caveat).to_dict() == caveat.to_dict()


def test_a_version_without_runs_that_match_is_not_said_to_have_none() -> None:
    caveat = Caveat("unknown_version", figures={"version": "v9"})
    assert str(worded(caveat)) == "There are no runs of version v9."
    assert str(worded(caveat, narrowed=True)) == "There are no runs of version v9 that match the query."
