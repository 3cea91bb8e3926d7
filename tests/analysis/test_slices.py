from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from benchmark_recorder.analysis import slices
from benchmark_recorder.analysis.measured import measure
from benchmark_recorder.analysis.metrics import metric_named
from benchmark_recorder.analysis.slices import SlicedComparison, compare_slices
from benchmark_recorder.cells import Cells
from benchmark_recorder.columns import columns_of
from benchmark_recorder.fields import COLUMNS
from benchmark_recorder.queries import Query
from benchmark_recorder.tabulation import summarize_columns
from benchmark_recorder.testing import make_document


def cells_of(factors: dict[str | None, float], seed: int = 1, runs: int = 6, **fields: Any) -> Cells:
    """Two versions over four tasks; the candidate takes ``factor`` times as long in each model's runs."""
    rng = np.random.default_rng(seed)
    documents = [
        make_document(
            version=version,
            task_id=f"t{task}",
            execution_time=float(rng.lognormal(task, 0.3) * (factor if version == "v2" else 1.0)),
            model=model,
            **fields,
        )
        for model, factor in factors.items()
        for version in ("v1", "v2")
        for task in range(4)
        for _ in range(runs)
    ]
    return summarize_columns(columns_of(documents, COLUMNS), Query(by=("model",)))


def sliced(factors: dict[str | None, float], **arguments: Any) -> SlicedComparison:
    return compare_slices(cells_of(factors, **arguments), "v1", "v2", by="model")


@pytest.mark.parametrize("count", [2, 4, 5, 9])
@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_the_pooled_effect_is_that_of_statsmodels(count: int, spread: float) -> None:
    factors: dict[str | None, float] = {f"m{n}": 0.8 * float(np.exp(spread * (n % 3 - 1))) for n in range(count)}
    cells = cells_of(factors)
    found = compare_slices(cells, "v1", "v2", by="model").pooled
    assert found is not None
    evidence = [
        measure(cells.within(group), "v1", "v2", metric_named("execution_time"), "suite").change
        for group in cells.groups
    ]
    effects = np.array([one.estimate for one in evidence if one])
    variances = np.array([one.error**2 for one in evidence if one])
    oracle = combine_effects(effects, variances, method_re="chi2", use_t=True)
    assert found.q == pytest.approx(oracle.q, rel=1e-10)
    assert found.q_p_value == pytest.approx(oracle.test_homogeneity().pvalue, rel=1e-8)
    assert found.i2 == pytest.approx(max(0.0, oracle.i2), rel=1e-8, abs=1e-10)
    if count < slices.FEW_SLICES:
        mean, (low, high) = oracle.mean_effect_fe, combine_effects(effects, variances, use_t=False).conf_int()[0]
    elif oracle.tau2 > 0:
        mean, (low, high) = oracle.mean_effect_re, oracle.conf_int()[3]
    else:  # a variance is not negative
        mean, (low, high) = oracle.mean_effect_fe, oracle.conf_int()[2]
    assert found.effect == pytest.approx(1 - np.exp(mean), rel=1e-10)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((1 - np.exp(high), 1 - np.exp(low)), rel=1e-10)


def test_each_slice_is_the_comparison_of_its_runs_alone() -> None:
    found = sliced({"a": 0.5, "b": 2.0, None: 1.0})
    assert [(one.group, one.comparison.verdict) for one in found.slices] == [
        ("a", "improved"),
        ("b", "regressed"),
        (None, "inconclusive"),
    ]
    assert found.of("a").effect == pytest.approx(0.5, abs=0.1)
    assert found.of(None).v1_count == 24
    with pytest.raises(KeyError):
        found.of("c")


def test_slices_that_differ_have_no_pooled_verdict() -> None:
    pooled = sliced({"a": 0.5, "b": 2.0}).pooled
    assert pooled is not None
    assert pooled.verdict == "differs"
    assert pooled.q_p_value < 0.10


def test_slices_that_agree_have_one() -> None:
    pooled = sliced(dict.fromkeys(("a", "b", "c"), 0.6)).pooled
    assert pooled is not None
    assert pooled.verdict == "improved"


def test_p_values_are_adjusted_for_the_number_of_slices() -> None:
    found = sliced({f"m{n}": 0.9 for n in range(6)}, seed=3)
    for one in found.slices:
        assert one.q_value is not None
        assert one.comparison.p_value is not None
        assert one.q_value >= one.comparison.p_value


def test_a_slice_with_runs_of_one_version_is_named_and_not_compared() -> None:
    lonely = [make_document(version="v2", model="only here"), make_document(version="v1", model=None)]
    columns = columns_of([*lonely, *(make_document(version=v, model="m") for v in ("v1", "v2"))], COLUMNS)
    found = compare_slices(summarize_columns(columns, Query(by=("model",))), "v1", "v2", by="model")
    assert [one.group for one in found.slices] == ["m"]
    assert (found.only_v1, found.only_v2) == ((None,), ("only here",))
    assert found.pooled is None


def test_without_runs_there_is_nothing_to_compare() -> None:
    found = compare_slices(Cells(), "v1", "v2", by="model")
    assert found.slices == ()
    assert found.pooled is None
