"""The commands, and how tests run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from benchmark_recorder.cli import app
from tests.pages import ROOT

COMMANDS = [
    "changes",
    "claims",
    "compare",
    "doctor",
    "export",
    "gate",
    "import",
    "list",
    "load",
    "plan",
    "predict",
    "prune",
    "record",
    "rename-version",
    "report",
    "savings",
    "selftest",
    "serve",
    "show",
    "sync",
    "watch",
]
CLAIMED = ["--claim", "time 30% lower", "--claim", "cost within 1%"]
READING = {
    "list": ["list"],
    "show": ["show", "v1.0"],
    "compare": ["compare", "v1.0", "v2.0"],
    "report": ["report", "v1.0", "v2.0"],
    "claims": ["claims", "v1.0", "v2.0", *CLAIMED],
    "gate": ["gate", "v1.0", "v2.0"],
    "plan": ["plan", "v1.0", "v2.0", "--effect", "20%"],
    "savings": ["savings"],
    "selftest": ["selftest", "v1.0", "--splits", "50"],
    "changes": ["changes", "v1.0"],
    "predict": ["predict", "v1.0"],
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
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **environment},
    )
