"""Files of other programs, in and out; ``docs/formats.md`` describes the formats.

- ``importing``: a file's records into a store; ``exporting``: a store's records into a file.
- ``content``: pipes, compressed files and encodings; ``recognition``: which form a file has.
- ``csv_rows``, ``arrow_rows``, ``hyperfine``, ``inspect_log``, ``langfuse``, ``promptfoo``, ``pytest_benchmark``: the
  entries of one form each. Our JSON is read by its store. ``json_stream``: a JSON array, an element at a time.
- ``spans``: records of an application's OpenTelemetry spans.
- ``prometheus``: figures by version and agent in Prometheus' text format.
- ``entry``: what a file says about one execution, and the record that it becomes; the entries of JSON lines.
"""

from typing import TYPE_CHECKING

from benchmark_recorder._lazy import lazy_names
from benchmark_recorder.exchange.exporting import FIGURES, FORMS, WHOLE_FORMS, export_file, export_records, holds
from benchmark_recorder.exchange.importing import Imported, import_file

if TYPE_CHECKING:
    from benchmark_recorder.exchange.spans import BenchmarkSpanProcessor

__getattr__ = lazy_names(__name__, {"BenchmarkSpanProcessor": "spans"})  # it needs the SDK of OpenTelemetry

__all__ = [
    "FIGURES",
    "FORMS",
    "WHOLE_FORMS",
    "BenchmarkSpanProcessor",
    "Imported",
    "export_file",
    "export_records",
    "holds",
    "import_file",
]
