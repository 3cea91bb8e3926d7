"""What a report asks of the store, and when."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmark_recorder import get_benchmark_recorder
from benchmark_recorder.comparing import LOADED
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.queries import Query
from benchmark_recorder.questions import report_of
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.testing import make_document
from tests.fakes.google_cloud import google_cloud

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns
    from benchmark_recorder.reporting import Report
    from benchmark_recorder.stores.base import Store

NOVEMBER = datetime(2025, 11, 3, tzinfo=UTC)
"""A Monday."""


class WatchedStore(MemoryStore):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.scans: list[tuple[Query, Collection[str]]] = []
        self.summaries: list[Query] = []

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        self.scans.append((query, fields))
        return super().scan(query, fields)

    def summarize(self, query: Query) -> Cells:
        self.summaries.append(query)
        found = super().summarize(query)
        self.scans.pop()  # a summary of this store scans
        return found


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    return BenchmarkRecorder(store=WatchedStore())


def record(recorder: BenchmarkRecorder, version: str, week: int, *durations: float, **fields: Any) -> None:
    for i, duration in enumerate(durations):
        moment = NOVEMBER + timedelta(days=7 * week, minutes=i)
        recorder.record_execution(
            **{"task": "t", "success": True, **fields}, duration=duration, version=version, timestamp=moment
        )


def report(recorder: BenchmarkRecorder, *versions: str, **query: Any) -> Report:
    return report_of(recorder.store, versions, Query.of(version=versions, **query), query, recorder.health())


def test_each_question_is_asked_once(recorder: BenchmarkRecorder) -> None:
    for week in range(3):
        for version in ("v1", "v2"):
            record(recorder, version, week, 1.0, 1.1, 1.2)
    store = recorder.store
    assert isinstance(store, WatchedStore)
    report(recorder, "v1", "v2", "v1")
    assert [(query.versions, fields) for query, fields in store.scans if len(query.versions or ()) == 1] == [
        (("v1",), ("execution_time",)),
        (("v2",), ("execution_time",)),
    ]
    # Each comparison looks at its single runs once: in what order they ran, and on which hosts.
    compared = [query.versions for query, _ in store.scans if len(query.versions or ()) == 2]
    assert compared == [("v2", "v1"), ("v1", "v2")]  # the newest comparison comes first
    loads = [query.versions for query in store.summaries if LOADED in query.metadata]
    assert loads == [("v1",), ("v2",), ("v2", "v1"), ("v1", "v2")]  # whether there are any, once for each of these
    assert [query.versions for query in store.summaries if LOADED not in query.metadata] == [
        *(("v1",), ("v2",)),  # each version
        *(("v2", "v1"), None),  # with the one before it, all versions by block
        *(("v1", "v2"), None),
        ("v1", "v2", "v1"),  # all weeks
    ]


def test_failed_runs_are_looked_for_only_where_there_are_some(recorder: BenchmarkRecorder) -> None:
    record(recorder, "v1", 0, 1.0)
    record(recorder, "v1", 0, 1.0, success=False, error_type="E")
    store = recorder.store
    assert isinstance(store, WatchedStore)
    (found,) = report(recorder, "v1").attention
    assert [(query.success, fields) for query, fields in store.scans][1:2] == [
        (False, ("version", "task_id", "error_type"))
    ]
    assert (found.runs, found.failures, found.failure_classes[0].error_type) == (2, 1, "E")
    assert report(recorder, "v1", success=True).attention[0].failures == 0


def test_weeks_are_bounded_however_long_the_history_is(recorder: BenchmarkRecorder) -> None:
    for week in (0, 30):
        record(recorder, "v1", week, 1.0, 1.1)
    store = recorder.store
    assert isinstance(store, WatchedStore)
    (trend,) = report(recorder, "v1").trends
    assert len([query for query in store.summaries if LOADED not in query.metadata]) == 1 + 1
    assert [week.start for week in trend.weeks] == [
        (NOVEMBER + timedelta(days=210) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    ]


def test_all_versions_have_the_same_weeks(recorder: BenchmarkRecorder) -> None:
    for week in range(4):
        record(recorder, "v1", week, 1.0, 1.1)
    for week in range(2, 12):
        record(recorder, "v2", week, 1.0, 1.1)
    old, new = report(recorder, "v1", "v2").trends
    assert [week.runs for week in old.weeks] == []  # all of them before the eight newest weeks
    assert [week.runs for week in new.weeks] == [2] * 8


def test_a_task_that_is_run_once_a_week_is_compared_with_itself(recorder: BenchmarkRecorder) -> None:
    times = np.random.default_rng(0).lognormal(0, 0.02, (2, 20)) * np.geomspace(1, 1000, 20)
    for task in range(20):
        for week, factor in enumerate((1.0, 2.5)):
            record(recorder, "v1", week, factor * times[week][task], task=f"task {task}")
    (trend,) = report(recorder, "v1").trends
    change = trend.weeks[1].changes["execution_time"]
    assert change.flag == "worse"
    assert change.effect == pytest.approx(1 - 2.5 * np.exp(np.mean(np.log(times[1]) - np.log(times[0]))))


def test_runs_of_the_future_are_counted_and_in_no_week(recorder: BenchmarkRecorder) -> None:
    for week in range(3):
        record(recorder, "v1", week, 1.0, 1.1)
    now = datetime.now(UTC)
    recorder.record_execution("t", 1.0, True, "v1", timestamp=now.replace(month=1, day=1, year=now.year + 10))
    recorder.record_execution("t", 1.0, True, "v2", timestamp=now.replace(month=1, day=1, year=now.year + 10))
    v1, v2 = report(recorder, "v1", "v2").trends
    sentence = "No week holds 1 run of {} dated in the future, up to {}-01-01."
    assert [len(v1.weeks), len(v2.weeks)] == [3, 0]
    for trend in (v1, v2):
        assert [caveat.sentence for caveat in trend.warnings] == [sentence.format(trend.version, now.year + 10)]
    text = " ".join(recorder.generate_report(["v1"]).split())
    assert sentence.format("v1", now.year + 10) in text
    assert "2025-11-17" in text


def test_the_query_bounds_the_weeks_too(recorder: BenchmarkRecorder) -> None:
    for week in range(4):
        record(recorder, "v1", week, *[1.0] * 5)
    since, until = NOVEMBER + timedelta(days=7, minutes=3), NOVEMBER + timedelta(days=14, minutes=2)
    found = report(recorder, "v1", since=since, until=until)
    assert [week.runs for week in found.trends[0].weeks] == [2, 2]
    assert found.summaries[0].count == 4


def test_a_filter_reaches_every_part(recorder: BenchmarkRecorder) -> None:
    for agent, success in (("a", True), ("b", False)):
        record(recorder, "v1", 0, 1.0, 1.1, agent_selected=agent, success=success, error_type=None if success else "E")
    found = report(recorder, "v1", agent="a")
    assert (found.attention[0].runs, found.attention[0].failures, found.distributions[0].n) == (2, 0, 2)
    assert found.trends[0].weeks[0].runs == 2


def test_the_parts_are_of_each_version_in_the_order_of_the_versions(recorder: BenchmarkRecorder) -> None:
    record(recorder, "v2", 0, 1.0)
    record(recorder, "v1", 0, 2.0, 3.0)
    found = report(recorder, "v2", "v1", "v9")
    for parts in (found.summaries, found.attention, found.trends, found.distributions):
        assert [part.version for part in parts] == ["v2", "v1", "v9"]
    assert [distribution.n for distribution in found.distributions] == [1, 2, 0]
    assert found.distributions[1].percentiles[50] == 2.5


def test_a_week_is_over_when_its_sunday_is(recorder: BenchmarkRecorder) -> None:
    recorder.record_execution("t", 1.0, True, "v1")
    recorder.record_execution("t", 1.0, True, "v1", timestamp=datetime.now(UTC) - timedelta(days=7))
    assert [week.is_over for week in report(recorder, "v1").trends[0].weeks] == [True, False]


def test_a_report_on_the_last_days_tells_them_from_the_whole_weeks_before(recorder: BenchmarkRecorder) -> None:
    now = datetime.now(UTC)
    for ago in range(10):
        for run in range(20):
            moment = now - timedelta(weeks=ago, microseconds=run)
            duration = (1.0 if ago else 1.4) * (1 + run / 1000) * (1 + ago % 2 / 1000)
            recorder.record_execution("t", duration, True, "v2", timestamp=moment)
    record(recorder, "v1", 0, 1.0, 1.1)
    found = report(recorder, "v1", "v2", last_days=3)
    assert [summary.count for summary in found.summaries] == [0, 20]
    v1, v2 = found.trends
    assert v1.weeks == ()
    assert len(v2.weeks) == 8
    assert sum(week.runs for week in v2.weeks) >= 7 * 20
    assert "is 39.9% slower than in the 7 weeks before" in " ".join(
        recorder.generate_report(["v1", "v2"], last_days=3).split()
    )
    assert len(report(recorder, "v2", since=now - timedelta(days=3)).trends[0].weeks) <= 2  # as it was said


def test_an_unknown_format_is_refused_before_anything_is_asked(recorder: BenchmarkRecorder) -> None:
    store = recorder.store
    assert isinstance(store, WatchedStore)
    with pytest.raises(InvalidQueryError, match="format: expected one of"):
        recorder.generate_report(["v1"], "pdf")
    assert (store.scans, store.summaries) == ([], [])


def test_a_server_that_is_out_of_reach_leaves_a_report_that_says_so(tmp_path: Path) -> None:
    """A real driver, and a port at which nobody listens."""
    with get_benchmark_recorder(
        "mongodb://127.0.0.1:1/bench", journal=tmp_path / "metrics.json", deliver="off"
    ) as recorder:
        for week in range(2):
            record(recorder, "v1", week, 1.0, 1.1, 1.2)
        found = report(recorder, "v1")
        text = " ".join(recorder.generate_report(["v1"]).split())
    assert found.summaries[0].count == 6
    assert found.trends[0].weeks == ()
    assert "There is no trend, as the store could not be asked." in text
    assert "included: 6 kept locally until that store confirms them, the oldest of 2025-11-03T00:00:00" in text
    assert "not included: mongodb://127.0.0.1:1/bench.executions could not be asked (never reached from here)" in text
    assert "so records of other machines are missing" in text
    reason = found.summaries[0].warnings[0].sentence
    assert "could not be asked: cannot be reached or refuses: 127.0.0.1:1: " in reason
    assert "Topology" not in reason
    assert "timeouts" not in reason


def test_odd_records_are_counted_as_excluded_and_leave_the_trend_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    with BenchmarkRecorder(path) as recorder:
        for week in range(2):
            record(recorder, "v1", week, 1.0, 1.1, 1.2)
    whole = json.loads(path.read_text())
    whole["metrics"] += [{**whole["metrics"][0], "record_id": f"{n:032x}", "success": None} for n in range(2)]
    path.write_text(json.dumps(whole))
    with BenchmarkRecorder(path) as recorder:
        found = report(recorder, "v1")
        text = " ".join(recorder.generate_report(["v1"]).split())
    assert [week.runs for week in found.trends[0].weeks] == [3, 3]
    assert "could not be asked" not in text
    assert "not included: 2 with a missing field or a field of the wrong type" in text


@pytest.fixture(params=["json", "mongodb", "vertex"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A real file, a real server, and Google's own clients before fakes of their services."""
    if request.param == "json":
        yield JSONFileStore(tmp_path / "metrics.json")
    elif request.param == "mongodb":
        uri, database = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("database")
        with MongoDBStore(uri, database=database) as mongodb:
            yield mongodb
    else:
        with google_cloud() as cloud:
            cloud.set_up()
            with cloud.store(deadline=30.0) as vertex:
                yield vertex


def test_every_store_gives_the_same_report(store: Store) -> None:
    """Single runs of a task in a week, tasks of one version alone, failures and wrong routes of several kinds."""
    rng = np.random.default_rng(0)
    documents = [
        make_document(
            version=f"v{version}",
            task_id=f"task {task if rng.random() < 0.9 else rng.integers(1000)}",
            timestamp=(NOVEMBER + timedelta(days=7 * week, minutes=task)).isoformat(timespec="microseconds"),
            execution_time=float(rng.lognormal(0, 0.1)) * (4.0 if week == 2 else 1.0),
            success=bool(rng.random() < 0.8),
            cost_estimated=float(rng.lognormal(-5, 0.1)),
            expected_agent="a",
            agent_selected=str(rng.choice(["a", "b", "c"])),
            error_type=str(rng.choice(["E", "F"])),
        )
        for version in (1, 2)
        for week in range(4)
        for task in range(12)
    ]
    reference = MemoryStore()
    for there in (reference, store):
        there.append(documents)
    found, expected = (
        json.loads(BenchmarkRecorder(store=there).generate_report(["v1", "v2"], "json", until="2025-11-29T00:00:00Z"))
        for there in (store, reference)
    )
    assert any(change["flag"] for week in expected["trends"][0]["weeks"] for change in week["changes"].values())
    for name in ("versions", "comparisons", "attention", "trends", "distributions"):
        assert_alike(found[name], expected[name], name)


def assert_alike(found: Any, expected: Any, place: str) -> None:
    """The same, but for the rounding of sums that were made in another order."""
    assert type(found) is type(expected), place
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), place
        for name in expected:
            assert_alike(found[name], expected[name], f"{place}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_alike(one, other, f"{place}[{i}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), place
    else:
        assert found == expected, place
