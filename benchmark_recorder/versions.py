"""Which versions there are, in the order of their first runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.questions import MOST_DURATIONS, version_names

if TYPE_CHECKING:
    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.columns import Durations
    from benchmark_recorder.histogram import Histogram
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns
    from benchmark_recorder.reporting.views import VersionSummaries
    from benchmark_recorder.stores.base import Store

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


def latest(store: Store, asked: Query, number: int) -> list[str]:
    """The versions whose first runs are the latest, oldest first.

    Raises:
        InvalidQueryError: there are fewer.
    """
    names = [*version_cells(store, asked)[2]][-number:]
    if len(names) < number:
        there = f"only {names[0]}" if names else "none"
        raise InvalidQueryError(f"versions: the latest {number} were asked for, and the store has {there}")
    return names


def names_of(store: Store, versions: object, baseline: str | None, asked: Query) -> list[str]:
    """The versions of a report, oldest first; the latest two unless named, and a baseline before all others.

    Raises:
        InvalidQueryError: they are not names, or there are no two versions.
    """
    names = latest(store, asked, 2) if versions is None else version_names(versions)
    if baseline is None:
        return names
    (baseline,) = version_names(baseline)
    return [baseline, *(name for name in names if name != baseline)]


def versions_of(store: Store, asked: Query, *, narrowed: bool) -> VersionSummaries:
    """The figures of each version.

    Args:
        store: where the records are.
        asked: which executions.
        narrowed: whether these are only some of the versions'.
    """
    from benchmark_recorder.analysis import summarize_version
    from benchmark_recorder.cells import Cells
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
    return VersionSummaries(views, ahead, cells.caveats)


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
