"""A local journal first, then a remote store: fallback and catch-up in one.

- ``store``: ``ReplicatedStore``: appends to the journal, asks both sides, and counts each record once.
- ``undelivered``: the local side of a question.
- ``units``: units that have runs on both sides.
- ``delivery``: from the journal to the remote store, batch by batch; what happens after a kill or a rewrite; reading
  ahead; copies one store into another (``sync --from``).
- ``worker``: the thread that delivers in the background, and retries.
- ``cursor``: how far a journal is delivered, the lease of the one deliverer, and the last error.
- ``quarantine``: records that the remote store refused for their content.

The files beside the journal, and their locks, are in ``stores.sidefiles``.
"""

from benchmark_recorder.stores.replication.store import Prunable, ReplicatedStore

__all__ = ["Prunable", "ReplicatedStore"]
