"""The simulation bench behind ``tests/perf/verdicts.py``.

- ``designs``: made-up histories. ``questions``: what is counted in the public answers about one.
- ``bench``: rows, bounds, and the processes that fill the table.
"""
