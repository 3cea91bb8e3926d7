from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_recorder.stores.replication.last_error import LONGEST, TroubleFile


@pytest.fixture
def trouble(tmp_path: Path) -> TroubleFile:
    return TroubleFile(str(tmp_path / "metrics.json"), str(tmp_path / "metrics.json.d" / "0123.mark"))


def test_it_keeps_when_it_began_and_what_was_said_last(trouble: TroubleFile) -> None:
    assert trouble.read() is None
    trouble.note(ValueError("one"))
    first = trouble.read()
    trouble.note(ValueError("two"))
    second = trouble.read()
    assert first is not None
    assert second is not None
    assert (first.error, second.error) == ("one", "two")
    assert first.since == second.since
    trouble.clear()
    trouble.clear()
    assert trouble.read() is None


def test_secrets_and_novels_are_not_kept(trouble: TroubleFile) -> None:
    trouble.note(ValueError(f"cannot reach mydb://alice:s3cret@host/x?password=s3cret&a=b {'x' * 5000}"))
    found = trouble.read()
    assert found is not None
    assert found.error.startswith("cannot reach mydb://***@host/x?password=***&a=b xxx")
    assert len(found.error) == LONGEST
    assert "s3cret" not in Path(trouble.path).read_text()
    trouble.note(ZeroDivisionError())
    assert trouble.read() is not None
    assert trouble.read().error == "ZeroDivisionError"  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"since": "yesterday", "error": ""}'])
def test_a_damaged_file_tells_nothing_and_is_replaced(trouble: TroubleFile, content: bytes) -> None:
    trouble.note(ValueError("one"))
    Path(trouble.path).write_bytes(content)
    assert trouble.read() is None
    trouble.note(ValueError("two"))
    assert trouble.read() is not None


def test_where_it_cannot_be_written_nothing_is_raised(tmp_path: Path, trouble: TroubleFile) -> None:
    (tmp_path / "metrics.json.d").write_text("a file in the folder's place")
    trouble.note(ValueError("one"))
    trouble.note(ValueError("\udcff"))
    assert trouble.read() is None
    trouble.clear()
