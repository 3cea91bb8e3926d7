"""The runs that versions are compared by: their cells, a way to single runs and blocks, and baselines from the past.

Questions about roots leave out the runs that were parts of others; ``with_parts`` says what readers must know of these.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmark_recorder.cells import BlockQuestion, StoreNote, collect
from benchmark_recorder.errors import InvalidQueryError, StoreUnavailableError, preview
from benchmark_recorder.fields import BLOCK, METADATA_PREFIX
from benchmark_recorder.grouping import LOAD_TURN, check_key
from benchmark_recorder.queries import Query
from benchmark_recorder.tabulation import fields_of, tabulate_by

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Iterator

    from numpy.typing import NDArray

    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.records import Columns
    from benchmark_recorder.stores.base import Store


def compared_cells(store: Store, asked: Query, blocks: str | None = None, block_sd: float | None = None) -> Cells:
    """Cells to compare versions by, with a way to look at single runs and blocks where a verdict needs it.

    Args:
        store: where the records are.
        asked: which executions, of two versions.
        blocks: see ``Decisions.compare_versions``; ``None`` for none.
        block_sd: see there.

    Raises:
        InvalidQueryError: ``blocks`` or ``block_sd`` is wrong.
    """
    keys, sd = block_keys(blocks), block_sd_of(block_sd)
    if asked.by:
        return store.summarize(asked)

    def runs(fields: Collection[str], success: bool | None) -> Columns:  # noqa: FBT001 - a value, not a switch
        return store.scan(asked if success is None else replace(asked, success=success), fields)

    cells = store.summarize(asked)
    loaded, notes = _load_of(store, asked)
    cells = replace(cells, caveats=(*cells.caveats, *name_notes(cells.versions), *notes))
    if not keys:
        return replace(cells, runs=runs)

    if blocks == "auto":
        keys = LOAD_BLOCKS if loaded else (BLOCK,) if BLOCK in store.supports else keys

    def ask() -> Cells:
        return store.summarize(replace(asked, versions=None, by=keys))

    def virtual() -> bool:
        return not loaded and are_virtual(store, asked, cells.cells)  # runs of a turn queue in any time

    return replace(cells, runs=runs, blocks=BlockQuestion(keys, cache(ask), virtual, sd))


def name_notes(versions: Iterable[str]) -> Iterator[StoreNote]:
    """What misleads in the names of versions that are side by side."""
    alike: dict[str, list[str]] = {}
    for name in versions:
        alike.setdefault(" ".join(name.split()), []).append(name)
    if "latest" in alike:
        yield StoreNote(
            "named_latest",
            'A version is called "latest": that is its name, and not the newest version, which is meant where no name '
            "is given.",
            {"version": "latest"},
        )
    for first, other, *_ in (names for names in alike.values() if len(names) > 1):
        sentence = (
            f"The names {preview(first)} and {preview(other)} differ by blanks only; `rename-version` makes one of two."
        )
        yield StoreNote("alike_names", sentence, {"version": first, "other": other})


def judged_cells(store: Store, asked: Query, blocks: str | None = None, block_sd: float | None = None) -> Cells:
    """The same with what readers must know of the runs that were parts of others."""
    return with_parts(store, asked, compared_cells(store, asked, blocks, block_sd))


def gated_cells(
    store: Store,
    asked: Query,
    days: float | None,
    path: str | os.PathLike[str] | None,
    blocks: tuple[str | None, float | None],
) -> tuple[str, Cells]:
    """What a gate calls its baseline, and the cells that it decides by; see ``Decisions.check_gate``."""
    assert asked.versions is not None
    baseline, candidate = asked.versions
    if days is None and path is None:
        return baseline, judged_cells(store, asked, *blocks)
    own = replace(asked, versions=(candidate,))
    return side_by_side(store, baseline, past_runs(store, baseline, own, days, path), own, *blocks)


LOADED: Final = ("under_load", True)
"""What the metadata of runs of a load test says; each also has a ``load``, a ``load_rate`` and a ``load_turn``."""

LOAD_BLOCKS: Final = (f"{METADATA_PREFIX}load", LOAD_TURN)
_BY_RATE: Final = (f"{METADATA_PREFIX}load_rate",)


def with_load(store: Store, asked: Query, cells: Cells) -> Cells:
    """The same cells, with a note where not all of the runs were under the same load."""
    return replace(cells, caveats=(*cells.caveats, *_load_of(store, asked)[1]))


def _load_of(store: Store, asked: Query) -> tuple[bool, tuple[StoreNote, ...]]:
    """Whether all runs were under load, and a note where not all were under the same; without loads, one question."""
    if not store.summarize(replace(asked, metadata=(*asked.metadata, LOADED))).cells:
        return False, ()
    return _load_by(store.summarize(replace(asked, by=_BY_RATE)))


def _load_by(grouped: Cells) -> tuple[bool, tuple[StoreNote, ...]]:
    """The same of cells by ``_BY_RATE``."""
    rates = {version: {cell.group[0] for cell in grouped.of(version)} for version in grouped.versions}
    runs = sum(cell.n for cell in grouped.cells)
    loaded = sum(cell.n for cell in grouped.cells if cell.group != (None,))
    if loaded == runs and all(own == rates[grouped.versions[0]] for own in rates.values()):
        return bool(loaded), ()
    sentence = (
        f"{loaded:,} of {runs:,} runs were under load, and the others were not: times and failures differ for that "
        "reason alone. Ask for the loads alone (--metadata under_load=true), or group by metadata.under_load."
        if loaded < runs
        else "The versions were not under load at the same rates, so times and failures differ for that reason alone. "
        "Ask for a rate that all ran at (--metadata load_rate=…), or group by metadata.load_rate."
    )
    return loaded == runs, (StoreNote("mixed_load", sentence, {"loaded": loaded, "runs": runs}),) if loaded else ()


def retried(store: Store, asked: Query) -> tuple[int, float]:
    """Runs whose ``metadata.attempt`` is above 1, and their known cost in USD."""
    again = [
        cell
        for cell in store.summarize(replace(asked, by=(f"{METADATA_PREFIX}attempt",))).cells
        if (label := cell.group[0] or "").isdecimal() and int(label) > 1
    ]
    return sum(cell.n for cell in again), sum(cell.cost.total for cell in again)


VIRTUAL: Final = ("clock", "virtual")
"""What the metadata of runs in the harness's virtual time says."""


def block_keys(blocks: object) -> tuple[str, ...]:
    """The keys that blocks are made of; none where there are no blocks.

    Raises:
        InvalidQueryError: there is no such key.
    """
    if blocks is None or blocks == "none":
        return ()
    from benchmark_recorder.analysis.blocks import AUTOMATIC  # the figures of one version need none

    return AUTOMATIC if blocks == "auto" else (check_key(blocks, "blocks"),)


def block_sd_of(sd: object) -> float | None:
    """The standard deviation between blocks.

    Raises:
        InvalidQueryError: it is not one.
    """
    if sd is None:
        return None
    if isinstance(sd, bool) or not isinstance(sd, int | float) or not 0 <= sd <= MOST_SD:
        raise InvalidQueryError(
            f"block_sd: expected a standard deviation of logarithms from 0 to {MOST_SD:g} (0.2: some 20%), "
            f"got {preview(sd)}"
        )
    return float(sd)


MOST_SD: Final = 10.0


class Past(NamedTuple):
    """Where a baseline's runs are.

    Attributes:
        query: which.
        path: of the JSON file that they are in; ``None`` where they are in the store.
        earlier: runs of the candidate before its last batch, which is what the window comes before.
    """

    query: Query
    path: Path | None = None
    earlier: int = 0

    def tabulated(self, store: Store, by: tuple[str, ...] = ()) -> list[Cell]:
        """The cells of each task and outcome, and of each group."""
        if self.path is None:
            return tabulated(store, replace(self.query, by=by))
        from benchmark_recorder.stores.json_file import JSONFileStore

        with JSONFileStore(self.path) as pinned:
            return tabulated(pinned, replace(self.query, by=by))


def past_runs(
    store: Store, baseline: str, candidate: Query, days: float | None, path: str | os.PathLike[str] | None
) -> Past:
    """The baseline's runs from a window of days, or a pinned file.

    Args:
        store: where the records are.
        baseline: version.
        candidate: the candidate's runs.
        days: so many before the candidate's first run, or the first after its last gap that is longer than that; or
        path: of a JSON file.

    Raises:
        InvalidQueryError: both are given.
        StoreUnavailableError: the file does not exist.
    """
    if path is not None:
        if days is not None:
            raise InvalidQueryError("baseline_days: give either baseline_days or baseline_file, not both")
        if not Path(path).exists():
            raise StoreUnavailableError(f"{path}: there is no such file")
        return Past(Query.of(version=baseline), Path(path))
    moments = sorted(store.scan(candidate, ("time",))["time"].tolist())
    length = Query.of(last_days=days, now=_EPOCH).since  # checks the number of days
    gaps = (n for n in range(len(moments) - 1, 0, -1) if moments[n] - moments[n - 1] > -(length or 0))
    earlier = next(gaps, 0)
    first = moments[earlier] if moments else None
    end = datetime.now(UTC) if first is None else _EPOCH + timedelta(microseconds=first)
    window = replace(Query.of(version=baseline, last_days=days, now=end), until=first)
    return Past(window, earlier=earlier)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def window_notes(past: Past, baseline: str, candidate: str, runs: int) -> tuple[StoreNote, ...]:
    """What must be known of a window: when it was, what is in it, and which runs it does not come before."""
    since, until = past.query.since, past.query.until
    if since is None or until is None:
        return ()
    when = {"version": baseline, "first": since, "last": until, "runs": runs}
    notes = [StoreNote("baseline_window", "", when)]
    if past.earlier:
        notes.append(StoreNote("runs_before_window", "", {"version": candidate, "runs": past.earlier, "last": until}))
    return tuple(notes)


def tabulated(store: Store, query: Query) -> list[Cell]:
    """One cell for each task, outcome and group, however seldom the task was run."""
    return tabulate_by(store.scan(replace(query, by=()), fields_of(query)), query)


def side_by_side(  # noqa: PLR0913, PLR0917
    store: Store, baseline: str, past: Past, candidate: Query, blocks: str | None, block_sd: float | None
) -> tuple[str, Cells]:
    """Both sides' cells together; a baseline of the candidate's own name gets another.

    Raises:
        InvalidQueryError: ``blocks`` or ``block_sd`` is wrong.
        StoreUnavailableError: a pinned file has no runs of the baseline.
    """
    assert candidate.versions is not None
    (other,) = candidate.versions
    name = baseline if baseline != other else f"{baseline} (baseline)"
    keys, sd = block_keys(blocks), block_sd_of(block_sd)

    notes = store.summarize(candidate).caveats

    def sides(by: tuple[str, ...] = ()) -> Cells:
        there, before = tabulated(store, replace(candidate, by=by)), past.tabulated(store, by)
        if past.path is not None and not before:
            raise StoreUnavailableError(f"{past.path}: this file has no runs of the baseline {baseline!r}")
        found = collect([*(replace(cell, version=name) for cell in before), *there], (name, other))
        return replace(found, caveats=(*notes, *window_notes(past, name, other, sum(cell.n for cell in before))))

    cells = sides()
    loaded, mixed = _load_by(sides(_BY_RATE))
    cells = replace(cells, caveats=(*cells.caveats, *mixed))
    keys = LOAD_BLOCKS if loaded and blocks == "auto" else keys

    def virtual() -> bool:
        return not loaded and are_virtual(store, candidate, cells.of(other))

    return name, replace(cells, blocks=BlockQuestion(keys, cache(lambda: sides(keys)), virtual, sd)) if keys else cells


def are_virtual(store: Store, asked: Query, cells: Iterable[Cell]) -> bool:
    """Whether all runs of a question, whose cells are known, are of the harness's virtual time: it knows no blocks."""
    virtual = store.summarize(replace(asked, metadata=(*asked.metadata, VIRTUAL)))
    return sum(cell.n for cell in virtual.cells) == sum(cell.n for cell in cells)


def with_parts(store: Store, asked: Query, cells: Cells) -> Cells:
    """The same cells, and notes on parts that no root stands for.

    Parts whose root has no record were left by a run that never ended, such as a killed one: what they cost is in no
    figure. Parts that ended after their root are not in its sums. Where there are no parts, one question says so.

    Raises:
        StoreError: the store cannot be read.
    """
    if asked.runs != "roots":
        return cells
    about = Query(versions=asked.versions, since=asked.since, until=asked.until, runs="children")
    parts = store.summarize(about)
    if not parts.cells:
        return cells
    columns = store.scan(about, ("version", "parent_id", "time", "cost"))
    roots = store.scan(Query(runs="roots"), ("record_id", "time"))
    ended = dict(zip(roots["record_id"].tolist(), roots["time"].tolist(), strict=True))
    mine = np.array([ended.get(parent, -1) for parent in columns["parent_id"].tolist()], np.int64)
    known = np.array([parent in ended for parent in columns["parent_id"].tolist()], np.bool_)
    notes = []
    for version in parts.versions:
        own = columns["version"] == version
        if not cells.of(version):
            notes.append(_only_parts(version, int(np.count_nonzero(own))))
        notes += _unfinished(version, columns, own & ~known)
        notes += _late(version, int(np.count_nonzero(own & known & (columns["time"] > mine))))
    return replace(cells, caveats=(*cells.caveats, *notes))


def _only_parts(version: str, parts: int) -> StoreNote:
    sentence = (
        f"{version} has no runs that match, but {parts:,} that were parts of other runs: they are left out; "
        'runs="children" (--runs children) asks for them, and root=True records a run of its own inside another.'
    )
    return StoreNote("only_parts", sentence, {"version": version, "parts": parts})


def _unfinished(version: str, columns: Columns, lost: NDArray[np.bool_]) -> Iterator[StoreNote]:
    parts = int(np.count_nonzero(lost))
    if parts:
        runs, cost = len(set(columns["parent_id"][lost].tolist())), float(np.nansum(columns["cost"][lost]))
        sentence = (
            f"{runs:,} run{'' if runs == 1 else 's'} of {version} never ended, as where a program is killed: "
            f"{parts:,} part{'' if parts == 1 else 's'}, with a known cost of {cost:.4g} USD, "
            f"{'is' if parts == 1 else 'are'} in no figure."
        )
        yield StoreNote("unfinished", sentence, {"version": version, "runs": runs, "parts": parts, "cost": cost})


def _late(version: str, parts: int) -> Iterator[StoreNote]:
    if parts:
        sentence = (
            f"{parts:,} part{'' if parts == 1 else 's'} of runs of {version} ended after "
            f"{'its run' if parts == 1 else 'their runs'}, and {'is' if parts == 1 else 'are'} not in the sums of cost "
            "and tokens."
        )
        yield StoreNote("late_children", sentence, {"version": version, "parts": parts})
