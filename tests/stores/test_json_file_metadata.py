"""Questions about metadata, from its kept texts: the same as from the documents, whatever these hold."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from benchmark_recorder.cells import StoreNote
from benchmark_recorder.columns import columns_of
from benchmark_recorder.errors import StoreFormatError
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document, is_unicode, timestamp_micros
from benchmark_recorder.stores.json_file import JSONFileStore, metadata, reader
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.tabulation import fields_of, summarize_columns
from benchmark_recorder.testing import assert_same_cells, make_document, make_history
from tests.hostile import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 1.0, -0.0, 0.1, 2**53, 2**63, 2**70, 1e300, "", "1", "true", "null", "NaN", "(rest)"),
    *(
        "(none)",
        '"',
        [],
        [1],
        {},
        {"a": 1},
        {"x": {"x": 1}},
        *(text for text in HOSTILE.values() if len(text) < 1_000 and is_unicode(text)),
    ),
)
METADATA: tuple[Any, ...] = (
    *({"x": value} for value in VALUES),
    *({"x": value, "run": number} for number, value in enumerate(VALUES)),
    *({}, None, [], "x", 7, {"y": 1}, {"": 1}, {"x.y": 1, "x": {"y": 2}}),
)
FILTERS: tuple[dict[str, Any], ...] = (
    *({"x": value} for value in VALUES),
    *({"y": 1}, {"x": 1, "run": 4}, {"": True}, {"": 1}, {"none": None}),
)
QUERIES = (
    *(Query(metadata=tuple(wanted.items())) for wanted in FILTERS),
    *(Query(by=by) for by in (("metadata.x",), ("metadata.",), ("metadata.x.y", "metadata.x"), ("metadata.run",))),
    Query(versions=("v1.0",), metadata=(("x", 1),), by=("metadata.x", "week", "metadata.run")),
    Query(task="Create a landing page", metadata=(("x", 1),)),
    Query(metadata=(("x", "1"),), exclude_ids=frozenset({"none"}), runs="all"),
)
NAMES = ("execution_time", "version", "record_id", "metadata")
APPEND = """
import sys, msgspec
from benchmark_recorder.stores.json_file import JSONFileStore
JSONFileStore(sys.argv[1]).append(msgspec.json.decode(sys.stdin.buffer.read()), fresh=True)
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a few records are worth saving."""
    monkeypatch.setattr(reader, "WORTH_SAVING", 10)
    return tmp_path / "metrics.json"


def history(count: int = 150, seed: int = 1) -> list[Document]:
    rng = random.Random(seed)
    documents = [document | {"metadata": rng.choice(METADATA)} for document in make_history(count, seed)]
    for document in documents[::17]:
        del document["metadata"]
    return documents


def written(path: Path, documents: list[Document]) -> list[Document]:
    """As lines that somebody else could have written, which are not checked."""
    path.write_bytes(
        b'{"schema_version": 1, "metrics": [\n' + b",\n".join(map(msgspec.json.encode, documents)) + b"\n]}"
    )
    return documents


def assert_answers(store: JSONFileStore, documents: list[Document], queries: tuple[Query, ...] = QUERIES) -> None:
    for query in queries:
        expected = list(filter(query.matches, documents))
        assert_same_cells(store.summarize(query), summarize_columns(columns_of(expected, fields_of(query)), query))
        found, columns = store.scan(replace(query, by=()), NAMES), columns_of(expected, NAMES)
        for name in NAMES:
            np.testing.assert_array_equal(found[name], columns[name])


def saved(path: Path) -> Path:
    return path.with_name("metrics.json.d") / "metadata"


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes of records were read for their metadata."""
    sizes: list[int] = []
    real = metadata._decode_lines

    def counted(block: bytes) -> Any:
        sizes.append(len(block))
        return real(block)

    monkeypatch.setattr(metadata, "_decode_lines", counted)
    return sizes


@pytest.mark.parametrize("most", [100_000, 20])
def test_questions_about_metadata_are_answered_as_from_the_documents(
    path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(metadata, "MAX_TEXTS", most)
    documents = written(path, history())
    store = JSONFileStore(path)
    assert_answers(store, documents)
    later = history(100, seed=2)
    # By another process; the second step is too short to be saved.
    for part in (later[:-2], later[-2:]):
        subprocess.run([sys.executable, "-c", APPEND, str(path)], input=msgspec.json.encode(part), check=True)
        store.summarize(Query(metadata=(("x", 1),)))
    assert_answers(store, [*documents, *later])
    assert_answers(JSONFileStore(path), [*documents, *later])
    assert saved(path).exists() == (most > 20)


def test_metadata_is_read_and_saved_only_once_a_question_needs_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = written(path, history())
    read = decoded(monkeypatch)
    store = JSONFileStore(path)
    store.summarize(Query(by=("model",)))
    assert read == []
    assert not saved(path).exists()
    store.summarize(Query(by=("metadata.x",)))
    assert len(read) == 1
    assert saved(path).stat().st_mode & 0o777 == 0o600
    assert_answers(store, documents)
    assert_answers(JSONFileStore(path), documents)
    assert len(read) == 1


def test_only_the_metadata_of_new_records_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = written(path, history())
    store = JSONFileStore(path)
    assert_answers(store, documents)
    read = decoded(monkeypatch)
    for document in history(30, seed=3):
        store.append([document], fresh=True)
        documents.append(document)
        assert_answers(store, documents, QUERIES[-6:])
    assert len(read) == 30
    assert max(read) < 2_000


def test_texts_that_are_too_long_in_all_are_not_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "MAX_BYTES", 1_000)
    documents = written(path, history())
    assert_answers(JSONFileStore(path), documents)
    assert not saved(path).exists()


def test_many_different_questions_are_answered_rightly(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "MAX_QUESTIONS", 2)
    documents = written(path, history())
    store = JSONFileStore(path)
    for _ in range(2):
        assert_answers(store, documents, QUERIES[::5])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content.replace(b'"x"', b'"y"'),
        lambda content: content[:-4] + b"\1\0\0\0",
        lambda content: content.partition(b"\n")[0] + b"\n",
    ],
)
def test_a_damaged_file_of_metadata_is_replaced(path: Path, damage: Callable[[bytes], bytes]) -> None:
    documents = written(path, history())
    JSONFileStore(path).summarize(Query(by=("metadata.x",)))
    whole = saved(path).read_bytes()
    saved(path).write_bytes(damage(whole))
    assert_answers(JSONFileStore(path), documents)
    assert saved(path).read_bytes() == whole


def test_metadata_of_a_document_that_was_rewritten_or_replaced_is_not_used(path: Path) -> None:
    documents = written(path, history())
    store = JSONFileStore(path)
    store.summarize(Query(by=("metadata.x",)))
    store.prune(timestamp_micros(documents[100]["timestamp"]))
    assert_answers(store, documents[100:])
    other = path.with_name("other.json")
    others = written(other, history(120, seed=9))
    other.replace(path)
    assert_answers(store, others)
    assert_answers(JSONFileStore(path), others)


def test_an_older_file_answers_about_metadata_and_stays_as_it_is(path: Path) -> None:
    documents = history(40)
    content = msgspec.json.format(msgspec.json.encode({"metrics": documents}), indent=2)
    path.write_bytes(content)
    reference = MemoryStore()
    reference.append(documents)
    for _ in range(2):  # the second one reads the saved columns
        with JSONFileStore(path) as store:
            for query in QUERIES[-4:]:
                assert_same_cells(store.summarize(query), reference.summarize(query))
    assert path.read_bytes() == content


def test_a_file_that_does_not_exist_has_no_groups_and_no_matches(path: Path) -> None:
    store = JSONFileStore(path)
    for query in QUERIES[-6:]:
        assert store.summarize(query).cells == ()
        assert len(store.scan(replace(query, by=()), ["time"])["time"]) == 0


def test_damaged_metadata_in_the_middle_of_the_document_is_an_error_that_names_it(path: Path) -> None:
    lines = [msgspec.json.encode(document) for document in history(3)]
    lines[1] = lines[1].replace(b'"metadata":', b'"metadata":{"x":"\xff"},"was":')
    path.write_bytes(b'{"schema_version": 1, "metrics": [\n' + b",\n".join(lines) + b"\n]}")
    store = JSONFileStore(path)
    for _ in range(2):
        with pytest.raises(StoreFormatError, match="metrics.json has a line that is not a record"):
            store.summarize(Query(by=("metadata.x",)))


def test_only_groups_that_have_runs_are_counted_as_too_many(path: Path) -> None:
    documents = [make_document(version="v1", model=f"m{n}", metadata={"x": n}, git_commit=f"{n}") for n in range(1_100)]
    documents += [make_document(version="v2", model="m7", metadata={"x": 7}, git_commit="7")]
    with JSONFileStore(path) as store:
        store.append(documents, fresh=True)
        for key in ("model", "metadata.x"):
            asked = Query(versions=("v2",), by=(key,))
            cells = store.summarize(asked)
            assert cells.caveats == ()
            assert [cell.group for cell in cells.cells] == [("m7",) if key == "model" else ("7",)]
            (note,) = store.summarize(Query(by=(key,))).caveats
            assert isinstance(note, StoreNote)
            assert note.figures["pooled"] == 100
