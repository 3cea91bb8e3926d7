from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import BenchmarkRecorder, records
from benchmark_recorder.exchange import import_file
from benchmark_recorder.queries import Query
from benchmark_recorder.records import stamp

if TYPE_CHECKING:
    from pathlib import Path

MOMENTS = ("0001-01-01", "1969-12-31T23:59:59.999999", "1970-01-01", "2026-12-01", "2106-02-08", "9999-12-31T23:59:59")


def micros(moment: str) -> int:
    delta = datetime.fromisoformat(moment).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


@pytest.fixture(params=MOMENTS)
def moment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A clock that stands still."""
    moment: str = request.param
    monkeypatch.setattr(records.time, "time_ns", lambda: micros(moment) * 1000)  # type: ignore[attr-defined]
    return moment


def test_an_id_has_32_hexadecimal_digits_under_any_clock(moment: str) -> None:
    record_id, text = stamp()
    assert re.fullmatch("[0-9a-f]{32}", record_id)
    assert datetime.fromisoformat(text) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_our_own_import_takes_a_record_of_any_clock(moment: str, tmp_path: Path) -> None:
    recorder = BenchmarkRecorder(tmp_path / "a.json")
    recorder.record_execution("a task", 1.0, success=True, version="v1")
    (there,) = recorder.store.documents(Query())
    assert there["timestamp"].startswith(moment[:10])
    copy = BenchmarkRecorder(tmp_path / "b.json")
    import_file(tmp_path / "a.json", copy.store)
    assert [document["record_id"] for document in copy.store.documents(Query())] == [there["record_id"]]


def test_no_two_ids_are_alike_even_if_the_clock_stands_still_and_the_counter_ends(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [stamp()[0] for _ in range(10)]
    for _ in range(3):
        monkeypatch.setattr(records._identity, "counter", iter(range(9_999_997, 10_000_000)))
        made += [stamp()[0] for _ in range(10)]
    assert len(set(made)) == 40
    assert {len(record_id) for record_id in made} == {32}


def test_ids_sort_by_time() -> None:
    made = [stamp()[0] for _ in range(1000)]
    assert sorted(made) == made


def test_an_object_that_records_when_the_interpreter_ends_loses_nothing(tmp_path: Path) -> None:
    program = """
from benchmark_recorder import BenchmarkRecorder
class Last:
    def __init__(self): self.recorder = BenchmarkRecorder("metrics.json")
    def __del__(self): self.recorder.record_execution("at the end", 1.0, True, "v1")
first, last = Last(), Last()
first.recorder.record_execution("before", 1.0, True, "v1")
first.cycle, last.cycle = first, last
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert (tmp_path / "metrics.json").read_text().count('"record_id"') == 3
