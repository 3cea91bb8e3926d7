"""Files of other programs, in and out; ``docs/formats.md`` describes the formats.

- ``importing``: a file's records into a store; ``exporting``: a store's records into a file.
- ``content``: pipes, compressed files and encodings; ``recognition``: which form a file has.
- ``csv_rows``, ``arrow_rows``, ``hyperfine``, ``inspect_log``, ``langfuse``, ``promptfoo``, ``pytest_benchmark``: the
  entries of one form each. Our JSON is read by its store. ``json_stream``: a JSON array, an element at a time.
- ``prometheus``: figures by version and agent in Prometheus' text format.
- ``entry``: what a file says about one execution, and the record that it becomes; the entries of JSON lines.
"""

from benchmark_recorder.exchange.exporting import FIGURES, FORMS, WHOLE_FORMS, export_file, export_records, holds
from benchmark_recorder.exchange.importing import Imported, import_file

__all__ = ["FIGURES", "FORMS", "WHOLE_FORMS", "Imported", "export_file", "export_records", "holds", "import_file"]
