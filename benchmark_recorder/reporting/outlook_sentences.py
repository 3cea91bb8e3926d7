"""The sentences about changes over time and what is to be expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.fields import METADATA_PREFIX
from benchmark_recorder.reporting.numbers import day, rate, size
from benchmark_recorder.reporting.wording import WORDINGS, noun_of, range_text, runs, unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmark_recorder.analysis import ChangePoint, Forecast

    Figures = Mapping[str, Any]

MOST_COMMITS: Final = 3
"""Commits that a sentence names; the result has all of them."""


def change_words(change: ChangePoint, **_: object) -> dict[str, str]:
    """The sentence of a change: when, how much, why."""
    range_ = range_text(WORDINGS[change.metric], unit(METRICS[change.metric].kind), change.interval)
    return {"sentence": f"{when(change)} {moved(change)}{range_}. {cause_sentence(change)}"}


def _reach(change: ChangePoint) -> str:
    """What is known of the place, where that is not all."""
    return (
        f" (surely after {short(change.before)}, surely by {short(change.after)})" if change.at != change.after else ""
    )


def when(change: ChangePoint) -> str:
    """Where a change lies in its series."""
    if change.kind == "drift":
        return f"{noun_of(change.metric)} drifts: from {short(change.before)} to {short(change.at)} it"
    return f"From {short(change.at)} on{_reach(change)} it"


def moved(change: ChangePoint) -> str:
    """How a metric moved: ``is 12.0% slower``."""
    return moved_by(change.metric, change.effect)


def moved_by(metric: str, effect: float | None) -> str:
    """An effect in words."""
    wording = WORDINGS[metric]
    if effect is None:
        return "changed beyond any percentage"
    return (
        f"{wording.verb} {size(effect, unit(METRICS[metric].kind))} {wording.better if effect > 0 else wording.worse}"
    )


def short(label: str) -> str:
    """A commit's hash as people write it; any other label as it is."""
    is_hash = len(label) in {40, 64} and all(sign in "0123456789abcdef" for sign in label)
    return label[:12] if is_hash else label


def cause_sentence(change: ChangePoint) -> str:
    """Why a metric moved, as far as it is known."""
    said = " ".join(caveat.sentence for caveat in change.evidence)
    if change.kind == "drift":
        return "There is no single place of change."
    commits = f"{_commits(change.commits)} first measured there." if change.commits else ""
    if change.cause == "commits":
        return f"Cause: the code; {commits} {said}".rstrip()
    commits = f"{commits[:1].upper()}{commits[1:]}"
    if change.cause == "environment":
        return f"Cause: not the code, but its environment. {said} {commits}".rstrip()
    return f"Cause: unknown. {commits or 'No commit is known to have changed there.'} {said}".rstrip()


def _commits(commits: tuple[str, ...]) -> str:
    named = [short(commit) for commit in commits[:MOST_COMMITS]]
    more = len(commits) - len(named)
    what = f"{len(commits)} commits ({', '.join(named)}{f', {more} more' if more else ''}) were"
    return what if len(commits) > 1 else f"commit {named[0]} was"


def _changed(f: Figures) -> str:
    field = f["field"].removeprefix(METADATA_PREFIX)
    return f"The {field} changed there from {f['before']} to {f['after']}."


def _tasks(n: int) -> str:
    return f"{n:,} task{'' if n == 1 else 's'}"


def backtest_sentence(found: Forecast) -> str:
    """How earlier predictions would have fared."""
    test = found.backtest
    if test is None:
        return ""
    said = f"Of the last {test.runs:,} runs, {rate(test.within)} fell into the 90% interval of the runs before them"
    if test.widened > 1:
        return f"{said}; the intervals are {test.widened:.2f} times as wide because of it."
    return f"{said}."


SENTENCES: Final[Mapping[str, Callable[[Figures], str]]] = {
    "too_few_points": lambda f: (
        f"There {'is' if f['points'] == 1 else 'are'} {f['points']} {f['by']}{'' if f['points'] == 1 else 's'} with "
        f"runs; changes are looked for from {f['needed']} on."
    ),
    "no_movement": lambda f: f"{noun_of(f['metric'])} is the same at all {f['points']:,} points.",
    "outside_series": lambda f: (
        f"{runs(f['runs'])} without a known {f['by']}, or older than the {f['by']}s that are kept, belong to no point."
    ),
    "dated_ahead": lambda f: f"{runs(f['runs'])} dated in the future, up to {day(f['last'])}, are left out.",
    "new_tasks": lambda f: (
        f"{_tasks(f['tasks'])} never ran, such as {f['first']}: the interval is that of any other task, and wide."
    ),
    "costs_not_known": lambda f: f"The cost of {_tasks(f['tasks'])} is not known, so there is no total.",
    "not_backtested": lambda f: (
        f"Fewer than {f['needed']} runs could be predicted from those before them, so nothing shows whether the "
        "intervals hold."
    ),
    "since_change": lambda f: (
        f"The execution time changed on {day(f['time'])}; only runs from then on are used, {f['runs']:,} of "
        f"{f['all']:,}."
    ),
    "drifting": lambda _: "The execution time drifts, so the next runs may lie outside of the intervals more often.",
    "gap": lambda f: f"There are no runs for {f['days']} days around it; it may have happened on any of these.",
    "same_commit": lambda f: f"Commit {short(f['commit'])} ran on both sides of it.",
    "surroundings_changed": _changed,
    "canary_moved": lambda f: (
        f"{f['version']}, all of one commit, moved with it: it {moved_by(f['metric'], f['effect'])}."
    ),
    "canary_stayed": lambda f: f"{f['version']}, all of one commit, did not move with it.",
}
"""A sentence for each caveat and piece of evidence, by its code."""
