"""What is compared: the metrics, each with its direction, scale and margin, and the runs of two versions by task."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from benchmark_recorder.cells import Moments
from benchmark_recorder.errors import InvalidQueryError, one_of, preview

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.matching import BeyondTasks, TaskNumbers


class Sample(Protocol):
    """Sufficient statistics that count and merge: ``Moments`` or ``Counts``."""

    @property
    def n(self) -> int:
        """Runs."""

    @staticmethod
    def together(samples: Iterable[Any], /) -> Any:  # noqa: ANN401 - samples of one kind, and one of that kind
        """All of them as one."""


class Counts(NamedTuple):
    """Runs, and how many of them are hits: succeeded, failed, or were routed right."""

    n: int = 0
    hits: float = 0

    @property
    def rate(self) -> float:
        """Hits per run; at least one run must exist."""
        return self.hits / self.n

    @staticmethod
    def together(samples: Iterable[Counts]) -> Counts:
        """All of them as one."""
        there = list(samples)
        return Counts(sum([sample.n for sample in there]), sum([sample.hits for sample in there]))


S = TypeVar("S", bound=Sample)
Runs: TypeAlias = "Cell | TaskNumbers"
Read = Callable[[Runs], S]


COMMON: Final = 0.1
"""Part of a side's runs below which common tasks are there by accident."""

ENOUGH_TASKS: Final = 5
"""Common tasks from which on they decide even where most of the runs are of others."""


class Pair(NamedTuple, Generic[S]):
    """One task's runs in both versions, neither empty; the id is ``None`` where it is counted, but not named."""

    task_id: str | None
    left: S
    right: S


@dataclass(frozen=True, slots=True)
class Strata(Generic[S]):
    """Two versions' runs.

    Attributes:
        pairs: the tasks with runs on both sides, by id; those that are not named at the end.
        left: all runs of the baseline.
        right: all runs of the candidate.
    """

    pairs: tuple[Pair[S], ...]
    left: S
    right: S

    @property
    def matched(self) -> bool:
        """Whether tasks are compared with themselves.

        So it is where the common tasks hold at least half of the runs of one side, or are at least five and hold a
        tenth. In production, where texts hardly repeat, a handful of common ones would speak for thousands of others;
        there all runs are compared.
        """
        return bool(self.pairs) and self.common >= (COMMON if len(self.pairs) >= ENOUGH_TASKS else 0.5)

    @property
    def common(self) -> float:
        """The part of the runs that common tasks hold, on the side where it is larger."""
        sides = (
            (sum(pair.left.n for pair in self.pairs), self.left.n),
            (sum(pair.right.n for pair in self.pairs), self.right.n),
        )
        return max(part / whole if whole else 0.0 for part, whole in sides)


def align(cells: Cells, v1: str, v2: str, read: Read[S], empty: S) -> Strata[S]:
    """Both versions' runs by task.

    Args:
        cells: of at least these versions.
        v1: the baseline.
        v2: the candidate.
        read: what to take from a cell.
        empty: a sample of nothing.
    """
    sides: list[dict[str, list[S]]] = []
    totals: list[S] = []
    for version in (v1, v2):
        tasks: dict[str, list[S]] = {}
        found: list[S] = []
        for cell in cells.cells:
            if cell.version == version and (sample := read(cell)).n:
                found.append(sample)
                if cell.task_id is not None:
                    tasks.setdefault(cell.task_id, []).append(sample)
        sides.append(tasks)
        totals.append(empty.together(found))
    left, right = sides
    pairs = tuple(
        Pair(task, empty.together(left[task]), empty.together(right[task]))
        for task in sorted(left.keys() & right.keys())
    )
    return Strata((*pairs, *_unnamed(cells.beyond, v1, v2, read, empty)), totals[0], totals[1])


def _unnamed(beyond: BeyondTasks | None, v1: str, v2: str, read: Read[S], empty: S) -> Iterator[Pair[S]]:
    """The pairs of tasks whose ids are not known."""
    if beyond is None:
        return
    sides: list[dict[int, list[S]]] = [{}, {}]
    for side, version in zip(sides, (v1, v2), strict=True):
        for row in beyond.rows(version):
            if (sample := read(row)).n:
                side.setdefault(row.task, []).append(sample)
    left, right = sides
    for task in left.keys() & right.keys():
        yield Pair(None, empty.together(left[task]), empty.together(right[task]))


NO_MOMENTS = Moments()
NO_COUNTS = Counts()

Levels: TypeAlias = tuple[float, float]
"""The two values that a change lies between: of each version over the same tasks, each with the same weight in both.

Plain means and rates depend on how often each version ran which task, so their difference may have another sign than
the change that is judged. These never do: ``v2 / v1``, or the difference of rates, is the change.
"""

NO_LEVELS: Levels = (math.nan, math.nan)


def log_time(cell: Runs) -> Moments:
    """Logarithms of the durations above zero."""
    return cell.log_time


def log_time_of_successes(cell: Runs) -> Moments:
    """The same of the runs that succeeded."""
    return cell.log_time if cell.success else NO_MOMENTS


def time(cell: Cell) -> Moments:
    """Durations in seconds."""
    return cell.time


def cost(cell: Runs) -> Moments:
    """Known costs in USD."""
    return cell.cost


def log_cost(cell: Runs) -> Moments:
    """Logarithms of the known costs above zero."""
    return cell.log_cost


def successes(cell: Runs) -> Counts:
    """Runs that succeeded."""
    return Counts(cell.n, cell.n if cell.success else 0)


def failures(cell: Runs) -> Counts:
    """Runs that failed."""
    return Counts(cell.n, 0 if cell.success else cell.n)


def paid(cell: Runs) -> Counts:
    """Runs with a known cost that cost something."""
    return Counts(cell.cost.n, cell.log_cost.n)


def timed(cell: Runs) -> Counts:
    """Runs that took a measurable time."""
    return Counts(cell.n, cell.log_time.n)


def right_routings(cell: Runs) -> Counts:
    """Runs with a known route that went to the expected agent."""
    return Counts(cell.routed, cell.routed_right)


Compared = Literal["rates", "geometric means", "sums", "quantiles"]


@dataclass(frozen=True, slots=True)
class Metric:
    """How one metric is read: a figure of a run, or a statistic of one.

    Attributes:
        name: as callers write it: ``FIGURE`` or ``FIGURE.STATISTIC``.
        better: 1 where more is better, -1 where less is.
        margin: a smaller change does not matter: 0.05 is 5%, or 5 points.
        noun: in a sentence.
        compared: what of the two versions is compared.
        counts: of a cell, where the metric is a rate.
        moments: of a cell, where cells are enough; otherwise the metric needs the values of single runs.
        share: of the runs below a quantile.
        fewest: runs a task from which on a quantile has an interval.
    """

    name: str
    better: Literal[1, -1]
    margin: float
    noun: str
    compared: Compared
    counts: Read[Counts] | None = None
    moments: Read[Moments] | None = None
    share: float = math.nan
    fewest: int = 1

    @property
    def kind(self) -> Literal["ratio", "points"]:
        """``"ratio"``: changes are relative; ``"points"``: they are differences of rates."""
        return "points" if self.compared == "rates" else "ratio"

    @property
    def figure(self) -> str:
        """What each run has: ``execution_time``, ``cost``, tokens or an outcome."""
        return self.name.partition(".")[0]

    @property
    def once(self) -> bool:
        """Whether a task's repeats that all end alike are one piece of evidence, as with a router without chance."""
        return self.name == "routing_accuracy"

    @property
    def of_successes(self) -> bool:
        """Whether only runs that succeeded count: a failed one is fast, or took as long as it was allowed to."""
        return self.figure == "execution_time"


_STATISTICS: Final = {"median": (0.5, 2), "p95": (0.95, 10), "p99": (0.99, 50)}
"""The quantiles: the share of the runs below, and the runs a task that an interval needs."""


def _quantiles(figure: str, noun: str, margin: float) -> Iterable[Metric]:
    for statistic, (share, fewest) in _STATISTICS.items():
        yield Metric(
            f"{figure}.{statistic}", -1, margin, f"{statistic} {noun}", "quantiles", share=share, fewest=fewest
        )


METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("execution_time", -1, 0.05, "execution time", "geometric means", moments=log_time_of_successes),
        Metric("success_rate", 1, 0.02, "success rate", "rates", successes),
        Metric("failure_rate", -1, 0.02, "failure rate", "rates", failures),
        Metric("cost", -1, 0.01, "cost", "sums", moments=cost),
        Metric("routing_accuracy", 1, 0.02, "routing accuracy", "rates", right_routings),
        Metric("execution_time.mean", -1, 0.05, "mean execution time", "sums"),
        *_quantiles("execution_time", "execution time", 0.05),
        *_quantiles("cost", "cost", 0.05),
        Metric("input_tokens", -1, 0.05, "input tokens", "sums"),
        *_quantiles("input_tokens", "input tokens", 0.05),
        Metric("output_tokens", -1, 0.05, "output tokens", "sums"),
        *_quantiles("output_tokens", "output tokens", 0.05),
    )
}

SCOPES: Final = ("suite", "tasks")

METHODS: Final = ("auto", "log", "rank")
"""How times are compared: by means of logarithms, by ranks, or by ranks where many runs are far from the rest."""

SHORT: Final[Mapping[str, str]] = {
    "time": "execution_time",
    "success": "success_rate",
    "failures": "failure_rate",
    "routing": "routing_accuracy",
    "p95": "execution_time.p95",
    "cost.mean": "cost",
    "input_tokens.mean": "input_tokens",
    "output_tokens.mean": "output_tokens",
}
"""Other names of metrics: short forms, and the mean of what is compared by its mean as it is."""


def metric_named(name: object, argument: str = "metric") -> Metric:
    """The metric of that name, or of its short form.

    Raises:
        InvalidQueryError: the name is unknown; the message names the argument and lists the known ones.
    """
    if isinstance(name, str):
        figure, dot, statistic = SHORT.get(name, name).partition(".")
        name = f"{SHORT.get(figure, figure)}{dot}{statistic}"
        name = SHORT.get(name, name)
    return METRICS[one_of(argument, name, METRICS)]


def run_values(metric: Metric) -> Read[Moments]:
    """What a metric's runs vary by: each run's outcome, or the logarithm of its time or cost; by cells."""
    counts = metric.counts
    if counts is None:
        return log_cost if metric.figure == "cost" else log_time_of_successes

    def outcomes(cell: Runs) -> Moments:
        n, hits = counts(cell)
        return Moments(n, hits / n, hits * (n - hits) / n) if n else NO_MOMENTS

    return outcomes


def check_scope(scope: object) -> None:
    """Raise ``InvalidQueryError`` unless the scope is ``"suite"`` or ``"tasks"``."""
    one_of("scope", scope, SCOPES)


def check_method(method: object, scope: str) -> str:
    """The method.

    Raises:
        InvalidQueryError: it is unknown, or ranks are asked about other tasks.
    """
    found = one_of("method", method, METHODS)
    if found == "rank" and scope == "tasks":
        raise InvalidQueryError('method: "rank" compares these tasks alone; omit scope="tasks"')
    return found


def check_margin(margin: object, metric: Metric) -> float:
    """The margin as a fraction; the metric's own for ``None``.

    Raises:
        InvalidQueryError: it is not a number between 0 and 1.
    """
    if margin is None:
        return metric.margin
    if isinstance(margin, int | float) and not isinstance(margin, bool) and 0 < margin < 1:
        return float(margin)
    raise InvalidQueryError(f"margin: expected a fraction above 0 and below 1 (0.05 is 5%), got {preview(margin)}")
