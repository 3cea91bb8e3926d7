from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmark_recorder import BenchmarkRecorder, JSONFileStore, MemoryStore
from benchmark_recorder.exchange import export_records
from benchmark_recorder.exchange.prometheus import MOST_LABELS, prometheus_text
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.replication import ReplicatedStore
from tests.hostile import HOSTILE
from tests.runs import record_runs

Samples = dict[tuple[tuple[str, str], ...], float]


def read(text: str) -> dict[str, Samples]:
    """Every sample of a text, as Prometheus' own parser reads it; none is there twice."""
    found = defaultdict[str, Samples](dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found[sample.name]
            found[sample.name][labels] = sample.value
    return found


def own(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def recorded(*runs: tuple[str, str | None, float, bool, float | None], **fields: Any) -> MemoryStore:
    store = MemoryStore()
    with BenchmarkRecorder(store=store) as recorder:
        for version, agent, duration, success, cost in runs:
            recorder.record_execution("t", duration, success, version, agent_selected=agent, cost=cost, **fields)
    return store


def test_every_figure_is_that_of_the_store() -> None:
    store = MemoryStore()
    with BenchmarkRecorder(store=store) as recorder:
        record_runs(recorder)
    found = read(prometheus_text(store))
    documents = list(store.documents(Query()))
    for version in ("v1.0", "v2.0"):
        for agent in {document["agent_selected"] for document in documents}:
            runs = [d for d in documents if (d["version"], d["agent_selected"]) == (version, agent)]
            labels = {"version": version, "agent": "(none)" if agent is None else agent}
            for success in (True, False):
                n = sum(d["success"] is success for d in runs)
                assert found["benchmark_executions"].get(own(**labels, success=str(success).lower()), 0) == n
            if not runs:
                continue
            seconds = [d["execution_time"] for d in runs]
            assert found["benchmark_duration_seconds_sum"][own(**labels)] == pytest.approx(sum(seconds))
            assert found["benchmark_duration_seconds_count"][own(**labels)] == len(runs)
            for power in range(-3, 13):
                below = found["benchmark_duration_seconds_bucket"][own(**labels, le=str(2.0**power))]
                assert below == sum(second < 2.0**power for second in seconds)
            costs = [d["cost_estimated"] for d in runs if d["cost_estimated"]]
            assert found["benchmark_cost_usd"][own(**labels)] == pytest.approx(sum(costs))
            assert found["benchmark_cost_known_executions"][own(**labels)] == len(costs)


def test_the_newest_versions_and_the_agents_with_the_most_runs_keep_their_names() -> None:
    versions = [(f"v{number}", "a", 1.0, True, None) for number in range(MOST_LABELS + 5)]
    agents = [("v99", f"agent {number}", 1.0, True, None) for number in range(MOST_LABELS + 5)]
    executions = read(prometheus_text(recorded(*versions, *agents)))["benchmark_executions"]
    named = {dict(labels)["version"] for labels in executions}
    assert named == {"(rest)", "v99", *(f"v{number}" for number in range(6, MOST_LABELS + 5))}
    named = {dict(labels)["agent"] for labels in executions}
    assert len(named) == MOST_LABELS + 1
    assert {"a", "(rest)"} < named
    assert sum(executions.values()) == 2 * (MOST_LABELS + 5)


def test_a_store_without_records_has_no_figures() -> None:
    assert not prometheus_text(MemoryStore())


def test_an_instant_run_is_in_every_bucket_and_one_without_end_in_the_last() -> None:
    found = read(prometheus_text(recorded(("v1", None, 0.0, True, None), ("v1", None, 1e300, True, None))))
    buckets = found["benchmark_duration_seconds_bucket"]
    assert set(buckets.values()) == {1, 2}
    assert buckets[own(version="v1", agent="(none)", le="+Inf")] == 2


def test_what_waits_for_a_remote_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    with ReplicatedStore(JSONFileStore(path), MemoryStore(), beside=path, deliver="off") as store:
        BenchmarkRecorder(store=store).record_execution("a", 1.0, True, "v1")
        assert read(prometheus_text(store))["benchmark_journal_pending"] == {(): 1}


def test_parts_of_other_runs_are_left_out_unless_they_are_asked_for() -> None:
    store = MemoryStore()
    with BenchmarkRecorder(store=store) as recorder, recorder.measure("t", version="v1"):
        recorder.record_execution("part", 1.0, True, "v1")
        with recorder.measure("part", version="v1"):
            pass
    every = store.summarize(Query(runs="all")).cells
    assert sum(read(prometheus_text(store))["benchmark_executions"].values()) < sum(cell.n for cell in every)
    asked = read(prometheus_text(store, Query(runs="all")))["benchmark_executions"]
    assert sum(asked.values()) == sum(cell.n for cell in every)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_a_label_and_nothing_else(text: str) -> None:
    store = recorded((text, text, 1.5, True, 0.1), ("v1", text, 1.5, True, 0.1))
    file = io.StringIO()
    assert export_records(store, file, "prometheus") == 2
    assert all(line.isprintable() for line in file.getvalue().split("\n"))
    assert sum(read(file.getvalue())["benchmark_executions"].values()) == 2
