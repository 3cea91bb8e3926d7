#!/usr/bin/env bash
# pydantic-evals 2.62.0: a case whose task raises is in neither the cases nor the averages of a report. Of three cases,
# of which one passes, one fails and one raises, the assertion rate is one of two.
# Seen: 0.5, with one failure listed apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pydantic-evals==2.62.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EqualsExpected


def task(text: str) -> str:
    if text == "c":
        raise ValueError("broken")
    return "a"


cases = [Case(name=text, inputs=text, expected_output=text) for text in "abc"]
report = Dataset(name="three", cases=cases, evaluators=[EqualsExpected()]).evaluate_sync(task, progress=False)
rate = report.averages().assertions
print(f"rate {rate}, cases {len(report.cases)}, failures {len(report.failures)}")
assert (rate, len(report.cases), len(report.failures)) == (0.5, 2, 1), "it has changed"
PYTHON
