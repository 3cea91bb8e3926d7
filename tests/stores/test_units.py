"""Cells of units against pandas: every store, the same records; and what it takes to count them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from benchmark_recorder.cells import Moments
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.stores.replication import store as replication
from benchmark_recorder.testing import assert_same_cells, make_document
from tests.fakes.google_cloud import google_cloud
from tests.stores.remote import Remote, deliver, replicated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store

UNIT = "metadata.user"


def frame_of(count: int, seed: int = 7) -> pd.DataFrame:
    """Runs of users whose speed, rate of failures and number of runs differ; some of no user, some in both versions."""
    rng = np.random.default_rng(seed)
    users = count // 10
    user = rng.zipf(1.3, count) % users
    speed, failing = rng.normal(0, 0.4, users), rng.beta(1, 8, users)
    return pd.DataFrame(
        {
            "user": pd.Series(user).where(rng.random(count) > 0.02),
            "version": np.array(["v1", "v2"])[np.where(rng.random(count) < 0.02, 1 - user % 2, user % 2)],
            "task_id": rng.choice([f"t{n}" for n in range(50)], count),
            "success": rng.random(count) >= failing[user],
            "execution_time": np.where(
                rng.random(count) < 0.001, 0.0, 1e4 * rng.lognormal(1, 0.5, count) * np.exp(speed[user])
            ),
            "cost_estimated": rng.choice([0.0, 0.1, 0.3], count) * rng.lognormal(size=count),
            "expected_agent": rng.choice(["", "a", "b"], count),
            "agent_selected": rng.choice(["", "a", "b"], count),
            "model": rng.choice(["m1", "m2", ""], count),
        }
    )


def documents_of(frame: pd.DataFrame) -> list[Document]:
    base = make_document()
    base.pop("metadata")
    return [
        base
        | {str(name): value for name, value in row.items() if name != "user" and value != ""}
        | {"record_id": f"{number:032x}"}
        | {"metadata": {} if np.isnan(row["user"]) else {"user": f"user {row['user']:.0f}"}}
        | {"agent_selected": row["agent_selected"] or None}
        for number, row in enumerate(frame.to_dict("records"))
    ]


def assert_as_pandas_has_it(store: Store, frame: pd.DataFrame) -> None:
    left_out = int(frame["user"].isna().sum())
    runs = frame.dropna(subset="user")
    good = runs["execution_time"].where(runs["success"])
    cost = runs["cost_estimated"].where(runs["cost_estimated"] > 0)
    routed = (runs["expected_agent"] != "") & (runs["agent_selected"] != "")
    runs = runs.assign(
        good=good,
        log_good=np.log(good.where(good > 0)),
        cost=cost,
        log_cost=np.log(cost),
        right=(runs["expected_agent"] == runs["agent_selected"]).astype(float).where(routed),
    )
    both = runs.groupby("user")["version"].agg("nunique") > 1
    for by in ((), ("model",)):
        units = runs.groupby(["version", "user", *by], as_index=False).agg(
            runs=("success", "size"),
            success=("success", "mean"),
            right=("right", "mean"),
            good=("good", "mean"),
            log_good=("log_good", "mean"),
            cost=("cost", "mean"),
            log_cost=("log_cost", "mean"),
        )
        found = store.summarize(Query(unit=UNIT, by=by))
        assert sum(cell.n for cell in found.cells) == len(units)
        assert [note.figures for note in found.caveats] == [{"unit": UNIT, "runs": left_out}]
        for cell in found.cells:
            own = units[(units["version"] == cell.version)]
            if by:
                own = own[own["model"] == (cell.group[0] or "")]
            assert cell.units is not None
            assert (cell.n, cell.units.runs) == (len(own), own["runs"].sum())
            assert cell.units.shared == own["user"].map(both).sum() > 0
            assert cell.max_time == pytest.approx(own["good"].max(), rel=1e-12)
            assert cell.max_cost == pytest.approx(own["cost"].max(), rel=1e-12)
            assert_moments(cell.time, own["good"])
            assert_moments(cell.log_time, own["log_good"])
            assert_moments(cell.cost, own["cost"])
            assert_moments(cell.log_cost, own["log_cost"])
            assert_moments(cell.units.success_rate, own["success"])
            assert_moments(cell.units.routing_rate, own["right"])


def assert_moments(found: Moments, values: pd.Series[float]) -> None:
    values = values.dropna()
    assert found.n == len(values)
    assert found.mean == pytest.approx(values.mean(), rel=1e-9)
    assert found.variance == pytest.approx(values.var(), rel=1e-9)


def test_units_of_100_000_records_are_those_of_pandas() -> None:
    frame = frame_of(100_000)
    store = MemoryStore()
    store.append(documents_of(frame))
    assert_as_pandas_has_it(store, frame)


@pytest.fixture(params=["json_file", "mongodb", "vertex"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "json_file":
        with JSONFileStore(tmp_path / "metrics.json") as store:
            yield store
    elif request.param == "mongodb":
        uri, database = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("database")
        with MongoDBStore(uri, database=database) as store:
            yield store
    else:
        with google_cloud() as cloud:
            cloud.set_up()
            with cloud.store(timeout=30.0, deadline=60.0) as store:
                yield store


def test_units_of_20_000_records_are_those_of_pandas_and_no_record_is_moved(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = frame_of(20_000)
    store.append(documents_of(frame), fresh=True)
    monkeypatch.setattr(store, "scan", None)
    assert_as_pandas_has_it(store, frame)


def test_a_question_about_units_fetches_records_of_those_alone_that_are_on_both_sides(tmp_path: Path) -> None:
    frame = frame_of(3000)
    history, remote, whole = documents_of(frame), Remote(), MemoryStore()
    whole.append(history)
    with replicated(tmp_path, remote, "off") as both:
        both.append(history[:2990])
        deliver(both)
        both.append(history[2990:])
        fetched = Mock(side_effect=remote.scan)
        remote.summarize = Mock(side_effect=lambda query: whole_of(remote).summarize(query))  # type: ignore[method-assign]
        remote.scan = fetched  # type: ignore[method-assign]
        for by in ((), ("model",)):
            query = Query(unit=UNIT, by=by)
            found, expected = both.summarize(query), whole.summarize(query)
            assert_same_cells(found, expected)
            assert found.caveats == expected.caveats
        asked = [call.args[0].units for call in fetched.call_args_list]
    assert [units.inside for units in asked] == [True, True]
    here = {f"user {user:.0f}" for user in frame["user"][2990:].dropna()}
    assert {value for units in asked for _, value in units.units} == here


def whole_of(remote: Remote) -> MemoryStore:
    """The same records, whose questions are not counted as the remote store's."""
    memory = MemoryStore()
    memory.append(list(remote.documents(Query(runs="all"))))
    return memory


def test_more_units_than_can_be_named_are_counted_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replication, "MOST_NAMED", 3)
    history, whole = documents_of(frame_of(500)), MemoryStore()
    whole.append(history)
    with replicated(tmp_path, Remote(), "off") as both:
        both.append(history[:250])
        deliver(both)
        both.append(history[250:])
        assert_same_cells(both.summarize(Query(unit=UNIT)), whole.summarize(Query(unit=UNIT)))


def test_units_are_counted_from_the_journal_while_the_remote_store_is_down(tmp_path: Path) -> None:
    remote = Remote()
    with replicated(tmp_path, remote, "off") as both:
        both.append([make_document(metadata={"user": "a"}), make_document()])
        remote.is_down = True
        found = both.summarize(Query(unit=UNIT))
    assert [cell.n for cell in found.cells] == [1]
    assert [note.code for note in found.caveats] == ["runs_without_unit", "store_out_of_reach"]
