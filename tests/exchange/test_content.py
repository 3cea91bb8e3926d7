from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
from pathlib import Path

import pytest
from backports import zstd

from benchmark_recorder import MemoryStore, StoreFormatError
from benchmark_recorder.errors import MissingDependencyError
from benchmark_recorder.exchange import import_file
from benchmark_recorder.exchange.content import MOST_INFLATED
from benchmark_recorder.queries import Query

LINE = {"version": "v1", "task": "é", "duration": 1.5, "success": True, "timestamp": "2026-01-02T03:04:05+00:00"}
TEXT = json.dumps(LINE, ensure_ascii=False) + "\n"
TABLE = "version,task,duration,success,timestamp\r\nv1,é,1.5,1,2026-01-02T03:04:05+00:00\r\n"


@pytest.mark.parametrize("text", [TEXT, f"[{TEXT}]", TABLE], ids=["lines", "array", "table"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_a_file_may_be_packed_and_have_a_mark_of_its_encoding(
    text: str, encoding: str, pack: type[bytes], tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(pack(text.encode(encoding)))
    store = MemoryStore()
    assert import_file(tmp_path / "x", store).new == 1
    assert next(iter(store.documents(Query())))["task_description"] == "é"


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_packed_file_that_was_cut_is_named(pack: type[bytes], tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pack(os.urandom(10_000))[:-20])
    with pytest.raises(StoreFormatError, match="x: it is truncated or damaged: "):
        import_file(tmp_path / "x", MemoryStore())


def test_a_packed_file_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(zstd.compress(b" " * 20_000_000))
    with pytest.raises(
        StoreFormatError, match="its content is larger than 512 MiB, or than 1,000 times its compressed"
    ):
        import_file(tmp_path / "x", MemoryStore())
    assert MOST_INFLATED == 512 * 2**20


def test_standard_input_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(TEXT.encode()))))
    assert import_file("-", MemoryStore()).new == 1


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(TEXT * 3,), kwargs={"encoding": "utf-8"})
    writer.start()
    assert import_file(pipe, MemoryStore()).new == 3
    writer.join()


def test_a_packed_file_names_the_extra_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(zstd.compress(TEXT.encode()))
    monkeypatch.setitem(sys.modules, "backports", None)
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    with pytest.raises(MissingDependencyError, match="packed with zstd"):
        import_file(tmp_path / "x", MemoryStore())
