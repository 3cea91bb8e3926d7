"""Questions by a further key, through the recorder and the command line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import BenchmarkRecorder, History, InvalidQueryError, JSONFileStore, MemoryStore
from benchmark_recorder.grouping import REST, UNKNOWN
from tests.cli.commands import run
from tests.hostile import HOSTILE
from tests.pages import ROOT  # noqa: F401 - the tests of pages and of commands share their folder
from tests.stores.test_completing import OldStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmark_recorder.stores.base import Store


def record(
    recorder: BenchmarkRecorder, models: dict[str | None, float], versions: tuple[str, ...] = ("v1", "v2")
) -> None:
    """Two tasks, five runs each; in a model's runs ``v2`` takes ``factor`` times as long."""
    for model, factor in models.items():
        for version in versions:
            for number in range(10):
                recorder.record_execution(
                    task=f"task {number % 2}",
                    duration=(1 + number % 2) * (1 + 0.01 * number) * (factor if version == "v2" else 1.0),
                    success=number != 9,
                    version=version,
                    model=model,
                    agent_selected=model,
                    cost=0.001,
                    metadata={"model": model and model[:100]},
                )


@pytest.fixture(params=["memory", "file", "old"])
def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> BenchmarkRecorder:
    stores: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "file": lambda: JSONFileStore(tmp_path / "m.json"),
        "old": OldStore,
    }
    return BenchmarkRecorder(store=stores[request.param]())


@pytest.mark.parametrize("by", ["model", "agent", "metadata.model"])
def test_each_group_has_the_figures_of_its_runs_alone(recorder: BenchmarkRecorder, by: str) -> None:
    record(recorder, {"a": 0.5, "b": 2.0, None: 1.0})
    groups = recorder.get_historical_metrics("v2", by=by)
    assert [*groups] == ["a", "b", None]
    alone = recorder.get_historical_metrics("v2", model="a")
    assert groups["a"].to_dict() == alone.to_dict()
    assert groups[None].mean == pytest.approx(sum(groups[m].mean for m in ("a", "b")) / 2.5)
    assert sum(one.count for one in groups.values()) == recorder.get_historical_metrics("v2").count


def test_two_versions_are_compared_within_each_group(recorder: BenchmarkRecorder) -> None:
    record(recorder, {"a": 0.5, "b": 2.0})
    sliced = recorder.compare_versions("v1", "v2", by="model")
    for model in ("a", "b"):
        alone = recorder.compare_versions("v1", "v2", model=model)
        assert sliced.of(model).effect == pytest.approx(alone.effect, rel=1e-9)
        assert sliced.of(model).verdict == alone.verdict
    assert sliced.pooled is not None
    assert sliced.pooled.verdict == "differs"
    text = str(sliced)
    assert "Execution time: the slices differ" in text
    assert [*sliced.to_pandas()["group"]] == ["a", "b"]


def test_filters_take_one_or_several(recorder: BenchmarkRecorder) -> None:
    record(recorder, {"a": 1.0, "b": 1.0, "c": 1.0})
    assert recorder.get_historical_metrics(model=["a", "b"]).count == 40
    assert recorder.get_historical_metrics(model="a", agent="b").count == 0
    assert recorder.get_historical_metrics(error_type="Timeout").count == 0
    assert recorder.get_historical_metrics(runs="children").count == 0


@pytest.mark.parametrize("by", ["", "month", "metadata.", "metadata", "rest", 3])
def test_an_unknown_key_is_an_error_that_names_the_known_ones(recorder: BenchmarkRecorder, by: str) -> None:
    for ask in (
        lambda: recorder.get_historical_metrics("v1", by=by),
        lambda: recorder.compare_versions("v1", "v2", by=by),
        lambda: recorder.generate_report(["v1"], by=by),
    ):
        with pytest.raises(InvalidQueryError, match="by: expected one of week, day, hour, commit, model, agent, "):
            ask()


@pytest.mark.parametrize("text", [REST, UNKNOWN, '"'])
def test_a_group_is_never_mistaken_for_the_rest_or_for_none(recorder: BenchmarkRecorder, text: str) -> None:
    record(recorder, {text: 1.0, None: 1.0})
    groups = recorder.get_historical_metrics("v1", by="model")
    assert [*groups] == [json.dumps(text), None]
    assert str(groups).count(UNKNOWN) == (2 if text == UNKNOWN else 1)


def test_percentiles_of_very_many_runs_by_group_come_from_histograms(
    recorder: BenchmarkRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(recorder, {"a": 0.5, None: 2.0})
    exact = recorder.get_historical_metrics("v2", by="model")
    monkeypatch.setattr("benchmark_recorder.questions.MOST_DURATIONS", 5)
    for group, found in recorder.get_historical_metrics("v2", by="model").items():
        assert found.p95 == pytest.approx(exact[group].p95, rel=0.011)
        assert "percentiles_from_histogram" in {one.code for one in found.warnings}


def test_percentiles_from_histograms_say_that_groups_were_pooled(
    recorder: BenchmarkRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(recorder, {"a": 0.5, "b": 2.0, "c": 1.0, None: 2.0})
    monkeypatch.setattr("benchmark_recorder.questions.MOST_DURATIONS", 5)
    monkeypatch.setattr("benchmark_recorder.grouping.MOST_GROUPS", 1)
    groups = recorder.get_historical_metrics("v2", by="model")
    assert [*groups] == [REST, "a", None]
    for found in groups.values():
        assert {"percentiles_from_histogram", "groups_pooled"} <= {one.code for one in found.warnings}
        assert found.p95 > 0
    assert str(groups).count("2 more groups by model are together in (rest).") == 1


def test_a_report_also_tells_of_the_groups(recorder: BenchmarkRecorder) -> None:
    record(recorder, {"a": 0.5, None: 2.0})
    for form in ("text", "markdown", "html"):
        page = recorder.generate_report(["v1", "v2"], form, by="model")
        assert len(re.findall("by .{0,20}model", page)) >= 4  # two slicings and two versions
        assert "(none)" in page
    answer = json.loads(recorder.generate_report(["v1", "v2"], "json", by="model"))
    assert answer["by"] == "model"
    assert [(one["version"], one["group"]) for one in answer["groups"]] == [
        ("v1", "a"),
        ("v1", None),
        ("v2", "a"),
        ("v2", None),
    ]
    assert [one["metric"] for one in answer["slices"]] == ["execution_time", "failure_rate"]
    assert "by" not in json.loads(recorder.generate_report(["v1", "v2"], "json"))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_groups_are_shown_and_never_obeyed(text: str) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record(recorder, {text: 0.5, "b": 2.0})
    groups = recorder.get_historical_metrics("v2", by="model")
    sliced = recorder.compare_versions("v1", "v2", by="model")
    for page in (str(groups), str(sliced), recorder.generate_report(["v1", "v2"], by="model")):
        assert all(character.isprintable() or character == "\n" for character in page)
        assert not any(line.startswith("::") for line in page.splitlines())
    html = groups._repr_html_() + sliced._repr_html_() + recorder.generate_report(["v1", "v2"], "html", by="model")
    assert "<script>alert" not in html
    markdown = recorder.generate_report(["v1", "v2"], "markdown", by="model")
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) <= 8
    json.loads(recorder.generate_report(["v1", "v2"], "json", by="model"))


def test_the_commands_group_and_filter(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    with BenchmarkRecorder(path) as recorder:
        record(recorder, {"a": 0.5, "b": 0.5})
    shown = run("show", "v2", "--by", "model", "--store", path)
    assert [line.split()[0] for line in shown.stdout.splitlines()[3:6]] == ["model", "a", "b"]
    compared = run("compare", "v1", "v2", "--by", "model", "--metric", "cost", "--store", path)
    assert compared.exit_code == 0
    assert "Cost" in compared.stdout
    groups = json.loads(run("show", "v2", "--by", "metadata.model", "--json", "--store", path).stdout)["groups"]
    assert [one["group"] for one in groups] == ["a", "b"]
    assert run("show", "v2", "--model", "a", "--json", "--store", path).exit_code == 0
    assert run("show", "v2", "--model", "c", "--store", path).exit_code == 4
    assert run("compare", "v1", "v2", "--by", "month", "--store", path).exit_code == 2
    assert "by model" in run("report", "v1", "v2", "--by", "model", "--store", path).stdout


def test_versions_that_share_no_group_are_named_and_there_is_no_data(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    with BenchmarkRecorder(path) as recorder:
        record(recorder, {"a": 1.0}, ("v1",))
        record(recorder, {"b": 1.0}, ("v2",))
    compared = run("compare", "v1", "v2", "--by", "model", "--store", path)
    assert compared.exit_code == 4
    assert "only v1 has runs there: a." in " ".join(compared.stdout.split())
    assert History(path).compare_versions("v1", "v2", by="model").only_v2 == ("b",)
