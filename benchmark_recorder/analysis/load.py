"""What a load test shows: throughput and response at each rate, whether the times can be trusted, and the knee.

Runs of a turn depend on each other, because they queue: a turn counts as one observation, and intervals are t over
turns. A run's response counts from the moment it was due (Tene, "How NOT to measure latency"), so the wait of those
behind a slow one is in it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
from scipy import special

from benchmark_recorder.analysis.load_results import RATE_LIMITED, Knee, LoadChange, LoadResult, LoadStep
from benchmark_recorder.analysis.results import Caveat, Estimate, interval_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.load_results import Turn
    from benchmark_recorder.analysis.results import Interval

LATE: Final = 0.05
"""Share of the median service time that the generator's own error may take; beyond, times are not the version's."""

LAG: Final = 0.05
"""Seconds for which the event loop may be held up."""

HELD: Final = 0.95
"""Share of the offered rate that a version completes where it keeps up; and how well Little's law must hold."""

FIGURES: Final = {"mean": None, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
"""Of a time, with their quantiles."""


class _Times(NamedTuple):
    """The runs of a turn that count."""

    response: NDArray[np.float64]
    service: NDArray[np.float64]
    late: NDArray[np.float64]
    cost: NDArray[np.float64]
    offered: float
    achieved: float
    in_flight: float


def _times(turn: Turn) -> _Times:
    due, begun, ended = (np.array(column) for column in (turn.due, turn.begun, turn.ended))
    own = due >= turn.warm_up
    span = turn.seconds - turn.warm_up
    service = (ended - begun)[own]
    # Runs under way as counting begins ended before they would count; a median service later, as many do.
    shift = float(np.median(service)) if len(service) else 0.0
    ends = int(np.count_nonzero((ended >= turn.warm_up + shift) & (ended < turn.seconds + shift)))
    refused = sum(turn.errors[kind] for kind in (RATE_LIMITED, "Timeout"))
    served = 1 - refused / len(service) if len(service) else 0.0
    inside = np.minimum(ended, turn.seconds) - np.maximum(due, turn.warm_up)
    return _Times(
        response=(ended - due)[own],
        service=service,
        late=np.array(turn.late)[own],
        cost=np.array(turn.cost)[own],
        offered=(len(service) + turn.dropped + turn.unfinished) / span,
        achieved=served * ends / span,
        in_flight=float(inside[inside > 0].sum()) / span,
    )


def load_result(  # noqa: PLR0913
    turns: Sequence[Turn],
    versions: Sequence[str],
    *,
    run_id: str,
    settings: Mapping[str, Any],
    ended: Literal["completed", "interrupted", "max_cost"],
    seconds: float,
    cost: float,
    descriptors: int | None = None,
) -> LoadResult:
    """What the turns of a load show.

    Args:
        turns: in order; at least some runs of each ended.
        versions: in the order of the orchestrators.
        run_id: of the load.
        settings: what was asked for.
        ended: how it ended.
        seconds: how long it took.
        cost: of all runs.
        descriptors: files that the process may have open at once, if known.
    """
    parts: defaultdict[tuple[float, str], list[Turn]] = defaultdict(list)
    for turn in turns:
        parts[turn.rate, turn.version].append(turn)
    times = {id(turn): _times(turn) for turn in turns}
    steps = tuple(_step(own, [times[id(turn)] for turn in own]) for own in parts.values())
    valid = {(step.rate, step.version): step.valid for step in steps}
    changes = [
        LoadChange(rate, versions[0], other, figure, change, valid[rate, versions[0]] and valid[rate, other])
        for rate in dict.fromkeys(turn.rate for turn in turns)
        for other in versions[1:]
        for figure in ("mean", "p95")
        if (change := _change(parts[rate, versions[0]], parts[rate, other], times, figure)) is not None
    ]
    several = len({turn.rate for turn in turns}) > 1
    return LoadResult(
        run_id=run_id,
        versions=tuple(versions),
        settings=settings,
        ended=ended,
        seconds=seconds,
        cost=cost,
        steps=steps,
        changes=tuple(changes),
        knees=tuple(_knee(version, parts, times) for version in versions) if several else (),
        warnings=tuple(_caveats(steps, turns, settings, ended, descriptors)),
    )


def _step(turns: Sequence[Turn], times: Sequence[_Times]) -> LoadStep:
    first, spans = turns[0], [turn.seconds - turn.warm_up for turn in turns]
    late, cost = (np.concatenate([getattr(own, name) for own in times]) for name in ("late", "cost"))
    service = _figures([own.service for own in times])
    response = _figures([own.response for own in times])
    errors = sum((turn.errors for turn in turns), Counter[str]())
    offered, achieved, in_flight = (
        math.fsum(getattr(own, name) * span for own, span in zip(times, spans, strict=True)) / math.fsum(spans)
        for name in ("offered", "achieved", "in_flight")
    )
    rate = len(late) / math.fsum(spans)
    error = {"p50": _at(late, 0.5), "p99": _at(late, 0.99), "max": _at(late, 1.0)}
    lag, usual = max(turn.lag for turn in turns), service["p50"].value
    inside = rate * response["mean"].value if response["mean"].value else 0.0
    return LoadStep(
        version=first.version,
        rate=first.rate,
        offered=offered,
        achieved=achieved,
        runs=len(late),
        turns=len(turns),
        response=response,
        service=service,
        in_flight=in_flight,
        in_flight_max=max(turn.most for turn in turns),
        queued=sum(turn.queued for turn in turns),
        dropped=sum(turn.dropped for turn in turns),
        unfinished=sum(turn.unfinished for turn in turns),
        failures=sum(errors.values()),
        rate_limited=errors[RATE_LIMITED],
        errors=dict(errors.most_common()),
        cost=float(np.nansum(cost)),
        unknown_costs=int(np.isnan(cost).sum()),
        generator_error=error,
        loop_lag=lag,
        little=in_flight / inside if inside else None,
        valid=lag <= LAG and (error["p99"] or 0.0) <= LATE * (usual or math.inf),
    )


def _at(values: NDArray[np.float64], q: float | None) -> float | None:
    """A quantile, or the mean for ``None``; ``None`` without values."""
    if not len(values):
        return None
    return float(values.mean() if q is None else np.quantile(values, q))


def _figures(turns: Sequence[NDArray[np.float64]]) -> dict[str, Estimate]:
    """Each figure of all values, with an interval from how it differs between turns."""
    together = np.concatenate(turns)
    found = {}
    for name, q in FIGURES.items():
        value = _at(together, q)
        own = [at for values in turns if (at := _at(values, q))]
        interval = _over_turns(np.log(own), math.log(value)) if value else None
        method = "t over the logarithms of the turns' figures" if interval else "one turn shows no chance"
        found[name] = Estimate(value, interval and interval_of(*map(math.exp, interval)), len(together), method)
    return found


def _over_turns(values: NDArray[np.float64], centre: float) -> tuple[float, float] | None:
    """A 95% interval around a centre, from independent observations; ``None`` for fewer than two."""
    if len(values) < 2:
        return None
    half = float(special.stdtrit(len(values) - 1, 0.975) * values.std(ddof=1)) / math.sqrt(len(values))
    return centre - half, centre + half


def _change(left: Sequence[Turn], right: Sequence[Turn], times: Mapping[int, _Times], figure: str) -> Estimate | None:
    """Of a figure, over the rounds that both versions ran whole."""
    sides = [
        {turn.round: _at(times[id(turn)].response, FIGURES[figure]) for turn in side if turn.complete}
        for side in (left, right)
    ]
    logs = [
        math.log(after / before)
        for number in sorted(sides[0].keys() & sides[1].keys())
        if (before := sides[0][number]) and (after := sides[1][number])
    ]
    if not logs:
        return None
    centre = math.fsum(logs) / len(logs)
    ends = _over_turns(np.array(logs), centre)
    interval: Interval | None = ends and interval_of(*map(math.expm1, ends))
    return Estimate(math.expm1(centre), interval, len(logs), "paired t over rounds, on logarithms")


def _knee(version: str, parts: Mapping[tuple[float, str], list[Turn]], times: Mapping[int, _Times]) -> Knee:
    """Between the last rate at which all turns kept up and the first at which none did."""
    steps = sorted((rate, own) for (rate, of), own in parts.items() if of == version)
    kept: dict[float, list[bool]] = {}
    for (before, earlier), (rate, own) in pairwise([steps[0], *steps]):
        tails = {turn.round: _at(times[id(turn)].response, 0.95) for turn in earlier}
        kept[rate] = [_keeps_up(turn, times[id(turn)], tails.get(turn.round), rate / before) for turn in own]
    held = [*takewhile(lambda rate: all(kept[rate]), kept)]
    gone = next((rate for rate in kept if not any(kept[rate])), None)
    return Knee(version, held[-1] if held else None, gone, max(kept))


def _keeps_up(turn: Turn, times: _Times, tail: float | None, growth: float) -> bool:
    """Whether a turn completes what is offered, and its p95 has grown no more than the rate has."""
    own = _at(times.response, 0.95)
    steep = own is not None and tail is not None and growth > 1 and own > growth * tail
    return times.achieved >= HELD * times.offered and not turn.dropped and not steep


def _caveats(
    steps: Sequence[LoadStep], turns: Sequence[Turn], settings: Mapping[str, Any], ended: str, descriptors: int | None
) -> Iterator[Caveat]:
    if ended != "completed":
        yield Caveat(f"load_{ended}", figures={"turns": len(turns), "max_cost": settings.get("max_cost")})
    for step in steps:
        own = [turn for turn in turns if (turn.version, turn.rate) == (step.version, step.rate)]
        yield from _step_caveats(step, max(turn.busy for turn in own))
    for version in dict.fromkeys(turn.version for turn in turns):
        ignored = sum(turn.left_running for turn in turns if turn.version == version)
        if ignored:
            yield Caveat("left_running", figures={"version": version, "runs": ignored})
    most = max((turn.most for turn in turns), default=0)
    if descriptors is not None and most > descriptors:
        yield Caveat("few_descriptors", figures={"limit": descriptors, "in_flight": most})
    unknown, runs = sum(step.unknown_costs for step in steps), sum(step.runs for step in steps)
    if settings.get("max_cost") is not None and unknown:
        yield Caveat("costs_not_capped", figures={"unknown": unknown, "runs": runs})


def _step_caveats(step: LoadStep, busy: float) -> Iterator[Caveat]:
    named = {"version": step.version, "rate": step.rate}
    late, usual = step.generator_error["p99"], step.service["p50"].value
    if step.loop_lag > LAG:
        yield Caveat("loop_blocked", figures={**named, "lag": step.loop_lag, "busy": busy})
    elif not step.valid:
        yield Caveat("generator_late", figures={**named, "late": late, "service": usual})
    if step.little is not None and abs(step.little - 1) > 1 - HELD and step.achieved >= HELD * step.offered:
        yield Caveat("load_not_steady", figures={**named, "little": step.little})
    if step.rate_limited:
        yield Caveat("rate_limited", figures={**named, "refused": step.rate_limited, "runs": step.runs})
    if step.dropped:
        yield Caveat("runs_dropped", figures={**named, "dropped": step.dropped})
