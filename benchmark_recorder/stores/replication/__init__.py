"""A local journal first, then a remote store: fallback and catch-up in one.

- ``store``: ``ReplicatedStore``: appends to the journal, asks both sides, and counts each record once.
- ``attachment``: where delivery begins; records that are written while that cannot be kept.
- ``state``: what is pending, since when and why; the local side of a question; what waits for another remote store, or
  for this one under another name.
- ``units``: units that have runs on both sides.
- ``delivery``: from the journal to the remote store, batch by batch; what happens after a kill or a rewrite; reading
  ahead; copies one store into another (``sync --from``).
- ``worker``: the thread that delivers in the background, and retries.

How far a journal is delivered is in ``stores.cursors``, what the remote store refused in ``stores.quarantine``.
"""

from benchmark_recorder.stores.replication.store import Prunable, ReplicatedStore

__all__ = ["Prunable", "ReplicatedStore"]
