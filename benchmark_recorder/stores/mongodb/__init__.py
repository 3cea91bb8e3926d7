"""How the MongoDB store does it: its client, its documents, its aggregation."""

from benchmark_recorder.stores.mongodb.store import MongoDBStore

__all__ = ["MongoDBStore"]
