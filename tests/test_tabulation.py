from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from benchmark_recorder.cells import Moments
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.queries import MAX_UNITS, Query, unit_of
from benchmark_recorder.tabulation import fields_of, summarize_columns, tabulate_units
from benchmark_recorder.testing import make_document


def test_each_unit_counts_once_however_many_runs_it_has() -> None:
    keen = [make_document(metadata={"u": "keen"}, execution_time=8.0, success=n > 1) for n in range(8)]
    others = [make_document(metadata={"u": name}, execution_time=2.0, task_description=name) for name in "ab"]
    (cell,) = counted([*keen, *others], unit="metadata.u")
    assert (cell.n, cell.time.mean, cell.max_time) == (3, pytest.approx(4.0), 8.0)
    assert cell.log_time.mean == pytest.approx((math.log(8) + 2 * math.log(2)) / 3)
    assert cell.units.runs == 10
    assert cell.units.success_rate == pytest.approx((3, 2.75 / 3, 0.125 / 3))


def test_a_unit_that_never_succeeded_counts_and_has_no_time() -> None:
    documents = [make_document(metadata={"u": name}, success=name == "a", execution_time=3.0) for name in "abb"]
    (cell,) = counted(documents, unit="metadata.u")
    assert (cell.n, cell.time, cell.units.success_rate.mean) == (2, Moments(1, 3.0, 0.0), 0.5)
    assert cell.cost.n == 2


def test_large_offsets_cost_no_digits() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(1e9, 1e-3, 3000)
    documents = [make_document(metadata={"u": n // 3}, execution_time=float(x)) for n, x in enumerate(values)]
    (cell,) = counted(documents, unit="metadata.u")
    assert cell.time.variance == pytest.approx(float((values.reshape(-1, 3).mean(1) - 1e9).var(ddof=1)), rel=1e-3)


def test_a_unit_in_two_groups_counts_once_in_each() -> None:
    documents = [make_document(metadata={"u": "a"}, model=model) for model in ("m1", "m1", "m2")]
    cells = counted(documents, unit="metadata.u", by=("model",))
    assert [(cell.group, cell.n, cell.units.runs, cell.units.shared) for cell in cells] == [
        (("m1",), 1, 2, 0),
        (("m2",), 1, 1, 0),
    ]


def test_runs_of_no_unit_are_left_out_and_counted() -> None:
    nothing: list[Any] = [{}, {"u": None}, {"u": []}, {"u": {}}, {"u": [1]}]
    documents = [make_document(metadata=own) for own in nothing]
    assert tabulate_units(columns_for(documents, "metadata.u"), "metadata.u") == [5]
    found = summarize_columns(
        columns_for([*documents, make_document(metadata={"u": ""})], "metadata.u"), Query(unit="metadata.u")
    )
    assert [cell.n for cell in found.cells] == [1]
    assert [note.sentence for note in found.caveats] == ["5 runs have no unit by metadata.u and are left out."]
    one = summarize_columns(columns_for(documents[:1], "metadata.u"), Query(unit="metadata.u"))
    assert [note.sentence for note in one.caveats] == ["1 run has no unit by metadata.u and is left out."]


@pytest.mark.parametrize("unit", ["", "metadata.", "metadata", "host", "unit", 7, b"metadata.u", ["metadata.u"]])
def test_a_unit_is_a_key_of_the_metadata(unit: Any) -> None:
    with pytest.raises(InvalidQueryError, match=r"^unit: expected metadata\.<key>, got "):
        Query(unit=unit)


def test_a_million_units_are_the_most() -> None:
    assert MAX_UNITS == 10**6


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, [], {}])
def test_what_cannot_be_counted_is_no_unit(value: Any) -> None:
    assert unit_of({"u": value}, "u") is None


def columns_for(documents: list[dict[str, Any]], unit: str, by: tuple[str, ...] = ()) -> Any:
    from benchmark_recorder.columns import columns_of

    return columns_of(documents, fields_of(Query(unit=unit, by=by)))


def counted(documents: list[dict[str, Any]], unit: str, by: tuple[str, ...] = ()) -> Any:
    return summarize_columns(columns_for(documents, unit, by), Query(unit=unit, by=by)).cells
