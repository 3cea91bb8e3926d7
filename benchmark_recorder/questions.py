"""The questions that reports, groups and lists of versions ask a store, and what is computed from the answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.errors import InvalidQueryError, preview

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from benchmark_recorder.analysis import Summary, Trend
    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.columns import Durations
    from benchmark_recorder.histogram import Histogram
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns
    from benchmark_recorder.reporting import Report
    from benchmark_recorder.reporting.views import GroupedSummaries, SummaryView, VersionSummaries
    from benchmark_recorder.stores.base import Store
    from benchmark_recorder.stores.health import Health

MOST_DURATIONS: Final = 5_000_000
"""Values that percentiles are computed from one by one; beyond, they come from a histogram."""

MOST_VERSIONS: Final = 50
"""Of one report or comparison: each of them is a question."""

MOST_NAMED_TASKS: Final = 500
"""Tasks that are followed from week to week, those with the most runs; each is named in the questions."""


def report_of(  # noqa: PLR0913
    store: Store,
    names: Sequence[str],
    asked: Query,
    said: Mapping[str, Any],
    health: Health,
    *,
    by: str | None = None,
    baseline: str | None = None,
    sequential: bool = False,
) -> Report:
    """A report's content.

    Args:
        store: where the records are.
        names: versions, oldest first.
        asked: which executions; of these versions.
        said: the arguments that ``asked`` was made from, without the versions.
        health: of the recording.
        by: the key of the groups that it also covers, if any.
        baseline: what each other version is compared with; the one before it unless given.
        sequential: whether the versions are compared again and again.
    """
    from benchmark_recorder.analysis import compare_all, compare_each, distributions_of, what_to_look_at
    from benchmark_recorder.comparing import compared_cells, with_load
    from benchmark_recorder.reporting import Basis, Report
    from benchmark_recorder.reporting.comparison_views import JointComparisonView, task_texts
    from benchmark_recorder.reporting.views import SummaryView

    pairs = [*pairwise(names)] if baseline is None else [(baseline, name) for name in names if name != baseline]
    alone = {name: replace(asked, versions=(name,)) for name in dict.fromkeys(names)}
    cells = {name: with_load(store, own, store.summarize(own)) for name, own in alone.items()}
    measured = {name: _summary(store, name, alone[name], own) for name, own in cells.items()}
    routed = _by_version(_routed(store, asked, cells), cells)
    failed = _by_version(_failed(store, asked, cells), cells)
    narrowed = bool(said)
    summaries = {name: SummaryView.from_result(summary, narrowed=narrowed) for name, (summary, _) in measured.items()}
    # The newest comparison, which people look for, comes first.
    sides = ((v1, v2, compared_cells(store, replace(asked, versions=(v1, v2)), "auto")) for v1, v2 in reversed(pairs))
    if baseline is None:
        found = [compare_all(own, v1, v2, method="auto", sequential=sequential) for v1, v2, own in sides]
    else:
        each = compare_each({v2: own for _, v2, own in sides}, baseline, method="auto", sequential=sequential)
        found = [*each.comparisons.values()]
    joint = [JointComparisonView.from_result(one, narrowed=narrowed) for one in found]
    attention = {name: what_to_look_at(summaries[name], cells[name], routed[name], failed[name]) for name in cells}
    spread = distributions_of({name: measured[name][1] for name in cells})
    # The last few days are compared with the weeks before them.
    trends = _trends(store, asked, cells, looks_back=said.get("last_days") is not None)
    return Report(
        summaries=tuple(summaries[name] for name in names),
        comparisons=tuple(joint),
        basis=Basis(store=store.name, health=health, query=dict(said)),
        texts=task_texts(store.scan, [one for own in joint for one in own.comparisons.values()], attention.values()),
        attention=tuple(attention[name] for name in names),
        trends=tuple(trends[name] for name in names),
        distributions=tuple(spread[name] for name in names),
        **({} if by is None else _by(store, names, pairs, by_key(asked, by), narrowed=narrowed)),
    )


def _routed(store: Store, asked: Query, cells: Mapping[str, Cells]) -> Columns:
    """Expected and selected agents, asked for only where both are known."""
    from benchmark_recorder.analysis import ROUTE_FIELDS

    fields = ("version", *ROUTE_FIELDS)
    if not any(cell.routed for found in cells.values() for cell in found.cells):
        return _none_of(fields)
    return store.scan(asked, fields)


def _failed(store: Store, asked: Query, cells: Mapping[str, Cells]) -> Columns:
    """Failed runs, asked for only where there are any: a store may have to search all records."""
    from benchmark_recorder.analysis import FAILURE_FIELDS

    fields = ("version", *FAILURE_FIELDS)
    if all(cell.success for found in cells.values() for cell in found.cells):
        return _none_of(fields)
    return store.scan(replace(asked, success=False), fields)


def _trends(store: Store, asked: Query, cells: Mapping[str, Cells], *, looks_back: bool) -> dict[str, Trend]:
    """Each version that has cells, week over week, as far back as a trend goes or only as far as the cells."""
    from benchmark_recorder.analysis import Caveat, trend_of
    from benchmark_recorder.grouping import DAY
    from benchmark_recorder.reporting.views import worded

    present = time_ns() // 1000
    end = present + DAY  # a clock may be ahead; what is later than tomorrow has a wrong date
    own = [cell for found in cells.values() for cell in found.cells]
    late = {name for name, found in cells.items() if any(cell.last >= end for cell in found.cells)}
    weekly: dict[int, Cells] = {}
    if not any(found.is_partial for found in cells.values()):
        if late:
            own = [*store.summarize(replace(asked, until=end)).cells]
        weekly = _weekly(store, asked, own, end, looks_back)
    partial = any(found.is_partial for found in (*cells.values(), *weekly.values()))
    trends = {}
    for name, found in cells.items():
        # One machine's records are not the trend, and each further question would wait for the store again.
        warnings = [Caveat("no_trend")] if partial else []
        if name in late and not partial:
            future = sum(cell.n for cell in found.cells) - sum(cell.n for cell in own if cell.version == name)
            last = max(cell.last for cell in found.cells)
            warnings.append(Caveat("dated_in_future", figures={"version": name, "runs": future, "last": last}))
        trends[name] = worded(trend_of(name, weekly if found.cells and not partial else {}, present, warnings))
    return trends


def _weekly(store: Store, asked: Query, own: list[Cell], end: int, looks_back: bool) -> dict[int, Cells]:  # noqa: FBT001 - as above
    """The runs of each week before ``end`` by its start, grouped by day."""
    from benchmark_recorder.analysis import WEEK, week_starts
    from benchmark_recorder.grouping import DAY, period_label

    since, first = (None, 0) if looks_back else (asked.since, min((cell.first for cell in own), default=0))
    starts = week_starts(first, min(end - 1, max((cell.last for cell in own), default=0))) if own else ()
    if not starts:
        return {}
    # A task that is run once a week has cells of its own only where it is named.
    followed = replace(asked, since=since, own_cells=frozenset(_most_run(own, MOST_NAMED_TASKS)), by=("day",))
    answer = store.summarize(_within(followed, starts[0], min(end, starts[-1] + WEEK)))
    week_of = {period_label("day", start + n * DAY): start for start in starts for n in range(7)}
    parts: defaultdict[int, list[Cell]] = defaultdict(list)
    for cell in answer.cells:
        parts[week_of[cell.group[0] or ""]].append(cell)
    return {start: replace(answer, cells=tuple(parts[start])) for start in starts}


def version_names(versions: object) -> list[str]:
    """The versions of a report; ``InvalidQueryError`` if they are not names."""
    names = [versions] if isinstance(versions, str) else list(versions) if isinstance(versions, Iterable) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidQueryError(f"versions: expected the names of one or more versions, got {preview(versions)}")
    if len(names) > MOST_VERSIONS:
        raise InvalidQueryError(
            f"versions: at most {MOST_VERSIONS} can be compared at once, got {len(names):,}; name fewer"
        )
    return names


def candidate_names(candidates: object, baseline: str) -> list[str]:
    """The versions that are compared with a baseline.

    Raises:
        InvalidQueryError: they are not names, or one comes twice or is the baseline.
    """
    names = version_names(candidates)
    if baseline in names:
        raise InvalidQueryError(f"candidates: {preview(baseline)} is the baseline; name other versions")
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise InvalidQueryError(f"candidates: {preview(name)} is named {times} times; name it once")
    return names


def _none_of(fields: Iterable[str]) -> Columns:
    """Empty columns of texts."""
    import numpy as np

    return dict.fromkeys(fields, np.empty(0, dtype=object))


def _by_version(columns: Columns, versions: Iterable[str]) -> dict[str, Columns]:
    """Each version's records, in the order in which they were stored."""
    rows = {version: columns["version"] == version for version in versions}
    return {version: {name: column[own] for name, column in columns.items()} for version, own in rows.items()}


def _most_run(cells: Iterable[Cell], most: int) -> list[str]:
    """The tasks with the most runs over all versions, ties by id."""
    runs = Counter[str]()
    for cell in cells:
        if cell.task_id is not None:
            runs[cell.task_id] += cell.n
    return sorted(runs, key=lambda task_id: (-runs[task_id], task_id))[:most]


def _within(query: Query, start: int, end: int) -> Query:
    """The same question about some weeks, or about the part of them that was asked for."""
    return replace(
        query,
        since=start if query.since is None else max(start, query.since),
        until=end if query.until is None else min(end, query.until),
    )


def _by(
    store: Store, names: Sequence[str], pairs: Sequence[tuple[str, str]], asked: Query, *, narrowed: bool
) -> dict[str, Any]:
    """What a report says of groups."""
    from benchmark_recorder.analysis import compare_slices
    from benchmark_recorder.reporting.comparison_views import SlicedComparisonView

    (by,) = asked.by
    groups = {
        name: summaries_by(store, name, replace(asked, versions=(name,)), narrowed=narrowed)
        for name in dict.fromkeys(names)
    }
    sides = [(v1, v2, store.summarize(replace(asked, versions=(v1, v2)))) for v1, v2 in pairs]
    slices = [
        SlicedComparisonView.from_result(compare_slices(cells, v1, v2, metric, by=by), narrowed=narrowed)
        for v1, v2, cells in sides
        for metric in ("execution_time", "failure_rate")
    ]
    return {"by": by, "groups": tuple(groups[name] for name in names), "slices": tuple(slices)}


def summary_of(store: Store, version: str, asked: Query, *, narrowed: bool, scope: str = "suite") -> SummaryView:
    """The figures of some runs under one name; see ``summaries_by``."""
    from benchmark_recorder.comparing import with_load, with_parts
    from benchmark_recorder.reporting.views import SummaryView

    cells = with_load(store, asked, with_parts(store, asked, store.summarize(asked)))
    found, _ = _summary(store, version, asked, cells, scope)
    return SummaryView.from_result(found, narrowed=narrowed)


def _summary(
    store: Store, version: str, asked: Query, cells: Cells, scope: str = "suite"
) -> tuple[Summary, NDArray[np.float64]]:
    """The figures of some runs, and their durations in rising order, where they are not too many."""
    import numpy as np

    from benchmark_recorder.analysis import summarize_version

    if sum(cell.n for cell in cells.cells) <= MOST_DURATIONS:
        durations = store.durations(asked)
        return summarize_version(version, cells, durations, scope=scope), durations.ordered
    from benchmark_recorder.histogram import Histogram

    whole = Histogram.together(store.histogram(asked).values())
    return summarize_version(version, cells, histogram=whole, scope=scope), np.empty(0)


def by_key(query: Query, key: str) -> Query:
    """The same executions, grouped.

    Raises:
        InvalidQueryError: there is no such key.
    """
    from benchmark_recorder.grouping import check_key

    return replace(query, by=(check_key(key),))


def summaries_by(store: Store, version: str, asked: Query, *, narrowed: bool, scope: str = "suite") -> GroupedSummaries:
    """The figures of each group of some runs under one name; ``asked`` is by one key."""
    from benchmark_recorder.analysis import summarize_version
    from benchmark_recorder.columns import Durations
    from benchmark_recorder.grouping import fields_for, groups_of
    from benchmark_recorder.reporting.views import GroupedSummaries, SummaryView

    cells = store.summarize(asked)
    durations: dict[tuple[str | None, ...], Durations] = {}
    histograms: dict[tuple[str | None, ...], Histogram] = {}
    if sum(cell.n for cell in cells.cells) <= MOST_DURATIONS:
        columns = store.scan(replace(asked, by=()), {"execution_time", *fields_for(asked.by)})
        groups, times = groups_of(asked.by, columns), columns["execution_time"]
        durations = {label: Durations.of(times[groups.codes == code]) for code, label in enumerate(groups.labels)}
    else:
        for (_, group), own in store.histogram(asked).items():
            histograms[group] = histograms[group].merge(own) if group in histograms else own
    summaries = {
        group[0]: summarize_version(
            version, cells.within(group), durations.get(group), histograms.get(group), scope=scope
        )
        for group in cells.groups
    }
    return GroupedSummaries(
        version,
        asked.by[0],
        {group: SummaryView.from_result(one, narrowed=narrowed) for group, one in summaries.items()},
    )


DAY: Final = 86_400_000_000
"""In microseconds."""


def version_cells(store: Store, asked: Query) -> tuple[Query, Cells, dict[str, tuple[Cell, ...]], int]:
    """Each version's cells, in the order of the first runs, without those dated later than tomorrow.

    Returns:
        The question without these, its answer, that by version, and how many runs are left out.
    """
    cells, ahead = store.summarize(asked), 0
    tomorrow = int(datetime.now(UTC).timestamp() * 1e6) + DAY
    if any(cell.last >= tomorrow for cell in cells.cells):
        ahead = sum(cell.n for cell in cells.cells)
        asked = replace(asked, until=tomorrow)
        cells = store.summarize(asked)
        ahead -= sum(cell.n for cell in cells.cells)
    own = {version: cells.of(version) for version in cells.versions}
    order = sorted(own, key=lambda version: (min(cell.first for cell in own[version]), version))
    return asked, cells, {version: own[version] for version in order}, ahead


def latest(store: Store, asked: Query, number: int, least: int | None = None) -> list[str]:
    """The versions whose first runs are the latest, oldest first.

    Raises:
        InvalidQueryError: there are fewer, or fewer than the least that is enough.
    """
    names = [*version_cells(store, asked)[2]][-number:]
    if len(names) < (number if least is None else least):
        there = f"only {names[0]}" if names else "none"
        raise InvalidQueryError(f"versions: the latest {number} were asked for, and the store has {there}")
    return names


def names_of(store: Store, versions: object, baseline: str | None, asked: Query) -> list[str]:
    """The versions of a report, oldest first; the latest two unless named, and a baseline before all others.

    Raises:
        InvalidQueryError: they are not names, or there is no version.
    """
    names = latest(store, asked, 2, 1) if versions is None else version_names(versions)
    if baseline is not None:
        (baseline,) = version_names(baseline)
        names = [baseline, *(name for name in names if name != baseline)]
    return names


def versions_of(store: Store, asked: Query, *, narrowed: bool) -> VersionSummaries:
    """The figures of each version, in the order of the first runs."""
    from benchmark_recorder.analysis import summarize_version
    from benchmark_recorder.cells import Cells
    from benchmark_recorder.comparing import name_notes
    from benchmark_recorder.reporting.views import SummaryView, VersionSummaries

    asked, cells, own, ahead = version_cells(store, asked)
    durations: dict[str, Durations] = {}
    histograms: dict[str, Histogram] = {}
    if sum(cell.n for cell in cells.cells) <= MOST_DURATIONS:
        durations = _durations_by_version(store.scan(asked, ("version", "execution_time")))
    else:
        histograms = {version: histogram for (version, _), histogram in store.histogram(asked).items()}
    found = {
        version: summarize_version(version, Cells(part, cells.caveats), durations.get(version), histograms.get(version))
        for version, part in own.items()
    }
    views = {version: SummaryView.from_result(one, narrowed=narrowed) for version, one in found.items()}
    return VersionSummaries(views, ahead, (*cells.caveats, *name_notes(own)))


def _durations_by_version(columns: Columns) -> dict[str, Durations]:
    import numpy as np

    from benchmark_recorder.columns import Durations, encode

    coded = encode(columns["version"])
    order = np.argsort(coded.codes, kind="stable")
    times = columns["execution_time"][order]
    starts = np.searchsorted(coded.codes[order], np.arange(len(coded.vocabulary) + 1))
    return {
        str(version): Durations.of(times[start:end])
        for version, start, end in zip(coded.vocabulary, starts[:-1], starts[1:], strict=True)
    }
