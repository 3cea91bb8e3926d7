"""How often a quiet series is cut, and how often a step is found: series of 90 points, beside apache-otava.

``python -m tests.perf.changes [--quick]`` prints the table of ``docs/changes.md``, and exits 1 where a rate is
exceeded. apache-otava 0.8.0 looks at the same series, in an environment of its own; where it cannot be installed, its
columns say so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark_recorder.analysis.change_points import Line, SeriesPoint, cut_line
from benchmark_recorder.analysis.metrics import METRICS

POINTS, SERIES, SD = 90, 300, 0.1
PLACE, NEAR = 45, 5
"""Where the step is, and how many points beside it it may be found."""

OTAVA = "apache-otava==0.8.0"
KINDS = {"normal": 0.5, "log-normal means": 0.5, "t3": 1.0, "AR 0.3": 2.0, "5% outliers": 1.5}
"""Quiet series, each with the false alarms that are allowed in 1,000 points."""

STEPS = {1.0: 0.45, 1.5: 0.95, 2.0: 0.98}
"""Steps in standard deviations, each with the part that must be found."""

LOOK = """
import json, sys
from otava.series import AnalysisOptions, Metric, Series
found = []
for values in json.load(sys.stdin):
    n = len(values)
    series = Series("s", None, list(range(n)), {"m": Metric(1, 1.0)}, {"m": values}, {})
    found.append([int(c.index) for c in series.analyze(AnalysisOptions()).change_points["m"]])
print(json.dumps(found))
"""


def quiet(kind: str, n: int) -> NDArray[np.float64]:
    chance = np.random.default_rng([n, list(KINDS).index(kind)])
    match kind:
        case "log-normal means":
            values = np.asarray(np.log(np.exp(chance.normal(0, 0.5, (POINTS, 20))).mean(axis=1)))
        case "t3":
            values = SD * chance.standard_t(3, POINTS)
        case "AR 0.3":
            values = SD * chance.normal(size=POINTS)
            for place in range(1, POINTS):
                values[place] = 0.3 * values[place - 1] + np.sqrt(1 - 0.3**2) * values[place]
        case _:
            values = SD * chance.normal(size=POINTS)
    if kind == "5% outliers":
        away = chance.random(POINTS) < 0.05
        values[away] += chance.choice([-1, 1], away.sum()) * chance.uniform(5, 15, away.sum()) * SD
    return values


def stepped(sd: float, n: int) -> NDArray[np.float64]:
    values: NDArray[np.float64] = SD * np.random.default_rng([n, 99]).normal(size=POINTS)
    values[PLACE:] += sd * SD
    return values


def findings(values: np.ndarray) -> list[int]:
    """The places that a series of logarithms is cut at; a drift counts as one, at its end."""
    series = tuple(SeriesPoint(str(n), n, n, 1, float(np.exp(value))) for n, value in enumerate(values))
    centred = np.round(values - values.mean(), 9)
    return [change.time for change in cut_line(Line(centred, 0.0, series, METRICS["execution_time"]))]


def otava(all_series: list[np.ndarray]) -> list[list[int]] | None:
    """What it finds in the values themselves, with its own settings; ``None`` where it cannot be installed."""
    place = Path(os.environ.get("OTAVA_ENVIRONMENT", Path(tempfile.gettempdir()) / "otava"))
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    if subprocess.run([python, "-m", "pip", "install", "-q", OTAVA], check=False, capture_output=True).returncode:
        return None
    values = json.dumps([np.exp(one).tolist() for one in all_series])
    done = subprocess.run([python, "-c", LOOK], input=values, capture_output=True, text=True, check=True)
    found: list[list[int]] = json.loads(done.stdout)
    return found


def main(options: list[str]) -> int:
    number = 30 if "--quick" in options else SERIES
    failed = 0
    rows: list[tuple[str, list[np.ndarray], float]] = [
        *((kind, [quiet(kind, n) for n in range(number)], most) for kind, most in KINDS.items()),
        *((f"step of {sd:g} sd", [stepped(sd, n) for n in range(number)], least) for sd, least in STEPS.items()),
    ]
    before = time.process_time()
    ours = [[findings(one) for one in own] for _, own, _ in rows]
    seconds = time.process_time() - before
    theirs = otava([one for _, own, _ in rows for one in own])
    print(f"{number} series of {POINTS} points; false alarms in 1,000 points, and the part of the steps that is found")
    print(f"{'series':<20}{'bound':>10}{'ours':>8}{'otava':>8}")
    for place, (name, _, bound) in enumerate(rows):
        beside = None if theirs is None else theirs[place * number : (place + 1) * number]
        sides = [_rate(name, ours[place]), None if beside is None else _rate(name, beside)]
        found, other = sides
        assert found is not None
        if name in KINDS:
            bad = found > bound or (other is not None and found >= other and number == SERIES)
        else:
            bad = found < bound
        sign = "<=" if name in KINDS else ">="
        shown = "not installed" if other is None else f"{other:.2f}"
        print(f"{name:<20}{f'{sign} {bound:g}':>10}{found:>8.2f}{shown:>8}{'  FAILED' if bad else ''}")
        failed |= bad
    print(f"{1000 * seconds / sum(len(own) for _, own, _ in rows):.1f} ms of CPU a series")
    chance = np.random.default_rng(1)
    long = SD * chance.normal(size=2000) + np.repeat([0.0, 0.2, -0.1, 0.1], 500)
    before = time.process_time()
    findings(long)
    seconds = time.process_time() - before
    print(f"2,000 points: {seconds:.2f} s of CPU{'' if seconds <= 1 else '  FAILED: at most 1 s'}")
    return failed | (seconds > 1)


def _rate(name: str, found: list[list[int]]) -> float:
    if name in KINDS:
        return 1000 * sum(map(len, found)) / (POINTS * len(found))
    return sum(any(abs(place - PLACE) <= NEAR for place in own) for own in found) / len(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
