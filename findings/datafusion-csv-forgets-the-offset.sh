#!/usr/bin/env bash
# datafusion 55.0.0: a time with an offset in a CSV file is read as the moment in UTC, without a zone; written again, it
# has no offset. Who takes a time without an offset for local time, as ISO 8601 has it, is hours off.
# Seen: 2026-01-02T10:00:00+05:30 comes back as 2026-01-02T04:30:00.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check datafusion==55.0.0 pyarrow
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from pathlib import Path

from datafusion import SessionContext

Path("in.csv").write_text("at\n2026-01-02T10:00:00+05:30\n")
frame = SessionContext().read_csv("in.csv")
frame.write_csv("out")
(written,) = (line for file in Path("out").rglob("*.csv") for line in file.read_text().split() if line != "at")
print(frame.schema().field("at").type, written)
assert written == "2026-01-02T04:30:00", "it has changed"
PYTHON
