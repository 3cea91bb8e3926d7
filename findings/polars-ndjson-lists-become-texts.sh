#!/usr/bin/env bash
# polars 2.1.0: read_ndjson turns the elements of a list of mixed kinds into texts, numbers and objects alike. Their
# types are gone: 1 and "1" are the same afterwards, and an object is JSON inside of a string.
# Seen: [1, {"z": null}] is read as ["1", "{\"z\": null}"].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import io

import polars as pl

seen = pl.read_ndjson(io.BytesIO(b'{"tags": [1, {"z": null}]}\n'))["tags"].to_list()
print(seen)
assert seen == [["1", '{"z": null}']], "it has changed"
PYTHON
