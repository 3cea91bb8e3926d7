"""A target ("time 30% lower", "cost within 1%") against what the runs show."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder._lazy import warn_renamed
from benchmark_recorder.analysis.caveats import comparison_caveats, untried
from benchmark_recorder.analysis.measured import interval_on, measure
from benchmark_recorder.analysis.metrics import METRICS, check_method, check_scope, metric_named
from benchmark_recorder.analysis.planning import Aim, claim_aim, what_would_decide, within_aim
from benchmark_recorder.analysis.results import Caveat, Interval, Result, finite
from benchmark_recorder.errors import InvalidQueryError, preview

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmark_recorder.analysis.evidence import Evidence, Limits
    from benchmark_recorder.analysis.metrics import Metric
    from benchmark_recorder.analysis.planning import Needed
    from benchmark_recorder.cells import Cells

Status = Literal["PROVEN", "SUPPORTED", "NOT SHOWN", "REFUTED"]


@dataclass(frozen=True, slots=True)
class Claim(Result):
    """What someone says about a new version; all figures in percent.

    Changes are relative, of rates too: from 60% to 75% right is 25%, from 10% to 5% failures is 50%.

    Attributes:
        metric: a name of ``metrics.METRICS``, or a short form.
        at_least: the improvement that is claimed.
        within: or the change in either direction that is not exceeded.
        acceptable: a point outside of this range of improvements is worth a warning.
        failure_threshold: an improvement surely below this refutes the claim; the target itself unless given.
        hints: where to look if the claim is not met.

    Raises:
        InvalidQueryError: not exactly one of ``at_least`` and ``within``, or a figure that cannot be.
    """

    metric: str
    at_least: float | None = None
    within: float | None = None
    acceptable: tuple[float, float] | None = None
    failure_threshold: float | None = None
    hints: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Claim:
        """The claim that a text makes: ``"time 30% lower"``, ``"routing 25% higher"``, ``"cost within 1%"``.

        Args:
            text: a metric, percent, and ``lower``, ``higher`` or ``within``.

        Raises:
            InvalidQueryError: the text is not such a claim, or says that the metric gets worse.
        """
        found = _CLAIM.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise InvalidQueryError(
                f'claim: expected "time 30% lower", "routing 25% higher" or "cost within 1%", got {preview(text)}'
            )
        metric = metric_named(found["metric"], "claim")
        if found["within"] is not None:
            return cls(metric.name, within=float(found["within"]))
        if (found["direction"] == "higher") != (metric.better > 0):
            better = "higher" if metric.better > 0 else "lower"
            raise InvalidQueryError(f"claim: {found['metric']}: {better} is better; a claim is an improvement")
        return cls(metric.name, at_least=float(found["percent"]))

    def __post_init__(self) -> None:
        metric = metric_named(self.metric)
        object.__setattr__(self, "metric", metric.name)
        if (self.at_least is None) == (self.within is None):
            raise InvalidQueryError("claim: give either at_least or within, in percent")
        if self.within is not None:
            if not 0 < _number("within", self.within) < 100:
                raise InvalidQueryError(f"within: expected percent above 0 and below 100, got {self.within}")
            if self.failure_threshold is not None or self.acceptable is not None:
                raise InvalidQueryError("claim: acceptable and failure_threshold go with at_least")
            return
        assert self.at_least is not None
        figures = {"at_least": self.at_least, "failure_threshold": self.failure_threshold}
        for name, value in figures.items():
            if value is not None:
                _check_improvement(name, _number(name, value), metric)
        if self.failure_threshold is not None and self.failure_threshold > self.at_least:
            raise InvalidQueryError("failure_threshold: expected at most at_least")
        if self.acceptable is not None:
            low, high = (_number("acceptable", value) for value in self.acceptable)
            if not low < high:
                raise InvalidQueryError(f"acceptable: expected (low, high) in percent, got {self.acceptable}")

    @property
    def text(self) -> str:
        """The claim in words."""
        metric = METRICS[self.metric]
        if self.within is not None:
            return f"{metric.noun} within {self.within:g}%"
        assert self.at_least is not None
        return f"{metric.noun} at least {self.at_least:g}% {'higher' if metric.better > 0 else 'lower'}"

    @property
    def rival(self) -> float:
        """The improvement, in percent, that further runs must distinguish the target from."""
        other = self.failure_threshold
        return 0.0 if other is None or other == self.at_least else other


_PERCENT: Final = r"\d+(?:\.\d+)?"
_CLAIM: Final = re.compile(
    rf"\s*(?P<metric>[\w.]+)\s+"
    rf"(?:within\s+(?P<within>{_PERCENT})\s*%|(?P<percent>{_PERCENT})\s*%\s+(?P<direction>lower|higher))\s*"
)


def _number(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise InvalidQueryError(f"{name}: expected a number of percent")


def _check_improvement(name: str, value: float, metric: Metric) -> None:
    if metric.better < 0 and not value < 100:
        raise InvalidQueryError(f"{name}: nothing can fall by {value:g}%; expected less than 100")
    if metric.better > 0 and not value > -100:
        raise InvalidQueryError(f"{name}: nothing can fall by {-value:g}%; expected more than -100")


@dataclass(frozen=True, slots=True)
class ClaimResult(Result):
    """One claim against the runs.

    Attributes:
        claim: what was said.
        text: the same in words.
        status: ``"PROVEN"``: the interval lies at or beyond the target; ``"SUPPORTED"``: the point does, and no
            change is excluded; ``"REFUTED"``: the interval lies short of the failure threshold (of the target where
            there is none), or wholly outside ``within``; ``"NOT SHOWN"``: the runs are not enough to say.
        met: whether it is proven or supported.
        v1_value: the baseline's plain value; NaN where there is none.
        v2_value: the candidate's.
        change: the point in percent of the baseline's value, as it is shown: -33 is a third less; ``None`` where
            undefined.
        improvement: the same with the sign that is positive where the candidate is better.
        interval: 95%, of the improvement, in percent.
        equivalence_interval: 90%, for ``within``.
        method: of both.
        sentence: the finding in words; empty until ``reporting.views`` words it.
        hints: the claim's, if it is not met though both versions have runs.
        needed: what would settle it, for a claim that is not shown; ``None`` where unknown.
        warnings: caveats that the reader must know.
    """

    claim: Claim
    text: str
    status: Status
    met: bool
    v1_value: float
    v2_value: float
    change: float | None
    improvement: float | None
    interval: Interval | None
    equivalence_interval: Interval | None
    method: str
    sentence: str = field(default="", compare=False, kw_only=True)
    hints: tuple[str, ...]
    needed: Needed | None
    warnings: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True)
class ClaimReport(Result):
    """All claims about one change.

    Attributes:
        v1: the baseline.
        v2: the candidate.
        results: in the order of the claims.
        all_met: whether every claim is proven or supported.
        sentence: how many are what; empty until ``reporting.views`` words it.
        warnings: of all claims, in their order.
    """

    v1: str
    v2: str
    results: tuple[ClaimResult, ...]
    all_met: bool
    sentence: str = field(default="", compare=False, kw_only=True)
    warnings: tuple[Caveat, ...]


def check_claims(  # noqa: PLR0913
    cells: Cells,
    v1: str,
    v2: str,
    claims: Sequence[Claim | str],
    *,
    scope: str = "suite",
    method: str = "log",
    allow_partial: bool = False,
) -> ClaimReport:
    """Hold claims, or texts for ``Claim.parse``, against the cells of both versions; see ``History.check_claims``.

    Raises:
        InvalidQueryError: an unknown scope, or something that is not a claim.
    """
    check_scope(scope)
    check_method(method, scope)
    if isinstance(claims, str) or not isinstance(claims, Iterable):
        raise InvalidQueryError(f'claims: expected a list of claims, such as ["time 30% lower"], got {preview(claims)}')
    said = [claim if isinstance(claim, Claim) else Claim.parse(claim) for claim in claims]
    whole = allow_partial or not cells.is_partial
    results = tuple(_check(claim, cells, v1, v2, scope, method=method, whole=whole) for claim in said)
    met = bool(results) and all(result.met for result in results)
    return ClaimReport(v1, v2, results, met, tuple(caveat for result in results for caveat in result.warnings))


def _check(  # noqa: PLR0913
    claim: Claim, cells: Cells, v1: str, v2: str, scope: str, *, method: str, whole: bool
) -> ClaimResult:
    measured = measure(cells, v1, v2, METRICS[claim.metric], scope, method=method)
    ratio = measured.ratio

    def percent(log_ratio: float) -> float:
        return 100 * measured.relative(log_ratio)

    gone = untried(cells, measured)
    status = _status(claim, ratio, percent)
    if measured.undecidable or (status in {"PROVEN", "SUPPORTED"} and (gone or measured.withheld or not whole)):
        status = "NOT SHOWN"
    warnings = (*gone, *comparison_caveats(measured, cells, {}))
    known = not any(caveat.code == "unknown_version" for caveat in warnings)
    met = status in {"PROVEN", "SUPPORTED"}
    point = finite(percent(ratio.estimate)) if ratio else None
    return ClaimResult(
        claim=claim,
        text=claim.text,
        status=status,
        met=met,
        v1_value=measured.left[0],
        v2_value=measured.right[0],
        change=None if point is None else measured.metric.better * point,
        improvement=point,
        interval=interval_on(ratio, percent),
        equivalence_interval=interval_on(ratio, percent, 0.90) if claim.within is not None else None,
        method=ratio.method if ratio else "none: there is no ratio",
        hints=claim.hints if known and not met else (),
        needed=what_would_decide(measured, _aim(claim, measured.metric)) if status == "NOT SHOWN" else None,
        warnings=(*warnings, *_beyond_acceptable(claim, point)),
    )


def _limits(evidence: Evidence, confidence: float) -> Limits:
    """What a decision rests on; runs that never vary have no interval to show, but a test."""
    limits = evidence.limits(confidence)
    if limits is not None:
        return limits
    sure = evidence.above(-math.inf) < (1 - confidence) / 2
    return (evidence.estimate, evidence.estimate) if sure else (-math.inf, math.inf)


def _status(claim: Claim, ratio: Evidence | None, percent: Callable[[float], float]) -> Status:
    if ratio is None:
        return "NOT SHOWN"
    low, high = sorted(map(percent, _limits(ratio, 0.95)))
    if claim.within is not None:
        inner_low, inner_high = sorted(map(percent, _limits(ratio, 0.90)))
        if -claim.within <= inner_low and inner_high <= claim.within:
            return "PROVEN"
        return "REFUTED" if low > claim.within or high < -claim.within else "NOT SHOWN"
    assert claim.at_least is not None
    if low >= claim.at_least:
        return "PROVEN"
    if percent(ratio.estimate) >= claim.at_least and low > 0:
        return "SUPPORTED"
    short_of = claim.at_least if claim.failure_threshold is None else claim.failure_threshold
    return "REFUTED" if high < short_of else "NOT SHOWN"


def _aim(claim: Claim, metric: Metric) -> Aim:
    """To tell the target from what would refute it; or to show that nothing changes, where nothing does."""
    if claim.within is not None:
        return within_aim(claim.within / 100)
    assert claim.at_least is not None
    target, rival = (math.log1p(metric.better * percent / 100) for percent in (claim.at_least, claim.rival))
    return claim_aim(abs(target - rival) or math.log1p(metric.margin))


def _beyond_acceptable(claim: Claim, point: float | None) -> tuple[Caveat, ...]:
    if claim.acceptable is None or point is None or claim.acceptable[0] <= point <= claim.acceptable[1]:
        return ()
    low, high = claim.acceptable
    figures = {"metric": claim.metric, "improvement": point, "low": low, "high": high}
    return (Caveat("beyond_acceptable", figures=figures),)


def __getattr__(name: str) -> tuple[Claim, ...]:  # Python looks for this one
    """``DEFAULT_CLAIMS``, for one release: the guide's, which are ``harness.GUIDE_CLAIMS``."""
    if name != "DEFAULT_CLAIMS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warn_renamed("analysis.DEFAULT_CLAIMS", "harness.GUIDE_CLAIMS")
    return (
        Claim("execution_time", at_least=30, acceptable=(20, 50), failure_threshold=20),
        Claim("routing_accuracy", at_least=25),
        Claim("failure_rate", at_least=50),
        Claim("cost", within=1),
    )
