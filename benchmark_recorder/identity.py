"""Which record is which: ids for records that came without one, the same ones whenever they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_recorder.records import legacy_record_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from benchmark_recorder.records import Document


def identified(documents: Iterable[Document], given: Collection[str]) -> Iterator[Document]:
    """Each record with its id, in order; one whose id stands before it already is left out.

    Args:
        documents: records of one file, with or without an id.
        given: the ids that stand in the file.
    """
    seen: set[str] = set()
    ordinals: dict[str, int] = {}
    for document in documents:
        record_id = document.get("record_id")
        if isinstance(record_id, str):
            if record_id not in seen:
                seen.add(record_id)
                yield document
            continue
        content = {name: value for name, value in document.items() if name != "record_id"}
        first = legacy_record_id(content, 0)
        ordinal = ordinals.get(first, 0)
        # An identical record may have been taken over, and so have got this id, before this one was added.
        while (record_id := legacy_record_id(content, ordinal)) in given:
            ordinal += 1
        ordinals[first] = ordinal + 1
        yield {"record_id": record_id, **content}
