"""The simulation bench behind ``tests/perf/verdicts.py``.

- ``designs``: made-up histories; ``truths``: the figures that intervals about them must hold.
- ``questions``: what is counted in the public answers about one history. ``planning``: what is said of further ones.
  ``textbook``: tests that ours are held against.
- ``bench``: rows, bounds, and the processes that fill the table.
"""
