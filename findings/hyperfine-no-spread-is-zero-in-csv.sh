#!/usr/bin/env bash
# hyperfine 1.15.0 (Debian's package): one run has no standard deviation. Its JSON says so, its CSV says 0, which is
# what runs without any spread would have; who reads the CSV takes one run for a perfectly stable command.
# Seen: "stddev": null in JSON, 0 in CSV, from the same call.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet=2 hyperfine=1.15.0-2 2>/dev/null
dpkg-deb --extract hyperfine_*.deb .
./usr/bin/hyperfine --version
./usr/bin/hyperfine --runs 1 --shell none --export-json one.json --export-csv one.csv true >/dev/null 2>&1
python3 - <<'PYTHON'
import csv
import json
from pathlib import Path

in_json = json.loads(Path("one.json").read_text())["results"][0]["stddev"]
in_csv = next(csv.DictReader(Path("one.csv").open()))["stddev"]
print(f"JSON: {in_json}; CSV: {in_csv}")
assert (in_json, in_csv) == (None, "0"), "it has changed"
PYTHON
