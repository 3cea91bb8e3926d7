#!/usr/bin/env bash
# DDSketch 3.0.1: NaN is neither refused nor left out. It goes to the bucket of zero, so that failed measurements become
# the fastest ones.
# Seen: one value of 10.0 and three NaN have a count of 4 and a median of 0; sum and average are NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check ddsketch==3.0.1
"$folder/env/bin/python" - <<'PYTHON'
import math

from ddsketch import DDSketch

sketch = DDSketch(relative_accuracy=0.01)
for value in (10.0, math.nan, math.nan, math.nan):
    sketch.add(value)
seen = (sketch.count, sketch.get_quantile_value(0.5), math.isnan(sketch.avg))
print(f"count {seen[0]}, median {seen[1]}, average is NaN: {seen[2]}")
assert seen == (4.0, 0, True), "it has changed"
PYTHON
