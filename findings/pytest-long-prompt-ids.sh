#!/usr/bin/env bash
# pytest 9.2.0: a text parameter of more than 100 characters is named by its position. Put another one first, and every
# name stands for another prompt than before; what compares results by name compares different prompts.
# Seen: the prompt that was test_p[prompt0] is test_p[prompt1].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pytest==9.2.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import pytest

@pytest.mark.parametrize("prompt", {prompts})
def test_p(prompt):
    print(prompt[0])
"""


def names(prompts: list[str]) -> dict[str, str]:
    Path("test_it.py").write_text(PROGRAM.format(prompts=prompts))
    done = subprocess.run([sys.executable, "-m", "pytest", "-vv", "-s"], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "::" in line]
    return {line.split()[1][0]: line.split()[0].partition("::")[2] for line in lines}


before = names(["a" * 120, "b" * 120])
after = names(["c" * 120, "a" * 120, "b" * 120])
print(before, after)
assert (before["a"], after["a"]) == ("test_p[prompt0]", "test_p[prompt1]"), "it has changed"
PYTHON
