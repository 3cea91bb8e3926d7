"""What a reader must know of one version's runs, compared or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_recorder.analysis.result import Doubt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.cells import Cell, Cells, Moments

HEAVY = 0.20
"""Share of a sum that no single run should make up."""


def store_doubts(cells: Cells) -> Iterator[Doubt]:
    """What the store says of the records' origin."""
    return (Doubt(*caveat) for caveat in cells.caveats)


def version_doubts(version: str, whole: Cell, metric: str | None = None) -> Iterator[Doubt]:
    """Doubts about one version's runs, for one metric or (``None``) for a summary."""
    if metric in {None, "cost"} and whole.unknown_cost:
        yield Doubt(
            "unknown_costs",
            f"The cost of {whole.unknown_cost:,} of {run_count(whole.n)} of {version} is unknown; "
            f"{'it is' if whole.unknown_cost == 1 else 'they are'} left out, not taken as free.",
            {"version": version, "unknown": whole.unknown_cost, "runs": whole.n},
        )
    if metric in {None, "execution_time"}:
        yield from _zeros(version, whole)
        yield from _heavy(version, whole.time, whole.max_time, "time")
    if metric in {None, "cost"}:
        yield from _heavy(version, whole.cost, whole.max_cost, "cost")
    for what, texts in (("commit", whole.git_commit), ("host", whole.host)):
        if texts is not None and texts[0] != texts[1]:
            yield Doubt(
                f"several_{what}s",
                f"The runs of {version} come from more than one {what}, among them {texts[0]} and {texts[1]}.",
                {"version": version, "least": texts[0], "greatest": texts[1]},
            )


def unknown_version(version: str) -> Doubt:
    """Nothing was recorded under that name, or nothing that the query lets through."""
    return Doubt("unknown_version", f"There are no runs of version {version}.", {"version": version})


def run_count(n: int) -> str:
    """So many runs, in words."""
    return f"{n:,} run{'' if n == 1 else 's'}"


def _zeros(version: str, whole: Cell) -> Iterator[Doubt]:
    zeros = whole.n - whole.log_time.n
    if zeros:
        yield Doubt(
            "zero_durations",
            f"{run_count(zeros)} of {version} took no time at all; ratios leave {'it' if zeros == 1 else 'them'} out.",
            {"version": version, "zeros": zeros, "runs": whole.n},
        )


def _heavy(version: str, moments: Moments, greatest: float, what: str) -> Iterator[Doubt]:
    """One run that makes up much of a sum; with five runs or fewer, one always does."""
    if moments.n > 1 / HEAVY and moments.total > 0 and greatest > HEAVY * moments.total:
        share = min(1.0, greatest / moments.total)
        yield Doubt(
            f"one_run_dominates_{what}",
            f"One of {moments.n:,} runs of {version} makes up {100 * share:.0f} % of the {what} of all: means and "
            "sums hang on it.",
            {"version": version, "share": share, "greatest": greatest, "runs": moments.n},
        )
