"""The command line: ``benchmark-recorder``, or ``python -m benchmark_recorder``.

- ``app``: the application, exit codes, errors; ``options``: what commands share; ``output``: how answers leave.
- ``ask``: list, show, compare, report; ``decide``: claims, gate, selftest; ``outlook``: changes, predict;
  ``experiment``: check, list.
- ``data``: record, import, export; ``maintain``: doctor, prune, vertex.
- ``load``: orchestrators under load; ``savings``: where money can be saved.
- ``serve``: the live page; ``sync``: sync, and how a signal ends it soon; ``watch``: alerts, and sending a report.
"""

from benchmark_recorder.cli import (  # noqa: F401 - each adds its commands
    ask,
    data,
    decide,
    experiment,
    load,
    maintain,
    outlook,
    savings,
    serve,
    sync,
    watch,
)
from benchmark_recorder.cli.app import app, main

__all__ = ["app", "main"]
