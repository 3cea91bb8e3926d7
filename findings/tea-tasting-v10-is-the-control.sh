#!/usr/bin/env bash
# tea-tasting 1.14.0: without control=, the variant with the smallest label is the control, and labels are compared as
# texts: of v9 and v10, v10 is. An improvement of v10 over v9 is printed as a loss.
# Seen: v9 takes 2 s, v10 takes 1 s: the result is for v9 against v10, +100%.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tea-tasting==1.14.0 pandas==2.3.3
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import pandas as pd
import tea_tasting as tt

runs = pd.DataFrame({"variant": ["v9"] * 50 + ["v10"] * 50, "seconds": [2.0, 2.1] * 25 + [1.0, 1.05] * 25})
result = tt.Experiment(seconds=tt.Mean("seconds")).analyze(runs)["seconds"]
print(f"control {result.control:.3f}, treatment {result.treatment:.3f}, {result.rel_effect_size:+.0%}")
assert result.control < result.treatment, "it has changed"
PYTHON
