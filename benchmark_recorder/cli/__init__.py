"""The command line: ``benchmark-recorder``, or ``python -m benchmark_recorder``.

One file for each group of commands; each registers itself with ``app``.
"""

from benchmark_recorder.cli import care, decisions, reading, recording, sync, transfer, vertex
from benchmark_recorder.cli.app import app, main

__all__ = ["app", "care", "decisions", "main", "reading", "recording", "sync", "transfer", "vertex"]
