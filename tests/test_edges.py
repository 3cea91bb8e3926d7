"""Histories that leave hardly anything to say: each question has an answer with its reason, in every form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
import pytest

from benchmark_recorder import BenchmarkRecorder, InvalidQueryError
from benchmark_recorder.analysis import METRICS, check_gate, compare_all
from benchmark_recorder.analysis.run_plans import DECISIONS
from benchmark_recorder.reporting import FORMATS
from benchmark_recorder.stores.memory import MemoryStore
from tests.analysis.histories import known, runs

Run = tuple[str, str, float, bool, float | None]
"""Version, task, duration, success and cost."""


def grid(
    tasks: int, repeats: int, run: Callable[[str, int, int], tuple[float, bool, float | None]], offset: int = 0
) -> list[Run]:
    """Both versions' runs; the candidate's tasks are shifted by an offset."""
    return [
        (version, f"task {task + offset * (version == 'v2')}", *run(version, task, repeat))
        for version in ("v1", "v2")
        for repeat in range(repeats)
        for task in range(tasks)
    ]


_CHANCE = np.random.default_rng(4).lognormal(0, 0.3, (2, 60, 20)).tolist()


def usual(version: str, task: int, repeat: int) -> tuple[float, bool, float | None]:
    value = _CHANCE[version == "v2"][task][repeat]
    return value, (task + repeat) % 7 != 0, value / 1000


DESIGNS: Final[dict[str, list[Run]]] = {
    "no runs": [],
    "one run in all": [("v1", "task 0", 1.0, True, 0.1)],
    "one task, one run": grid(1, 1, usual),
    "one task": grid(1, 8, usual),
    "one run a task": grid(8, 1, usual),
    "no common task": grid(4, 5, usual, offset=10),
    "no variance": grid(4, 5, lambda v, t, _: (1.0 + t, True, 0.5)),
    "no variance, and a change": grid(4, 5, lambda v, t, _: (1.0 + t + (v == "v2"), True, 0.5 + (v == "v2"))),
    "all fail": grid(4, 5, lambda v, t, r: (*usual(v, t, r)[:1], False, 0.1)),
    "the candidate always fails": grid(4, 5, lambda v, t, r: (usual(v, t, r)[0], v == "v1", 0.1)),
    "the baseline always fails": grid(4, 5, lambda v, t, r: (usual(v, t, r)[0], v == "v2", 0.1)),
    "all for nothing": grid(4, 5, lambda v, t, r: (*usual(v, t, r)[:2], 0.0)),
    "no cost is known": grid(4, 5, lambda v, t, r: (*usual(v, t, r)[:2], None)),
    "from free to paid": grid(4, 5, lambda v, t, r: (*usual(v, t, r)[:2], 0.0 if v == "v1" else 0.1)),
    "from paid to free": grid(4, 5, lambda v, t, r: (*usual(v, t, r)[:2], 0.1 if v == "v1" else 0.0)),
    "no time at all": grid(4, 5, lambda v, t, r: (0.0, True, 0.1)),
    "no time at all any more": grid(4, 5, lambda v, t, r: (1.0 if v == "v1" else 0.0, True, 0.1)),
}


def questions(recorder: BenchmarkRecorder, v1: str, v2: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each public question about two versions, by name."""
    for metric in METRICS:
        for scope in ("suite", "tasks"):
            yield f"{metric}, {scope}", partial(recorder.compare_versions, v1, v2, metric, scope=scope)
    for method in ("log", "rank"):
        yield method, partial(recorder.compare_versions, v1, v2, method=method)
    yield "by", partial(recorder.compare_versions, v1, v2, by="agent")
    yield "all", partial(recorder.compare_all, v1, v2)
    yield "each", partial(recorder.compare_each, v1, [v2])
    margins = {"p95": 0.1, "time.mean": 0.1, "routing": 0.02}
    yield "gate", partial(recorder.check_gate, v1, v2, margins=margins)
    yield "guide", partial(recorder.check_gate, v1, v2, policy="guide")
    yield "window", partial(recorder.check_gate, v1, v2, baseline_days=7)
    claims = ["time 30% lower", "failures 50% lower", "cost within 1%", "routing 25% higher", "p95 10% lower"]
    yield "claims", partial(recorder.check_claims, v1, v2, claims)
    for metric in ("time", "failures", "cost", "routing"):
        for decision in DECISIONS:
            plan = partial(recorder.plan_runs, v1, v2, metric, effect=0.2, decision=decision)
            yield f"plan, {metric}, {decision}", plan
    for version in dict.fromkeys((v1, v2)):
        yield f"show {version}", partial(recorder.get_historical_metrics, version)
        yield f"selftest {version}", partial(recorder.selftest, version, splits=20)


ODD: Final = re.compile(r"\b(?:nan|NaN|inf|None)\b|(?<![\w.,])-0(?:\.0+)?(?![\w.,]*[1-9])(?!\d|\.\d)")


def never(constant: str) -> None:
    raise AssertionError(constant)


ALONE: Final = ("no runs", "one task", "no variance", "all fail", "no time at all")


@pytest.mark.parametrize(
    ("name", "v1", "v2"), [*((name, "v1", "v2") for name in DESIGNS), *((name, "v1", "v1") for name in ALONE)]
)
def test_every_question_has_a_clear_answer(name: str, v1: str, v2: str) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for version, task, duration, success, cost in DESIGNS[name]:
        recorder.record_execution(task, duration, success, version, cost=cost)
    for asked, question in questions(recorder, v1, v2):
        answer: Any = None
        refusal = None
        try:
            answer = question()
        except InvalidQueryError as error:
            refusal = str(error)
        if refusal is not None:
            assert re.match(r"\w+: ", refusal), (asked, refusal)  # names the argument
            continue
        text = str(answer)
        assert not ODD.search(text), (asked, text)
        said = json.dumps(answer.to_dict(), allow_nan=False)
        assert "-0.0," not in said, (asked, said)
    for form in FORMATS:
        text = recorder.generate_report([*dict.fromkeys((v1, v2))], form)
        if form == "json":
            json.loads(text, parse_constant=never)
        elif form != "html":  # whose pictures have coordinates
            assert not ODD.search(text), (form, text)


def test_a_hundred_thousand_tasks_have_a_clear_answer() -> None:
    rng, tasks = np.random.default_rng(5), [f"task {n}" for n in range(100_000)]
    cells = known(*(runs(v, tasks, time=rng.lognormal(0, 0.3, len(tasks))) for v in ("v1", "v2")))
    found = compare_all(cells, "v1", "v2", method="auto")
    assert found.comparisons["execution_time"].matched_tasks == 100_000
    assert found.comparisons["execution_time"].verdict == "equivalent"
    assert check_gate(cells, "v1", "v2").state == "pass"
