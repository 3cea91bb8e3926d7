"""Older documents read piece by piece: the same as read as a whole, whatever is in them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmark_recorder.errors import StoreFormatError
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore, streaming
from benchmark_recorder.stores.json_file.format import CLOSING
from benchmark_recorder.stores.json_file.old_formats import convert
from benchmark_recorder.stores.json_file.streaming import Older, UnusualError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOINTS = [
    "}, {",
    "},\n    {",
    "\n    },\n    {",
    '}, {"timestamp"',
    "]\n}",
    "<<<<<<< HEAD",
    '"metrics": [',
    "\ufeff",
    '\\"}, {\\"',
]

texts = st.one_of(st.text(max_size=8), st.sampled_from(JOINTS))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
ids = st.one_of(st.none(), st.sampled_from(["a", "", "0" * 32, "f" * 32]), values, st.uuids().map(lambda u: u.hex))


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """A record of an older file, mostly a valid one."""
    record: dict[str, Any] = {
        "timestamp": f"2026-01-01T00:00:0{draw(st.integers(0, 9))}",
        "version": draw(st.sampled_from(["v1", "v2"])),
        "task_id": draw(texts),
        "task_description": draw(texts),
        "execution_time": draw(st.sampled_from([1.5, 2, 0.25])),
        "success": draw(st.booleans()),
        "metadata": draw(st.dictionaries(texts, values, max_size=2)),
    }
    if draw(st.integers(0, 3)) == 0:
        record["record_id"] = draw(ids)
    if draw(st.integers(0, 9)) == 0:
        record[draw(st.sampled_from([*record, "unknown"]))] = draw(values)
    if draw(st.integers(0, 20)) == 0:
        del record[draw(st.sampled_from([*record]))]
    return record


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """An older document in one of the forms that programs give it, sometimes damaged."""
    entries: list[Any] = draw(st.lists(records(), max_size=6))
    for _ in range(draw(st.integers(0, 2))):
        if entries:
            entries.append(draw(st.sampled_from(entries)))
    top: dict[str, Any] = {"metrics": entries}
    if draw(st.booleans()):
        top = {"schema_version": draw(st.sampled_from([1, 1, 1, 2])), **top}
    if draw(st.integers(0, 4)) == 0:
        top[draw(st.sampled_from(["a", "z", "", "schema_version"]))] = draw(values)
    text = json.dumps(
        top,
        indent=draw(st.sampled_from([None, 2, "\t"])),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " : ")])),
        sort_keys=draw(st.booleans()),
        ensure_ascii=draw(st.booleans()),
    )
    content = text.encode(errors="surrogatepass")
    match draw(st.integers(0, 9)):
        case 0:
            content = content[: draw(st.integers(0, len(content)))]
        case 1:
            place = draw(st.integers(0, len(content)))
            content = (
                content[:place]
                + draw(st.sampled_from([b"\xff", b"{", b"}, {", b"\n=======\n", b" ", b","]))
                + content[place:]
            )
        case 2:
            content = b"\xef\xbb\xbf" + content
    return content


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "PIECE", 300)


def whole(content: bytes, path: Path) -> tuple[bytes, int]:
    """What piece by piece becomes of an older document, and how many records were left out."""
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    try:
        older = Older(fd, len(content), str(path))
        try:
            return b"".join(older.opening()) + CLOSING, older.duplicates
        except UnusualError:
            older.read_whole()
            return b"".join(older.opening()) + CLOSING, older.duplicates
    finally:
        os.close(fd)


def at_once(content: bytes, path: Path) -> tuple[bytes, int]:
    """The same, read as a whole."""
    converted = convert(content, str(path))
    return converted.content, converted.duplicates


RECORD = {"timestamp": "2026-01-01T00:00:00", "version": "v1", "execution_time": 1.0, "success": True}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(content=documents())
@example(content=json.dumps({"metrics": [RECORD] * 9, "": [RECORD]}).encode())
@example(content=json.dumps({"metrics": [RECORD] * 9}).encode()[:-1] + b', "metrics": []}')
@example(content=json.dumps({"metrics": [{**RECORD, "a": [RECORD] * 9}] * 9}, indent=2).encode())
def test_an_older_document_is_the_same_piece_by_piece_and_as_a_whole(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    try:
        expected = at_once(content, path)
    except (StoreFormatError, RecursionError) as error:
        with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
            whole(content, path)
    else:
        assert whole(content, path) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(content=documents())
@example(content=json.dumps({"metrics": [{**RECORD, "record_id": ""}]}).encode())
def test_every_answer_about_an_older_document_is_that_about_its_conversion(content: bytes, tmp_path: Path) -> None:
    older, ours = tmp_path / "older.json", tmp_path / "ours.json"
    try:
        ours.write_bytes(at_once(content, older)[0])
    except (StoreFormatError, RecursionError):
        return
    older.write_bytes(content)
    for made in tmp_path.glob("*.d/*"):
        made.unlink()
    assert _answers(JSONFileStore(older)) == _answers(JSONFileStore(ours))


def _answers(store: JSONFileStore) -> list[Any]:
    """Of all kinds of questions; the caveats name the file, and are counted."""
    cells = store.summarize(Query())
    labels = store.summarize(Query.of(metadata={"a": 1})), store.summarize(Query(by=("metadata.a",)))
    fields = ("record_id", "version", "task_id", "task_description", "execution_time", "success")
    columns = store.scan(Query(runs="all"), fields)
    place = store.read(None, 2).position
    return [
        [replace(found, caveats=()) for found in (cells, *labels)],
        len(cells.caveats),
        repr({name: column.tolist() for name, column in columns.items()}),  # NaN equals NaN
        list(store.documents(Query(runs="all"))),
        [document["record_id"] for document in store.distinct(place)],
        store.end()._replace(inode=0),
        store.count(None),
    ]


def test_an_older_document_is_read_on_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"metrics": [{**RECORD, "n": n} for n in range(100)]}, indent=2))
    passes = []
    stream = Older._streamed

    def streamed(self: Older) -> Iterator[bytes]:
        passes.append(self)
        return stream(self)

    monkeypatch.setattr(Older, "_streamed", streamed)
    store = JSONFileStore(path)
    batch, found = store.read(None, 7), []
    while batch.documents:
        found += [document["n"] for document in batch.documents]
        batch = store.read(batch.position, 7)
    assert found == list(range(100))
    assert len(passes) <= 3  # to read it, and to find that nothing is behind the last place
    path.write_text(json.dumps({"metrics": [{**RECORD, "n": n} for n in range(101)]}, indent=2))
    assert [document["n"] for document in store.read(batch.position, 7).documents] == [100]
