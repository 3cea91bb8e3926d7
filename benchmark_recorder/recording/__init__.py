"""A record's way in.

- ``measurement``: times a block of code or a function: ``recorder.measure``, ``recorder.track``.
- ``commit``: finds the git commit that the program runs from.
- ``buffer``: writes records into the journal, and keeps them in memory while it cannot be written.
"""
