"""The live check holds against the fakes, and notices a service that does not do what we assume."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.fakes.bigquery import FakeBigQuery
from tests.fakes.google_cloud import google_cloud

PATH = Path(__file__).parent.parent / "examples" / "vertex_live_check.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("vertex_live_check", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_every_assumption_holds_against_the_fakes(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with google_cloud() as cloud:
        assert example.run(cloud.store(deadline=30.0)) == 0
    said = capsys.readouterr().out
    assert "DOES NOT HOLD" not in said
    assert "cells are those of the reference: holds" in said


def test_a_service_that_forgets_digits_or_takes_everything_is_noticed(
    example: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = FakeBigQuery.checked

    def careless(self: FakeBigQuery, table: object, row: dict[str, object]) -> dict[str, object]:
        recent = row | {"feature_timestamp": "2026-01-01T00:00:00Z"} if str(row["timestamp"]) < "2022" else row
        return checked(self, table, recent | {"execution_time": float(f"{recent['execution_time']:.6g}")})  # type: ignore[arg-type]

    monkeypatch.setattr(FakeBigQuery, "checked", careless)
    with google_cloud() as cloud:
        assert example.run(cloud.store(deadline=30.0)) > 1
    said = capsys.readouterr().out
    assert "floats come back to the last digit: DOES NOT HOLD: execution_time" in said
    assert "refused alone, with a reason: DOES NOT HOLD: it was taken" in said
