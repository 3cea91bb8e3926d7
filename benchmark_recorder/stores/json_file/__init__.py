"""How the JSON file store does it: the document's format, its tail, its columns, its care."""

from benchmark_recorder.stores.json_file.store import JSONFileStore

__all__ = ["JSONFileStore"]
