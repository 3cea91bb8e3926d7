"""The plugin in real sessions, each a process of its own."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import BenchmarkRecorder
from tests.hostile import HOSTILE
from tests.runs import record_runs

ROOT = Path(__file__).parent.parent
QUIET = ("-p", "no:benchmark", "-p", "no:cacheprovider", "-q")

ONE_OF_EACH = """
import asyncio
import pytest

pytestmark = pytest.mark.benchmark_recorder(expected_agent="builder")

def test_called(benchmark_recorder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the store stays where the session was started
    assert benchmark_recorder(sorted, [2, 1], reverse=True) == [2, 1]

def test_async(benchmark_recorder):
    async def execute():
        return 7
    async def main():
        return await benchmark_recorder(execute)
    assert asyncio.run(main()) == 7

@pytest.mark.benchmark_recorder(task="Fix CSS", version="v9", difficulty=0.5)
def test_measured(benchmark_recorder):
    with benchmark_recorder.measure() as run:
        run.agent_selected = "builder"
        run.cost = 0.25

@pytest.mark.parametrize("n", [1, 2])
def test_timed_elsewhere(benchmark_recorder, n):
    benchmark_recorder.record(n, success=n == 1, agent_selected="writer", task=f"task {n}")

def test_that_fails(benchmark_recorder):
    with benchmark_recorder.measure():
        raise ZeroDivisionError

def test_that_is_skipped(benchmark_recorder):
    with benchmark_recorder.measure():
        pytest.skip("not here")
"""

FORTY = """
import pytest

@pytest.mark.parametrize("repeat", range(5))
@pytest.mark.parametrize("task", range(8))
def test_a_task(benchmark_recorder, task, repeat):
    benchmark_recorder.record(FACTOR * (task + 1 + repeat / 50), task=f"task {task}")
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of its own is no worker of this one, and not in a CI system."""
    for name in [*os.environ]:
        if name.startswith(("PYTEST_", "COV_", "GITHUB_")):
            monkeypatch.delenv(name)


def documents(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    return found


def session(pytester: pytest.Pytester, *options: str) -> tuple[int, str]:
    """The exit status, and all that was printed."""
    done = pytester.runpytest_subprocess(*QUIET, *options)
    return done.ret, done.stdout.str() + done.stderr.str()


# Recording ------------------------------------------------------------------------------------------------------------


def test_records_of_a_dirty_checkout_say_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_it(benchmark_recorder): benchmark_recorder(int)")
    pytester.run("git", "init", "--quiet")
    arguments = ("--bench-store=m.json", "--bench-version=v1")
    session(pytester, *arguments)
    pytester.run("git", "add", "test_it.py")
    session(pytester, *arguments)
    found = json.loads((pytester.path / "m.json").read_text())["metrics"]
    assert [record["metadata"] for record in found] == [{}, {"git_dirty": True}]


def test_the_fixture_records_what_a_test_does_under_its_name_and_marker(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=ONE_OF_EACH)
    status, output = session(
        pytester, "--bench-store=new/m.json", "--bench-version=v1", "--strict-markers", "-W", "error"
    )
    assert status == 1
    assert "1 failed, 5 passed, 1 skipped" in output
    assert f"recorded 6 executions in {pytester.path / 'new' / 'm.json'}" in output
    found = documents(pytester.path / "new" / "m.json")
    assert {document["expected_agent"] for document in found} == {"builder"}
    told = [(d["version"], d["task_description"], d["success"], d["agent_selected"]) for d in found]
    assert told == [
        ("v1", "test_it.py::test_called", True, None),
        ("v1", "test_it.py::test_async", True, None),
        ("v9", "Fix CSS", True, "builder"),
        ("v1", "task 1", True, "writer"),
        ("v1", "task 2", False, "writer"),
        ("v1", "test_it.py::test_that_fails", False, None),
    ]
    assert (found[2]["cost_estimated"], found[2]["difficulty"]) == (0.25, 0.5)
    assert (found[4]["execution_time"], found[5]["error_type"]) == (2, "ZeroDivisionError")


def test_a_record_that_is_wrong_fails_its_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        def test_wrong(benchmark_recorder):
            benchmark_recorder.record(-1.0)

        def test_wrong_in_a_block(benchmark_recorder):
            with benchmark_recorder.measure() as run:
                run.cost = "free"

        @pytest.mark.benchmark_recorder(speed=3)
        def test_wrong_marker(benchmark_recorder): ...

        @pytest.mark.benchmark_recorder("v1")
        def test_marker_without_a_keyword(benchmark_recorder): ...

        @pytest.mark.benchmark_recorder(version=None)
        def test_without_a_version(benchmark_recorder): ...
        """
    )
    status, output = session(pytester, "--bench-version=v1")
    assert status == 1
    assert "duration: expected a finite number" in output
    assert "cost: expected a finite number" in output
    assert "benchmark_recorder: the marker: unknown speed; known are task, version, success" in output
    assert "benchmark_recorder: the marker takes only keyword arguments" in output
    assert "benchmark_recorder: name the version: --bench-version NAME, or version= in the marker" in output
    assert not (pytester.path / "benchmarks").exists()


def test_recording_that_is_switched_off_is_reported(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_RECORDER_DISABLED", "1")
    pytester.makepyfile(test_it="def test_a(benchmark_recorder): benchmark_recorder.record(1.0)")
    status, output = session(pytester, "--bench-version=v1")
    assert status == 0
    assert "1 execution not recorded: recording is switched off" in output
    assert not (pytester.path / "benchmarks").exists()


# Comparing and deciding -----------------------------------------------------------------------------------------------


def store_with(pytester: pytest.Pytester, **versions: float) -> None:
    """A store with the forty runs of some versions, by the factor of their time."""
    with BenchmarkRecorder(pytester.path / "m.json") as recorder:
        for version, factor in versions.items():
            for task in range(8):
                for repeat in range(5):
                    recorder.record_execution(
                        f"task {task}", factor * (task + 1 + repeat / 50), True, version, cost=0.1
                    )


@pytest.mark.parametrize("workers", ["0", "4"])
def test_however_many_workers_record_the_verdict_is_printed_once_and_blocks(
    workers: str, pytester: pytest.Pytester
) -> None:
    store_with(pytester, v1=1.0)
    pytester.makepyfile(test_it=FORTY.replace("FACTOR", "2"))
    options = ("--bench-store=m.json", "--bench-version=v2", "--bench-compare=v1", "-W", "error", "-n", workers)
    status, output = session(pytester, *options, "--bench-gate", "-vv")
    assert status == 1
    assert "40 passed" in output
    assert "failed" not in output
    assert output.count("recorded 40 executions in ") == 1
    assert output.count("Gate: blocked: v2 against v1\n") == 1
    assert len(re.findall(r"^- Execution time: v2 is .* slower", output, re.MULTILINE)) == 1
    assert re.search(r"^- . task \d \([0-9a-f]{12}\) is 100.0% slower", output, re.MULTILINE)
    assert output.count("the gate fails this session") == 1
    found = [document for document in documents(pytester.path / "m.json") if document["version"] == "v2"]
    assert len({document["record_id"] for document in found}) == 40
    assert Counter(document["task_description"] for document in found) == {f"task {n}": 5 for n in range(8)}


def test_a_comparison_alone_fails_nothing(pytester: pytest.Pytester) -> None:
    store_with(pytester, v1=1.0, v2=2.0)
    pytester.makepyfile(test_it="def test_a(): ...")
    options = ("--bench-store=m.json", "--bench-version=v2", "--bench-compare=v1")
    status, output = session(pytester, *options)
    assert status == 0
    assert "v2 against v1: " in output
    assert "Gate" not in output
    assert "Execution time: v2 is " not in output
    assert "Execution time: v2 is " in session(pytester, *options, "-vv")[1]
    _, gated = session(pytester, *options, "--bench-gate")
    section = gated.partition("= benchmark_recorder =")[2].partition("the gate fails this session")[0]
    assert "Gate: blocked: v2 against v1\n" in section
    assert len(section.splitlines()) <= 17  # with the ends of the lines around it
    assert "v2 against v1" not in session(pytester, *options, "--collect-only")[1]


@pytest.mark.parametrize(("baseline", "status", "said"), [("v1", 0, "Gate: passed"), ("v7", 1, "Gate: no data")])
def test_the_gate_passes_or_has_no_data(baseline: str, status: int, said: str, pytester: pytest.Pytester) -> None:
    with BenchmarkRecorder(pytester.path / "m.json") as recorder:
        record_runs(recorder, {"v1": (1.0, 0.1), "v2": (0.9, 0.02)})
    pytester.makepyfile(test_it="def test_a(): ...")
    asked = ("--bench-store=m.json", "--bench-version=v2", f"--bench-compare={baseline}", "--bench-gate")
    found, output = session(pytester, *asked, "--bench-on-inconclusive=pass")
    assert (found, said in " ".join(output.split()), "1 passed" in output) == (status, True, True), output


@pytest.mark.parametrize(("reaction", "status"), [("warn", 0), ("fail", 1)])
def test_an_inconclusive_gate_fails_only_if_asked(reaction: str, status: int, pytester: pytest.Pytester) -> None:
    with BenchmarkRecorder(pytester.path / "m.json") as recorder:
        record_runs(recorder, {"v1": (1.0, 0.1), "v2": (1.0, 0.1)}, tasks=2, repeats=1)
    pytester.makepyfile(test_it="def test_a(): ...")
    asked = ("--bench-store=m.json", "--bench-version=v2", "--bench-compare=v1", "--bench-gate")
    assert session(pytester, *asked, f"--bench-on-inconclusive={reaction}")[0] == status


def test_a_store_that_cannot_be_read_is_reported_and_passes_no_gate(pytester: pytest.Pytester) -> None:
    (pytester.path / "m.json").write_text('{"settings": 1}')
    pytester.makepyfile(test_it="def test_a(): ...")
    asked = ("--bench-store=m.json", "--bench-version=v2", "--bench-compare=v1")
    status, output = session(pytester, *asked, "--bench-gate")
    assert status == 1
    assert "cannot be compared: " in output
    assert "is not a file of benchmark records" in output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--bench-gate"], "--bench-gate: name the baseline with --bench-compare"),
        (["--bench-compare=v1"], "--bench-compare: name the candidate with --bench-version"),
        (["--bench-compare=v1", "--bench-version=v1"], "--bench-compare: the same version as --bench-version"),
        (["--bench-store=pigeon://x"], "benchmark_recorder: store: no store for pigeon://"),
        (["--bench-store=."], "is a folder; name a file in it"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    options: list[str], said: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it="def test_a(): ...")
    status, output = session(pytester, *options)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert said in output
    assert "Traceback" not in output


def test_what_the_page_shows_works(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (pytester.path / program[0]).write_text(program[1], encoding="utf-8")
    commands = re.findall(r"^\$ pytest (.*)$", page, re.MULTILINE)
    assert len(commands) == 3
    outputs = []
    for command in commands:
        status, output = session(pytester, *command.split(), "-W", "error", "--strict-markers")
        assert (status, "5 passed" in output) == (0, True), output
        outputs.append(output)
    assert [document["version"] for document in documents(pytester.path / "runs.json")] == ["v2.0"] * 5
    assert "v3.0 against v2.0" in outputs[2]


# Where it is not used -------------------------------------------------------------------------------------------------


def test_unused_it_is_silent_and_imports_nothing_else_of_the_package(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import sys

        def test_what_is_loaded():
            ours = {name for name in sys.modules if name.split(".")[0] == "benchmark_recorder"}
            assert ours == {"benchmark_recorder", "benchmark_recorder._lazy", "benchmark_recorder.pytest_plugin"}
            assert not {"pydantic", "msgspec", "numpy", "scipy", "rich", "typer"} & set(sys.modules)
        """
    )
    status, output = session(pytester, "-W", "error", "--strict-markers")
    assert status == 0, output
    assert "benchmark_recorder" not in output
    assert not (pytester.path / "benchmarks").exists()


def test_a_program_may_import_the_package_before_it_calls_pytest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_a(): ...")
    program = """
        import benchmark_recorder, pytest
        raise SystemExit(pytest.main(["-q", "-W", "error", "-p", "no:benchmark"]))
        """
    done = pytester.runpython(pytester.makepyfile(program=program))
    assert done.ret == 0, done.stderr.str()


def test_it_can_be_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_a(benchmark_recorder): ...")
    assert "fixture 'benchmark_recorder' not found" in session(pytester, "-p", "no:benchmark_recorder")[1]


def test_it_stands_beside_pytest_benchmark(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.benchmark(group="sums")
        @pytest.mark.benchmark_recorder(version="v1", task="sum")
        def test_both(benchmark, benchmark_recorder):
            benchmark.pedantic(sum, args=([1, 2],), rounds=2)
            benchmark_recorder(sum, [1, 2])
        """
    )
    done = pytester.runpytest_subprocess("-q", "--strict-markers", "-W", "error", "--benchmark-columns=mean")
    assert done.ret == 0
    assert len(documents(pytester.path / "benchmarks" / "metrics.json")) == 1


def test_the_plugin_does_not_reduce_the_measured_coverage_of_the_package(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        def test_a():
            import benchmark_recorder.records
        """
    )
    session(pytester, "--cov=benchmark_recorder.records", "--cov-report=json")
    (file,) = json.loads((pytester.path / "coverage.json").read_text())["files"].values()
    source = (ROOT / "benchmark_recorder" / "records.py").read_text().splitlines()
    definitions = {number for number, line in enumerate(source, 1) if line.startswith("def ")}
    assert definitions
    assert definitions <= set(file["executed_lines"])


# Hostile texts --------------------------------------------------------------------------------------------------------


def test_hostile_texts_reach_no_terminal(pytester: pytest.Pytester) -> None:
    texts = [text[:5000] for text in HOSTILE.values()]
    pytester.makepyfile(test_it="def test_a(benchmark_recorder): benchmark_recorder.record(1.5)")
    program = f"""
        import sys
        import pytest
        sys.path.insert(0, {str(ROOT)!r})
        from benchmark_recorder import BenchmarkRecorder
        from benchmark_recorder.records import plain_text
        from tests.runs import record_runs

        for number, text in enumerate({texts!r}):
            name, other = plain_text(text)[0], plain_text(text[:4000] + "2")[0]
            fields = dict(task=text, task_id=text, agent_selected=text, error_type=text)
            with BenchmarkRecorder(f"{{number}}.json") as recorder:
                record_runs(recorder, {{name: (1.0, 0.1), other: (0.4, 0.0)}}, tasks=1, repeats=6, **fields)
            options = ["--bench-store", f"{{number}}.json", "--bench-gate", "-q", "-p", "no:benchmark"]
            status = pytest.main([*options, f"--bench-version={{name}}", f"--bench-compare={{other}}"])
            assert status in (0, 1), status
        """
    done = pytester.runpython(pytester.makepyfile(run_all=program))
    assert done.ret == 0, done.stderr.str()
    output = done.stdout.str()
    assert output.count("recorded 1 execution in ") == output.count("Gate: ") == len(texts)
    assert all(line.isprintable() for line in output.split("\n"))
    assert not re.search(r"^\s*::", output, re.MULTILINE)
    assert "##[" not in output


# What counts ----------------------------------------------------------------------------------------------------------


def test_an_execution_whose_test_fails_is_no_success(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        def test_wrong(benchmark_recorder):
            assert benchmark_recorder(str.lower, "Fix CSS") == "FIX CSS"

        def test_wrong_and_timed_elsewhere(benchmark_recorder):
            benchmark_recorder.record(1.0)
            benchmark_recorder.record(2.0, success=False, error_type="Timeout")
            raise KeyError

        def test_right(benchmark_recorder):
            assert benchmark_recorder(str.upper, "Fix CSS") == "FIX CSS"

        def test_skipped_later(benchmark_recorder):
            benchmark_recorder(str.upper, "Fix CSS")
            pytest.skip()

        @pytest.mark.xfail(strict=True)
        def test_known_to_be_wrong(benchmark_recorder):
            assert benchmark_recorder(str.lower, "Fix CSS") == "FIX CSS"
        """
    )
    status, output = session(pytester, "--bench-store=m.json", "--bench-version=v1")
    assert status == 1
    assert "recorded 6 executions" in output
    found = documents(pytester.path / "m.json")
    assert [(d["task_description"].partition("::")[2], d.get("error_type")) for d in found] == [
        ("test_wrong", "AssertionError"),
        ("test_wrong_and_timed_elsewhere", "KeyError"),
        ("test_wrong_and_timed_elsewhere", "Timeout"),
        ("test_right", None),
        ("test_skipped_later", None),
        ("test_known_to_be_wrong", "AssertionError"),
    ]
    assert all(d["success"] == ("error_type" not in d) for d in found)


PARAMETERS = """
import pytest

PROMPTS = [{first}"a" * 120, "b" * 120]

class Config:
    def __init__(self, size):
        self.size = size

    def __repr__(self):
        return f"Config({{self.size}})"

@pytest.mark.parametrize("config", [{config}Config(1), Config(2)])
def test_an_object(benchmark_recorder, config):
    benchmark_recorder.record(1.0)

@pytest.mark.parametrize("case", [{case}{{"b": 1, "a": [2]}}])
@pytest.mark.parametrize("n", [1])
def test_a_dict(benchmark_recorder, case, n):
    benchmark_recorder.record(1.0)

@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: None)
def test_a_prompt(benchmark_recorder, prompt):
    benchmark_recorder.record(1.0)

@pytest.mark.parametrize("name", [pytest.param(object(), id="mine"), "plain"])
def test_an_id(benchmark_recorder, name):
    benchmark_recorder.record(1.0)
"""


def test_a_task_is_a_test_and_what_its_parameters_hold_wherever_they_stand(pytester: pytest.Pytester) -> None:
    for version, new in (("v1", ("", "", "")), ("v2", ('"new" * 40, ', "Config(3), ", '{"new": 0}, '))):
        content = PARAMETERS.format(first=new[0], config=new[1], case=new[2])
        pytester.makepyfile(test_it=content)
        status, output = session(pytester, "--bench-store=m.json", f"--bench-version={version}")
        assert status == 0, output
    tasks: dict[str, set[str]] = {"v1": set(), "v2": set()}
    for document in documents(pytester.path / "m.json"):
        tasks[document["version"]].add(document["task_description"].partition("::")[2])
    assert tasks["v1"] == {
        "test_an_object[Config(1)]",
        "test_an_object[Config(2)]",
        'test_a_dict[1-{"a": [2], "b": 1}]',
        f"test_a_prompt[{'a' * 120}]",
        f"test_a_prompt[{'b' * 120}]",
        "test_an_id[mine]",
        "test_an_id[plain]",
    }
    assert tasks["v2"] - tasks["v1"] == {
        "test_an_object[Config(3)]",
        'test_a_dict[1-{"new": 0}]',
        f"test_a_prompt[{'new' * 40}]",
    }
    assert tasks["v1"] <= tasks["v2"]


def test_an_object_without_a_text_of_its_own_needs_an_id(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.parametrize("config", [object()])
        def test_it(benchmark_recorder, config): ...
        """
    )
    status, output = session(pytester, "--bench-version=v1")
    assert status == 1
    assert "the parameter config is a object, which has no text of its own: name the task in the marker" in output


def test_parameters_that_only_repeat_a_test_are_no_part_of_its_task(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.benchmark_recorder(repeats="again")
        @pytest.mark.parametrize("again", range(3))
        @pytest.mark.parametrize("city", ["Rome", "Oslo"])
        def test_a_trip(benchmark_recorder, city, again):
            benchmark_recorder.record(1.0)

        @pytest.mark.benchmark_recorder(repeats=["n"])
        @pytest.mark.parametrize("n", range(2))
        def test_alone(benchmark_recorder, n):
            benchmark_recorder.record(1.0)

        @pytest.mark.benchmark_recorder(repeats="other")
        @pytest.mark.parametrize("n", range(1))
        def test_no_such_parameter(benchmark_recorder, n): ...
        """
    )
    status, output = session(pytester, "--bench-store=m.json", "--bench-version=v1")
    assert status == 1
    assert "repeats: the test has no parameter other" in output
    counts = Counter(d["task_description"].partition("::")[2] for d in documents(pytester.path / "m.json"))
    assert counts == {"test_a_trip[Rome]": 3, "test_a_trip[Oslo]": 3, "test_alone": 2}


def test_a_coroutine_that_nobody_awaits_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        async def execute(task):
            return task

        def test_it(benchmark_recorder):
            benchmark_recorder(execute, "Fix CSS")
        """
    )
    status, output = session(pytester, "--bench-store=m.json", "--bench-version=v1")
    assert status == 1
    assert "never awaited, so nothing was recorded: execute()" in output


def test_the_configured_version_serves_a_session_that_names_none(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_RECORDER_VERSION", "v7")
    pytester.makepyfile(test_it="def test_it(benchmark_recorder): benchmark_recorder.record(1.0)")
    assert session(pytester, "--bench-store=m.json")[0] == 0
    assert [d["version"] for d in documents(pytester.path / "m.json")] == ["v7"]


def test_what_a_tested_orchestrator_records_of_itself_is_a_part_of_the_tests_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from benchmark_recorder import get_benchmark_recorder

        def execute():
            with get_benchmark_recorder("m.json").measure("a step", "v1"):
                return 3

        def test_it(benchmark_recorder):
            assert benchmark_recorder(execute) == 3
        """
    )
    assert session(pytester, "--bench-store=m.json", "--bench-version=v1")[0] == 0
    step, root = documents(pytester.path / "m.json")
    assert (step["parent_id"], root.get("parent_id")) == (root["record_id"], None)
