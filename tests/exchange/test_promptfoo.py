from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark_recorder import InvalidRecordError, MemoryStore
from benchmark_recorder.exchange import import_file
from benchmark_recorder.queries import Query

FILE = Path(__file__).parent.parent / "data" / "exchange" / "promptfoo.json"


def test_each_answer_is_a_run_but_those_from_the_cache() -> None:
    store = MemoryStore()
    done = import_file(FILE, store, version="v1")
    assert (done.form, done.read, done.new) == ("promptfoo", 6, 6)
    assert done.notes == ("2 of 8 answers came from the cache and are left out",)
    written = [r for r in json.loads(FILE.read_text())["results"]["results"] if not r["response"].get("cached")]
    documents = list(store.documents(Query()))
    assert [d["execution_time"] for d in documents] == [result["latencyMs"] / 1000 for result in written]
    assert [d["success"] for d in documents] == [result["success"] for result in written]
    assert [d.get("error_type") for d in documents] == [None, None, "assertion", "assertion", "error", "error"]
    assert {d["task_description"] for d in documents} == {"greeting", '{"word": "goodbye"}', '{"word": "fail"}'}
    first = documents[0]
    assert (first["cost_estimated"], first["input_tokens"], first["output_tokens"]) == (0.0002, 10, 5)
    assert (first["model"], first["metadata"]["prompt"]) == ("fake:model", "Say {{word}}")
    assert first["metadata"]["imported"] == {"tool": "promptfoo", "version": "0.121.20", "file": "promptfoo.json"}


def test_the_same_run_counts_once(tmp_path: Path) -> None:
    store = MemoryStore()
    import_file(FILE, store, version="v1")
    (tmp_path / "again").write_text(json.dumps(json.loads(FILE.read_text())))
    assert import_file(tmp_path / "again", store, version="v1").new == 0


def test_another_version_of_the_format_is_refused(tmp_path: Path) -> None:
    report = json.loads(FILE.read_text())
    report["results"]["version"] = 4
    (tmp_path / "x").write_text(json.dumps(report))
    with pytest.raises(InvalidRecordError, match="promptfoo's results of version 4: only 3 is read"):
        import_file(tmp_path / "x", MemoryStore(), version="v1")
