"""Records in a BigQuery table, registered as a Vertex AI feature group.

- ``store``: ``VertexStore``, the store's contract: rows in, questions out.
- ``place``: which table, how long to wait, and Google's clients for it.
- ``rows``: the table's columns; a record as a row, and back.
- ``sql``: a question as SQL.
- ``units``: the SQL that counts units.
- ``groups``: the keys that are grouped by, and the labels of what the server answers.
- ``requests``: how requests are sent and retried, and what Google's errors mean; queries.
- ``columns``: columns that a table of an older release lacks.
- ``stream``: rows into the table, and which are refused.
- ``setup``: creates dataset, table, feature group and features once, and checks them.
"""

from benchmark_recorder.stores.vertex.place import DATASET, LOCATION, TABLE
from benchmark_recorder.stores.vertex.store import VertexStore

__all__ = ["DATASET", "LOCATION", "TABLE", "VertexStore"]
