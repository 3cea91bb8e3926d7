"""Run the benchmarks beside this file, each in an interpreter of its own: all of them, or those that are named.

``python tests/perf/run.py [NAME ...] [--OPTION=VALUE ...]``: options go on to what is named. The soak runs for ten
minutes, and only where it is named.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NO_BENCHMARKS = {"run", "ratios", "__init__"}
ONLY_BY_NAME = {"soak"}


def main(names: list[str]) -> int:
    options = [name for name in names if name.startswith("-")]
    names = [name for name in names if name not in options]
    found = sorted({file.stem for file in HERE.glob("*.py")} - NO_BENCHMARKS)
    if unknown := set(names) - set(found):
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(found)}")
        return 2
    failed = 0
    for name in names or sorted(set(found) - ONLY_BY_NAME):
        print(f"== {name}", flush=True)
        failed |= subprocess.run(
            [sys.executable, "-m", f"tests.perf.{name}", *options], cwd=HERE.parents[1], check=False
        ).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
