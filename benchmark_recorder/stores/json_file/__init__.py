"""Records in one JSON document: the default store, and the journal of every remote one.

- ``store``: ``JSONFileStore``, the class that users see.
- ``format``: the header, one record a line, the closing; where records begin and end, and their ids.
- ``old_formats``: pretty-printed files of earlier releases, and cut ones, in our form; ids for their records.
  ``streaming``: the same in one pass with little memory. ``taking_over``: what the first append makes of such a file;
  ``pending``: what is appended while that takes long.
- ``writer``: the append, and undoing one that failed. ``handle``: the open file below it: lock, repair, follow others;
  ``turns``: one thread at a time.
- ``source``: a document as readers see it. ``places``: places between its records, for delivery; what is whole in a
  damaged one.
- ``reader``: questions. ``table``: the columns and cells kept for them; ``metadata``: that of all records, once it is
  asked for; ``lines``: lines to arrays; ``derived``: durations in order, and cells where tasks hardly repeat;
  ``cache``: all of it saved for the next process, in files of ``arrays``.
- ``rewrite``: pruning, compacting and repairing by rename; what remote stores still need stays.
- ``inspection``: what ``doctor`` prints.

The folder beside the file is in ``stores.sidefiles``, locks in ``stores.locking``.
"""

from benchmark_recorder.stores.json_file.store import JSONFileStore

__all__ = ["JSONFileStore"]
