"""How often advice on savings is wrong, by simulation: a table that must hold.

``python -m tests.perf.savings [--quick]``. A router sends hard tasks to the dear model, so that the cheap one looks
better than it is: 60 tasks of difficulty d, dear with the chance 0.05 + 0.9 d; the cheap model loses most on the
hardest. Exits 1 where a rate breaks its bound.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark_recorder.analysis.savings import MONTH, savings_of
from benchmark_recorder.analysis.savings_results import Savings

TASKS = 60
MARGIN = 0.02


@dataclass(frozen=True)
class History:
    """Runs of a month, and the truth about them.

    Attributes:
        columns: of a scan.
        dear: runs of each task by the dear model.
        loss: of success by the cheap model, by task.
        saved: by the cheap model, USD a run, by task.
    """

    columns: dict[str, Any]
    dear: np.ndarray[Any, Any]
    loss: np.ndarray[Any, Any]
    saved: np.ndarray[Any, Any]


def history(chance: np.random.Generator, *, runs: int, loss: float, saving: float, base: float = 0.99) -> History:
    """Runs of two models; ``loss`` is that on the hardest task, ``saving`` a share of the cost."""
    difficulty = np.linspace(0, 1, TASKS)
    task = chance.integers(0, TASKS, runs)
    dear = chance.random(runs) < 0.05 + 0.9 * difficulty[task]
    lost = loss * np.clip(2 * difficulty - 1, 0, 1)
    success = chance.random(runs) < base - 0.1 * difficulty[task] * (loss > 0) - np.where(dear, 0, lost[task])
    price = 0.01 * (1 + 3 * difficulty)
    cost = price[task] * np.where(dear, 1, 1 - saving) * chance.lognormal(0, 0.4, runs)
    columns = {
        "record_id": np.array([f"{n:032x}" for n in chance.integers(0, 2**63, runs)], object),
        "version": np.full(runs, "v1", object),
        "task_id": np.array([f"t{n:02}" for n in task], object),
        "model": np.where(dear, "large", "small").astype(object),
        "agent_selected": np.full(runs, None, object),
        "success": success,
        "cost": cost,
        "execution_time": chance.lognormal(0, 0.3, runs),
        "error_type": np.array([None if good else "Error" for good in success.tolist()], object),
        "difficulty": difficulty[task],
        "time": np.arange(runs, dtype=np.int64),
    }
    counts = np.bincount(task[dear], minlength=TASKS)
    return History(columns, counts, lost, price * saving * float(np.exp(0.4**2 / 2)))


def asked(found: History) -> Savings:
    return savings_of(found.columns, days=MONTH, quality_margin=MARGIN)


def tally(name: str, histories: int, **settings: Any) -> dict[str, float]:
    """Shares of the histories, and of the suggestions."""
    lists, wrong, held, shown, listed, trials, naive = 0, 0, 0, 0, 0, 0, 0
    for number in range(histories):
        chance = np.random.default_rng([number, *name.encode()])
        made = history(chance, **settings)
        models = [one for one in asked(made).suggestions if one.kind == "model" and one.replaced == "large"]
        lists += 1
        listed += bool(models)
        small = made.columns["model"] == "small"
        success = made.columns["success"]
        naive += success[small].mean() >= success[~small].mean() - MARGIN
        for one in models:
            tasks = [int(task[1:]) for task in one.task_ids]
            weight = made.dear[tasks]
            truth = float(made.loss[tasks] @ weight / weight.sum()) if weight.sum() else 0.0
            trials += one.strength == "try"
            wrong += one.strength == "evidence" and truth > MARGIN
            shown += 1
            interval = one.saving.interval
            assert interval is not None
            true_saving = float(made.saved[tasks] @ made.dear[tasks])
            held += (interval.low or 0) <= true_saving <= (interval.high or np.inf)
    return {
        "listed": listed / lists,
        "evidence, wrong": wrong / lists,
        "to try": trials / lists,
        "saving held": held / shown if shown else float("nan"),
        "raw averages say yes": naive / lists,
    }


def main(arguments: list[str]) -> int:
    histories = 40 if "--quick" in arguments else 2_000
    rows = [
        ("confounded: 10 points worse on the hardest", {"runs": 6_000, "loss": 0.10, "saving": 0.4}, "wrong"),
        ("confounded: 30 points worse on the hardest", {"runs": 20_000, "loss": 0.30, "saving": 0.4}, "wrong"),
        ("as good, 40% cheaper, 6,000 runs", {"runs": 6_000, "loss": 0.0, "saving": 0.4}, "recall"),
        ("as good, as dear", {"runs": 6_000, "loss": 0.0, "saving": 0.0}, "none"),
    ]
    failed = False
    print("| history | listed | wrong with evidence | to try | saving's interval holds | raw averages say yes | |")
    print("|---|---|---|---|---|---|---|")
    for name, settings, bound in rows:
        found = tally(name, histories, **settings)
        holds = found["evidence, wrong"] <= 0.05
        if bound == "recall":
            holds &= found["listed"] >= 0.8
        if bound != "none":
            holds &= found["saving held"] >= 0.93
        failed |= not holds
        shares = " | ".join(f"{100 * share:.1f}%" for share in found.values())
        print(f"| {name} | {shares} | {'holds' if holds else 'MISSED'} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
