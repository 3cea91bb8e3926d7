"""A record's way in.

- ``admission``: makes a document of a caller's arguments.
- ``commit``: finds the git commit that the program runs from; ``checkout``: what only git itself knows of it.
- ``measurement``: times a block of code: ``recorder.measure``. ``lineage``: which run a run is a part of.
- ``experiment``: which of two versions a run is for: ``recorder.experiment``.
- ``tracking``: measures each call of a function: ``recorder.track``; also work that it hands back undone.
- ``salvage``: what can be recorded of a measured run whose fields are partly wrong.
- ``buffer``: writes records into the journal, and keeps them in memory while it cannot be written.
"""
