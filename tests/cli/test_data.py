"""``record``, ``import`` and ``export``."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmark_recorder.fields import FIELDS
from tests.cli.commands import one_line, run


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


def test_each_argument_of_record_execution_is_an_option() -> None:
    options = set(re.findall(r"^  --([a-z-]+)", run("record", "--help").stdout, re.MULTILINE))
    arguments = {field.argument for field in FIELDS} - {None, "task"}
    spelled = {"agent" if name == "agent_selected" else str(name).replace("_", "-") for name in arguments}
    assert options == spelled | {"store", "journal", "idempotency-key"}


@pytest.mark.parametrize("text", ["83e2010", "3e563", "NaN", "-Infinity", "1.10", "1e5", "007", "0x10", "[NaN]", "x=y"])
def test_metadata_that_no_number_gives_back_stays_a_text_in_records_and_filters(text: str) -> None:
    record = ("record", "x", "--duration", "1", "--success", "--version", "v")
    assert run(*record, "--metadata", f"sha={text}").exit_code == 0
    (document,) = json.loads(Path("benchmarks/metrics.json").read_text())["metrics"]
    assert document["metadata"] == {"sha": text}
    assert json.loads(run("list", "--metadata", f"sha={text}", "--json").stdout)["versions"] != []


@pytest.mark.parametrize("value", [3, -1.5, 0.1, 1e300, True, None, [1.10, {}], {"a": "b"}], ids=repr)
def test_metadata_that_is_json_stays_what_it_is(value: object) -> None:
    record = ("record", "x", "--duration", "1", "--success", "--version", "v")
    assert run(*record, "--metadata", f"a={json.dumps(value)}").exit_code == 0
    (document,) = json.loads(Path("benchmarks/metrics.json").read_text())["metrics"]
    assert document["metadata"] == {"a": value}


def test_what_is_recorded_twice_under_one_key_counts_once() -> None:
    record = ("record", "x", "--duration", "1", "--version", "v", "--idempotency-key", "run-1")
    assert run(*record, "--success").exit_code == run(*record, "--failure").exit_code == 0
    (document,) = json.loads(Path("benchmarks/metrics.json").read_text())["metrics"]
    assert document["success"] is True


def test_the_configured_version_serves_a_record_that_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    record = ("record", "x", "--duration", "1", "--success")
    result = run(*record)
    assert result.exit_code == 2
    assert one_line(result).startswith("benchmark-recorder: version: give it in the call, or once")
    monkeypatch.setenv("BENCHMARK_RECORDER_VERSION", "v7")
    assert run(*record).exit_code == 0
    assert "v7" in run("list").stdout


def test_success_with_a_class_of_failure_is_wrong_usage() -> None:
    result = run("record", "x", "--duration", "1", "--success", "--version", "v", "--error-type", "Timeout")
    assert result.exit_code == 2
    assert one_line(result).startswith("benchmark-recorder: error_type: 'Timeout' together with success")


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


def test_success_or_failure_must_be_given() -> None:
    result = run("record", "x", "--duration", "1", "--version", "v")
    assert result.exit_code == 2
    assert "say how it ended: --success or --failure" in result.stderr
    assert not Path("benchmarks").exists()


def test_recording_that_is_switched_off_says_so() -> None:
    result = run("record", "x", "--duration", "1", "--success", "--version", "v", BENCHMARK_RECORDER_DISABLED="1")
    assert result.exit_code == 0
    assert "not recorded" in one_line(result)
    assert not Path("benchmarks").exists()


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


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_an_export_to_a_file_says_how_much_it_wrote(form: str, store: Path) -> None:
    asked = ("export", "--format", form, "--store", store)
    assert one_line(run(*asked, "--output", "x")) == "wrote 130 records to x"
    assert run(*asked).stderr == ""


def test_an_export_of_nothing_writes_nothing(store: Path) -> None:
    assert run("export", "--version", "v9", "--output", "x.csv", "--store", store).exit_code == 4
    assert not Path("x.csv").exists()


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_what_is_exported_is_imported_and_adds_nothing_twice(form: str, store: Path, tmp_path: Path) -> None:
    run("export", "--format", form, "--output", "x", "--store", store)
    first = run("import", "x", "--store", "other.json")
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout == f"130 records in x ({form}), 130 of them new in {tmp_path / 'other.json'}\n"
    assert "130 records in x" in run("import", "x", "--store", "other.json").stdout
    assert json.loads(run("import", "x", "--json", "--store", "other.json").stdout)["imported"] == {
        "form": form,
        "read": 130,
        "new": 0,
        "notes": [],
        "refused": {},
    }
    for command in (["list"], ["compare", "v1.0", "v2.0"]):
        assert run(*command, "--store", "other.json").stdout == run(*command, "--store", store).stdout


def test_a_wrong_line_is_one_line_of_complaint_and_makes_no_store(store: Path) -> None:
    Path("x.csv").write_text("version,duration,success,timestamp,task\nv1,1,1,2026-01-01,a\nv1,fast,1,2026-01-01,a\n")
    result = run("import", "x.csv", "--store", "other.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "benchmark-recorder: x.csv, line 3: execution_time: expected a finite number of seconds, zero or more, "
        "got 'fast'\n"
    )
    assert not Path("other.json").exists()


def test_a_file_that_cannot_be_imported_is_exit_4() -> None:
    assert run("import", "nowhere").exit_code == 4
    Path("x").write_text("hello")
    result = run("import", "x")
    assert result.exit_code == 4
    assert result.stderr.startswith(
        "benchmark-recorder: x: unknown format: neither JSON nor CSV; expected JSON lines, "
    )
    Path("x").write_text('{"schema_version": 1, "metrics": []}')
    assert run("import", "x").exit_code == 4


def test_names_unit_and_source_of_a_file_are_options() -> None:
    Path("x.csv").write_text("v,prompt,latency,ok,at\nv1,a,1500,1.0,2026-01-02T03:04:05Z\n")
    maps = [f"--map={pair}" for pair in ("v=version", "prompt=task", "latency=duration", "ok=success", "at=timestamp")]
    result = run("import", "x.csv", *maps, "--unit", "ms")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(run("export", "--format", "jsonl").stdout)["execution_time"] == 1.5
    again = run("import", "x.csv", *maps, "--unit", "ms")
    assert again.stderr.startswith("benchmark-recorder: 1 records without an id were there already")
    for more in (["--source", "shard-2"], ["--as-new"]):
        assert "1 of them new" in run("import", "x.csv", *maps, "--unit", "ms", *more).stdout
    assert "expected THEIRS=OURS, got nothing" in run("import", "x.csv", "--map", "nothing").stderr
    assert run("import", "x.csv", "--map", "a=b").exit_code == 2


def test_a_file_of_another_tool_is_imported_with_its_scorer() -> None:
    log = Path(__file__).parents[1] / "data" / "exchange" / "inspect.eval"
    result = run("import", log, "--version", "v1", "--scorer", "match")
    assert result.exit_code == 0, result.stderr
    assert "8 records in" in result.stdout
    assert "(inspect), 8 of them new" in result.stdout


def test_changes_are_reported_and_the_import_is_done() -> None:
    line = {"version": "v1", "task": "x" * 5000, "duration": 1, "success": True, "timestamp": "2026-01-01"}
    Path("x").write_text(json.dumps(line))
    result = run("import", "x")
    assert result.exit_code == 0
    assert result.stderr == "benchmark-recorder: line 1: task_description was cut from 5,000 to 4,096 characters\n"


def test_an_import_follows_the_settings_of_recording(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("import", store, "--store", "other.json", BENCHMARK_RECORDER_DISABLED="1")
    assert "not imported: recording is switched off" in result.stderr
    assert not Path("other.json").exists()
    Path("pyproject.toml").write_text("[tool.benchmark_recorder]\nstore_task_text = false\n")
    assert run("import", store, "--store", "other.json").exit_code == 0
    assert {document["task_description"] for document in json.loads(Path("other.json").read_text())["metrics"]} == {""}


@pytest.mark.parametrize(("form", "figures"), [("customSmallerIsBetter", 4), ("customBiggerIsBetter", 2)])
def test_the_figures_of_one_version_go_to_a_chart(form: str, figures: int, store: Path) -> None:
    shown = run("export", "--format", form, "--version", "v2.0", "--store", store)
    assert shown.exit_code == 0
    assert len(json.loads(shown.stdout)) == figures
    none = run("export", "--format", form, "--store", store)
    assert none.exit_code == 2
    assert "name it" in none.stderr
    assert run("export", "--format", form, "--version", "v9", "--store", store).exit_code == 4


def test_runs_are_exported_as_test_cases(store: Path) -> None:
    result = run("export", "--format", "junit", "--version", "v1.0", "--output", "x.xml", "--store", store)
    assert result.stderr == "wrote 65 records to x.xml\n"
    assert len(list(ET.parse("x.xml").iter("testcase"))) == 65


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("list", "--json"),
        ("show", "v1", "--json"),
        ("export", "--format", "csv"),
        ("export", "--format", "csv", "--output", "runs.csv"),
        ("export", "--format", "junit"),
        ("export", "--format", "customSmallerIsBetter", "--version", "v1"),
    ],
    ids=" ".join,
)
def test_every_answer_says_how_many_records_are_invalid(command: tuple[str, ...], tmp_path: Path) -> None:
    store = tmp_path / "m.json"
    valid = {"version": "v1", "timestamp": "2026-01-02T03:04:05+00:00", "execution_time": 1.0, "success": True}
    metrics = [valid | {"record_id": f"{n:032x}"} | ({"success": 1} if n < 4 else {}) for n in range(10)]
    store.write_text(json.dumps({"metrics": metrics}))
    done = run("--store", str(store), *command)
    assert done.exit_code == 0, done.output
    assert "4 of 10 records in" in done.stdout + done.stderr
    if "--json" in command:
        assert "4 of 10 records in" in done.stdout
        json.loads(done.stdout)
