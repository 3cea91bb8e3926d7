"""Where records live.

- ``base``: the contract of a store, and of a journal. ``health``: how recording and delivery are doing.
- ``completing``: does for a store what it does not do itself: groups, and filters that came after it was written.
- ``memory``: records in memory: the reference for what a store means, and a store for tests.
- ``json_file``: one JSON document: the default store, and the journal of every remote store.
- ``replication``: the journal first, then a remote store: outages, catch-up, quarantine.
- ``mongodb``, ``vertex``: the remote stores.
- ``paths``: the folders above a document, and documents that were replaced. ``sidefiles``: the folder beside a journal,
  and backups in it.
- ``replacing``: a file by rename, or in place where it is mounted alone; its backups.
- ``cursors``: how far a journal has been delivered; the lease of the one deliverer, and who it is; the last error.
- ``quarantine``: records that a remote store refused for their content.
- ``locking``: ``flock`` with a deadline, and the system's errors in words.
"""
