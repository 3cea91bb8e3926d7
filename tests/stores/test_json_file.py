from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.testing import JournalContract, make_history

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestJSONFileStoreContract(JournalContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[JSONFileStore]:
        with JSONFileStore(tmp_path / "benchmarks" / "metrics.json") as store:
            yield store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JSONFileStore]:
    with JSONFileStore(tmp_path / "metrics.json") as store:
        yield store


def test_the_file_is_one_json_document_with_a_record_a_line(store: JSONFileStore) -> None:
    history = make_history(3)
    for document in history:
        store.append([document], fresh=True)
    content = store.path.read_text(encoding="utf-8")
    assert json.loads(content) == {"schema_version": 1, "metrics": history}
    assert content.splitlines()[0] == '{"schema_version": 1, "metrics": ['
    assert [json.loads(line.removesuffix(",")) for line in content.splitlines()[1:-1]] == history
    assert content.endswith("}\n]}")
