"""Cells by a key against pandas: every store, the same records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from benchmark_recorder.cells import total
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document
from benchmark_recorder.stores.completing import completed
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.testing import make_document
from tests.fakes.google_cloud import google_cloud

if TYPE_CHECKING:
    from benchmark_recorder.stores.base import Store

START = datetime(2025, 12, 1, tzinfo=UTC)
BY = {"model": "model", "metadata.region": "region", "week": "week", "day": "day", "commit": "git_commit"}


def frame_of(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(13)
    moments = pd.to_datetime(START) + pd.to_timedelta(rng.integers(0, 60 * 86_400, count), unit="s")
    weeks = moments - pd.to_timedelta(moments.day_of_week, unit="D")
    return pd.DataFrame(
        {
            "moment": moments,
            "version": rng.choice(["v1", "v2"], count),
            "task_id": rng.choice([f"t{n}" for n in range(9)], count),
            "success": rng.random(count) < 0.8,
            "execution_time": 1e5 + rng.lognormal(0, 1, count),
            "cost_estimated": rng.lognormal(-6, 1, count),
            "model": rng.choice(["a", "b", ""], count),
            "region": rng.choice(["eu", "us"], count),
            "git_commit": rng.choice(["a" * 40, "b" * 40], count),
            "week": weeks.strftime("%Y-%m-%d"),
            "day": moments.strftime("%Y-%m-%d"),
        }
    )


def documents_of(frame: pd.DataFrame) -> list[Document]:
    base = make_document()
    fields = ["version", "task_id", "success", "execution_time", "cost_estimated", "model", "git_commit"]
    return [
        base
        | {name: row[name] for name in fields if row[name] != ""}
        | {
            "record_id": f"{number:032x}",
            "timestamp": row["moment"].isoformat(timespec="microseconds"),
            "metadata": {"region": row["region"]},
        }
        for number, row in enumerate(frame.to_dict("records"))
    ]


def assert_as_pandas_has_it(store: Store, frame: pd.DataFrame) -> None:
    for key, column in BY.items():
        found = completed(store).summarize(Query(versions=("v1", "v2"), by=(key,)))
        keys = ["version", "task_id", "success", column]
        logs = frame.assign(log=np.log(frame["execution_time"]))
        rows = logs.groupby(keys).agg(
            n=("execution_time", "size"),
            mean=("execution_time", "mean"),
            variance=("execution_time", "var"),
            log_mean=("log", "mean"),
            cost=("cost_estimated", "sum"),
            longest=("execution_time", "max"),
        )
        expected: dict[Any, dict[Any, float]] = {label: dict(row) for label, row in rows.iterrows()}
        assert len(found.cells) == len(expected)
        for cell in found.cells:
            (label,) = cell.group
            row = expected[cell.version, cell.task_id, cell.success, label or ""]
            assert cell.n == row["n"]
            assert cell.max_time == row["longest"]
            assert cell.time.mean == pytest.approx(row["mean"], rel=1e-9)
            assert cell.log_time.mean == pytest.approx(row["log_mean"], rel=1e-9)
            assert cell.cost.total == pytest.approx(row["cost"], rel=1e-9)
            if cell.n > 1:
                assert cell.time.variance == pytest.approx(row["variance"], rel=1e-9 if cell.n > 5 else 1e-7)


def test_cells_of_100_000_records_are_those_of_pandas() -> None:
    frame = frame_of(100_000)
    store = MemoryStore()
    store.append(documents_of(frame))
    assert_as_pandas_has_it(store, frame)


@pytest.fixture
def servers(tmp_path: Path, mongodb_uri: str, database: str) -> Iterator[dict[str, Any]]:
    with ExitStack() as ends:
        cloud = ends.enter_context(google_cloud())
        cloud.set_up()
        yield {
            "json_file": ends.enter_context(JSONFileStore(tmp_path / "metrics.json")),
            "mongodb": ends.enter_context(MongoDBStore(mongodb_uri, database=database)),
            "vertex": ends.enter_context(cloud.store(timeout=30.0, deadline=60.0)),
        }


@pytest.mark.parametrize("name", ["json_file", "mongodb", "vertex"])
def test_cells_of_20_000_records_are_those_of_pandas(servers: dict[str, Store], name: str) -> None:
    frame = frame_of(20_000)
    servers[name].append(documents_of(frame), fresh=True)
    assert_as_pandas_has_it(servers[name], frame)


def test_groups_of_cells_add_up_to_the_cells_without_groups() -> None:
    frame = frame_of(2_000)
    store = MemoryStore()
    store.append(documents_of(frame))
    plain, grouped = store.summarize(Query()), store.summarize(Query(by=("model", "week")))
    for version in plain.versions:
        whole, parts = total(plain.of(version)), total(grouped.of(version))
        assert whole is not None
        assert parts is not None
        assert parts.n == whole.n
        assert parts.time.mean == pytest.approx(whole.time.mean, rel=1e-12)
