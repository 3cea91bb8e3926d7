"""The built wheel, installed as a user installs it: fresh environments outside of the checkout, each extra alone.

``python tests/wheel.py`` builds the source distribution, and from that the wheel; looks at what is in them; and makes
an environment without extras, and one for each extra that the wheel names. In each one it records, compares, reports
and runs the command, and holds what a missing extra says against the pip line that installs it.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from email.parser import Parser
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = "benchmark_recorder"
SOURCES: Final = {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
"""What stands beside the package in the source distribution; the last two are the build's own."""

CORE: Final = """
import sys
from pathlib import Path
import benchmark_recorder as package
from benchmark_recorder import get_benchmark_recorder

assert Path(package.__file__).is_relative_to(sys.prefix), package.__file__
recorder = get_benchmark_recorder("metrics.json")
for number in range(12):
    for version, seconds in (("v1.0", 2.0), ("v2.0", 1.0)):
        recorder.record_execution(f"task {number % 4}", seconds + number / 100, True, version, cost=0.001)
assert recorder.get_historical_metrics(version="v2.0").count == 12
assert recorder.compare_versions("v1.0", "v2.0").verdict == "improved"
assert recorder.check_gate("v1.0", "v2.0").exit_code == 0
for form in ("text", "markdown", "json", "csv"):
    assert "v2.0" in recorder.generate_report(["v1.0", "v2.0"], form)
recorder.close()
"""

WITH: Final = {
    "mongodb": """
from benchmark_recorder import get_benchmark_recorder
url = "mongodb://127.0.0.1:9/benchmarks?serverSelectionTimeoutMS=50"
recorder = get_benchmark_recorder(url, journal="mongodb.json")
recorder.record_execution("a task", 1.0, True, "v1.0")
assert recorder.get_historical_metrics().count == 1
assert recorder.health().pending == 1
""",
    "vertex": """
from google.cloud import aiplatform_v1, bigquery
from benchmark_recorder import get_benchmark_recorder
recorder = get_benchmark_recorder(
    enable_vertex_ai=True, vertex_project_id="my-project", journal="vertex.json", deliver="off"
)
recorder.record_execution("a task", 1.0, True, "v1.0")
assert recorder.health().pending == 1
""",
    "report": """
from benchmark_recorder import get_benchmark_recorder
report = get_benchmark_recorder("metrics.json").generate_report(["v1.0", "v2.0"], "html")
assert report.lstrip().lower().startswith("<!doctype html>") and "v2.0" in report
""",
    "pandas": """
from benchmark_recorder import get_benchmark_recorder
frame = get_benchmark_recorder("metrics.json").get_historical_metrics(version="v2.0").to_pandas()
assert set(frame["version"]) == {"v2.0"}
""",
    "arrow": """
from benchmark_recorder import get_benchmark_recorder
stream = get_benchmark_recorder("metrics.json").get_historical_metrics(version="v2.0").__arrow_c_stream__()
assert "arrow_array_stream" in repr(stream)
""",
    "inspect": """
import json
import sys
from pathlib import Path
from benchmark_recorder import MemoryStore
from benchmark_recorder.exchange import import_file
if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd
line = {"version": "v1", "task": "a", "duration": 1.5, "success": True, "timestamp": "2026-01-02"}
Path("packed.zst").write_bytes(zstd.compress(json.dumps(line).encode()))
assert import_file("packed.zst", MemoryStore()).new == 1
""",
    "otel": """
from opentelemetry.sdk.trace import TracerProvider
from benchmark_recorder import MemoryStore, BenchmarkRecorder
from benchmark_recorder.exchange import BenchmarkSpanProcessor
provider, recorder = TracerProvider(), BenchmarkRecorder(store=MemoryStore())
provider.add_span_processor(BenchmarkSpanProcessor(recorder, version="v1"))
with provider.get_tracer("pydantic-ai").start_as_current_span("run"):
    pass
assert recorder.get_historical_metrics("v1").count == 1
""",
    "parquet": """
import pyarrow as pa
from pyarrow import parquet
from benchmark_recorder import MemoryStore
from benchmark_recorder.exchange import import_file
line = {"version": "v1", "task": "a", "duration": 1.5, "success": True, "timestamp": "2026-01-02"}
parquet.write_table(pa.Table.from_pylist([line]), "runs.parquet")
assert import_file("runs.parquet", MemoryStore()).new == 1
""",
    "serve": """
from benchmark_recorder import History
from benchmark_recorder.serve.pulse import Pulse
from benchmark_recorder.serve.sections import View
from benchmark_recorder.serve.web import Web
from benchmark_recorder.serve.board import Board
history = History("metrics.json")
assert Web(Pulse(history), View()).application.routes
board = Board(history, View())
board.refresh()
assert "v2.0" in board.shown()["verdict"], board.shown()
""",
}
"""What works with each extra; no server is needed, since records wait in the local file."""

IMPORT: Final = """from pathlib import Path
    from benchmark_recorder.exchange import import_file
    Path("x").write_bytes({first!r})
    import_file("x", get_benchmark_recorder("metrics.json").store)"""
"""Imports a file that begins with some bytes."""

WITHOUT: Final = {
    "mongodb": 'get_benchmark_recorder("mongodb://127.0.0.1/benchmarks")',
    "vertex": 'get_benchmark_recorder(enable_vertex_ai=True, vertex_project_id="my-project")',
    "report": 'get_benchmark_recorder("metrics.json").generate_report(["v1.0", "v2.0"], "html")',
    "pandas": 'get_benchmark_recorder("metrics.json").get_historical_metrics().to_pandas()',
    "arrow": 'get_benchmark_recorder("metrics.json").get_historical_metrics().__arrow_c_stream__()',
    "inspect": IMPORT.format(first=b"\x28\xb5\x2f\xfd"),
    "otel": "from benchmark_recorder.exchange import BenchmarkSpanProcessor",
    "parquet": IMPORT.format(first=b"PAR1"),
    "serve": """from benchmark_recorder import History
    from benchmark_recorder.serve.running import serve
    from benchmark_recorder.serve.sections import View
    from pathlib import Path
    serve(History("metrics.json"), View(), host="127.0.0.1", port=0, folder=Path("settings"), say=print)""",
}
"""What asks for each extra; where it is missing, the error has the line that installs it."""

MISSING: Final = """
from benchmark_recorder import MissingDependencyError, get_benchmark_recorder
try:
    {call}
except MissingDependencyError as error:
    from importlib.metadata import requires
    lines = [line.partition(";")[0] for line in requires("benchmark-recorder") if line.endswith("== '{extra}'")]
    assert lines and all(f'"{{line}}"' in str(error).partition(": pip install ")[2] for line in lines), error
else:
    raise AssertionError("nothing is missing")
"""


def main() -> None:
    """Build, look, install, run; a line for each environment."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder) / "dist")
        extras = extras_of(wheel)
        untested = [extra for extra in extras if extra != "all" and extra not in WITH]
        assert not untested, f"say in WITH and WITHOUT what works with the extra {untested}"
        for extra in ("", *extras):
            began = time.monotonic()
            check_environment(wheel, extra, [each for each in extras if each != "all"], Path(folder))
            print(f"{f'[{extra}]' if extra else 'no extra':<12} works ({time.monotonic() - began:.0f} s)", flush=True)


# What is built -------------------------------------------------------------------------------------------------------


def build(folder: Path) -> Path:
    """The path of the wheel, which is built from the source distribution, after a look into both."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, where=folder.parent)
    [wheel], [source] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    files = [path for path in (ROOT / PACKAGE).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    package = {path.relative_to(ROOT).as_posix() for path in files}
    assert f"{PACKAGE}/py.typed" in package
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    own = {name for name in inside if PurePosixPath(name).parts[0] == PACKAGE}
    described = {name.partition(".dist-info/")[2] for name in inside - own}
    assert own == package, sorted(own ^ package)
    assert described == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}, described
    with tarfile.open(source) as archive:
        names = {PurePosixPath(*PurePosixPath(name).parts[1:]).as_posix() for name in archive.getnames()}
    beside = {name for name in names if PurePosixPath(name).parts[:1] not in {(PACKAGE,), ()}}
    assert package | {"LICENSE", "pyproject.toml"} <= names, sorted(package - names)
    assert beside <= SOURCES, sorted(beside - SOURCES)
    print(f"{wheel.name}: {len(inside)} files; {source.name}: {len(names)} files", flush=True)
    return wheel


def extras_of(wheel: Path) -> list[str]:
    """As the wheel names them, ``all`` last."""
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(path).decode())
    extras = metadata.get_all("Provides-Extra") or []
    assert "all" in extras
    return sorted(extras, key=lambda extra: (extra == "all", extra))


# What is installed ---------------------------------------------------------------------------------------------------


def check_environment(wheel: Path, extra: str, known: list[str], folder: Path) -> None:
    """Install the wheel with one extra, and use it as a program of the user's would."""
    place, work = folder / f"venv-{extra}", folder / f"work-{extra}"
    work.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", place, where=work)
    python = place / "bin" / "python"
    wanted = f"{wheel}[{extra}]" if extra else wheel
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--quiet", "--no-compile", wanted, where=work)
    run(*pip, "check", where=work)
    run_python(python, CORE, work)
    command = place / "bin" / "benchmark-recorder"
    assert "v1.0" in run(command, "list", "--store", "metrics.json", where=work)
    assert "v2.0" in run(command, "report", "v1.0", "v2.0", "--store", "metrics.json", where=work)
    for each in known:
        if extra in {each, "all"}:
            run_python(python, WITH[each], work)
        else:
            run_python(python, MISSING.format(call=WITHOUT[each], extra=each), work)


def run_python(python: Path, program: str, where: Path) -> None:
    """A program that sees its environment and nothing of the checkout; warnings are errors."""
    run(python, "-I", "-W", "error", "-c", program, where=where)


def run(*command: str | Path, where: Path) -> str:
    """What a command prints; its failure ends the whole check with what it said."""
    done = subprocess.run(
        [str(part) for part in command], cwd=where, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
