"""How records get from a journal to a remote store: marks, delivery, quarantine."""

from benchmark_recorder.stores.replication.store import ReplicatedStore

__all__ = ["ReplicatedStore"]
