#!/usr/bin/env bash
# autoevals 0.4.1: JSONDiff takes a key whose value is null for a key that is not there.
# A model that leaves out a field whose right value is null has a perfect score, one that leaves out a 2 loses half.
# Seen: 1.0 for a missing null, 0.5 for a missing number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check autoevals==0.4.1
"$folder/env/bin/python" - <<'PYTHON'
from autoevals import JSONDiff

seen = [JSONDiff()(output, expected).score for output, expected in (({"a": 1}, {"a": 1, "b": None}), ({"a": 1}, {"a": 1, "b": 2}))]
print(f"without an expected null: {seen[0]}; without an expected 2: {seen[1]}")
assert seen == [1.0, 0.5], "it has changed"
PYTHON
