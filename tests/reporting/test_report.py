from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from markdown_it import MarkdownIt

from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.queries import Query
from benchmark_recorder.questions import report_of
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import task_id_of
from benchmark_recorder.reporting import FORMATS, render
from benchmark_recorder.stores.health import Health
from benchmark_recorder.stores.memory import MemoryStore
from tests.runs import record_runs


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    return BenchmarkRecorder(store=MemoryStore())


@pytest.fixture
def filled(recorder: BenchmarkRecorder) -> BenchmarkRecorder:
    record_runs(recorder)
    return recorder


def sections(text: str) -> list[str]:
    return re.findall(r"^(.+)\n-+$", text, re.MULTILINE)


def test_the_sections_stand_in_their_order(filled: BenchmarkRecorder) -> None:
    text = filled.generate_report(["v1.0", "v2.0"])
    assert sections(text) == ["v2.0 against v1.0", "What to look at", "Week over week", "Versions", "Based on"]
    assert text.startswith("Benchmark report: v1.0, v2.0\n====")


def test_each_metric_has_a_sentence_with_its_verdict_and_a_row(filled: BenchmarkRecorder) -> None:
    text = filled.generate_report(["v1.0", "v2.0"])
    joint = filled.compare_all("v1.0", "v2.0")
    for label, metric in (
        ("Execution time: v2.0 is ", "execution_time"),
        ("Failure rate: v2.0 fails ", "failure_rate"),
        ("Cost: ", "cost"),
        ("Routing accuracy: ", "routing_accuracy"),
    ):
        assert f"- {label}" in text
        assert joint.comparisons[metric].verdict
    row = re.compile(r"^(?:time|failures|cost|routing) \(\S+\) .* (improved|regressed|equivalent|~)$", re.MULTILINE)
    shown = {"inconclusive": "~"}
    assert row.findall(text) == [shown.get(c.verdict, c.verdict) for c in joint.comparisons.values()]
    assert ("~" in text) == ("~: inconclusive" in text)


def test_the_sentence_says_what_the_comparison_says(filled: BenchmarkRecorder) -> None:
    comparison = filled.compare_versions("v1.0", "v2.0")
    assert comparison.verdict == "improved"
    assert comparison.effect is not None
    assert comparison.interval is not None
    low, high = comparison.interval.low, comparison.interval.high
    assert low is not None
    assert high is not None
    text = " ".join(filled.generate_report(["v1.0", "v2.0"]).split())
    assert (
        f"v2.0 is {100 * comparison.effect:.1f}% faster than v1.0 "
        f"(95% interval: {100 * low:.1f} to {100 * high:.1f}% faster)." in text
    )


def test_a_slower_version_is_never_called_faster(filled: BenchmarkRecorder) -> None:
    text = " ".join(filled.generate_report(["v2.0", "v1.0"]).split())
    assert re.search(r"v1\.0 is \d+\.\d% slower than v2\.0", text)
    assert not re.search(r"-\d\S* (% )?(faster|slower|less|more)", text)
    assert "faster" not in text.split("Based on")[0].replace("* better", "")


def test_no_line_of_the_text_is_longer_than_80_columns(filled: BenchmarkRecorder) -> None:
    record_runs(filled, {"v3.0-release-candidate-of-november": (0.5, 0.1), "v4": (0.9, 0.0), "v5": (1, 0)})
    text = filled.generate_report(["v1.0", "v2.0", "v3.0-release-candidate-of-november", "v4", "v5"])
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_a_single_version_has_a_report(filled: BenchmarkRecorder) -> None:
    text = filled.generate_report(["v2.0"])
    assert sections(text) == ["Versions", "What to look at", "Week over week", "Based on"]
    assert re.search(r"^runs +65$", text, re.MULTILINE)
    assert "65 records in memory" in text


def test_a_version_by_its_bare_name_is_taken(filled: BenchmarkRecorder) -> None:
    assert filled.generate_report("v2.0") == filled.generate_report(["v2.0"])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("versions", [["v1.0"], ["v1.0", "v2.0"], ["v1.0", "v1.0"]])
def test_an_empty_store_is_reported_and_is_not_an_error(
    recorder: BenchmarkRecorder, form: str, versions: list[str]
) -> None:
    text = recorder.generate_report(versions, form)
    if form not in {"json", "csv"}:
        assert "There are no runs of version" in text
        assert "0 records in" in text
    assert "nan" not in text.lower()
    assert "None" not in text


def test_one_unknown_version_is_named_once_and_the_other_is_reported(filled: BenchmarkRecorder) -> None:
    text = filled.generate_report(["v1.0", "v9"])
    assert "v9 against v1.0: there are no runs of version v9 to compare." in text
    assert text.count("There are no runs of version v9.") == 1
    assert re.search(r"^runs +65$", text, re.MULTILINE)


def test_a_warning_is_a_numbered_note_and_said_once(recorder: BenchmarkRecorder) -> None:
    record_runs(recorder, tasks=2, repeats=1)
    text = recorder.generate_report(["v1.0", "v2.0"])
    notes = text.split("Notes\n-----\n")[1].split("Based on")[0]
    numbers = [int(n) for n in re.findall(r"^\[(\d+)\]", notes, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 1
    flat = " ".join(notes.split())
    for warning in recorder.compare_versions("v1.0", "v2.0").warnings:
        assert flat.count(warning.sentence) == 1
    referred = {int(n) for mark in re.findall(r"\[([\d, ]+)\]", text.split("Notes")[0]) for n in mark.split(",")}
    assert set(numbers) <= referred


def test_long_names_leave_a_warning_readable(recorder: BenchmarkRecorder) -> None:
    names = ["a" * 4000, "b" * 4000]
    record_runs(recorder, dict.fromkeys(names, (1.0, 0.0)), tasks=1, repeats=2)
    for form in ("text", "markdown"):
        report = " ".join(recorder.generate_report(names, form).split())
        assert f"There are only 2 runs of {'a' * 60}…: hardly any change can be told from chance." in report
        assert f"against {'a' * 60}" in report


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Fix CSS", "Fix CSS"),
        ("\x1b[31mFix\nCSS", "\\x1b[31mFix\\nCSS"),
        (50 * "long ", f"{' '.join(12 * ['long'])} …"),
    ],
)
def test_a_task_without_an_id_of_its_own_is_named_by_its_text(
    recorder: BenchmarkRecorder, text: str, shown: str
) -> None:
    for version, factor in (("v1.0", 1), ("v2.0", 3)):
        for run in range(10):
            recorder.record_execution(text, factor * (1 + run / 100), True, version)
            recorder.record_execution("other", 1 + run / 100, True, version, task_id="0123456789ab")
    (line,) = re.findall(r"^- (! .*(?:\n  .*)*)", recorder.generate_report(["v1.0", "v2.0"]), re.MULTILINE)
    assert " ".join(line.split()).startswith(f"! {shown} ({task_id_of(text)}) is ")


def test_where_the_texts_are_not_stored_a_task_is_named_by_its_id() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore(), store_task_text=False)
    for version, factor in (("v1.0", 1), ("v2.0", 3)):
        for run in range(10):
            recorder.record_execution("Fix CSS", factor * (1 + run / 100), True, version)
            recorder.record_execution("other", 1 + run / 100, True, version)
    assert f"- ! {task_id_of('Fix CSS')} is " in recorder.generate_report(["v1.0", "v2.0"])


def test_tasks_that_stand_out_are_named_worst_first(recorder: BenchmarkRecorder) -> None:
    for task, factors in {"bad": (1, 3), "worse": (1, 5), "good": (4, 1), "same": (1, 1)}.items():
        for version, factor in zip(("v1.0", "v2.0"), factors, strict=True):
            for run in range(10):
                recorder.record_execution(task, factor * (1 + run / 100), True, version, task_id=task)
    report = recorder.generate_report(["v1.0", "v2.0"])
    assert re.findall(r"^- ([!*] \S+) is \S+% (slower|faster) \(10\+10 runs\)$", report, re.MULTILINE) == [
        ("! worse", "slower"),
        ("! bad", "slower"),
        ("* good", "faster"),
    ]


def test_a_warning_as_text_is_its_sentence(recorder: BenchmarkRecorder) -> None:
    (warning,) = recorder.get_historical_metrics("v9").warnings
    assert str(warning) == f"{warning}" == "There are no runs of version v9."


def test_what_waits_and_what_was_lost_is_counted(filled: BenchmarkRecorder) -> None:
    assert "not included" not in filled.generate_report(["v1.0"])
    quiet = BenchmarkRecorder(store=filled.store, on_invalid="log")
    quiet.record_execution("x", -1.0, True, "v1.0")
    assert "not included: 1 rejected as invalid" in quiet.generate_report(["v1.0"])


def test_what_is_kept_here_and_since_when_is_reported(filled: BenchmarkRecorder) -> None:
    report = report_of(filled.store, ["v1.0"], Query.of(version="v1.0"), {}, filled.health())
    health = Health(
        store="memory",
        waiting=1,
        lost=2,
        pending=3,
        pending_since="2026-11-28T10:00:00+00:00",
        quarantined=4,
        failing_since=datetime(2026, 11, 28, 12, 30, tzinfo=timezone(timedelta(hours=2))),
    )
    text = render(replace(report, basis=replace(report.basis, health=health)), "text")
    assert text.endswith(
        "- not included: 1 in memory, not written yet\n"
        "- not included: 2 lost because they could not be written\n"
        "- included: 3 kept locally until that store confirms them, the oldest of\n  2026-11-28T10:00:00+00:00\n"
        "- included: 4 refused by that store and kept locally\n"
        "- writes to it have failed since 2026-11-28 10:30 UTC\n"
    )
    document = json.loads(render(replace(report, basis=replace(report.basis, health=health)), "json"))
    assert document["basis"]["failing_since"] == "2026-11-28T12:30:00+02:00"


def test_the_query_is_shown(filled: BenchmarkRecorder) -> None:
    text = filled.generate_report(["v1.0"], agent="builder", metadata=None)
    assert "only where agent is builder" in text


@pytest.mark.parametrize("form", ["pdf", "", None, "x" * 1000, "\x1b[31m"])
def test_an_unknown_format_is_refused_with_those_that_are_known(filled: BenchmarkRecorder, form: Any) -> None:
    with pytest.raises(InvalidQueryError, match=f"format: expected one of {', '.join(FORMATS)}, got") as caught:
        filled.generate_report(["v1.0"], form)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_the_json_holds_the_results_and_no_nan(filled: BenchmarkRecorder) -> None:
    record_runs(filled, {"v0": (1.0, 0.0)}, tasks=1, repeats=1, cost=None)
    document = json.loads(filled.generate_report(["v0", "v1.0"], "json"), parse_constant=pytest.fail)
    assert document["schema_version"] == 1
    assert [version["count"] for version in document["versions"]] == [1, 65]
    assert document["versions"][0]["mean_cost"] is None
    (joint,) = document["comparisons"]
    assert joint["comparisons"]["execution_time"]["v1"] == "v0"
    for name in ("attention", "trends", "distributions"):
        assert [part["version"] for part in document[name]] == ["v0", "v1.0"]
    counts = dict.fromkeys(("waiting", "lost", "invalid", "pending", "quarantined"), 0)
    trouble = dict.fromkeys(("pending_since", "failing_since"))
    assert document["basis"] == {"store": "memory", "query": {}, **counts, **trouble}


def test_markdown_tables_have_as_many_cells_in_each_row(filled: BenchmarkRecorder) -> None:
    text = filled.generate_report(["v1.0", "v2.0"], "markdown")
    tokens = [token.type for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text)]
    assert tokens.count("table_open") == 4  # the comparison, classes of failures, wrong agents, versions
    assert tokens.count("tr_open") == (1 + 5) + (1 + 1) + (1 + 1) + (1 + 11)  # four metrics and the plain mean
    assert tokens.count("td_open") + tokens.count("th_open") == 6 * 7 + 2 * 3 + 2 * 3 + 12 * 3
