"""Records in a MongoDB collection.

- ``store``: ``MongoDBStore``, the store's contract: inserts, scans, indexes, and the driver's errors.
- ``client``: what a URL says, and the driver's settings.
- ``documents``: a record as a document, and back.
- ``pipeline``: a question as a filter, and the aggregation that makes cells on the server.
"""

from benchmark_recorder.stores.mongodb.store import MongoDBStore

__all__ = ["MongoDBStore"]
