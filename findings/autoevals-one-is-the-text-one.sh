#!/usr/bin/env bash
# autoevals 0.4.1: ExactMatch compares what both sides look like as text.
# A number equals its digits, and two equal numbers of different types do not match.
# Seen: 1 and "1" score 1; 1.0 and 1 score 0; an object and its JSON text score 1; None and the text "null" score 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check autoevals==0.4.1
"$folder/env/bin/python" - <<'PYTHON'
from autoevals import ExactMatch

pairs = [(1, "1"), (1.0, 1), ({"a": 1}, '{"a": 1}'), (None, "null")]
seen = [ExactMatch()(output, expected).score for output, expected in pairs]
for pair, score in zip(pairs, seen):
    print(*map(repr, pair), score)
assert seen == [1, 0, 1, 0], "it has changed"
PYTHON
