from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark_recorder.analysis import Comparison, Interval
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import task_id_of
from benchmark_recorder.reporting.comparison_pages import comparison_page, comparison_table, task_name
from benchmark_recorder.reporting.decision_pages import claims_page
from benchmark_recorder.reporting.html import render_html
from benchmark_recorder.reporting.markdown import render_markdown
from benchmark_recorder.reporting.text import render_text
from benchmark_recorder.stores.memory import MemoryStore
from tests.runs import record_runs


@pytest.fixture(scope="module")
def recorder() -> BenchmarkRecorder:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder)
    return recorder


@pytest.fixture(scope="module")
def comparison(recorder: BenchmarkRecorder) -> Comparison:
    return recorder.compare_versions("v1.0", "v2.0")


def row(comparison: Comparison) -> list[str]:
    """The cells of a comparison's row, without its label."""
    (_, line, *_) = render_text(comparison_table([comparison])).splitlines()
    return [cell.strip() for cell in line.split("  ") if cell][1:]


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.221, 0.315), "-31.5 to -22.1"),
        ((-0.1, 0.02), "-2.0 to +10.0"),
        ((None, 0.02), "above -2.0"),
        ((-0.1, None), "below +10.0"),
        (None, "-"),
    ],
)
def test_an_interval_is_shown_in_the_direction_in_which_the_values_change(
    comparison: Comparison, ends: tuple[float | None, float | None] | None, shown: str
) -> None:
    interval = None if ends is None else Interval(*ends)
    assert row(replace(comparison, effect=0.269, interval=interval))[2:4] == ["-26.9%", shown]


def test_where_more_is_better_the_direction_is_the_effects_own(recorder: BenchmarkRecorder) -> None:
    routing = recorder.compare_versions("v1.0", "v2.0", "routing_accuracy")
    shown = row(replace(routing, effect=0.15, interval=Interval(-0.05, 0.35)))
    assert shown[2:4] == ["+15.0 pt", "-5.0 to +35.0"]


def test_an_inconclusive_verdict_is_a_tilde_that_is_explained(comparison: Comparison) -> None:
    text = render_text(comparison_table([replace(comparison, verdict="inconclusive")]))
    assert text.splitlines()[1].endswith("  ~")
    assert "~: inconclusive" in text
    assert "~" not in render_text(comparison_table([replace(comparison, verdict="improved")]))


def test_no_comparison_is_no_table() -> None:
    assert comparison_table([]) == ()


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((10.0, 20.0), "-20.0% to -10.0% (95%)"),
        ((None, 20.0), "above -20.0% (95%)"),
        ((10.0, None), "below -10.0% (95%)"),
    ],
)
def test_a_claims_interval_may_be_open(
    recorder: BenchmarkRecorder, ends: tuple[float | None, float | None], shown: str
) -> None:
    report = recorder.check_claims("v1.0", "v2.0", GUIDE_CLAIMS)
    first = replace(report.results[0], interval=Interval(*ends), equivalence_interval=None)
    assert shown in render_text(claims_page(replace(report, results=(first,))))


@pytest.fixture
def apart() -> BenchmarkRecorder:
    """Seven tasks of the first version alone, one of the second, and one common task."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    alone = {"v1.0": ["<b>first</b>", *(f"Task {number}" for number in range(6))], "v2.0": ["one | new"]}
    for version, tasks in alone.items():
        for task in ["common", "common", *tasks]:
            recorder.record_execution(task=task, duration=1.5, success=True, version=version)
    return recorder


def test_tasks_that_one_version_did_not_run_are_named_by_their_texts(apart: BenchmarkRecorder) -> None:
    compared = apart.compare_versions("v1.0", "v2.0")
    (left, right) = compared.unmatched
    assert (left.version, left.tasks, len(left.first)) == ("v1.0", 7, 7)
    assert compared.to_dict()["unmatched"][1] == {"version": "v2.0", "tasks": 1, "first": [task_id_of("one | new")]}
    texts = {task_id_of(task): task for task in ("<b>first</b>", *(f"Task {number}" for number in range(6)))}
    first = ", ".join(f"{texts[task_id]} ({task_id})" for task_id in left.first[:5])
    for shown in (str(compared), str(apart.compare_all("v1.0", "v2.0"))):
        flat = " ".join(shown.split())
        assert flat.count(f"7 tasks of v1.0 that v2.0 did not run: {first}, and 2 more.") == 1
        assert f"1 task of v2.0 that v1.0 did not run: one | new ({right.first[0]})." in flat
    page = comparison_page(compared, texts | {task_id_of("one | new"): "one | new"})
    for render, quoted in ((render_markdown, "`<b>first</b>`"), (render_html, "&lt;b&gt;first&lt;/b&gt;")):
        shown = render(page)
        assert "did not run: " in shown
        assert quoted in shown


def test_where_all_tasks_are_common_none_is_named(recorder: BenchmarkRecorder) -> None:
    compared = recorder.compare_versions("v1.0", "v2.0")
    assert compared.unmatched == ()
    assert "did not run" not in str(compared)


def test_a_long_task_is_cut_where_it_is_like_others_and_not_where_it_differs() -> None:
    texts = {
        str(n): f"Summarise the following document in three sentences for a reader: number {n} of many" for n in (1, 2)
    }
    texts["3"] = "x" * 100
    names = [str(task_name(key, texts)[0].text) for key in texts]  # type: ignore[union-attr]
    assert "number 1 of many" in names[0]
    assert "number 2 of many" in names[1]
    assert names[2] == f"{'x' * 60}…"
    assert all(len(name) <= 62 for name in names)
