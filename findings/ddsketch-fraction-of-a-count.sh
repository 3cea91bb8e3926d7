#!/usr/bin/env bash
# DDSketch 3.0.1: a value may be added with a weight, and a weight below 1 turns the sign of the median.
# Quantiles look for the rank q * (count - 1), which is negative while the count is below 1. The walk through the store
# of negative values then begins, though that store is empty, and answers with the mirrored bucket.
# Seen: 0.25 and 0.5 of a count of the value 1.0 give a median of -0.99; a whole count gives 0.99, as it should.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check ddsketch==3.0.1
"$folder/env/bin/python" - <<'PYTHON'
from ddsketch import DDSketch

seen = {}
for weight in (0.25, 0.5, 1.0, 2.0):
    sketch = DDSketch(relative_accuracy=0.01)
    sketch.add(1.0, weight)
    seen[weight] = round(sketch.get_quantile_value(0.5), 6)
print(seen)
assert seen == {0.25: -0.99, 0.5: -0.99, 1.0: 0.99, 2.0: 0.99}, "it has changed"
PYTHON
