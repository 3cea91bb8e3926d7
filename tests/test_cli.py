from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from benchmark_recorder import __version__
from benchmark_recorder.cli import app
from benchmark_recorder.history import History
from benchmark_recorder.recorder import BenchmarkRecorder
from tests.hostile import HOSTILE
from tests.pages import ROOT, commands
from tests.runs import record_runs

COMMANDS = [
    "claims",
    "compare",
    "doctor",
    "export",
    "gate",
    "import",
    "list",
    "prune",
    "record",
    "report",
    "selftest",
    "show",
    "sync",
]
READING = {
    "list": ["list"],
    "show": ["show", "v1.0"],
    "compare": ["compare", "v1.0", "v2.0"],
    "report": ["report", "v1.0", "v2.0"],
    "claims": ["claims", "v1.0", "v2.0"],
    "gate": ["gate", "v1.0", "v2.0"],
    "selftest": ["selftest", "v1.0", "--splits", "50"],
    "doctor": ["doctor"],
}
RECORD = ["record", "x", "--duration", "1", "--success", "--version", "v"]
QUERIES = [
    ["--task", "Task number 3"],
    ["--task-id", "task-03", "--task-id", "task-04"],
    ["--agent", "builder"],
    ["--success"],
    ["--failure"],
    ["--since", "2020-01-01", "--until", "2100-01-01T00:00:00+00:00"],
    ["--last-days", "7"],
    ["--metadata", "tier=gold"],
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith(("BENCHMARK_RECORDER_", "GITHUB_")):
            monkeypatch.delenv(name)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "runs.json"
    with BenchmarkRecorder(path) as recorder:
        record_runs(recorder, metadata={"tier": "gold", "n": 3})
    return path


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


def one_line(result: Result) -> str:
    """The error's line; there is nothing else on stderr."""
    (line,) = result.stderr.splitlines()
    assert line.isprintable()
    return line


def process(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmark_recorder", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONIOENCODING": "utf-8", **environment},
    )


# Help -----------------------------------------------------------------------------------------------------------------


def test_the_help_names_every_command_and_the_exit_codes() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert re.findall(r"^  (\w+)  ", result.stdout, re.MULTILINE) == [*COMMANDS, "vertex"]
    assert "Exit codes: 0 fine" in result.stdout


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "sync"])  # its example has a server
def test_the_help_of_each_command_has_an_example_that_is_right(command: str, store: Path) -> None:
    shown = run(command, "--help")
    assert shown.exit_code == 0
    example = re.search(r"Example: benchmark-recorder (.*)$", " ".join(shown.stdout.split()))
    assert example is not None
    run("export", "--format", "jsonl", "--output", "runs.jsonl", "--store", store)  # for import
    assert run("--store", store, *shlex.split(example[1])).exit_code == 0


def test_the_help_draws_no_boxes() -> None:
    assert run("list", "--help").stdout.isascii()


def test_no_command_at_all_shows_the_help() -> None:
    assert "Usage:" in run().output


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"{__version__}\n"


# record ---------------------------------------------------------------------------------------------------------------


def test_what_is_recorded_has_every_field(tmp_path: Path) -> None:
    result = run(
        *("record", "Fix CSS", "--duration", "3.4", "--failure", "--version", "v2.0", "--agent", "builder"),
        *("--expected-agent", "writer", "--cost", "0", "--difficulty", "0.2", "--task-id", "css", "--error-type", "X"),
        *("--model", "m", "--input-tokens", "3", "--output-tokens", "4", "--timestamp", "2026-01-02T03:04:05+00:00"),
        *("--metadata", "tier=gold", "--metadata", "n=3", "--metadata", 'text="3"', "--store", "new/m.json"),
    )
    assert result.exit_code == 0
    assert result.stdout == f"recorded in {tmp_path / 'new' / 'm.json'}\n"
    (document,) = json.loads(Path("new/m.json").read_text())["metrics"]
    assert document | {"host": None, "git_commit": None} == {
        "record_id": document["record_id"],
        "timestamp": "2026-01-02T03:04:05.000000+00:00",
        "version": "v2.0",
        "git_commit": None,
        "task_id": "css",
        "task_description": "Fix CSS",
        "execution_time": 3.4,
        "success": False,
        "agent_selected": "builder",
        "cost_estimated": 0.0,
        "difficulty": 0.2,
        "metadata": {"tier": "gold", "n": 3, "text": "3"},
        "cost_known": True,
        "host": None,
        "expected_agent": "writer",
        "error_type": "X",
        "model": "m",
        "input_tokens": 3,
        "output_tokens": 4,
    }


def test_the_default_place_is_under_the_working_directory() -> None:
    assert run("record", "x", "--duration", "1", "--success", "--version", "v").exit_code == 0
    assert len(json.loads(Path("benchmarks/metrics.json").read_text())["metrics"]) == 1


def test_the_store_may_stand_before_or_after_the_command(store: Path) -> None:
    assert run("--store", store, "list").stdout == run("list", "--store", store).stdout != ""
    assert run("--store", "other.json", "list", "--store", store).exit_code == 0


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        ("--duration", "-1", "duration"),
        ("--duration", "nan", "duration"),
        ("--version", "", "version"),
        ("--cost", "inf", "cost"),
        ("--difficulty", "1.5", "difficulty"),
        ("--input-tokens", "-3", "input_tokens"),
        ("--timestamp", "yesterday", "timestamp"),
        ("--metadata", "novalue", "--metadata"),
    ],
)
def test_a_wrong_field_is_wrong_usage_and_names_itself(option: str, value: str, name: str) -> None:
    result = run("record", "x", "--duration", "1", "--success", "--version", "v", option, value)
    assert result.exit_code == 2
    assert one_line(result).startswith(f"benchmark-recorder: {name}: expected ")
    assert not Path("benchmarks").exists()


def test_how_it_ended_must_be_said() -> None:
    result = run("record", "x", "--duration", "1", "--version", "v")
    assert result.exit_code == 2
    assert "say how it ended: --success or --failure" in result.stderr
    assert not Path("benchmarks").exists()


def test_recording_that_is_switched_off_says_so() -> None:
    result = run("record", "x", "--duration", "1", "--success", "--version", "v", BENCHMARK_RECORDER_DISABLED="1")
    assert result.exit_code == 0
    assert "not recorded" in one_line(result)
    assert not Path("benchmarks").exists()


# Reading --------------------------------------------------------------------------------------------------------------


def test_the_versions_are_listed_in_order_with_their_counts(store: Path) -> None:
    lines = run("list", "--store", store).stdout.splitlines()
    assert lines[0].split()[:3] == ["version", "runs", "tasks"]
    assert [line.split()[:3] for line in lines[1:]] == [["v1.0", "65", "13"], ["v2.0", "65", "13"]]


def test_show_tells_the_figures_of_a_version(store: Path) -> None:
    text = run("show", "v2.0", "--store", store).stdout
    assert text.startswith("v2.0\n====\n")
    assert re.search(r"^runs +65$", text, re.MULTILINE)
    assert re.search(r"^mean time \(ms\) +[\d.]+ \[[\d.]+, [\d.]+\]$", text, re.MULTILINE)


def test_compare_tells_all_metrics_or_the_one_that_is_asked_for(store: Path) -> None:
    everything = run("compare", "v1.0", "v2.0", "--store", store).stdout
    one = run("compare", "v1.0", "v2.0", "--metric", "cost", "--margin", "0.2", "--store", store).stdout
    assert len(re.findall(r"^- (Execution time|Failure rate|Cost|Routing accuracy): ", everything, re.MULTILINE)) == 4
    assert " ".join(one.split()).startswith(
        "v2.0 against v1.0 ================= Cost: v2.0 and v1.0 cost the same, within 20.0 %"
    )
    assert "Execution time" not in one


def test_the_report_is_what_the_recorder_generates(store: Path) -> None:
    recorder = BenchmarkRecorder(store)
    for form in ("text", "markdown", "json"):
        shown = run("report", "v1.0", "v2.0", "--format", form, "--agent", "builder", "--store", store)
        assert shown.exit_code == 0
        assert shown.stdout.rstrip("\n") == recorder.generate_report(["v1.0", "v2.0"], form, agent=["builder"]).rstrip(
            "\n"
        )


def test_a_report_on_nothing_replaces_an_old_one_and_says_so() -> None:
    Path("r.md").write_text("old")
    assert run("report", "v1.0", "--output", "r.md").exit_code == 4
    assert "There are no runs of version v1.0." in Path("r.md").read_text()


def test_a_report_ends_as_a_gate_only_where_asked(store: Path) -> None:
    asked = ("report", "v2.0", "v1.0", "--output", "r.txt", "--store", store)
    assert run(*asked).exit_code == 0
    blocked = run(*asked, "--gate")
    assert blocked.exit_code == 1
    assert one_line(blocked).startswith("benchmark-recorder: v1.0 against v2.0: blocked.")
    assert Path("r.txt").read_text().startswith("Benchmark report: v2.0, v1.0")
    assert run("report", "v1.0", "v2.0", "--gate", "--store", store).exit_code == 0
    assert run("report", "v1.0", "--gate", "--store", store).exit_code == 2


def test_a_report_as_html_goes_to_a_file_or_through_a_pipe(store: Path) -> None:
    asked = ("report", "v1.0", "v2.0", "--last-days", "7", "--format", "html", "--store", store)
    assert run(*asked, "--output", "report.html").exit_code == 0
    written = Path("report.html").read_text(encoding="utf-8")
    assert written.startswith("<!DOCTYPE html>")
    assert run(*asked).stdout == written


def test_without_jinja_a_report_as_html_says_what_to_install(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark_recorder.reporting import html

    html._template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = run("report", "v1.0", "--format", "html", "--output", "r.html", "--store", store)
    assert result.exit_code == 2
    assert 'pip install "benchmark-recorder[report]"' in one_line(result)
    assert not Path("r.html").exists()


def test_a_file_is_replaced_whole_or_not_at_all(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("r.txt").write_text("old")
    Path("r.txt").chmod(0o640)
    Path("link.txt").symlink_to("r.txt")
    asked = ("report", "v1.0", "--output", "link.txt", "--store", store)

    def fail(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(Path, "replace", fail)
        assert "No space left" in run(*asked).stderr
    assert Path("r.txt").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["link.txt", "r.txt", "runs.json"]
    assert run(*asked).exit_code == 0
    assert Path("r.txt").read_text().startswith("Benchmark report: v1.0")
    assert Path("link.txt").is_symlink()
    assert Path("r.txt").stat().st_mode & 0o777 == 0o640


def test_a_new_file_is_made_with_the_users_own_mask(store: Path) -> None:
    before = os.umask(0o027)
    try:
        assert run("report", "v1.0", "--output", "r.txt", "--store", store).exit_code == 0
    finally:
        os.umask(before)
    assert Path("r.txt").stat().st_mode & 0o777 == 0o640


def test_what_is_no_file_is_written_to(store: Path) -> None:
    assert run("report", "v1.0", "--output", "/dev/null", "--store", store).exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_a_report_goes_to_a_file(store: Path) -> None:
    assert run("report", "v1.0", "--format", "markdown", "--output", "r.md", "--store", store).stdout == ""
    assert Path("r.md").read_text().startswith("# Benchmark report")


def test_a_report_as_csv_keeps_its_line_ends(store: Path) -> None:
    expected = BenchmarkRecorder(store).generate_report(["v1.0", "v2.0"], "csv")
    assert process("report", "v1.0", "v2.0", "--format", "csv", "--output", "r.csv", "--store", store).stdout == ""
    assert Path("r.csv").read_bytes().decode() == expected
    assert len(list(csv.DictReader(io.StringIO(expected, newline="")))) == expected.count("\r\n") - 1


@pytest.mark.parametrize("command", READING)
def test_every_reading_command_prints_json_with_a_schema_version(command: str, store: Path) -> None:
    result = run(*READING[command], "--json", "--store", store)
    assert result.exit_code == 0
    assert result.stdout.isascii()
    assert json.loads(result.stdout, parse_constant=pytest.fail)["schema_version"] == 1


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[0])
@pytest.mark.parametrize("command", [*(name for name in READING if name != "doctor"), "export"])
def test_every_reading_command_takes_every_query_option(command: str, query: list[str], store: Path) -> None:
    result = run(*READING.get(command, ["export"]), *query, "--store", store)
    assert result.exit_code in {0, 1, 4}
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Error" not in result.stderr


def test_a_query_narrows_what_is_counted(store: Path) -> None:
    def runs(*query: str) -> int:
        answer = json.loads(run("list", "--json", *query, "--store", store).stdout)
        return sum(version["count"] for version in answer["versions"])

    assert runs() == 130
    assert runs("--version", "v1.0") == 65
    assert runs("--version", "v1.0", "--version", "v2.0") == 130
    assert runs("--task-id", "task-03") == runs("--task", "Task number 3") == 10
    assert runs("--success") + runs("--failure") == 130
    assert runs("--metadata", "tier=gold", "--metadata", "n=3") == 130
    assert runs("--metadata", 'n="3"') == 0


@pytest.mark.parametrize("command", [*(name for name in READING if name != "doctor"), "export"])
def test_an_empty_store_is_told_with_exit_4_and_not_made(command: str) -> None:
    result = run(*READING.get(command, ["export"]), "--store", "nowhere/m.json")
    assert result.exit_code == 4
    assert "Traceback" not in result.output
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("command", ["compare", "claims", "gate", "show", "selftest"])
def test_an_unknown_version_is_told_with_exit_4(command: str, store: Path) -> None:
    result = run(command, *(["v9"] if command in {"show", "selftest"} else ["v1.0", "v9"]), "--store", store)
    assert result.exit_code == 4
    assert "v9" in result.stdout
    assert "nan" not in result.stdout


@pytest.mark.parametrize("command", ["compare", "claims", "gate", "report"])
def test_a_wrong_version_is_named_with_those_that_there_are(command: str, store: Path) -> None:
    result = run(command, "v1", "v2.0", "--store", store)
    assert "There are no runs of version v1." in result.stdout
    if command != "report":  # which has something to tell about the other version
        assert one_line(result) == (
            f"benchmark-recorder: there are no runs of version v1 in {store}; there are v1.0, v2.0"
        )


@pytest.mark.parametrize("command", ["compare", "gate"])
def test_where_a_version_has_no_runs_there_is_no_note_on_what_the_other_one_lacks(command: str) -> None:
    run("record", "x", "--duration", "1", "--success", "--version", "v1.0", "--store", "m.json")  # its cost is unknown
    assert "cost" not in run(command, "v1", "v1.0", "--store", "m.json").stdout


def test_all_wrong_versions_are_named(store: Path) -> None:
    assert "no runs of the versions v1, v2 in " in one_line(run("compare", "v1", "v2", "--store", store))
    assert "no runs of version v9 in " in one_line(run("export", "--version", "v9", "--store", store))


def test_many_versions_are_counted() -> None:
    with BenchmarkRecorder("m.json") as recorder:
        for n in range(13):
            recorder.record_execution("x", 1.0, True, f"v{n:02}" + 80 * "x")
    line = one_line(run("show", "v9", "--store", "m.json"))
    assert "v09xx" in line
    assert line.endswith("x…, 3 more")


@pytest.mark.parametrize("command", ["list", "show", "compare", "claims", "gate", "report", "selftest", "export"])
def test_runs_that_a_filter_leaves_out_are_not_denied(command: str, store: Path) -> None:
    result = run(*READING.get(command, [command]), "--agent", "nobody", "--store", store)
    assert result.exit_code == 4
    assert one_line(result) == f"benchmark-recorder: no records match in {store}"
    assert not re.search(r"no runs of version v[12]\.0\.", result.stdout)
    if command not in {"list", "export"}:
        told = " ".join(result.stdout.split())
        assert "There are no runs of version v1.0 that match the query." in told


@pytest.mark.parametrize("command", [*(name for name in READING if name != "doctor"), "export"])
def test_a_file_that_does_not_exist_is_told(command: str, tmp_path: Path) -> None:
    result = run(*READING.get(command, ["export"]), "--store", "nope.json")
    assert one_line(result) == f"benchmark-recorder: {tmp_path / 'nope.json'}: there is no such file"


def test_a_pinned_file_that_does_not_exist_is_told(store: Path) -> None:
    result = run("gate", "v1.0", "v2.0", "--baseline-file", "none.json", "--store", store)
    assert result.exit_code == 4
    assert one_line(result) == "benchmark-recorder: none.json: there is no such file"


@pytest.mark.parametrize("command", ["compare", "gate", "claims"])
def test_a_version_against_itself_is_wrong_usage(command: str, store: Path) -> None:
    result = run(command, "v1.0", "v1.0", "--store", store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert one_line(result).startswith(
        "benchmark-recorder: v2: the same version as v1; to compare a version with its own past, use"
    )


def test_a_gate_takes_a_version_against_its_own_past(store: Path) -> None:
    run("export", "--format", "json", "--output", "pinned.json", "--store", store)
    for past in (("--baseline-file", "pinned.json"), ("--baseline-days", "7")):
        assert "same version" not in run("gate", "v1.0", "v1.0", *past, "--store", store).stderr


def test_the_times_of_the_listed_versions_are_texts_with_an_offset() -> None:
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


def test_a_store_without_records_is_told(store: Path) -> None:
    store.write_text("")
    assert one_line(run("show", "v1.0", "--store", store)) == f"benchmark-recorder: there are no records in {store}"


def test_a_metric_that_no_run_tells_is_no_filter(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "v1.0", "v2.0", "--metric", "speed"],
        ["compare", "v1.0", "v2.0", "--metric", "cost", "--margin", "7"],
        ["compare", "v1.0", ""],
        ["gate", "v1.0", ""],
        ["report", "v1.0", "--format", "pdf"],
        ["list", "--since", "soon"],
        ["list", "--last-days", "-1"],
        ["list", "--since", "2026-02-01", "--until", "2026-01-01"],
        ["list", "--metadata", "x"],
    ],
)
def test_a_wrong_question_is_one_line_and_exit_2(arguments: list[str], store: Path) -> None:
    result = run(*arguments, "--store", store)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert re.match(r"benchmark-recorder: \S+: expected ", one_line(result))


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["list", "--nosuch"],
        ["show"],
        ["compare", "v1.0"],
        ["compare", "v1.0", "v2.0", "--margin", "0.1"],
        ["compare", "v1.0", "v2.0", "--scope", "x"],
        ["export", "--format", "xml"],
        ["prune"],
        ["prune", "--older-than", "1", "--before", "2020-01-01"],
        ["gate", "v1.0", "v2.0", "--policy", "x"],
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], store: Path) -> None:
    result = run("--store", store, *arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert "Traceback" not in result.output


# Stores that cannot be read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*READING.values(), ["export"], RECORD], ids=lambda command: command[0])
def test_a_file_that_is_not_ours_is_exit_4_and_untouched(command: list[str]) -> None:
    Path("other.json").write_text('{"settings": {"a": 1}}')
    result = run(*command, "--store", "other.json")
    assert result.exit_code == 4
    assert "other.json is not a file of benchmark records" in result.output
    assert "Traceback" not in result.output
    assert Path("other.json").read_text() == '{"settings": {"a": 1}}'


@pytest.mark.parametrize("command", [*READING.values(), ["export"], RECORD], ids=lambda command: command[0])
def test_a_folder_is_exit_4(command: list[str], tmp_path: Path) -> None:
    result = run(*command, "--store", tmp_path)
    assert result.exit_code == 4
    assert str(tmp_path) in result.output
    assert "Traceback" not in result.output


def test_a_wrong_setting_is_exit_2_and_says_where_it_came_from() -> None:
    result = run("list", BENCHMARK_RECORDER_DURABILITY="sometimes")
    assert result.exit_code == 2
    assert "BENCHMARK_RECORDER_DURABILITY" in one_line(result)


def test_a_store_that_there_is_not_yet_is_exit_2_without_its_password() -> None:
    result = run("list", "--store", "carrier-pigeon://user:secret@host/db")
    assert result.exit_code == 2
    assert "no store for carrier-pigeon://" in one_line(result)
    assert "secret" not in result.output


def test_a_bug_shows_its_traceback(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(History, "get_historical_metrics", broken)
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(app, ["show", "v1.0", "--store", str(store)], catch_exceptions=False)


# export ---------------------------------------------------------------------------------------------------------------


def test_an_export_as_csv_is_read_back(store: Path) -> None:
    result = run("export", "--version", "v1.0", "--output", "out.csv", "--store", store)
    assert (result.exit_code, result.stdout) == (0, "")
    with Path("out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 65
    assert {row["version"] for row in rows} == {"v1.0"}
    assert list(rows[0])[:3] == ["timestamp", "version", "git_commit"]
    assert float(rows[0]["execution_time"]) > 0


def test_an_export_as_json_is_a_store_again(store: Path) -> None:
    assert run("export", "--format", "json", "--output", "copy.json", "--store", store).exit_code == 0
    assert json.loads(Path("copy.json").read_text())["metrics"] == json.loads(store.read_text())["metrics"]
    assert run("list", "--store", "copy.json").stdout == run("list", "--store", store).stdout


def test_json_lines_keep_the_fields_that_we_do_not_know(store: Path) -> None:
    document = json.loads(store.read_text())
    document["metrics"][0]["of_another_tool"] = {"x": [1]}
    store.write_text(json.dumps(document))
    lines = run("export", "--format", "jsonl", "--output", "-", "--store", store).stdout.splitlines()
    assert [json.loads(line) for line in lines] == document["metrics"]


def test_an_export_never_overwrites_the_store(store: Path, tmp_path: Path) -> None:
    before = store.read_bytes()
    (tmp_path / "link.json").symlink_to(store)
    for output in (store, tmp_path / "link.json"):
        result = run("export", "--output", output, "--store", store)
        assert result.exit_code == 2
        assert "the records live there" in result.stderr
    assert store.read_bytes() == before


def test_an_export_to_a_place_that_cannot_be_written_is_exit_2(store: Path, tmp_path: Path) -> None:
    for output in (tmp_path, tmp_path / "no" / "x.csv"):
        result = run("export", "--output", output, "--store", store)
        assert result.exit_code == 2
        assert "cannot write" in result.stderr


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_an_export_to_a_file_says_how_much_it_wrote(form: str, store: Path) -> None:
    asked = ("export", "--format", form, "--store", store)
    assert one_line(run(*asked, "--output", "x")) == "wrote 130 records to x"
    assert run(*asked).stderr == ""


def test_an_export_of_nothing_writes_nothing(store: Path) -> None:
    assert run("export", "--version", "v9", "--output", "x.csv", "--store", store).exit_code == 4
    assert not Path("x.csv").exists()


# doctor and prune -----------------------------------------------------------------------------------------------------


def test_the_doctor_tells_the_file_and_where_each_setting_came_from(store: Path) -> None:
    text = run("doctor", BENCHMARK_RECORDER_STORE=str(store), BENCHMARK_RECORDER_DURABILITY="fsync").stdout
    assert re.search(rf"^  path +{re.escape(str(store))}$", text, re.MULTILINE)
    assert re.search(r"^  form +ours$", text, re.MULTILINE)
    assert re.search(r"^  records +130$", text, re.MULTILINE)
    assert re.search(r"^  problem +none$", text, re.MULTILINE)
    assert re.search(r"^  durability +fsync \(BENCHMARK_RECORDER_DURABILITY\)$", text, re.MULTILINE)
    assert re.search(r"^  strict +no \(default\)$", text, re.MULTILINE)
    assert "(argument)" in run("doctor", "--store", store).stdout


def test_the_doctor_finds_a_torn_tail_and_mends_it(store: Path) -> None:
    whole = store.read_bytes()
    store.write_bytes(whole[:-40])
    sick = run("doctor", "--store", store)
    assert sick.exit_code == 4
    assert re.search(r"^  torn +[1-9]\d*$", sick.stdout, re.MULTILINE)
    assert store.read_bytes() == whole[:-40]
    mended = run("doctor", "--repair", "--store", store)
    assert mended.exit_code == 0
    assert "repaired\n" in mended.stdout
    assert len(json.loads(store.read_text())["metrics"]) == 129
    assert run("doctor", "--store", store).exit_code == 0


def test_the_doctor_makes_nothing_where_there_is_nothing() -> None:
    result = run("doctor")
    assert result.exit_code == 0
    assert re.search(r"^  exists +no$", result.stdout, re.MULTILINE)
    assert list(Path.cwd().iterdir()) == []


def test_the_doctor_says_that_there_is_no_file(tmp_path: Path) -> None:
    result = run("doctor", "--store", "nope.json")
    assert result.exit_code == 0
    path = tmp_path / "nope.json"
    assert one_line(result) == f"benchmark-recorder: {path}: there is no such file yet; the first record creates it"
    assert "form" not in result.stdout.split("settings")[0]


def test_the_doctor_says_how_to_mend_this_very_file(tmp_path: Path) -> None:
    path = tmp_path / "my runs.json"
    run(*RECORD, "--store", path)
    run(*RECORD, "--store", path)
    lines = path.read_text().splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if "record_id" in line)
    path.write_text("".join([*lines[: first + 1], *lines[first:]]))
    line = run("doctor", "--store", path).stderr.splitlines()[-1]
    assert line == f"benchmark-recorder: to repair the file: benchmark-recorder doctor --repair --store '{path}'"
    assert run(*shlex.split(line.partition(": ")[2].partition(": ")[2])[1:]).exit_code == 0
    assert run("doctor", "--store", path).stderr == ""


@pytest.mark.parametrize(("option", "value"), [("--before", "foo"), ("--older-than", "1e300")])
def test_prune_names_the_option_that_is_wrong(option: str, value: str, store: Path) -> None:
    result = run("prune", option, value, "--store", store)
    assert result.exit_code == 2
    assert one_line(result).startswith(f"benchmark-recorder: {option}: expected ")


def test_prune_counts_and_removes_only_with_yes(store: Path) -> None:
    run(
        *("record", "x", "--duration", "1", "--success", "--version", "old", "--timestamp", "2020-01-01"),
        "--store",
        store,
    )
    for limit in (["--before", "2021-01-01"], ["--older-than", "365"]):
        counted = run("prune", *limit, "--store", store)
        assert counted.stdout.startswith("1 record in ")
        assert len(json.loads(store.read_text())["metrics"]) == 131
    assert run("prune", "--before", "2021-01-01", "--yes", "--store", store).stdout.startswith("removed 1 record from ")
    assert len(json.loads(store.read_text())["metrics"]) == 130


# claims and gate ------------------------------------------------------------------------------------------------------


def test_claims_have_a_status_each_and_hints_where_they_are_not_met(store: Path) -> None:
    text = run("claims", "v2.0", "v1.0", "--store", store).stdout
    assert re.search(r"^execution time at least 30 % better .* REFUTED$", text, re.MULTILINE)
    assert "- Profile slow components" in text


def test_a_gate_passes_blocks_and_has_no_data(store: Path) -> None:
    assert run("gate", "v1.0", "v2.0", "--store", store).exit_code == 0
    blocked = run("gate", "v2.0", "v1.0", "--store", store)
    assert blocked.exit_code == 1
    assert blocked.stdout.startswith("Gate: blocked: v1.0 against v2.0\n")
    assert run("gate", "v1.0", "v9", "--store", store).exit_code == 4


def test_a_gate_that_cannot_tell_fails_only_where_asked(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "few.json") as recorder:
        record_runs(recorder, tasks=2, repeats=1)
    asked = ["gate", "v1.0", "v2.0", "--store", "few.json"]
    assert run(*asked).exit_code == 0
    assert run(*asked, "--on-inconclusive", "fail").exit_code == 3
    assert run(*asked, "--on-inconclusive", "pass").exit_code == 0


def test_a_gate_is_told_in_each_format(store: Path) -> None:
    asked = ("gate", "v2.0", "v1.0", "--store", store)
    assert run(*asked, "--format", "markdown").stdout.startswith("# Gate: blocked: `v1.0` against `v2.0`\n")
    document = json.loads(run(*asked, "--format", "json").stdout)
    assert (document["schema_version"], document["state"], document["exit_code"]) == (1, "block", 1)
    suite = ET.fromstring(run(*asked, "--format", "junit").stdout)[0]
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert failed == [check["metric"] for check in document["checks"] if check["state"] == "block"] != []
    assert suite.get("failures") == str(len(failed))
    assert suite.get("tests") == "3"


def test_a_gate_compares_with_a_window_of_days_or_a_pinned_file(store: Path) -> None:
    asked = ("gate", "v1.0", "v2.0", "--json", "--store", store)
    plain = json.loads(run(*asked).stdout)
    run("export", "--format", "json", "--version", "v1.0", "--output", "pinned.json", "--store", store)
    assert json.loads(run(*asked, "--baseline-file", "pinned.json").stdout)["checks"] == plain["checks"]
    assert json.loads(run(*asked, "--baseline-days", "7").stdout)["checks"] == plain["checks"]
    both = run(*asked, "--baseline-file", "pinned.json", "--baseline-days", "7")
    assert both.exit_code == 2
    assert run(*asked, "--baseline-file", "nowhere.json").exit_code == 4


def test_the_selftest_tells_both_kinds_of_splits(store: Path) -> None:
    text = run("selftest", "v1.0", "--splits", "100", "--store", store).stdout
    assert re.search(r"^within tasks +100 +[<\d.]+ ", text, re.MULTILINE)
    assert re.search(r"^time +\+\d+\.\d %$", text, re.MULTILINE)
    assert text == run("selftest", "v1.0", "--splits", "100", "--seed", "0", "--store", store).stdout
    assert run("selftest", "v1.0", "--splits", "0", "--store", store).exit_code == 2


def test_inside_github_a_verdict_is_an_annotation_and_a_summary(store: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    blocked = run("gate", "v2.0", "v1.0", "--json", "--store", store, **github)
    json.loads(blocked.stdout)
    assert re.match(r"::error title=Benchmark gate%3A block::v1\.0 against v2\.0: blocked\. ", blocked.stderr)
    assert summary.read_text().startswith("before\n# Gate: blocked")
    passed = run("gate", "v1.0", "v2.0", "--store", store, **github)
    assert passed.stderr == ""


def test_a_summary_that_is_full_is_told_so(store: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * (900 * 1024))
    run("gate", "v1.0", "v2.0", "--store", store, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.stat().st_size < 901 * 1024
    assert summary.read_text().endswith("did not fit here.\n")


# Hostile texts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_in_every_field_breaks_no_command(text: str, tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "h.json") as recorder:
        names = {text: (1.0, 0.1), f"{text[:4000]}2": (0.4, 0.0)}
        fields = {"task": text, "task_id": text, "agent_selected": text, "expected_agent": text, "model": text}
        record_runs(recorder, names, tasks=1, repeats=6, error_type=text, metadata={text[:99]: text[:99]}, **fields)
        versions = sorted({metric.version for metric in recorder.get_all_metrics()}, key=len)
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    commands = (["list"], ["show", versions[0]], *([c, *versions] for c in ("compare", "report", "claims", "gate")))
    for name, *given in (*commands, ["selftest", versions[0]]):
        fewer = ["--splits", "20"] if name == "selftest" else []
        result = run("--store", "h.json", name, *fewer, "--", *given, **github)
        assert result.exit_code in {0, 1}, result.output
        assert all(line.isprintable() for line in result.stdout.split("\n"))
        assert not re.search(r"^\s*::", result.stdout, re.MULTILINE)
        for line in result.stderr.splitlines():
            assert line.startswith(("::error title=Benchmark", "::warning title=Benchmark"))
            assert line.isprintable()
    document = ET.fromstring(run("--store", "h.json", "gate", "--format", "junit", "--", *versions).stdout)
    assert document.tag == "testsuites"
    missing = run("--store", "h.json", "show", "--", f"{text[:1000]}?")
    assert missing.exit_code == 4
    lines = run("--store", "h.json", "export", "--format", "jsonl").stdout.splitlines()
    assert {json.loads(line)["version"] for line in lines} == set(versions)
    table = list(csv.reader(io.StringIO(run("--store", "h.json", "export").stdout, newline="")))
    assert len(table) == 13
    assert len({len(row) for row in table}) == 1


# Real processes -------------------------------------------------------------------------------------------------------


def test_as_a_process_it_records_and_reports(tmp_path: Path) -> None:
    for version, duration in (("v1.0", "2.0"), ("v2.0", "1.5")):
        done = process("record", "Fix CSS", "--duration", duration, "--success", "--version", version)
        assert (done.returncode, done.stderr) == (0, "")
    done = process("report", "v1.0", "v2.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Benchmark report: v1.0, v2.0\n")
    assert done.stdout.endswith(" UTC\n")


def test_as_a_process_it_tells_an_error_in_one_line() -> None:
    done = process("compare", "v1.0", "v2.0", "--metric", "speed")
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"benchmark-recorder: metric: expected one of .*, got 'speed'\n", done.stderr)
    assert process("list").returncode == 4


def test_as_a_process_it_tells_what_the_library_logs() -> None:
    done = process("record", "x" * 5000, "--duration", "1", "--success", "--version", "v")
    assert done.returncode == 0
    assert done.stderr == "benchmark-recorder: recorded, but task was cut from 5,000 to 4,096 characters\n"


@pytest.mark.parametrize(
    ("command", "begins"),
    [
        ("report v1.0 v2.0 --output it.html", "<!doctype html>"),
        ("report v1.0 v2.0 --output it.MD", "# Benchmark report"),
        ("report v1.0 v2.0 --output it.csv", "kind,version,"),
        ("report v1.0 v2.0 --output it.txt", "Benchmark report"),
        ("report v1.0 v2.0 --output it.html --format text", "Benchmark report"),
        ("export --output it.json", '{"schema_version": 1, "metrics": ['),
        ("export --output it.jsonl", '{"'),
        ("export --output it", "timestamp,version,"),
        ("gate v1.0 v2.0 --output it.xml", "<testsuites>"),
        ("gate v1.0 v2.0 --output it.md", "# Gate"),
    ],
)
def test_the_ending_of_the_file_says_the_form_unless_it_is_given(command: str, begins: str, store: Path) -> None:
    run(*command.split(), "--store", store)
    (path,) = Path.cwd().glob("it*")
    assert path.read_text(encoding="utf-8").lower().startswith(begins.lower())


def test_piped_output_has_no_colour_and_no_boxes(store: Path) -> None:
    done = process("compare", "v1.0", "v2.0", "--store", store, FORCE_COLOR="1", TERM="xterm-256color")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout


def test_an_output_that_cannot_hold_a_character_gets_an_escape_and_no_traceback(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "m.json") as recorder:
        record_runs(recorder, {"v漢": (1.0, 0.0)}, tasks=1, repeats=2)
    done = process("show", "v漢", "--store", "m.json", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("v\\u6f22\n")


def test_a_reader_that_goes_away_causes_no_traceback(store: Path) -> None:
    command = [sys.executable, "-m", "benchmark_recorder", "export", "--format", "jsonl", "--store", str(store)]
    root = str(Path(__file__).parent.parent)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        complaint = child.stderr.read()
    assert b"Traceback" not in complaint


def test_on_a_terminal_verdicts_have_a_colour_and_recorded_markup_has_none(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "m.json") as recorder:
        record_runs(recorder, {"[red]v1[/red]": (1.0, 0.1), "v2": (0.5, 0.1)})
    shown = in_a_terminal("compare", "[red]v1[/red]", "v2", "--store", str(tmp_path / "m.json"))
    assert "\x1b[32m" in shown
    assert "[red]v1[/red]" in re.sub(r"\x1b\[\d*m", "", shown)


def in_a_terminal(*arguments: str) -> str:
    """What a command writes to a terminal."""
    import pty

    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmark_recorder", *arguments],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    assert child.wait() == 0
    return written.decode()


# The documentation ----------------------------------------------------------------------------------------------------


def test_the_page_shows_every_command() -> None:
    """And ``tests/test_docs.py`` runs what it shows."""
    shown = [command.line.split() for command in commands(ROOT / "docs" / "cli.md")]
    assert {words[1] for words in shown if words[0] == "benchmark-recorder"} == set(COMMANDS)
