"""The command line: ``benchmark-recorder``, or ``python -m benchmark_recorder``.

``app`` is the application and its exit codes, ``options`` what commands share, ``output`` how answers leave. The
commands: ``ask`` (list, show, compare, report), ``decide`` (claims, gate, selftest), ``data`` (record, import,
export), ``maintain`` (doctor, prune, vertex), ``sync``.
"""

from benchmark_recorder.cli import ask, data, decide, maintain, sync  # noqa: F401 - each adds its commands
from benchmark_recorder.cli.app import app, main

__all__ = ["app", "main"]
