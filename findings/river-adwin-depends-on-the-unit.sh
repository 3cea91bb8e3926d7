#!/usr/bin/env bash
# River 0.26.1: ADWIN looks for changes in a stream of any numbers, and its bound is that for numbers from 0 to 1.
# So the unit decides: the same durations in milliseconds raise the alarm long before those in seconds.
# Seen: 200 runs of 1 s with 1% noise, then 200 runs that take 10% longer: found 151 runs after the step in seconds, and
# 23 runs after it in milliseconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check river==0.26.1
"$folder/env/bin/python" - <<'PYTHON'
import random

from river.drift import ADWIN


def found(factor):
    chance, adwin = random.Random(1), ADWIN()
    for run in range(400):
        adwin.update(factor * chance.gauss(1.0 if run < 200 else 1.1, 0.01))
        if adwin.drift_detected:
            return run - 200
    return None


seen = {"seconds": found(1), "milliseconds": found(1000)}
print(f"runs from the step to the alarm: {seen}")
assert seen == {"seconds": 151, "milliseconds": 23}, "it has changed"
PYTHON
