from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder.errors import ConfigurationError, InvalidRecordError
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.stores.memory import MemoryStore


def made(**settings: Any) -> BenchmarkRecorder:
    return BenchmarkRecorder(store=MemoryStore(), **settings)


# Version


def test_the_recorders_version_serves_whatever_names_none() -> None:
    recorder = made(version="v7")
    recorder.record_execution("t", 1.0, True)
    with recorder.measure("t"):
        pass
    recorder.track(len)("")
    (first, *_) = recorder.get_all_metrics()
    recorder.record(replace(first, version="", record_id=None))
    recorder.record_execution("t", 1.0, True, "v8")
    assert [metric.version for metric in recorder.get_all_metrics()] == ["v7"] * 4 + ["v8"]


def test_without_one_an_execution_must_name_its_version() -> None:
    message = r"version: give it in the call, or once: get_benchmark_recorder\(version=...\)"
    with pytest.raises(InvalidRecordError, match=message):
        made().record_execution("t", 1.0, True)
    recorder = made(on_invalid="log")
    recorder.record_execution("t", 1.0, True)
    assert recorder.health().invalid == 1


@pytest.mark.parametrize("blank", [" ", "\t\n", "\u00a0", ""], ids=repr)
def test_a_blank_version_is_refused(blank: str) -> None:
    with pytest.raises(InvalidRecordError, match="version: expected a text that is not blank"):
        made().record_execution("t", 1.0, True, blank)
    with pytest.raises(ConfigurationError, match="version"):
        made(version=blank)


# Labels


def test_labels_are_in_each_records_metadata_and_what_it_says_itself_is_stronger() -> None:
    recorder = made(version="v", labels={"region": "eu", "tier": "gold"})
    recorder.record_execution("t", 1.0, True)
    recorder.record_execution("t", 1.0, True, metadata={"tier": "silver", "a": 1})
    recorder.record_execution("t", 1.0, True, metadata=OrderedDict())
    with recorder.measure("t") as run:
        run.metadata["region"] = "us"
    found = [metric.metadata for metric in recorder.get_all_metrics()]
    assert found == [
        {"region": "eu", "tier": "gold"},
        {"region": "eu", "tier": "silver", "a": 1},
        {"region": "eu", "tier": "gold"},
        {"region": "us", "tier": "gold"},
    ]


def test_one_records_metadata_is_not_the_next_ones() -> None:
    recorder = made(version="v", labels={"region": "eu"})
    mine = {"a": 1}
    recorder.record_execution("t", 1.0, True, metadata=mine)
    assert mine == {"a": 1}


@pytest.mark.parametrize("labels", [{"a": 1}, {"": "b"}, {"a": ""}, ["a"], "a=b"], ids=repr)
def test_labels_are_texts(labels: Any) -> None:
    with pytest.raises(ConfigurationError, match="labels: expected a dict of texts"):
        made(labels=labels)


# Contradictions


def test_success_and_a_class_of_failure_contradict_each_other() -> None:
    recorder = made(version="v")
    with pytest.raises(InvalidRecordError, match="error_type: 'Timeout' together with success") as caught:
        recorder.record_execution("t", 1.0, True, error_type="Timeout")
    assert caught.value.field == "error_type"
    recorder.record_execution("t", 1.0, False, error_type="Timeout")
    assert len(recorder.get_all_metrics()) == 1


# Keys


def test_of_two_executions_with_the_same_key_the_first_counts(tmp_path: Path) -> None:
    recorder = BenchmarkRecorder(tmp_path / "metrics.json", version="v")
    for success in (True, False):
        recorder.record_execution("t", 1.0, success, idempotency_key="run-1")
    with recorder.measure("t", idempotency_key="run-1"):
        pass
    recorder.record_execution("t", 1.0, True, "other", idempotency_key="run-1")
    recorder.record_execution("other", 1.0, True, idempotency_key="run-1")
    recorder.record_execution("t", 1.0, True, idempotency_key="run-2")
    assert [(m.version, m.task_description, m.success) for m in recorder.get_all_metrics()] == [
        ("v", "t", True),
        ("other", "t", True),
        ("v", "other", True),
        ("v", "t", True),
    ]


def test_the_id_is_made_of_version_task_and_key() -> None:
    recorder = made(version="v")
    recorder.record_execution("t", 1.0, True, task_id="t-1", idempotency_key="run \ud800")
    named = json.dumps(["key", "v", "t-1", "run \ufffd\ufffd\ufffd"], ensure_ascii=False, separators=(",", ":"))
    assert recorder.get_all_metrics()[0].record_id == hashlib.sha256(named.encode()).hexdigest()[:32]


@pytest.mark.parametrize("key", ["", 3, b"x"], ids=repr)
def test_a_key_is_a_text(key: Any) -> None:
    with pytest.raises(InvalidRecordError, match="idempotency_key: expected a text that is not empty"):
        made(version="v").record_execution("t", 1.0, True, idempotency_key=key)
