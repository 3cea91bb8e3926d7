"""Why a metric moved: the code, or its environment.

It is the environment where the same commit ran on both sides, where other versions of one commit each moved as well, or
where model, host, provider, region or Python changed and the commit did not. It is the commits where the commit changed
and nothing of that holds. Where both changed at once, nobody can tell.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from benchmark_recorder.analysis.change_points import difference, effect_of, followed_metric, line_from, line_of
from benchmark_recorder.analysis.evidence import Student
from benchmark_recorder.analysis.results import Caveat
from benchmark_recorder.analysis.segments import Cut
from benchmark_recorder.cells import Cells
from benchmark_recorder.grouping import DAY, REST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis.change_points import ChangePoints, Line, SeriesPoint
    from benchmark_recorder.analysis.metrics import Metric

SURROUNDINGS: Final = ("model", "host", "metadata.provider", "metadata.region", "metadata.python")
"""What a run's environment is known by."""

MOST_OF: Final = 0.8
"""The part of some runs that say the same from which on it is theirs."""

AROUND: Final = 3
"""Points on each side that show which environment a change lies between."""


class Surroundings(NamedTuple):
    """What else is known of the runs of a series.

    Attributes:
        keys: for ``"commit"`` and each of ``SURROUNDINGS``, cells by the series' key and that one.
        others: runs of other versions, by day.
    """

    keys: Mapping[str, Cells]
    others: Cells


def attributed(found: ChangePoints, known: Surroundings) -> ChangePoints:
    """The same changes with their causes."""
    place = {point.label: n for n, point in enumerate(found.series)}
    tallies = {key: _tally(cells) for key, cells in known.keys.items()}
    canaries = _canaries(known.others, followed_metric(found.metric))
    own = line_from(found.series, followed_metric(found.metric))
    ends = [0, *(place[change.at] for change in found.changes), len(place)]
    changes = []
    for n, change in enumerate(found.changes):
        if change.kind == "step":
            cut = Cut(ends[n], ends[n + 1], ends[n + 2])
            sure = place[change.before], place[change.after]
            commits = _commits(found, tallies["commit"], *sure)
            evidence = (*_same_commit(found, tallies["commit"], *sure), *_changed(found, tallies, cut, *sure))
            moved = tuple(_moved(own, cut, version, line, sure) for version, line in canaries.items())
            evidence = (*evidence, *(one for one in moved if one))
            changes.append(replace(change, commits=commits, evidence=evidence, cause=_cause(evidence, commits)))
        else:
            changes.append(change)
    return replace(found, changes=tuple(changes))


def _cause(evidence: Sequence[Caveat], commits: Sequence[str]) -> Literal["commits", "environment", "unknown"]:
    codes = {one.code for one in evidence}
    if "same_commit" in codes or ("canary_moved" in codes and "canary_stayed" not in codes):
        return "environment"
    return "commits" if commits and not codes & {"canary_moved", "surroundings_changed"} else "unknown"


def _tally(cells: Cells) -> dict[str | None, Counter[str | None]]:
    """The runs of each point by the other key."""
    found: defaultdict[str | None, Counter[str | None]] = defaultdict(Counter)
    for cell in cells.cells:
        found[cell.group[0]][cell.group[1]] += cell.n
    return found


def _most(tally: Mapping[str | None, Counter[str | None]], points: Sequence[SeriesPoint]) -> str | None:
    """What nearly all runs of some points say; ``None`` if they do not say the same."""
    runs = sum((tally[point.label] for point in points if point.label in tally), Counter[str | None]())
    value, n = max(runs.items(), key=lambda item: item[1], default=(None, 0))
    return value if n >= MOST_OF * runs.total() and value != REST else None


def _commits(
    found: ChangePoints, tally: Mapping[str | None, Counter[str | None]], before: int, after: int
) -> tuple[str, ...]:
    """The commits that were first measured between two points."""
    if found.by == "commit":
        return tuple(point.label for point in found.series[before + 1 : after + 1])
    earlier = {commit for point in found.series[: before + 1] for commit in tally.get(point.label, ())}
    between = [commit for point in found.series[before + 1 : after + 1] for commit in tally.get(point.label, ())]
    fresh = dict.fromkeys(between).keys() - {*earlier, REST}
    return tuple(commit for commit in dict.fromkeys(between) if commit is not None and commit in fresh)


def _same_commit(
    found: ChangePoints, tally: Mapping[str | None, Counter[str | None]], before: int, after: int
) -> tuple[Caveat, ...]:
    commit = _most(tally, found.series[before : before + 1])
    same = commit is not None and commit == _most(tally, found.series[after : after + 1])
    return (Caveat("same_commit", figures={"commit": commit}),) if same else ()


def _changed(
    found: ChangePoints,
    tallies: Mapping[str, Mapping[str | None, Counter[str | None]]],
    cut: Cut,
    before: int,
    after: int,
) -> tuple[Caveat, ...]:
    """What nearly all runs say before the change, and nearly none after it."""
    left = found.series[max(cut.start, before - AROUND + 1) : before + 1]
    right = found.series[after : min(cut.end, after + AROUND)]
    return tuple(
        Caveat("surroundings_changed", figures={"field": key, "before": old, "after": new})
        for key, tally in tallies.items()
        if key != "commit"
        and (old := _most(tally, left)) is not None
        and (new := _most(tally, right)) is not None
        and old != new
    )


def _canaries(others: Cells, metric: Metric) -> dict[str, Line]:
    """Other versions of which all runs are of one commit, as series of days."""
    lines = {}
    for version in others.versions:
        own = others.of(version)
        if len({cell.git_commit for cell in own}) == 1 and len({*(own[0].git_commit or ("",))}) == 1:
            lines[version] = line_of(Cells(own), metric)[0]
    return lines


def _moved(own: Line, cut: Cut, version: str, canary: Line, sure: tuple[int, int]) -> Caveat | None:
    """Whether another version moved at the same time, by as much; ``None`` if its days do not show it."""
    first, last = own.series[cut.start].first - DAY, own.series[cut.end - 1].last + DAY
    place = sum(point.last < own.series[sure[0] + 1].first for point in canary.series)
    later = sum(point.first < own.series[sure[1]].first - DAY for point in canary.series)
    start = sum(point.first < first for point in canary.series)
    end = sum(point.last <= last for point in canary.series)
    if place - start < 2 or end - later < 2:
        return None
    change = difference(own, cut.start, cut.place, cut.place, cut.end)[1]
    other = difference(canary, start, place, later, end)[1]
    if change is None or other is None:
        return None
    apart = Student(
        other.estimate - change.estimate,
        math.hypot(other.error, change.error),
        min(other.freedom, change.freedom),
        "difference in differences",
    )
    alike = other.p_value < 0.05 and other.estimate * change.estimate > 0 and apart.p_value >= 0.05
    stayed = other.p_value >= 0.05 and apart.p_value < 0.05
    code = "canary_moved" if alike else "canary_stayed" if stayed else None
    figures = {"version": version, "metric": own.metric.name, "effect": effect_of(own.metric, other.estimate)}
    return Caveat(code, figures=figures) if code else None
