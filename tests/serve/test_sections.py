from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import BenchmarkRecorder, History, InvalidQueryError, MemoryStore, MongoDBStore
from benchmark_recorder.serve.board import Board
from benchmark_recorder.serve.hours import HEIGHT, HOUR, HOURS, bars_of, hours_of
from benchmark_recorder.serve.sections import MOST_RUNS, MOST_VERSIONS, View
from benchmark_recorder.testing import make_document
from examples.sqlite_store import SQLiteStore
from tests.runs import record_runs
from tests.serve.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def shown(history: History, by: str = "", last_days: float = 7.0) -> dict[str, str]:
    board = Board(history, View((), last_days, by))
    board.refresh()
    return board.shown()


def test_a_view_is_what_an_address_says() -> None:
    assert View.of(["v1", "v2"], "3.5", "metadata.region") == View(("v1", "v2"), 3.5, "metadata.region")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(([], "x", ""), "last_days"), (([], "0", ""), "last_days"), (([], "1e9", ""), "last_days"), (([], 7, "x"), "by")],
)
def test_a_view_names_what_is_wrong(arguments: tuple[list[str], str, str], named: str) -> None:
    with pytest.raises(InvalidQueryError, match=named):
        View.of(*arguments)


@pytest.mark.parametrize("make", [lambda _: MemoryStore(), lambda folder: SQLiteStore(folder / "runs.sqlite")])
def test_every_store_has_every_section(make: Callable[[Path], MemoryStore], tmp_path: Path) -> None:
    recorder = BenchmarkRecorder(store=make(tmp_path))
    record_runs(recorder, tasks=3, metadata={"region": "eu"})
    sections = shown(recorder, by="metadata.region")
    assert sections["trouble"] == ""
    assert "v2.0</bdi> against <bdi>v1.0" in sections["verdict"]
    assert "<svg" in sections["hours"]
    assert "eu" in sections["slices"]
    assert sections["runs"].count("<tr>") == MOST_RUNS + 1
    assert "task-02" in sections["runs"]


def test_a_server_has_every_section(mongodb_uri: str, database: str, tmp_path: Path) -> None:
    with MongoDBStore(mongodb_uri, database=database) as store:
        store.append([make_document(task_description="a task on a server", version="v1") for _ in range(3)])
    url = mongodb_uri.replace("/?", f"/{database}?")
    with Served(tmp_path, url, "--last-days", "10000", "--journal", str(tmp_path / "journal.json")) as server:
        assert "a task on a server" in server.ask("/", Cookie=server.cookie).body


def test_of_very_many_versions_the_newest_are_listed_and_the_others_counted() -> None:
    store = MemoryStore()
    store.append([make_document(version=f"v{number:05}") for number in range(10_000)])
    sections = shown(History(store), last_days=10_000)
    assert f"{10_000 - MOST_VERSIONS:,} more ran before these." in sections["versions"]
    assert len("".join(sections.values())) < 100_000


def test_the_newest_version_is_compared_with_the_one_before_it_though_both_ran_before_the_last_days() -> None:
    store = MemoryStore()
    early = [
        make_document(version=name, timestamp=f"2026-01-0{day}T00:00:00+00:00") for day, name in ((1, "b"), (2, "a"))
    ]
    store.append([*early, make_document(version="a"), make_document(version="b")])
    assert "<bdi>a</bdi> against <bdi>b</bdi>" in shown(History(store), last_days=10_000)["verdict"]


def test_the_strip_has_the_runs_of_each_hour() -> None:
    now = 1_000_000 * HOUR + HOUR // 2
    store = MemoryStore()
    hours = {0: 2, 1: 1, HOURS - 1: 3}
    for ago, runs in {**hours, HOURS: 5}.items():
        moment = datetime.fromtimestamp((now - ago * HOUR) / 1e6, UTC).isoformat()
        store.append(
            [make_document(version="v1", timestamp=moment, execution_time=2.0, success=n > 0) for n in range(runs)]
        )
    found = hours_of(store, ["v1"], now)
    assert [(now - hour.start) // HOUR for hour in found] == [HOURS - 1, 1, 0]
    assert [hour.runs for hour in found] == [3, 1, 2]
    assert {hour.failures for hour in found} == {1}
    assert [round(hour.median, 1) for hour in found] == [2.0] * 3
    bars = bars_of(found, ["v1"], now)
    assert all(0 <= bar.top <= bar.middle <= HEIGHT for bar in bars)
    assert [bar.x for bar in bars] == sorted(bar.x for bar in bars)
