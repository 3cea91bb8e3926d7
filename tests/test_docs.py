"""What the documentation shows is run, and prints what it is shown to print."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML
from typer.testing import CliRunner

import benchmark_recorder
from benchmark_recorder import BenchmarkRecorder, analysis, errors, get_benchmark_recorder
from benchmark_recorder.cli import app
from benchmark_recorder.settings import ENVIRONMENT, Settings
from tests.pages import PAGES, ROOT, Command, blocks, commands, prose, unprinted
from tests.runs import record_runs
from tests.serve.served import Served

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


# Python ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_a_pages_python_runs_from_top_to_bottom_in_an_empty_folder(page: Path, tmp_path: Path) -> None:
    program = "\n\n".join(block.text for block in blocks(page, "python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    shown = "".join(block.text for block in blocks(page, "text") if block.follows == "python")
    assert not unprinted(shown, done.stdout), done.stdout


# Commands -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_a_pages_commands_work_and_print_what_is_shown(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder whose default store holds runs of v1.0 and v2.0; ``$ echo $?`` shows the status of the one before.

    A block of Python whose first line is ``# name.py`` is there as that file, and one of TOML as ``pyproject.toml``; so
    is a test for pytest-benchmark.
    """
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith("GITHUB_"):
            monkeypatch.delenv(name)
    with BenchmarkRecorder(tmp_path / "benchmarks" / "metrics.json") as recorder:
        record_runs(recorder, metadata={"tier": "gold"})
    for block in blocks(page, "toml"):
        if block.text.startswith("# pyproject.toml\n"):
            (tmp_path / "pyproject.toml").write_text(block.text)
    (tmp_path / "test_speed.py").write_text("def test_speed(benchmark):\n    benchmark(sum, [1, 2])\n")
    for block in blocks(page, "python"):
        if file := re.match(r"# (\w+\.py)\n", block.text):
            (tmp_path / file[1]).write_text(block.text)
    shown = commands(page)
    for command, later in zip(shown, [*shown[1:], None], strict=True):
        if command.line == "echo $?":
            continue
        status, output = run(command)
        expected = int(later.prints) if later is not None and later.line == "echo $?" else 0
        assert status == expected, (command.line, output)
        assert not unprinted(command.prints, output), output


def run(command: Command) -> tuple[int, str]:
    """Run a command as far as a test may; its status, and what it printed.

    The library's own command, the examples and the suite are run as they stand. What installs, takes minutes or changes
    the checkout is looked at: the target, the selection of tests, the extra, the program must be there.
    """
    words = shlex.split(command.line, comments=True)
    environment = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    where, python = Path.cwd(), (sys.executable, "-m")
    match words:
        case ["benchmark-recorder", "serve", *options]:
            with Served(where, where / "benchmarks" / "metrics.json", *options) as server:
                assert server.ask("/", Cookie=server.cookie).status == 200
                said = server.end(signal.SIGINT)
            return server.process.returncode, said
        case ["benchmark-recorder", *arguments] if not {"|", ">", "&&"} & set(words):
            result = CliRunner().invoke(app, arguments, env=environment)
            return result.exit_code, result.output
        case ["pip", "install", requirement]:
            named = re.sub(r"^\.(?=\[|$)", "benchmark-recorder", requirement)  # from a checkout
            return 0 if is_ours(Requirement(named)) else 1, "no such package or extra"
        case ["make", target]:
            where, argv = ROOT, ["make", "-n", target, f"PYTHON={sys.executable}"]
        case ["pytest", *arguments]:
            argv = [*python, "pytest", "-p", "no:cacheprovider", *arguments]
        case [".venv/bin/pytest", *arguments]:
            selection = [word for word in arguments if word not in {"-v", "-s"}]
            where, argv = ROOT, [*python, "pytest", "--collect-only", "-q", *selection]
        case ["python", "-m", module, *_]:
            argv = [*python, "py_compile", str(ROOT / f"{module.replace('.', '/')}.py")]
        case ["python" | ".venv/bin/python", path, *arguments] if path.startswith("examples/") or not arguments:
            argv = [sys.executable, str(ROOT / path), *arguments]
        case ["python" | ".venv/bin/python", path, *_]:
            argv = [*python, "py_compile", str(ROOT / path)]
        case _:
            pytest.fail(f"say in {Path(__file__).name} how to run `{command.line}`")
    return process(*argv, where=where, **environment)


def process(*command: str, where: Path, **environment: str) -> tuple[int, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command,
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**inherited, "PYTHONIOENCODING": "utf-8", **environment},
    )
    return done.returncode, done.stdout


def is_ours(requirement: Requirement) -> bool:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return requirement.name == project["name"] and requirement.extras <= set(project["optional-dependencies"])


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("a\nb", "a\nx\nb", []),
        ("b\na", "a\nb", ["a"]),
        ("a ... c", "a b  c", []),
        ("a\n...\nc", "a\nb\nc", []),
        ("1.5 s", "105 s", ["1.5 s"]),
    ],
)
def test_shown_lines_are_looked_for_in_their_order(shown: str, printed: str, missing: list[str]) -> None:
    assert unprinted(shown, printed) == missing


# Other blocks ---------------------------------------------------------------------------------------------------------


@each_page
def test_a_pages_settings_and_scripts_can_be_parsed(page: Path) -> None:
    for block in blocks(page, "toml"):
        tomllib.loads(block.text)
    for block in blocks(page, "json"):
        json.loads(block.text)
    for block in blocks(page, "yaml"):
        YAML(typ="safe").load(block.text)
    for block in blocks(page, "sh"):
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


# Links ----------------------------------------------------------------------------------------------------------------


@each_page
def test_a_pages_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)", prose(page)):
        leads_to = page.parent / target if target else page
        assert leads_to.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(leads_to), f"{page.name} links to {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_after_its_first_lines_the_readme_has_the_two_commands() -> None:
    first = commands(ROOT / "README.md")[2:4]
    assert [command.line.split("#")[0].strip() for command in first] == ["make demo", "make test"]


def test_every_page_of_the_documentation_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"docs/{page.name}" not in readme] == []


# Pages that are held against the code ---------------------------------------------------------------------------------


def test_the_configuration_page_has_each_setting_with_its_variable_and_default() -> None:
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    shown = {row[0]: (row[1], row[2], row[-1]) for row in rows if len(row) == 5}
    defaults = Settings()
    spelled: dict[object, object] = {None: "unset", True: "true", False: "false"}
    assert shown == {
        field.name: (
            ENVIRONMENT.get(field.name, ""),
            field.name,
            "empty" if (value := getattr(defaults, field.name)) == {} else spelled.get(value, value),
        )
        for field in fields(Settings)
        if field.name != "origins"
    }


def test_the_configuration_page_names_the_arguments_that_there_are() -> None:
    arguments = inspect.signature(get_benchmark_recorder).parameters
    settings = {field.name for field in fields(Settings)} - {"origins", "disabled", "gate", "alerts"}
    assert arguments.keys() - {"enable_vertex_ai", "vertex_project_id"} == settings


def test_what_troubleshooting_quotes_is_what_the_package_says() -> None:
    said = "\n".join(map(sentences, (ROOT / "benchmark_recorder").rglob("*.py")))
    quoted = re.findall(r"(?:^- |says:\s+)\*([^*]+)\*", prose(ROOT / "docs" / "troubleshooting.md"), re.MULTILINE)
    fragments = [part.strip() for quote in quoted for part in " ".join(quote.split()).split("...") if part.strip()]
    assert len(fragments) > 5
    assert [fragment for fragment in fragments if fragment not in said] == []


def sentences(path: Path) -> str:
    """The texts in a module's code, a line each; what is filled in is left out."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return "\n".join(found)


def test_the_reference_has_every_public_name() -> None:
    """What the package itself exports; whole modules follow their own lists."""
    reference = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"auto(?:class|function):: benchmark_recorder\.(\w+)\n", reference))
    modules = set(re.findall(r"automodule:: benchmark_recorder\.([\w.]+)\n", reference))
    assert {"analysis", "errors", "harness", "stores.base", "testing"} <= modules
    assert {*benchmark_recorder.__all__} - shown - vars(errors).keys() - set(analysis.__all__) == set()


def test_each_test_file_that_the_page_on_reliability_names_is_there() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")))
    assert named
    assert {name for name in named if not (ROOT / "tests" / name).is_file()} == set()
