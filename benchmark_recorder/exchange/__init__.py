"""Records from files of other programs, and files for them: what is read and written is in ``docs/formats.md``.

``entry`` says what a file tells of an execution, and makes a record of it; ``lines``, ``table`` and
``pytest_benchmark`` read entries, ``recognition`` tells the forms apart: all of them pure. ``importing`` and
``exporting`` do the reading and the writing.
"""

from benchmark_recorder.exchange.exporting import FIGURES, FORMS, export_file, export_records, holds
from benchmark_recorder.exchange.importing import Imported, import_file

__all__ = ["FIGURES", "FORMS", "Imported", "export_file", "export_records", "holds", "import_file"]
