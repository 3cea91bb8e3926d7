from __future__ import annotations

import asyncio
import copy
import json
import pickle
from typing import Any

import pyarrow as pa
import pytest

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.harness import VirtualClock, run_load
from benchmark_recorder.reporting.json import json_text
from benchmark_recorder.stores.memory import MemoryStore
from tests.harness.queues import TASK
from tests.hostile import HOSTILE
from tests.reporting.test_outputs import check_log, check_markdown
from tests.reporting.test_views import Reader


class Failing:
    """Every other task fails with an error of a given name."""

    def __init__(self, version: str, error: str) -> None:
        self.version, self.error = version, error
        self.n = 0

    async def execute_task(self, _: object) -> dict[str, Any]:
        await asyncio.sleep(1)
        self.n += 1
        return {"success": self.n % 2 == 0, "error_type": self.error, "cost": 0.01}


def loaded(text: str = "v1", **settings: Any) -> Any:
    settings = {"steps": [1, 2], "duration": 40, "turns": 2, "clock": VirtualClock(), **settings}
    versions = [Failing(text, text), Failing(f"{text[:4000]}2", "Boom")]
    return run_load(versions, [TASK], recorder=BenchmarkRecorder(store=MemoryStore()), **settings)


def test_a_load_prints_in_80_columns_with_all_its_parts() -> None:
    text = str(loaded(max_cost=100.0))
    assert max(map(len, text.splitlines())) <= 80
    headings = ("Response", "Load", "Service, and the generator's own error", "Changes", "Knee", "Failures")
    for heading in headings:
        assert f"\n{heading}\n" in text
    assert "1, 2 runs a second (poisson), each for 40 s in 2 turns of a version" in " ".join(text.split())


def test_a_load_without_runs_says_so() -> None:
    nothing = loaded(steps=[1], duration=2, turns=2, pacing="even", warm_up=0)
    assert "No run ended." in str(nothing)
    assert nothing.render("markdown").count("|") == 0


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_shown_and_never_obeyed(text: str) -> None:
    result = loaded(text)
    check_log(str(result))
    check_markdown(result.render("markdown"))
    seen = Reader(result._repr_html_())
    assert seen.text.replace("\n", "").isprintable()
    assert "<script" not in result.render("html")
    assert json.loads(json_text(result))["versions"] == json.loads(json_text(result.versions))
    assert result.versions[0] in result.to_pandas()["version"].tolist() or "\ud800" in text


def test_its_table_has_a_row_for_each_figure_of_each_step() -> None:
    result = loaded()
    rows = pa.table(result).to_pylist()
    assert len(rows) == 2 * 2 * 2 * 5
    assert [row["value"] for row in rows] == result.to_pandas()["value"].tolist()
    assert {row["figure"] for row in rows} >= {"response.p95", "service.mean"}


def test_it_is_a_result_like_any_other() -> None:
    result = loaded()
    assert copy.deepcopy(result) == pickle.loads(pickle.dumps(result)) == result
    assert result["steps"] == result.steps
    assert result.to_dict().keys() == dict(result).keys()
