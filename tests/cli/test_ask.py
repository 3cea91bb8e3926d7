"""``list``, ``show``, ``compare`` and ``report``."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path

import pytest

from benchmark_recorder.history import History
from benchmark_recorder.recorder import BenchmarkRecorder
from tests.cli.commands import RECORD, one_line, process, run
from tests.runs import record_runs


def test_the_versions_are_listed_in_order_with_their_counts(store: Path) -> None:
    lines = run("list", "--store", store).stdout.splitlines()
    assert " ".join(lines[0].split()) == "version runs success (%) median (ms) cost ($) first (UTC) last"
    assert [line.split()[:2] for line in lines[1:]] == [["v1.0", "65"], ["v2.0", "65"]]


def test_show_prints_the_figures_of_a_version(store: Path) -> None:
    text = run("show", "v2.0", "--store", store).stdout
    assert text.startswith("v2.0\n====\n")
    assert re.search(r"^runs +65$", text, re.MULTILINE)
    assert re.search(r"^mean time \(ms\) +[\d.]+ \[[\d.]+, [\d.]+\]$", text, re.MULTILINE)


def test_show_gives_the_intervals_of_other_tasks_where_asked(store: Path) -> None:
    history = History(store)
    for more in ((), ("--by", "host")):
        shown = json.loads(run("show", "v2.0", "--scope", "tasks", *more, "--json", "--store", store).stdout)
        summary = shown["groups"][0]["summary"] if more else shown["summary"]
        found = summary["estimates"]["mean"]["interval"]
        other = history.get_historical_metrics("v2.0", scope="tasks").to_dict()["estimates"]["mean"]["interval"]
        own = history.get_historical_metrics("v2.0").to_dict()["estimates"]["mean"]["interval"]
        assert found == pytest.approx(other)
        assert found["high"] - found["low"] > own["high"] - own["low"]


def test_compare_shows_all_metrics_or_the_one_asked_for(store: Path) -> None:
    everything = run("compare", "v1.0", "v2.0", "--store", store).stdout
    one = run("compare", "v1.0", "v2.0", "--metric", "cost", "--margin", "0.2", "--store", store).stdout
    assert len(re.findall(r"^- (Execution time|Failure rate|Cost|Routing accuracy): ", everything, re.MULTILINE)) == 4
    assert " ".join(one.split()).startswith(
        "v2.0 against v1.0 ================= Cost: v2.0 and v1.0 cost the same, within 20%"
    )
    assert "Execution time" not in one


def test_what_is_looked_at_again_and_again_says_so(store: Path) -> None:
    for command in (
        ["compare", "v1.0", "v2.0"],
        ["report", "v1.0", "v2.0"],
        ["compare", "v1.0", "v2.0", "--by", "host"],
    ):
        shown = run(*command, "--sequential", "--json", "--store", store)
        if "--by" in command:
            assert shown.exit_code == 2
            assert one_line(shown).startswith("benchmark-recorder: sequential: groups are compared at one look")
            continue
        document = json.loads(shown.stdout)
        (joint,) = document["comparisons"] if command[0] == "report" else [document["comparison"]]
        assert {one["sequential"] for one in joint["comparisons"].values()} == {True}
    several = run("compare", "v1.0", "v2.0", "v2.0", "--sequential", "--store", store)
    assert several.exit_code == 2
    assert "--sequential" in several.stderr


def test_the_report_is_what_the_recorder_generates(store: Path) -> None:
    recorder = BenchmarkRecorder(store)
    for form in ("text", "markdown", "json"):
        shown = run("report", "v1.0", "v2.0", "--format", form, "--agent", "builder", "--store", store)
        assert shown.exit_code == 0
        assert shown.stdout.rstrip("\n") == recorder.generate_report(["v1.0", "v2.0"], form, agent=["builder"]).rstrip(
            "\n"
        )


def test_a_report_on_nothing_replaces_an_old_one_and_says_why() -> None:
    Path("r.md").write_text("old")
    assert run("report", "v1.0", "--output", "r.md").exit_code == 4
    assert "There are no runs of version v1.0." in Path("r.md").read_text()


def test_a_report_exits_like_a_gate_only_if_asked(store: Path) -> None:
    asked = ("report", "v2.0", "v1.0", "--output", "r.txt", "--store", store)
    assert run(*asked).exit_code == 0
    blocked = run(*asked, "--gate")
    assert blocked.exit_code == 1
    wrote, decision = blocked.stderr.splitlines()
    assert wrote == "wrote r.txt"
    assert decision.startswith("benchmark-recorder: v1.0 against v2.0: blocked.")
    assert Path("r.txt").read_text().startswith("Benchmark report: v2.0, v1.0")
    assert run("report", "v1.0", "v2.0", "--gate", "--store", store).exit_code == 0
    assert run("report", "v1.0", "--gate", "--store", store).exit_code == 2


def test_an_html_report_goes_to_a_file_or_through_a_pipe(store: Path) -> None:
    asked = ("report", "v1.0", "v2.0", "--last-days", "7", "--format", "html", "--store", store)
    assert run(*asked, "--output", "report.html").exit_code == 0
    written = Path("report.html").read_text(encoding="utf-8")
    assert written.startswith("<!DOCTYPE html>")
    assert run(*asked).stdout == written


def test_without_jinja_an_html_report_says_what_to_install(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark_recorder.reporting import html

    html.environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = run("report", "v1.0", "--format", "html", "--output", "r.html", "--store", store)
    assert result.exit_code == 2
    assert 'pip install "jinja2>=' in one_line(result)
    assert not Path("r.html").exists()


def test_a_report_goes_to_a_file(store: Path) -> None:
    assert run("report", "v1.0", "--format", "markdown", "--output", "r.md", "--store", store).stdout == ""
    assert Path("r.md").read_text().startswith("# Benchmark report")


def test_a_csv_report_keeps_its_line_ends(store: Path) -> None:
    expected = BenchmarkRecorder(store).generate_report(["v1.0", "v2.0"], "csv")
    assert process("report", "v1.0", "v2.0", "--format", "csv", "--output", "r.csv", "--store", store).stdout == ""
    assert Path("r.csv").read_bytes().decode() == expected
    assert len(list(csv.DictReader(io.StringIO(expected, newline="")))) == expected.count("\r\n") - 1


@pytest.mark.parametrize("command", ["compare", "gate"])
def test_if_a_version_has_no_runs_there_are_no_notes_about_the_other_one(command: str) -> None:
    run("record", "x", "--duration", "1", "--success", "--version", "v1.0", "--store", "m.json")  # its cost is unknown
    assert "cost" not in run(command, "v1", "v1.0", "--store", "m.json").stdout


def test_list_prints_times_as_iso_8601_with_an_offset() -> None:
    run(*RECORD, "--timestamp", "2026-01-02T03:04:05.000006+00:00", "--store", "m.json")
    (version,) = json.loads(run("list", "--json", "--store", "m.json").stdout)["versions"]
    assert version["first"] == version["last"] == "2026-01-02T03:04:05.000006+00:00"


@pytest.mark.parametrize("options", [[], ["--metric", "execution_time"]])
def test_compare_names_a_task_without_an_id_by_its_text(options: list[str], tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "m.json") as recorder:
        for version, factor in (("v1.0", 1), ("v2.0", 3)):
            for n in range(10):
                recorder.record_execution("Fix CSS", factor * (1 + n / 100), True, version)
                recorder.record_execution("other", 1 + n / 100, True, version)
    text = run("compare", "v1.0", "v2.0", *options, "--store", "m.json").stdout
    assert re.search(r"^- ! Fix CSS \([0-9a-f]{12}\) is ", text, re.MULTILINE)


def test_a_metric_without_values_is_not_blamed_on_a_filter(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "m.json") as recorder:
        record_runs(recorder, expected_agent=None)
    result = run("compare", "v1.0", "v2.0", "--metric", "routing_accuracy", "--store", "m.json")
    assert result.exit_code == 4
    assert result.stderr == ""
    assert "cannot be compared" in result.stdout


def test_a_report_with_one_unknown_version_is_written(store: Path) -> None:
    result = run("report", "v1.0", "v9", "--store", store)
    assert result.exit_code == 0
    assert "There are no runs of version v9." in result.stdout


def test_without_names_the_latest_versions_are_taken_and_named_on_stderr(store: Path) -> None:
    with BenchmarkRecorder(store) as recorder:
        record_runs(recorder, {"v0.9": (3.0, 0.0)}, timestamp="2020-01-01")
        record_runs(recorder, {"v3.0": (0.5, 0.1)})
    for given, named in (
        (["show"], ["v3.0"]),
        (["compare"], ["v2.0", "v3.0"]),
        (["report"], ["v2.0", "v3.0"]),
        (["report", "--latest", "3"], ["v1.0", "v2.0", "v3.0"]),
        (["report", "--latest", "1"], ["v3.0"]),
        (["compare", "--latest", "2"], ["v2.0", "v3.0"]),
        (["compare", "--latest", "3"], ["v1.0", "v2.0", "v3.0"]),
    ):
        result = run(*given, "--store", store)
        assert result.stderr == f"latest: {' '.join(named)}\n"
        said = run(given[0], *named, "--store", store)
        assert (result.exit_code, said.stderr) == (0, "")
        assert result.stdout.splitlines()[:20] == said.stdout.splitlines()[:20]
    for command in (["gate"], ["claims", "--claim", "time 10% lower"]):
        assert run(*command, "--store", store).exit_code == 2


def test_what_has_no_latest_two_is_wrong_usage(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "m.json") as recorder:
        recorder.record_execution("x", 1.0, True, "v1")
    assert one_line(run("compare", "--store", "m.json")).endswith("latest 2 were asked for, and the store has only v1")
    assert run("compare", "v1", "--store", "m.json").exit_code == 2
    for command in ("report", "compare"):
        assert run(command, "v1", "--latest", "2", "--store", "m.json").exit_code == 2
    assert run("compare", "--latest", "1", "--store", "m.json").exit_code == 2


def test_a_report_compares_with_the_baseline_that_is_named_the_newest_first(store: Path) -> None:
    with BenchmarkRecorder(store) as recorder:
        record_runs(recorder, {"v3.0": (0.5, 0.1)})
    given = ["--format", "json", "--store", str(store)]
    pairs = [
        [(joint["v1"], joint["v2"]) for joint in json.loads(run("report", *more, *given).stdout)["comparisons"]]
        for more in (["v1.0", "v2.0", "v3.0"], ["v1.0", "v2.0", "v3.0", "--baseline", "v1.0"])
    ]
    assert pairs == [[("v2.0", "v3.0"), ("v1.0", "v2.0")], [("v1.0", "v3.0"), ("v1.0", "v2.0")]]


def test_the_list_counts_runs_from_the_future_and_leaves_them_out(store: Path) -> None:
    before = run("list", "--store", store).stdout
    run(*RECORD, "--timestamp", "2126-01-01T00:00:00+00:00", "--store", store)
    listed = run("list", "--store", store)
    assert listed.stdout.startswith(before)
    assert "1 run is dated in the future, and left out." in listed.stdout
    assert json.loads(run("list", "--json", "--store", store).stdout)["future"] == 1


def test_several_candidates_are_compared_with_one_baseline(store: Path) -> None:
    assert run("record", "x", "--duration", "1", "--success", "--version", "v3.0", "--store", store).exit_code == 0
    shown = run("compare", "v1.0", "v2.0", "v3.0", "--store", store)
    assert shown.exit_code == 0
    assert "2 versions against v1.0" in shown.stdout
    each = json.loads(run("compare", "v1.0", "v2.0", "v3.0", "--json", "--store", store).stdout)["comparison"]
    assert list(each["comparisons"]) == ["v2.0", "v3.0"]
    assert run("compare", "v1.0", "v2.0", "v3.0", "--metric", "cost", "--store", store).exit_code == 2
    assert run("compare", "v1.0", "v2.0", "v2.0", "--store", store).exit_code == 2
