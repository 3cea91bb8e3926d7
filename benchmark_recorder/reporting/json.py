"""Records and results as JSON, for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final, TextIO

from benchmark_recorder.records import encodable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmark_recorder.records import Document

SCHEMA_VERSION: Final = 1
"""Of everything that is printed as JSON; counts up when a field goes away or changes its meaning."""


def json_text(value: object, *, indent: int | None = None) -> str:
    """JSON in ASCII, so that no terminal and no parser trips over a text; what is not finite is ``null``.

    Two number signs, which can only be in a text, would start a command in some CI systems' logs wherever they stand;
    a less-than sign could end a script in a page that holds the JSON.
    """
    text = json.dumps(plain(value), indent=indent, allow_nan=False)
    return text.replace("##", "#\\u0023").replace("<", "\\u003c")


def plain(value: object) -> Any:  # noqa: ANN401
    """Dicts, lists, texts and finite numbers all the way down."""
    if isinstance(value, bool | int | float | None):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return {f.metadata.get("key", f.name): plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return str(value)


def print_jsonl(documents: Iterable[Document], file: TextIO) -> None:
    """One record a line, every field that it has."""
    file.writelines(json_text(document) + "\n" for document in documents)


def print_json(documents: Iterable[Document], file: TextIO) -> None:
    """The form of ``benchmarks/metrics.json``: one document, one record a line."""
    file.write(f'{{"schema_version": {SCHEMA_VERSION}, "metrics": [')
    separators = chain(["\n"], repeat(",\n"))
    file.writelines(separator + json_text(document) for document, separator in zip(documents, separators, strict=False))
    file.write("\n]}\n")
