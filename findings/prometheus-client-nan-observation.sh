#!/usr/bin/env bash
# prometheus-client 0.26.0: a histogram that observes NaN once has a sum that is NaN from then on, and does not count
# the observation: the mean of all later scrapes is NaN, while the count looks like that of a healthy series.
# Seen: after nine observations of 1.0 and one of NaN: count 9, sum NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import math

from prometheus_client import CollectorRegistry, Histogram

registry = CollectorRegistry()
histogram = Histogram("seconds", "Of calls.", registry=registry)
for value in [1.0] * 4 + [math.nan] + [1.0] * 5:
    histogram.observe(value)
count, total = (registry.get_sample_value(f"seconds_{which}") for which in ("count", "sum"))
print(f"count {count}, sum {total}")
assert count == 9, "it has changed"
assert math.isnan(total), "it has changed"
PYTHON
