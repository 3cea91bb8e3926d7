from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from benchmark_recorder.analysis import (
    METRICS,
    SCOPES,
    check_claims,
    check_gate,
    compare,
    compare_all,
    selftest,
    summarize_version,
)
from benchmark_recorder.columns import Durations
from tests.analysis.histories import Columns, cells_of, runs

HUGE_AND_TINY = [0.0, 5e-324, 1e-308, 1e-200, 1e-9, 0.5, 1.0, 2.0, 3.0, 1e9, 1e100, 1e200, 1e307, 1.7e308]
POOLS = [HUGE_AND_TINY, [1.0], [0.0], [1e200], [0.3, 0.31, 0.29], HUGE_AND_TINY[2:8], HUGE_AND_TINY[9:]]


def history(version: str, chance: random.Random) -> Columns:
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
    old, new = history("v1", chance), history("v2", chance)
    cells = cells_of(old, new)
    margin = chance.choice([None, 1e-300, 0.1, 0.999])
    results = [
        *(compare(cells, "v1", "v2", metric, scope=scope, margin=margin) for metric in METRICS for scope in SCOPES),
        compare_all(cells, "v1", "v2"),
        check_claims(cells, "v1", "v2"),
        check_gate(cells, "v1", "v2"),
        check_gate(cells, "v1", "v2", scope="tasks", policy="literal"),
        summarize_version("v1", cells_of(old), Durations.of(old["execution_time"])),
        selftest(old, "v1", splits=5),
    ]
    for result in results:
        assert unfit(result) == []
        json.dumps(result.to_dict(), allow_nan=False)
