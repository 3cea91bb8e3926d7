"""How an answer leaves, and what is said where there is none."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from tests.cli.commands import CLAIMED, READING, one_line, process, run
from tests.hostile import HOSTILE
from tests.pages import ROOT
from tests.runs import record_runs


def test_a_file_is_replaced_as_a_whole_or_not_at_all(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_device_is_written_to_as_it_is(store: Path) -> None:
    assert run("report", "v1.0", "--output", "/dev/null", "--store", store).exit_code == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("command", READING)
def test_every_reading_command_prints_json_with_a_schema_version(command: str, store: Path) -> None:
    result = run(*READING[command], "--json", "--store", store)
    assert result.exit_code == 0
    assert result.stdout.isascii()
    assert json.loads(result.stdout, parse_constant=pytest.fail)["schema_version"] == 1


@pytest.mark.parametrize("command", [*(name for name in READING if name != "doctor"), "export"])
def test_a_missing_store_is_reported_with_exit_4_and_not_created(command: str) -> None:
    result = run(*READING.get(command, ["export"]), "--store", "nowhere/m.json")
    assert result.exit_code == 4
    assert "Traceback" not in result.output
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("command", ["compare", "claims", "gate", "show", "selftest", "changes"])
def test_an_unknown_version_is_reported_with_exit_4(command: str, store: Path) -> None:
    versions = ["v9"] if command in {"show", "selftest", "changes"} else ["v1.0", "v9"]
    result = run(command, *versions, *(CLAIMED if command == "claims" else []), "--store", store)
    assert result.exit_code == 4
    assert "v9" in result.stdout
    assert "nan" not in result.stdout


@pytest.mark.parametrize("command", ["compare", "claims", "gate", "report"])
def test_an_unknown_version_is_named_with_the_known_ones(command: str, store: Path) -> None:
    result = run(command, "v1", "v2.0", *(CLAIMED if command == "claims" else []), "--store", store)
    assert "There are no runs of version v1." in result.stdout
    if command != "report":  # which has something to tell about the other version
        assert one_line(result) == (
            f"benchmark-recorder: there are no runs of version v1 in {store}; there are v1.0, v2.0"
        )


def test_all_unknown_versions_are_named(store: Path) -> None:
    assert "no runs of the versions v1, v2 in " in one_line(run("compare", "v1", "v2", "--store", store))
    assert "no runs of version v9 in " in one_line(run("export", "--version", "v9", "--store", store))


def test_many_versions_are_counted() -> None:
    with BenchmarkRecorder("m.json") as recorder:
        for n in range(13):
            recorder.record_execution("x", 1.0, True, f"v{n:02}" + 80 * "x")
    line = one_line(run("show", "v9", "--store", "m.json"))
    assert "v02xx" not in line
    assert "v03xx" in line
    assert line.endswith("x… and 3 older ones")


def test_what_was_meant_by_an_unknown_name_is_said(store: Path) -> None:
    line = one_line(run("compare", "v1.0", "latest", "--store", store))
    assert line.endswith("there are v1.0, v2.0; for the latest, leave the name out")
    line = one_line(run("show", "v1.0 ", "--store", store))
    assert line.endswith("there are v1.0, v2.0; 'v1.0 ' and 'v1.0' differ by blanks only")


@pytest.mark.parametrize(
    "command", ["list", "show", "compare", "claims", "gate", "report", "selftest", "changes", "predict", "export"]
)
def test_runs_excluded_by_a_filter_are_not_reported_as_missing(command: str, store: Path) -> None:
    result = run(*READING.get(command, [command]), "--agent", "nobody", "--store", store)
    assert result.exit_code == 4
    assert one_line(result) == f"benchmark-recorder: no records match in {store}"
    assert not re.search(r"no runs of version v[12]\.0\.", result.stdout)
    if command not in {"list", "export"}:
        told = " ".join(result.stdout.split())
        assert "There are no runs of version v1.0 that match the query." in told


@pytest.mark.parametrize("command", [*(name for name in READING if name != "doctor"), "export"])
def test_a_missing_file_is_reported(command: str, tmp_path: Path) -> None:
    result = run(*READING.get(command, ["export"]), "--store", "nope.json")
    assert one_line(result) == f"benchmark-recorder: {tmp_path / 'nope.json'}: there is no such file"


def test_a_store_without_records_is_reported(store: Path) -> None:
    store.write_text("")
    assert one_line(run("show", "v1.0", "--store", store)) == f"benchmark-recorder: there are no records in {store}"


def test_an_export_never_overwrites_the_store(store: Path, tmp_path: Path) -> None:
    before = store.read_bytes()
    (tmp_path / "link.json").symlink_to(store)
    for output in (store, tmp_path / "link.json"):
        result = run("export", "--output", output, "--store", store)
        assert result.exit_code == 2
        assert "the records live there" in result.stderr
    assert store.read_bytes() == before


def test_an_export_that_cannot_be_written_is_exit_4(store: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for output in (tmp_path, tmp_path / "no" / "x.csv", tmp_path / "loop", store / "x.csv"):
        result = run("export", "--output", output, "--store", store)
        assert result.exit_code == 4
        assert one_line(result).startswith(f"benchmark-recorder: --output: cannot write {output}: ")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_in_every_field_breaks_no_command(text: str, tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "h.json") as recorder:
        names = {text: (1.0, 0.1), f"{text[:4000]}2": (0.4, 0.0)}
        fields = {"task": text, "task_id": text, "agent_selected": text, "expected_agent": text, "model": text}
        record_runs(recorder, names, tasks=1, repeats=6, error_type=text, metadata={text[:99]: text[:99]}, **fields)
        versions = sorted({metric.version for metric in recorder.get_all_metrics()}, key=len)
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    commands = (["list"], ["show", versions[0]], *([c, *versions] for c in ("compare", "report", "claims", "gate")))
    for name, *given in (*commands, ["selftest", versions[0]], ["changes", versions[0]], ["predict", versions[0]]):
        options = {"selftest": ["--splits", "20"], "claims": CLAIMED}.get(name, [])
        result = run("--store", "h.json", name, *options, "--", *given, **github)
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
def test_the_ending_of_the_file_decides_the_format_unless_it_is_given(command: str, begins: str, store: Path) -> None:
    run(*command.split(), "--store", store)
    (path,) = Path.cwd().glob("it*")
    assert path.read_text(encoding="utf-8").lower().startswith(begins.lower())


@pytest.mark.parametrize(
    ("command", "known"),
    [
        ("report v1.0 v2.0 --output r.pdf", ".txt, .md, .html, .htm, .json, .csv"),
        ("export --output e.parquet", ".csv, .jsonl, .json, .xml, .prom"),
        ("gate v1.0 v2.0 --output g.html", ".txt, .md, .json, .xml"),
    ],
)
def test_an_unknown_ending_is_refused_with_the_known_ones(command: str, known: str, store: Path) -> None:
    result = run(*command.split(), "--store", store)
    assert result.exit_code == 2
    assert f"known are {known};" in " ".join(result.stderr.split())
    assert not Path(command.rsplit(maxsplit=1)[-1]).exists()
    form = "csv" if command.startswith("export") else "text"
    assert run(*command.split(), "--format", form, "--store", store).exit_code == 0


def test_piped_output_has_no_colour_and_no_boxes(store: Path) -> None:
    done = process("compare", "v1.0", "v2.0", "--store", store, FORCE_COLOR="1", TERM="xterm-256color")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout


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
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"},
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


def test_a_comment_never_overwrites_the_store(store: Path) -> None:
    before = store.read_bytes()
    result = run("gate", "v1.0", "v2.0", "--comment", store, "--store", store)
    assert result.exit_code == 2
    assert "--comment" in result.stderr
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        ["report", "v1.0", "v2.0", "--output", "x.md"],
        ["gate", "v1.0", "v2.0", "--output", "x.md"],
        ["gate", "v1.0", "v2.0", "--comment", "x.md"],
    ],
    ids=["report", "gate", "comment"],
)
def test_a_file_that_was_written_is_named(command: list[str], store: Path) -> None:
    assert one_line(run(*command, "--store", store)) == "wrote x.md"


def test_a_terminal_sees_that_a_long_command_works_and_stdout_stays_as_it_is(store: Path) -> None:
    import pty

    program = (
        "import sys, time\n"
        "import benchmark_recorder.cli\n"
        "from benchmark_recorder.history import History\n"
        "app = sys.modules['benchmark_recorder.cli.app']\n"
        "app.PATIENCE = 0.01\n"
        "versions = History.versions\n"
        "def slow(self, **query):\n"
        "    while len(app._shown) < 2: time.sleep(0.01)\n"
        "    return versions(self, **query)\n"
        "History.versions = slow\n"
        "app.main()\n"
    )
    seen, shown = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", program, "list", "--store", str(store)],
        stdout=subprocess.PIPE,
        stderr=shown,
        check=True,
        timeout=120,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(shown)
    assert "working" in os.read(seen, 1 << 16).decode()
    os.close(seen)
    assert done.stdout.decode() == run("list", "--store", store).stdout
