from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import benchmark_recorder
from benchmark_recorder.analysis import compare
from benchmark_recorder.cells import Cells
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.queries import Query

HEAVY = (
    "pydantic",
    "numpy",
    "scipy",
    "tenacity",
    "pymongo",
    "google.auth",
    "google.cloud.bigquery",
    "grpc",
    "requests",
    "typer",
    "rich",
    "matplotlib",
    "jinja2",
    "nanoarrow",
    "pandas",
    "pytest",
)


NAMES = {
    *("BenchmarkMetric", "BenchmarkRecorder", "Measurement", "Health", "get_benchmark_recorder"),
    *("History", "get_benchmark_history", "Claim", "Comparison", "Summary", "GateResult", "Experiment"),
    *("JSONFileStore", "MemoryStore", "MongoDBStore", "VertexStore"),
    *("BenchmarkRecorderError", "ConfigurationError", "InvalidQueryError", "InvalidRecordError"),
    *("MissingDependencyError", "RefusedRecordsError", "StoreError", "StoreFormatError", "StoreSetupError"),
    "StoreUnavailableError",
}

RENAMED = [
    ("analysis.Doubt", "Caveat"),
    ("cells.Caveat", "StoreNote"),
    ("Query.without", "exclude_ids"),
    ("Query.apart", "own_cells"),
    ("Comparison.beside", "alternatives"),
]
"""Old public names, which work for one release, and the present ones."""

IMPORTS = [
    *("stores.json_file.JSONFileStore", "stores.memory.MemoryStore", "stores.mongodb.MongoDBStore"),
    *("stores.vertex.VertexStore", "stores.replication.ReplicatedStore", "stores.base.Store"),
    *(
        "stores.base.columns_of",
        "queries.Query",
        "records.Query",
        "records.Document",
        "records.Columns",
        "records.COLUMNS",
    ),
    *("records.stamp", "records.BenchmarkMetric", "cells.Cells", "cells.CELL_FIELDS", "cells.collect"),
    *("cells.tabulate", "analysis.Claim", "harness.GUIDE_CLAIMS", "exchange.import_file", "exchange.export_file"),
    *("harness.BenchmarkHarness", "harness.BenchmarkTasks", "harness.CommandOrchestrator"),
    *("harness.FunctionOrchestrator", "harness.Orchestrator", "harness.Task", "harness.VirtualClock"),
    *("testing.StoreContract", "testing.JournalContract", "testing.make_document", "testing.make_history"),
    *("testing.HOSTILE_TEXTS", "testing.assert_same_cells", "errors.StoreSetupError", "config.get_benchmark_recorder"),
]
"""What the documentation imports."""


def test_the_names_are_these() -> None:
    assert set(benchmark_recorder.__all__) == NAMES


@pytest.mark.parametrize(("old", "new"), RENAMED)
def test_an_old_name_still_works_and_warns(old: str, new: str) -> None:
    place, _, name = old.rpartition(".")
    objects = {
        "Query": Query(exclude_ids=frozenset({"a"}), own_cells=frozenset({"b"})),
        "Comparison": compare(Cells(), "v1.0", "v2.0"),
    }
    holder: Any = objects.get(place) or import_module(f"benchmark_recorder.{place}")
    with pytest.warns(DeprecationWarning, match=f"{old} is now called {new}") as caught:
        assert getattr(holder, name) is getattr(holder, new)
    assert [warning.filename for warning in caught] == [__file__]


def test_the_guides_claims_still_have_their_old_name() -> None:
    with pytest.warns(DeprecationWarning, match="analysis.DEFAULT_CLAIMS is now called harness.GUIDE_CLAIMS"):
        old = import_module("benchmark_recorder.analysis").DEFAULT_CLAIMS
    assert old == tuple(replace(claim, hints=()) for claim in GUIDE_CLAIMS)


def test_every_old_name_is_tested() -> None:
    package = Path(benchmark_recorder.__file__).parent
    found = []
    for path in package.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        place = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        found += re.findall(r'warn_renamed\("([\w.]+)", "(\w+)"', source)
        for names in re.findall(r"renamed=\{(.*?)\}", source, re.DOTALL):
            found += [(f"{place}.{old}", new) for old, new in re.findall(r'"(\w+)": "(\w+)"', names)]
    assert sorted(found) == sorted(RENAMED)


@pytest.mark.parametrize("name", IMPORTS)
def test_a_documented_import_works(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert hasattr(import_module(f"benchmark_recorder.{module}"), attribute)


@pytest.mark.parametrize("store", ["json_file", "memory", "mongodb", "vertex", "replication"])
def test_a_store_can_be_the_first_import(store: str) -> None:
    subprocess.run([sys.executable, "-c", f"import benchmark_recorder.stores.{store}"], check=True)


def test_the_entry_points_load() -> None:
    ours = {
        (point.group, point.name): point.load()
        for group in ("benchmark_recorder.stores", "pytest11", "console_scripts")
        for point in entry_points(group=group)
        if point.value.startswith("benchmark_recorder.")
    }
    assert sorted(ours) == [
        ("benchmark_recorder.stores", "mongodb"),
        ("benchmark_recorder.stores", "mongodb+srv"),
        ("benchmark_recorder.stores", "vertex"),
        ("console_scripts", "benchmark-recorder"),
        ("pytest11", "benchmark_recorder"),
    ]


def test_all_names_are_sorted_and_there() -> None:
    assert sorted(benchmark_recorder.__all__) == benchmark_recorder.__all__
    assert all(hasattr(benchmark_recorder, name) for name in benchmark_recorder.__all__)


def test_the_root_holds_nothing_else() -> None:
    public = {
        name
        for name, value in vars(benchmark_recorder).items()
        if not name.startswith("_") and not isinstance(value, type(sys))
    }
    assert public <= set(benchmark_recorder.__all__)


def test_a_project_migrates_with_one_line(tmp_path: Path) -> None:
    infrastructure = tmp_path / "infrastructure"
    infrastructure.mkdir()
    (infrastructure / "benchmark_recorder.py").write_text("from benchmark_recorder import *\n")
    program = (
        "from infrastructure.benchmark_recorder import BenchmarkMetric, BenchmarkRecorder, get_benchmark_recorder\n"
        "print(get_benchmark_recorder().storage_path)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "benchmarks" / "metrics.json")


@pytest.mark.parametrize(
    "program",
    [
        "import benchmark_recorder",
        "from benchmark_recorder import get_benchmark_recorder as get\n"
        "get().record_execution('a task', 1.0, True, 'v1', 'agent', 0.1, 0.2, {'a': 1})",
        "from benchmark_recorder import get_benchmark_recorder as get\n"
        "with get().measure(task='a task', version='v1'): pass",
        "from benchmark_recorder import get_benchmark_recorder as get\n"
        "get().track(task='a task', version='v1')(lambda: None)()",
        "from benchmark_recorder import get_benchmark_recorder as get\n"
        "get().record_execution('a task', 1.0, False, 'v1', task_id='t', expected_agent='a', error_type='E', model='m',"
        " input_tokens=1, output_tokens=2)",
    ],
)
def test_importing_and_recording_stay_light(program: str, tmp_path: Path) -> None:
    probe = f"{program}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert done.stderr == ""


def test_a_process_that_only_records_loads_fewer_lines_of_ours_than_promised(tmp_path: Path) -> None:
    program = (
        "import inspect, sys\n"
        "from benchmark_recorder import get_benchmark_recorder as get\n"
        "def lines():\n"
        "    ours = [m for name, m in sys.modules.items() if name.split('.')[0] == 'benchmark_recorder']\n"
        "    return sum(len(inspect.getsource(module).splitlines()) for module in ours)\n"
        "recorder = get()\n"
        "recorder.record_execution('a task', 1.0, True, 'v1')\n"
        "print(lines(), recorder.close() or lines())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    recorded, closed = map(int, done.stdout.split())
    assert 1000 < recorded == closed < 4500


RECORD = (
    '{"timestamp": "2026-01-01T00:00:00+00:00", "version": "v1", "git_commit": null, "task_id": "t", '
    '"task_description": "a task", "execution_time": 1.0, "success": true, "agent_selected": null, '
    '"cost_estimated": 0.0, "difficulty": null, "metadata": {}}'
)
FILES = {
    "none": None,
    "empty": "",
    "of our form": '{"schema_version": 1, "metrics": [\n' + RECORD + "\n]}",
    "cut in a record": '{"schema_version": 1, "metrics": [\n' + RECORD + ',\n{"timestamp": "2026-01',
    "followed by another program's lines": '{"schema_version": 1, "metrics": [\n' + RECORD + "\n<<<<\n====\n",
    "of an earlier release": json.dumps({"metrics": [json.loads(RECORD)]}, indent=2),
    "formatted by another program": json.dumps({"schema_version": 1, "metrics": [json.loads(RECORD)]}),
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
@pytest.mark.parametrize("remote", [False, True], ids=["alone", "before a remote store"])
def test_no_append_imports_anything(file: str | None, remote: bool, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    if file is not None:
        path.write_text(file)
    program = (
        "import sys\n"
        "from benchmark_recorder import BenchmarkRecorder, JSONFileStore, MemoryStore\n"
        "store = JSONFileStore('metrics.json')\n"
        f"if {remote}:\n"
        "    from benchmark_recorder.stores.replication import ReplicatedStore\n"
        "    store = ReplicatedStore(store, MemoryStore(), beside='metrics.json', deliver='off')\n"
        "recorder = BenchmarkRecorder(store=store)\n"
        "run = recorder.measure(task='a task', version='v1')\n"  # which may import: nothing is timed or appended yet
        "before = set(sys.modules)\n"
        "recorder.record_execution('a task', 1.0, True, 'v1')\n"
        "with run: pass\n"
        "print(*sorted(set(sys.modules) - before))\n"
        "assert recorder.health().waiting == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert path.read_text().count('"a task"') == (3 if file else 2)


def test_a_question_whose_intervals_nobody_looks_at_stays_light(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from benchmark_recorder import get_benchmark_recorder as get\n"
        "recorder = get()\n"
        "if len(sys.argv) > 1: [recorder.record_execution('a task', float(n), True, 'v1') for n in range(1, 9)]\n"
        "metrics = recorder.get_historical_metrics('v1')\n"
        "print(metrics.max, metrics.count, *[name for name in ('scipy', 'pydantic') if name in sys.modules])\n"
        "print(metrics.estimates['mean'].interval is not None, 'scipy' in sys.modules)\n"
    )

    def said(*arguments: str) -> list[str]:
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()

    assert said("record") == said() == ["8.0", "8", "True", "True"]


@pytest.mark.parametrize(
    ("question", "never"),
    [
        ("get_historical_metrics('v1')", "comparison gates claims self_test power slices means rates trend"),
        ("compare_versions('v1', 'v2')", "gates claims self_test trend diagnostics"),
        ("compare_all('v1', 'v2')", "gates claims self_test trend diagnostics"),
    ],
)
def test_a_question_imports_no_other_questions_analysis(question: str, never: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from benchmark_recorder import get_benchmark_recorder as get\n"
        "recorder = get()\n"
        "[recorder.record_execution('a task', float(n), True, f'v{n % 2 + 1}') for n in range(1, 9)]\n"
        f"answer = recorder.{question}\n"
        "words = 'benchmark_recorder.reporting.wording' in sys.modules\n"
        "print(answer)\n"
        f"print(words, *[n for n in {never!r}.split() if f'benchmark_recorder.analysis.{{n}}' in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_the_version_is_that_of_the_installed_package() -> None:
    from importlib.metadata import version

    assert version("benchmark-recorder") == benchmark_recorder.__version__


@pytest.mark.parametrize(
    "module", ["recording.tracking", "recording.salvage", "recording.buffer", "stores.json_file", "stores.replication"]
)
def test_whatever_is_imported_first_logs_nowhere_by_itself(module: str) -> None:
    program = f"""
import logging
import benchmark_recorder.{module}
assert [type(handler) for handler in logging.getLogger("benchmark_recorder").handlers] == [logging.NullHandler]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_program_that_sets_no_logging_up_is_shown_nothing_and_one_that_does_is_told(tmp_path: Path) -> None:
    program = """
import logging, pathlib, sys
if "basic" in sys.argv:
    logging.basicConfig()
from benchmark_recorder import BenchmarkRecorder
assert [type(handler) for handler in logging.getLogger("benchmark_recorder").handlers] == [logging.NullHandler]
recorder = BenchmarkRecorder("metrics.json", on_invalid="log")
recorder.record_execution(task="a", duration=-1.0, success=True, version="v1")
assert recorder.health().invalid == 1
"""
    for argument, shown in (("", ""), ("basic", "WARNING:benchmark_recorder:not recorded: duration: expected")):
        done = subprocess.run(
            [sys.executable, "-c", program, argument], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stderr[: len(shown) + 1].startswith(shown)
        assert bool(done.stderr) == bool(shown)
