"""What a load test measures, turn by turn, and what it shows."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from benchmark_recorder.analysis.results import Caveat, Estimate, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE_LIMITED: Final = "RateLimited"
"""The kind of the failures in which a provider refused a run for too many requests."""


@dataclass(slots=True)
class Turn:
    """What one version did in one turn; times in seconds since the turn began.

    Attributes:
        version: whose turn it was.
        rate: runs a second that were due.
        round: the turns of one round have the same arrivals.
        seconds: how long runs were due.
        warm_up: seconds at its beginning that do not count.
        due: of each run that ended: when it was to begin.
        begun: when it began.
        ended: when it ended.
        late: by how many seconds the generator was late for it.
        cost: in USD; NaN where unknown.
        errors: failures that count, by kind.
        dropped: runs that were due when the queue was full.
        queued: runs that waited for one of ``max_concurrency``.
        unfinished: runs that were stopped with the load.
        left_running: runs that ignored their cancellation.
        most: runs that were in flight at once.
        lag: seconds for which the event loop was held up at most.
        busy: the process's CPU time, as a share of the turn.
        complete: whether it ran to its end.
    """

    version: str
    rate: float
    round: int
    seconds: float
    warm_up: float
    due: array[float] = field(default_factory=lambda: array("d"))
    begun: array[float] = field(default_factory=lambda: array("d"))
    ended: array[float] = field(default_factory=lambda: array("d"))
    late: array[float] = field(default_factory=lambda: array("d"))
    cost: array[float] = field(default_factory=lambda: array("d"))
    errors: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    queued: int = 0
    unfinished: int = 0
    left_running: int = 0
    most: int = 0
    lag: float = 0.0
    busy: float = 0.0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class LoadStep(Result):
    """One version at one rate, without warm-ups.

    Attributes:
        version: of the orchestrator.
        rate: runs a second that were asked for.
        offered: runs a second that were due.
        achieved: runs a second that ended, other than by a rate limit or a timeout.
        runs: that ended.
        turns: that these come from.
        response: seconds from the moment a run was due to its end: ``mean``, ``p50``, ``p90``, ``p95``, ``p99``.
        service: seconds from its beginning to its end.
        in_flight: runs that had been due and had not ended, on average.
        in_flight_max: runs that were under way at once.
        queued: runs that waited, because ``max_concurrency`` others were under way.
        dropped: runs that never began, because the queue was full.
        unfinished: runs that were stopped with the load.
        failures: runs that failed.
        rate_limited: those that a provider refused for too many requests.
        errors: failures by kind.
        cost: USD, where known.
        unknown_costs: runs whose cost is unknown.
        generator_error: by how many seconds the generator was late: ``p50``, ``p99``, ``max``.
        loop_lag: seconds for which the event loop was held up at most.
        little: runs in flight on average, over rate times response; 1 where the load was steady.
        valid: whether its times are the version's, and not the generator's.
    """

    version: str
    rate: float
    offered: float
    achieved: float
    runs: int
    turns: int
    response: Mapping[str, Estimate]
    service: Mapping[str, Estimate]
    in_flight: float
    in_flight_max: int
    queued: int
    dropped: int
    unfinished: int
    failures: int
    rate_limited: int
    errors: Mapping[str, int]
    cost: float
    unknown_costs: int
    generator_error: Mapping[str, float | None]
    loop_lag: float
    little: float | None
    valid: bool


@dataclass(frozen=True, slots=True)
class Knee(Result):
    """The rate from which on a version does not keep up.

    A version keeps up in a turn if it completes 95% of what is offered, drops nothing, and its p95 grows no faster than
    the rate since the step before.

    Attributes:
        version: of the orchestrator.
        low: the highest rate up to which it kept up in each turn; ``None`` if not even at the lowest.
        high: the lowest rate at which it kept up in none; ``None`` if there is none.
        tried: the highest rate.
    """

    version: str
    low: float | None
    high: float | None
    tried: float


@dataclass(frozen=True, slots=True)
class LoadChange(Result):
    """How another version's response differs from the first one's at the same arrivals.

    Attributes:
        rate: runs a second.
        v1: the first version.
        v2: the other.
        figure: ``mean`` or ``p95``, of the response.
        change: of the figure, as a fraction: -0.1 is 10% faster; over rounds.
        valid: whether the times of both are valid.
    """

    rate: float
    v1: str
    v2: str
    figure: str
    change: Estimate
    valid: bool


@dataclass(frozen=True, slots=True)
class LoadResult(Result):
    """What a load test showed.

    Attributes:
        run_id: in the metadata of each of its records, as ``load``.
        versions: in the order of the orchestrators.
        settings: what was asked for.
        ended: ``"completed"``, ``"interrupted"``, or ``"max_cost"``.
        seconds: how long it took.
        cost: USD of all runs, warm-ups as well, where known.
        steps: each rate and version.
        changes: of the response, against the first version.
        knees: of each version, where there were several rates.
        warnings: caveats that the reader must know.
    """

    run_id: str
    versions: tuple[str, ...]
    settings: Mapping[str, Any]
    ended: Literal["completed", "interrupted", "max_cost"]
    seconds: float
    cost: float
    steps: tuple[LoadStep, ...]
    changes: tuple[LoadChange, ...]
    knees: tuple[Knee, ...]
    warnings: tuple[Caveat, ...]

    @property
    def query(self) -> dict[str, Any]:
        """Filters for the records of this load: ``recorder.compare_versions(…, **result.query)``."""
        return self.query_at(None)

    def query_at(self, rate: float | None) -> dict[str, Any]:
        """The same for one rate: a comparison over several would compare the rates with each other."""
        return {"metadata": {"load": self.run_id} | ({} if rate is None else {"load_rate": rate})}
