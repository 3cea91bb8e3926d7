from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from typing import Any

import pytest

from benchmark_recorder import BenchmarkRecorder, ConfigurationError, Experiment, InvalidRecordError, MemoryStore
from benchmark_recorder.queries import Query

VECTORS: dict[str | int, str] = {"alice": "v2.0", "bob": "v2.0", 42: "v1.0", "zoë": "v2.0", "carol": "v1.0"}
"""Those of docs/experiments.md."""


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    return BenchmarkRecorder(store=MemoryStore())


def made(recorder: BenchmarkRecorder, **arguments: Any) -> Experiment:
    return recorder.experiment(**{"name": "router-v2", "control": "v1.0", "treatment": "v2.0", **arguments})


def documents(recorder: BenchmarkRecorder) -> list[dict[str, Any]]:
    return list(recorder.store.documents(Query()))


def test_a_unit_gets_the_version_that_the_documented_rule_says(recorder: BenchmarkRecorder) -> None:
    experiment = made(recorder)
    assert {unit: experiment.assign(unit) for unit in VECTORS} == VECTORS
    for unit in VECTORS:
        share = int(sha256(f"router-v2{unit}".encode()).hexdigest()[-13:], 16) / 16**13
        assert experiment.assign(unit) == ("v2.0" if share < 0.5 else "v1.0")


def test_another_process_gives_the_same_answer() -> None:
    program = (
        "from benchmark_recorder import Experiment\n"
        "e = Experiment(None, 'router-v2', control='v1.0', treatment='v2.0')\n"
        "print(''.join(e.assign(n)[1] for n in range(64)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    own = Experiment(None, "router-v2", control="v1.0", treatment="v2.0")  # type: ignore[arg-type]
    assert done.stdout.strip() == "".join(own.assign(n)[1] for n in range(64))


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_the_weight_is_the_part_of_the_units_that_gets_the_treatment(
    weight: float, recorder: BenchmarkRecorder
) -> None:
    experiment = made(recorder, weight=weight)
    treated = {n for n in range(20_000) if experiment.assign(n) == "v2.0"}
    assert len(treated) / 20_000 == pytest.approx(weight, abs=0.015)
    more = made(recorder, weight=min(0.95, weight + 0.05))
    assert all(more.assign(n) == "v2.0" for n in treated)  # a larger weight moves nobody back


def test_a_run_carries_the_plan_and_the_units_mark_but_not_the_unit(recorder: BenchmarkRecorder) -> None:
    experiment = made(recorder, weight=0.25)
    with experiment.measure("alice@example.org", task="Sort", metadata={"region": "eu", "unit": "mine"}) as run:
        run.cost = 0.01
        assert run.version == experiment.assign("alice@example.org")
    (document,) = documents(recorder)
    assert document["version"] == run.version
    assert document["metadata"] == {
        "region": "eu",
        "experiment": "router-v2",
        "experiment_plan": '["v1.0", "v2.0", 0.25]',
        "unit": sha256(b"router-v2alice@example.org").hexdigest()[:16],
    }
    assert "alice" not in json.dumps(document)


@pytest.mark.parametrize("unit", [None, True, 1.5, "", ["alice"], b"alice"])
def test_what_is_no_unit_is_an_error_to_assign_and_costs_no_run(unit: Any, recorder: BenchmarkRecorder) -> None:
    experiment = made(recorder)
    with pytest.raises(InvalidRecordError, match=r"^unit: "):
        experiment.assign(unit)
    with experiment.measure(unit, task="Sort"):
        pass
    (document,) = documents(recorder)
    assert (document["version"], document["dropped"]) == ("v1.0", ["unit"])
    assert "experiment" not in document.get("metadata", {})


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        *(({"weight": weight}, "weight") for weight in (0, 1, -0.1, 1.5, "half", True, float("nan"))),
        *(({"name": name}, "name") for name in ("", " ", None, 7, "x" * 201)),
        ({"control": ""}, "control"),
        ({"treatment": None}, "treatment"),
        ({"treatment": "v1.0"}, "treatment"),
    ],
)
def test_a_wrong_plan_is_an_error_that_names_the_argument(
    arguments: dict[str, Any], field: str, recorder: BenchmarkRecorder
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{field}: "):
        made(recorder, **arguments)
