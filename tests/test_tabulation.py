from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark_recorder.cells import Moments
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.queries import Query
from benchmark_recorder.tabulation import fields_of, summarize_columns, tabulate_units
from benchmark_recorder.testing import make_document
from benchmark_recorder.units import MAX_UNITS, unit_of

COUNT = 50_000


@pytest.fixture(scope="module")
def runs() -> dict[str, np.ndarray[Any, Any]]:
    """Runs of some 4,000 users, whose own speed, rate of failures and number of runs differ; some of no user."""
    rng = np.random.default_rng(7)
    user = rng.zipf(1.3, COUNT) % 4000
    speed, failing = rng.normal(0, 0.4, 4000)[user], rng.beta(1, 8, 4000)[user]
    success = rng.random(COUNT) >= failing
    agents = np.array([None, "a", "b"], object)
    metadata = np.empty(COUNT, object)
    metadata[:] = [{"user": int(n)} if n % 50 else {} for n in user]
    return {
        "version": np.array(["v1", "v2"], object)[np.where(rng.random(COUNT) < 0.02, 1 - user % 2, user % 2)],
        "task_id": np.array([f"t{n}" for n in range(500)], object)[rng.integers(0, 500, COUNT)],
        "success": success,
        "execution_time": np.where(rng.random(COUNT) < 0.001, 0, rng.lognormal(1, 0.5, COUNT) * np.exp(speed)),
        "cost": np.where(
            rng.random(COUNT) < 0.2, np.nan, rng.choice([0.0, 0.1, 0.3], COUNT) * rng.lognormal(size=COUNT)
        ),
        "expected_agent": agents[rng.integers(0, 3, COUNT)],
        "agent_selected": agents[rng.integers(0, 3, COUNT)],
        "git_commit": np.full(COUNT, None, object),
        "host": np.array(["alpha", "beta", None], object)[rng.integers(0, 3, COUNT)],
        "time": rng.integers(0, 10**15, COUNT),
        "metadata": metadata,
    }


@pytest.mark.parametrize("by", [(), ("host",)])
def test_units_are_what_two_groupings_by_pandas_make_of_them(runs: dict[str, Any], by: tuple[str, ...]) -> None:
    frame = pd.DataFrame({name: column for name, column in runs.items() if name != "metadata"})
    frame["user"] = [own.get("user") for own in runs["metadata"]]
    left_out = int(frame["user"].isna().sum())
    frame = frame.dropna(subset="user")
    succeeded, known = frame["success"], frame["cost"].notna()
    frame["good_time"] = frame["execution_time"].where(succeeded)
    frame["good_log"] = np.log(frame["execution_time"].where(succeeded & (frame["execution_time"] > 0)))
    frame["log_cost"] = np.log(frame["cost"].where(known & (frame["cost"] > 0)))
    routed = frame["expected_agent"].notna() & frame["agent_selected"].notna()
    frame["right"] = (frame["expected_agent"] == frame["agent_selected"]).astype(float).where(routed)
    arm = ["version", *by]
    units = frame.groupby([*arm, "user"], dropna=False).agg(
        runs=("success", "size"),
        success=("success", "mean"),
        right=("right", "mean"),
        good_time=("good_time", "mean"),
        good_log=("good_log", "mean"),
        cost=("cost", "mean"),
        log_cost=("log_cost", "mean"),
    )
    both = frame.groupby("user")["version"].nunique()
    found = summarize_columns(runs, Query(unit="metadata.user", by=by))
    assert sum(cell.n for cell in found.cells) == len(units)
    assert [note.figures for note in found.caveats] == [{"unit": "metadata.user", "runs": left_out}]
    for cell in found.cells:
        own = units.reset_index()
        own = own[own["version"] == cell.version]
        for key, label in zip(by, cell.group, strict=True):
            own = own[own[key].isna() if label is None else own[key] == label]
        assert (cell.n, cell.task_id, cell.tasks) == (len(own), None, 0)
        assert cell.units is not None
        assert cell.units.runs == own["runs"].sum()
        assert cell.units.shared == (own["user"].map(both) > 1).sum() > 0
        assert cell.max_time == pytest.approx(own["good_time"].max(), rel=1e-12)
        assert cell.max_cost == pytest.approx(own["cost"].max(), rel=1e-12)
        assert_moments(cell.time, own["good_time"])
        assert_moments(cell.log_time, own["good_log"])
        assert_moments(cell.cost, own["cost"])
        assert_moments(cell.log_cost, own["log_cost"])
        assert_moments(cell.units.success_rate, own["success"])
        assert_moments(cell.units.routing_rate, own["right"])


def assert_moments(found: Moments, values: pd.Series[float]) -> None:
    values = values.dropna()
    assert found.n == len(values)
    assert found.mean == pytest.approx(values.mean(), rel=1e-9)
    assert found.variance == pytest.approx(values.var(), rel=1e-9)


def test_each_unit_counts_once_however_many_runs_it_has() -> None:
    keen = [make_document(metadata={"u": "keen"}, execution_time=8.0, success=n > 1) for n in range(8)]
    others = [make_document(metadata={"u": name}, execution_time=2.0, task_description=name) for name in "ab"]
    (cell,) = counted([*keen, *others], unit="metadata.u")
    assert (cell.n, cell.time.mean, cell.max_time) == (3, pytest.approx(4.0), 8.0)
    assert cell.log_time.mean == pytest.approx((math.log(8) + 2 * math.log(2)) / 3)
    assert cell.units.runs == 10
    assert cell.units.success_rate == pytest.approx((3, 2.75 / 3, 0.125 / 3))


def test_a_unit_that_never_succeeded_counts_and_has_no_time() -> None:
    documents = [make_document(metadata={"u": name}, success=name == "a", execution_time=3.0) for name in "abb"]
    (cell,) = counted(documents, unit="metadata.u")
    assert (cell.n, cell.time, cell.units.success_rate.mean) == (2, Moments(1, 3.0, 0.0), 0.5)
    assert cell.cost.n == 2


def test_large_offsets_cost_no_digits() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(1e9, 1e-3, 3000)
    documents = [make_document(metadata={"u": n // 3}, execution_time=float(x)) for n, x in enumerate(values)]
    (cell,) = counted(documents, unit="metadata.u")
    assert cell.time.variance == pytest.approx(float((values.reshape(-1, 3).mean(1) - 1e9).var(ddof=1)), rel=1e-3)


def test_a_unit_in_two_groups_counts_once_in_each() -> None:
    documents = [make_document(metadata={"u": "a"}, model=model) for model in ("m1", "m1", "m2")]
    cells = counted(documents, unit="metadata.u", by=("model",))
    assert [(cell.group, cell.n, cell.units.runs, cell.units.shared) for cell in cells] == [
        (("m1",), 1, 2, 0),
        (("m2",), 1, 1, 0),
    ]


def test_runs_of_no_unit_are_left_out_and_counted() -> None:
    nothing: list[Any] = [{}, {"u": None}, {"u": []}, {"u": {}}, {"u": [1]}]
    documents = [make_document(metadata=own) for own in nothing]
    assert tabulate_units(columns_for(documents, "metadata.u"), "metadata.u") == ([], 5)
    found = summarize_columns(
        columns_for([*documents, make_document(metadata={"u": ""})], "metadata.u"), Query(unit="metadata.u")
    )
    assert [cell.n for cell in found.cells] == [1]
    assert [note.sentence for note in found.caveats] == ["5 runs have no unit by metadata.u and are left out."]
    one = summarize_columns(columns_for(documents[:1], "metadata.u"), Query(unit="metadata.u"))
    assert [note.sentence for note in one.caveats] == ["1 run has no unit by metadata.u and is left out."]


@pytest.mark.parametrize("unit", ["", "metadata.", "metadata", "host", "unit", 7, b"metadata.u", ["metadata.u"]])
def test_a_unit_is_a_key_of_the_metadata(unit: Any) -> None:
    with pytest.raises(InvalidQueryError, match=r"^unit: expected metadata\.<key>, got "):
        Query(unit=unit)


def test_a_million_units_are_the_most() -> None:
    assert MAX_UNITS == 10**6


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, [], {}])
def test_what_cannot_be_counted_is_no_unit(value: Any) -> None:
    assert unit_of({"u": value}, "u") is None


def columns_for(documents: list[dict[str, Any]], unit: str, by: tuple[str, ...] = ()) -> Any:
    from benchmark_recorder.columns import columns_of

    return columns_of(documents, fields_of(Query(unit=unit, by=by)))


def counted(documents: list[dict[str, Any]], unit: str, by: tuple[str, ...] = ()) -> Any:
    return summarize_columns(columns_for(documents, unit, by), Query(unit=unit, by=by)).cells
