"""A store of one's own, whole: executions in an SQLite file. docs/writing-a-store.md goes through it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from benchmark_recorder import StoreFormatError, StoreUnavailableError
from benchmark_recorder.cells import CELL_FIELDS, collect, tabulate
from benchmark_recorder.stores.base import Store, columns_of

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Sequence

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns, Document


class SQLiteStore(Store):
    """Each execution as JSON, with its id as the key and its version to search by.

    Args:
        path: the file; made by the first append.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()

    @classmethod
    def from_url(cls, url: str) -> SQLiteStore:
        """The store of ``sqlite:///path/from/the/root.db``."""
        return cls(unquote(urlsplit(url).path))

    @property
    def name(self) -> str:
        """The URL; it holds no secret."""
        return f"sqlite://{self.path}"

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:  # noqa: ARG002 - the key looks
        """See ``Store.append``."""
        rows = [(document["record_id"], document["version"], json.dumps(document)) for document in documents]
        with self._connection() as connection:
            before = connection.total_changes
            connection.executemany("INSERT OR IGNORE INTO executions VALUES (?, ?, ?)", rows)
            return connection.total_changes - before

    def documents(self, query: Query) -> Iterator[Document]:
        """See ``Store.documents``."""
        sql, versions = "SELECT document FROM executions", query.versions or ()
        if query.versions is not None:
            sql += f" WHERE version IN ({', '.join('?' * len(versions))})"
        with self._connection() as connection:
            rows = connection.execute(f"{sql} ORDER BY rowid", versions)
            for (text,) in rows:
                document: Document = json.loads(text)
                if query.matches(document):
                    yield document

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``."""
        return columns_of(list(self.documents(query)), fields)

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``."""
        return collect(tabulate(self.scan(query, CELL_FIELDS)), query.versions, query.own_cells)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One for each call, so that threads and forked children share none; commits at the end."""
        try:
            with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
                with suppress(sqlite3.OperationalError):  # another connection does it: SQLite does not wait here
                    connection.execute("PRAGMA journal_mode = WAL")  # readers do not block writers
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS executions (record_id TEXT UNIQUE, version TEXT, document TEXT)"
                )
                yield connection
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(f"{self.name}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreFormatError(f"{self.name}: {error}") from error
