"""Write the files of other tools that imports are tested with, by the tools themselves.

``python tests/exchange/tools/make_files.py [FOLDER]``: environments are made in FOLDER, or in a temporary one. It needs
npm, and hyperfine 1.15.0 (Debian's package). Langfuse's exports need its server, and are written by hand in the tests.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TO = HERE.parents[1] / "data" / "exchange"
INSPECT = "inspect-ai==0.3.285"
PROMPTFOO = "promptfoo@0.121.20"


def run(*command: str | Path, cwd: Path) -> None:
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


def inspect(folder: Path) -> None:
    env = folder / "inspect"
    if not env.exists():
        run(sys.executable, "-m", "venv", env, cwd=folder)
        run(env / "bin/pip", "install", "--quiet", INSPECT, cwd=folder)
    for form, name in (("eval", "inspect.eval"), ("json", "inspect.json")):
        shutil.rmtree(folder / "logs", ignore_errors=True)
        run(env / "bin/python", HERE / "inspect_log.py", form, "logs", cwd=folder)
        (log,) = (folder / "logs").iterdir()
        shutil.copy(log, TO / name)


def promptfoo(folder: Path) -> None:
    env = folder / "promptfoo"
    if not env.exists():
        env.mkdir()
        run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", PROMPTFOO, cwd=env)
    for name in ("provider.js", "promptfooconfig.yaml"):
        shutil.copy(HERE / name, env)
    command = ("node_modules/.bin/promptfoo", "eval", "--no-progress-bar", "--no-table", "--output", "out.json")
    settings = ("PROMPTFOO_DISABLE_TELEMETRY=1", "PROMPTFOO_DISABLE_UPDATE=1", "PROMPTFOO_CONFIG_DIR=config")
    subprocess.run(["env", *settings, *command], cwd=env, check=False)  # tests that fail make it exit with 100
    shutil.copy(env / "out.json", TO / "promptfoo.json")


def hyperfine(folder: Path) -> None:
    version = subprocess.run(["hyperfine", "--version"], capture_output=True, text=True, check=True).stdout
    assert version.split()[1] == "1.15.0", version
    options = ("--shell", "none", "--ignore-failure", "--runs", "3", "--style", "none")
    run(
        "hyperfine",
        *options,
        "--export-json",
        TO / "hyperfine.json",
        "-n",
        "works",
        "true",
        "-n",
        "fails",
        "false",
        cwd=folder,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve()
        TO.mkdir(exist_ok=True)
        for make in (inspect, promptfoo, hyperfine):
            make(place)
