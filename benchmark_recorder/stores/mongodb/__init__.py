"""Records in a MongoDB collection.

- ``store``: ``MongoDBStore``, the store's contract: inserts, scans, cells, and the driver's errors.
- ``client``: what a URL says, the driver's settings, and the collection's indexes, which make questions fast.
- ``documents``: a record as a document, and back.
- ``aggregation``: in which steps the server is asked, and what is made of its answers.
- ``pipeline``: a question as a filter, and the aggregations that make cells, units and histograms on the server.
- ``groups``: the keys that are grouped by, and the labels of what the server answers.
- ``refusals``: what became of a batch that the server took in part; what a server that is not MongoDB's own lacks; the
  driver's errors in words.
"""

from benchmark_recorder.stores.mongodb.store import MongoDBStore

__all__ = ["MongoDBStore"]
