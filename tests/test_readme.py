"""The README's first lines: five minutes of somebody who has never seen the package."""

from __future__ import annotations

import ast
import os
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Final

from benchmark_recorder import BenchmarkRecorder
from tests.pages import ROOT, blocks, commands
from tests.runs import record_runs

README: Final = ROOT / "README.md"
BEGINNING: Final = """
recorder = get_benchmark_recorder(version="v2.0")
@recorder.track(task=lambda text: text)
async def answer(text): ...
with recorder.measure("Create landing page") as run: run.cost = 0.0002
for version in recorder.versions(): print(version)
print(recorder.compare_versions("v1.0", "v2.0"))
print(recorder.compare_versions("v1.0", "v2.0", "p95"))
print(recorder.compare_versions("v1.0", "v2.0", by="model"))
frame = recorder.records(last_days=7).to_pandas()
$ benchmark-recorder gate v1.0 v2.0 --margin time=5%
$ benchmark-recorder report --output report.html
"""


def test_the_readme_begins_with_these_lines() -> None:
    python, _, console = BEGINNING.partition("$ ")
    (first, *_) = blocks(README, "python")
    _, _, program = first.text.partition("\n\n")  # behind the import
    assert ast.dump(ast.parse(program)) == ast.dump(ast.parse(python))
    shown = [command.line.partition("    #")[0].strip() for command in commands(README)[:2]]
    assert shown == console.strip().split("\n$ ")
    assert README.read_text(encoding="utf-8").index("$ benchmark-recorder report") < 1500


def test_they_run_in_a_fresh_environment_beside_a_history_of_the_version_before(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "venv")}))
    (packages / "ours.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n{ROOT}\n")
    home = tmp_path / "home"
    home.mkdir()
    with BenchmarkRecorder(home / "benchmarks" / "metrics.json") as recorder:
        record_runs(recorder, {"v1.0": (1.0, 0.1)}, model="large")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(
            [python, *arguments], cwd=home, env=environment, capture_output=True, text=True, check=False
        )

    (program, *_) = blocks(README, "python")
    calls = (
        "import asyncio\nfor n in range(5): asyncio.run(answer(f'Task number {n}'))\nprint(len(frame), answer.__name__)"
    )
    done = run("-W", "error", "-c", f"{program.text}\n{calls}")
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.splitlines()
    assert printed[:2] == ["v1.0", "v2.0"]
    assert sum("v2.0 against v1.0" in line for line in printed) >= 3
    assert printed[-1] == "66 answer"
    for command in commands(README)[:2]:
        words = command.line.partition("    #")[0].split()
        done = run("-m", "benchmark_recorder", *words[1:])
        assert done.returncode in {0, 1}, done.stderr
    assert done.returncode == 0
    assert "v2.0" in (home / "report.html").read_text(encoding="utf-8")
