"""How many files of the package a text report and a printed comparison pass through.

``python -m tests.perf.hops [report] [comparison] [--list]`` counts, each in a process of its own, the files in which a
function runs when a question is asked the second time (so nothing is imported or read anew), and the files that are
imported; ``--list`` names the former. It fails if there are more than there may be.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from inspect import CO_OPTIMIZED
from pathlib import Path
from typing import TYPE_CHECKING

import benchmark_recorder
from benchmark_recorder.recorder import BenchmarkRecorder
from tests.runs import record_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PACKAGE = Path(benchmark_recorder.__file__).parent
WAYS: dict[str, Callable[[BenchmarkRecorder], object]] = {
    "report": lambda recorder: recorder.generate_report(["v1.0", "v2.0"]),
    "comparison": lambda recorder: recorder.compare_versions("v1.0", "v2.0"),
}
MOST = {"report": 42, "comparison": 29}
"""Files in which a function runs."""


def passed(ask: Callable[[BenchmarkRecorder], object], recorder: BenchmarkRecorder) -> list[str]:
    """The files of the package in which a function runs while an answer is made and printed."""
    found: set[str] = set()

    def notice(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_flags & CO_OPTIMIZED:  # not the body of a module or a class
            found.add(frame.f_code.co_filename)

    with redirect_stdout(io.StringIO()):
        print(ask(recorder))
        sys.setprofile(notice)
        try:
            print(ask(recorder))
        finally:
            sys.setprofile(None)
    return sorted(str(Path(file).relative_to(PACKAGE)) for file in found if Path(file).is_relative_to(PACKAGE))


def count(name: str, *, listed: bool) -> int:
    """Print the counts; 1 if there are too many."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.json"
        with BenchmarkRecorder(path) as recorder:
            record_runs(recorder)  # 13 tasks, 5 runs of each, two versions
        with BenchmarkRecorder(path) as recorder:
            files = passed(WAYS[name], recorder)
    imported = sum(module.partition(".")[0] == "benchmark_recorder" for module in sys.modules)
    print(f"a printed {name} passes through {len(files)} files (at most {MOST[name]}); {imported} are imported")
    if listed:
        print("".join(f"  {file}\n" for file in files))
    return int(len(files) > MOST[name])


def main(names: list[str], options: list[str]) -> int:
    if len(names) == 1:
        return count(names[0], listed="--list" in options)
    commands = ([sys.executable, "-m", "tests.perf.hops", name, *options] for name in names or WAYS)
    return max(subprocess.run(command, check=False).returncode for command in commands)


if __name__ == "__main__":
    sys.exit(main([one for one in sys.argv[1:] if one in WAYS], [one for one in sys.argv[1:] if one not in WAYS]))
