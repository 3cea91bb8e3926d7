"""A sentence for each caveat of the analysis, by its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting import experiment_sentences, load_sentences, outlook_sentences
from benchmark_recorder.reporting.numbers import day, given, moment, rate, size
from benchmark_recorder.reporting.wording import noun_of, runs, unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmark_recorder.analysis import Caveat

    Figures = Mapping[str, Any]


def caveat_words(caveat: Caveat, *, narrowed: bool) -> dict[str, str]:
    """The sentence of a caveat: what a reader must know.

    Args:
        caveat: of the analysis, or of a store or a plug-in, which brings its own sentence.
        narrowed: whether only some of the versions' runs were asked for: that none of them exists does not mean
            that the version has none.
    """
    if narrowed and caveat.code == "unknown_version":
        return {"sentence": f"There are no runs of version {caveat.figures['version']} that match the query."}
    return {"sentence": caveat.sentence or SENTENCES[caveat.code](caveat.figures)}


def _unknown_costs(f: Figures) -> str:
    left_out = "it is" if f["unknown"] == 1 else "they are"
    return (
        f"The cost of {f['unknown']:,} of {runs(f['runs'])} of {f['version']} is unknown; {left_out} left out, not "
        "taken as free."
    )


def _dominates(what: str) -> Callable[[Figures], str]:
    return lambda f: (
        f"One of {f['runs']:,} runs of {f['version']} makes up {size(f['share'], '%')} of the total {what}; means and "
        "sums depend on it."
    )


def _several(what: str) -> Callable[[Figures], str]:
    return lambda f: (
        f"The runs of {f['version']} come from more than one {what}, among them {f['least']} and {f['greatest']}."
    )


def _nothing_to_compare(f: Figures) -> str:
    known = {name: f"has a number of {METRICS[name].noun}" for name in ("input_tokens", "output_tokens")} | {
        "cost": "has a known cost",
        "routing_accuracy": "has both a selected and an expected agent",
        "execution_time": "succeeded",
    }
    what = known.get(METRICS[f["metric"]].figure, "has a value")
    return f"No run of {f['version']} {what}, so {METRICS[f['metric']].noun} cannot be compared."


def _too_few(f: Figures) -> str:
    there = "is only one run" if f["runs"] == 1 else f"are only {f['runs']} runs"
    much = "nothing" if f["runs"] == 1 else "hardly any change"
    return f"There {there} of {f['version']}: {much} can be told from chance."


def _no_spread(f: Figures) -> str:
    instead = "the differences between tasks were taken as a sample of all tasks"
    so = instead if f.get("scope") == "tasks" else "no interval can be given"
    return f"All runs of a task have the same value, so {so}; are the values fixed by design?"


def _single_runs(f: Figures) -> str:
    if "left_out" not in f:
        return (
            "No task was run at least twice in each version, so chance within a task is unknown and the differences "
            "between tasks were taken as a sample of all tasks, which is more cautious; run each task at least twice."
        )
    if f["left_out"] == 1:
        return f"1 of {f['runs']:,} runs is of a task that was run once; it is left out."
    return f"{f['left_out']:,} of {f['runs']:,} runs are of tasks that were run once; they are left out."


def _singles_not_judged(f: Figures) -> str:
    names, them = f["task_ids"], "them" if f["tasks"] > 1 else "it"
    named = f"{', '.join(names[:-1])} and {names[-1]}" if f["tasks"] > 1 else names[0]
    return (
        f"{named} ran only once in a version, and so few such tasks do not show how much they vary. The verdict leaves "
        f"{them} out; run {them} at least twice."
    )


def _other_tasks(f: Figures) -> str:
    lacks = {
        "cost": "has no known cost for",
        "route": "has no known route for",
        "success": "did not run, or never with success",
    }.get(f["lacking"], "did not run")
    left = f"{f['v1_unmatched_runs']:,} of {runs(f['v1_runs'])} of {f['v1']}"
    return f"{left} and {f['v2_unmatched_runs']:,} of {f['v2_runs']:,} of {f['v2']} are of tasks that the other {lacks}"


def _different_tasks(f: Figures) -> str:
    tasks = f["matched_tasks"]
    common = "the one common task is" if tasks == 1 else f"the {tasks:,} common tasks are"
    return f"{_other_tasks(f)}; only {common} compared."


LONGEST: Final = 60
"""Characters of a task's text that a sentence shows."""

MOST_IDS: Final = 5
"""Tasks that a sentence names."""


def _tasks_not_run(f: Figures) -> str:
    tasks = "1 task" if f["tasks"] == 1 else f"{f['tasks']:,} tasks"
    said = f"{f['version']} did not run {tasks} of {f['baseline']}: {_first_of(f['task_ids'], f['tasks'])}"
    if f["new_tasks"]:
        new = "1 new task" if f["new_tasks"] == 1 else f"{f['new_tasks']:,} new tasks"
        said += f"; it ran {new}: {_first_of(f['new_task_ids'], f['new_tasks'])}"
    return f"{said}."


def _first_of(ids: Sequence[str], n: int) -> str:
    shown = ", ".join(ids[:MOST_IDS])
    return shown if n <= MOST_IDS else f"{shown} and {n - MOST_IDS:,} more"


def _unmatched_tasks(f: Figures) -> str:
    return (
        f"{_other_tasks(f)}, so all runs are compared whatever their task; a different mix of tasks would look like a "
        f"change{'' if f['verdict'] else ', so no verdict is given: run the same tasks in both versions'}."
    )


def _better(f: Figures, name: str) -> str:
    """A size and its direction in words, as a sign could be that of the value or that of the improvement."""
    return f"{size(f[name], unit(f['kind']))} {'worse' if f[name] < 0 else 'better'}"


def _simpson(f: Figures) -> str:
    return (
        f"Within the tasks the candidate is {_better(f, 'within_tasks')}; over all runs together it would be "
        f"{_better(f, 'pooled')}: the versions ran the tasks in different proportions. The verdict is about the "
        "change within the tasks."
    )


def _plain_differs(f: Figures) -> str:
    plain = "means" if f["kind"] == "ratio" else "rates"
    how = "by task" if f["matched"] else "by geometric means"
    return (
        f"By the plain {plain} the candidate is {_better(f, 'plain')}; the verdict is based on the comparison {how}, "
        f"where it is {_better(f, 'effect')}: a few long runs or tasks, or a different mix of tasks, weigh heavily in "
        f"plain {plain}."
    )


def _fast_failures(f: Figures) -> str:
    return (
        f"Failed runs of {f['version']} take {size(f['ratio'], '%')} of the time of successful ones, so failing more "
        "often makes the plain mean of all runs look faster. "
        f"{rate(f['v1_failure_rate'])} of the baseline's runs failed, and "
        f"{rate(f['v2_failure_rate'])} of the candidate's; the verdict on the failure rate says whether that may be "
        "chance. The verdict on time is about the successful runs alone."
    )


def _failures_rose(f: Figures) -> str:
    ranks = (
        "with failed runs ranked as the slowest, the candidate is not shown to be better"
        if f["looked_at"]
        else "the times of single runs, which would show whether it is better even so, are not at hand"
    )
    return (
        "More of the candidate's runs may have failed, and slow ones among them, which shortens the times of the "
        f"successful ones; {ranks}. No improvement of the time is claimed."
    )


def _recorded_twice(f: Figures) -> str:
    return (
        f"{f['repeated']:,} of {f['runs']:,} runs of {f['version']} repeat the durations of earlier ones exactly and "
        "in the same order: a batch was recorded twice, or the durations are fixed. Either makes the runs look like "
        f"more evidence than they are{'; no verdict is given' if f.get('withheld') else ''}."
    )


def _period(first: int, last: int) -> str:
    """When something happened, in whole days where it took more than one."""
    if day(first) == day(last):
        return f"on {day(first)}" if first == last else f"on {moment(first)} to {moment(last)[11:]}"
    return f"from {day(first)} to {day(last)}"


def _not_overlapping(f: Figures) -> str:
    ran = [f"{f[side]} ran {_period(f[f'{side}_first'], f[f'{side}_last'])}" for side in ("v1", "v2")]
    return (
        f"{ran[0]} and {ran[1]}, never at the same time: whatever else changed in between counts as a difference of "
        "the versions. Run both in turn."
    )


def _different(what: str) -> Callable[[Figures], str]:
    return lambda f: (
        f"{f['v1']} ran with the {what} {_first_of(f[f'v1_{what}s'], len(f[f'v1_{what}s']))}, {f['v2']} with "
        f"{_first_of(f[f'v2_{what}s'], len(f[f'v2_{what}s']))}: the comparison cannot tell the {what} from the version."
    )


def _several_texts(f: Figures) -> str:
    first, second = (_shortened(text) for text in f["texts"])
    others = f["tasks"] - 1
    more = "" if not others else " (1 more id is like that)" if others == 1 else f" ({others:,} more ids are like that)"
    return (
        f"Task id {f['task_id']} stands for {f['different']:,} texts, among them '{first}' and '{second}'{more}. If "
        "these are different tasks, the versions are not compared on the same ones."
    )


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}..."


def _autocorrelation(f: Figures) -> str:
    return (
        f"Each run takes about as long as the one before it (correlation {f['correlation']:.2f}), and the versions did "
        "not run in turn, so they are worth fewer runs than there are; the interval is wider for it. Run the versions "
        "in turn."
    )


def _blocks(f: Figures) -> str:
    if "turns" in f:
        return f"Runs queue within a turn of a load, so turns are the unit: {f['v1_blocks']:,} and {f['v2_blocks']:,}."
    ran = " and ".join(f"{f[side]} in {_count(f[f'{side}_blocks'])}" for side in ("v1", "v2"))
    return f"{f['v1']} and {f['v2']} ran at different times or hosts: {ran}, {f['shared_blocks']:,} of them common."


def _count(blocks: int) -> str:
    return f"{blocks:,} block{'' if blocks == 1 else 's'}"


def _block_sd_assumed(f: Figures) -> str:
    instead = "Take more turns" if "turns" in f else "Run both versions in turn"
    return (
        f"{_blocks(f)} Too few blocks show how much they differ; the interval allows for a standard deviation of "
        f"{size(f['sd'], '%')} between them. {instead}, or give block_sd."
    )


def _blocks_differ(f: Figures) -> str:
    instead = "" if "turns" in f else " Run both in turn."
    return f"{_blocks(f)} The interval allows for their standard deviation of {size(f['sd'], '%')}.{instead}"


def _runs_before_window(f: Figures) -> str:
    return (
        f"{runs(f['runs'])} of {f['version']} came before the baseline's window, with a gap longer than it; the window "
        f"ends where the last batch of {f['version']} begins."
    )


def _another_unit(f: Figures) -> str:
    factor = f["factor"] if f["factor"] > 1 else 1 / f["factor"]
    which = "greater" if f["factor"] > 1 else "smaller"
    return (
        f"All {f['tasks']:,} common tasks have a {METRICS[f['metric']].noun} about {factor:,.0f} times {which} than "
        "before: did the unit change?"
    )


def _uneven_runs(f: Figures) -> str:
    tasks = "the one common task" if f["tasks"] == 1 else f"the {f['tasks']:,} common tasks"
    return (
        f"{f['version']} has {runs(f['runs'])} of {tasks}, {f['other']} has {f['other_runs']:,}. If runs of "
        f"{f['version']} were killed before they were recorded, they are not among its failures."
    )


def _few_days(f: Figures) -> str:
    kind, n = f["kind"], f["blocks"]
    blocks = f"{n} {kind}{'' if n == 1 else 's'}"
    if kind == "run":
        return f"The executions are of {blocks} of the suite on one day: differences between days cannot be seen."
    return f"The executions are of {blocks}: differences between days can hardly be seen."


def changed(metric: str, improvement: float) -> str:
    """A change of one metric in the direction it took."""
    return f"{noun_of(metric)} {'improved' if improvement >= 0 else 'got worse'} by {size(improvement, '%')}"


def _beyond_acceptable(f: Figures) -> str:
    low, high = (given(f[end] / 100, "%") for end in ("low", "high"))
    found = changed(f["metric"], f["improvement"] / 100)
    return f"{found}, outside of the acceptable improvement of {low} to {high}."


def _small_improvement(f: Figures) -> str:
    found = changed("execution_time", f["improvement"])
    return f"{found}; the alert is below an improvement of {given(f['threshold'], '%')}."


_VALUES: Final = {"cost": "costs", "execution_time": "times"}

SENTENCES: Final[Mapping[str, Callable[[Figures], str]]] = {
    **experiment_sentences.SENTENCES,
    **outlook_sentences.SENTENCES,
    "unknown_version": lambda f: f"There are no runs of version {f['version']}.",
    "same_version": lambda f: f"{f['version']} was compared with itself.",
    "unknown_costs": _unknown_costs,
    "zero_durations": lambda f: (
        f"{runs(f['zeros'])} of {f['version']} took no time at all; ratios leave "
        f"{'it' if f['zeros'] == 1 else 'them'} out."
    ),
    "one_run_dominates_time": _dominates("time"),
    "one_run_dominates_cost": _dominates("cost"),
    "several_commits": _several("commit"),
    "several_hosts": _several("host"),
    "p95_is_the_maximum": lambda f: (
        f"With {runs(f['runs'])} of {f['version']} the 95th percentile is determined by the longest run alone."
    ),
    "percentiles_from_histogram": lambda f: (
        f"With {runs(f['runs'])} the percentiles of {f['version']} are read from a histogram; they are off by at most "
        f"{rate(f['error'])}."
    ),
    "recorded_twice": _recorded_twice,
    "not_overlapping": _not_overlapping,
    "different_hosts": _different("host"),
    "different_models": _different("model"),
    "several_texts": _several_texts,
    "autocorrelation": _autocorrelation,
    "another_unit": _another_unit,
    "baseline_window": lambda f: (
        f"The baseline {f['version']} is its {runs(f['runs'])} from {moment(f['first'])} to {moment(f['last'])} UTC."
    ),
    "runs_before_window": _runs_before_window,
    "block_sd_assumed": _block_sd_assumed,
    "blocks_differ": _blocks_differ,
    "uneven_runs": _uneven_runs,
    "nothing_to_compare": _nothing_to_compare,
    "zero_baseline": lambda f: (
        f"The {METRICS[f['metric']].noun} of {f['version']} is zero in all runs, so there is no relative change."
    ),
    "too_few_samples": _too_few,
    "no_spread": _no_spread,
    "single_runs": _single_runs,
    "singles_not_judged": _singles_not_judged,
    "tail_too_heavy": lambda f: (
        f"The {_VALUES.get(METRICS[f['metric']].figure, 'tokens')} vary so much for this number of runs that no "
        "interval can be given: a few runs decide."
    ),
    "different_tasks": _different_tasks,
    "unmatched_tasks": _unmatched_tasks,
    "tasks_not_run": _tasks_not_run,
    "no_common_task": lambda f: f"{f['version']} and {f['baseline']} have no task in common.",
    "tasks_not_listed": lambda f: (
        f"All {f['tasks']:,} common tasks are compared; only the {f['listed']:,} with the most runs are "
        "listed one by one."
    ),
    "simpson": _simpson,
    "plain_differs": _plain_differs,
    "fast_failures": _fast_failures,
    "failures_rose": _failures_rose,
    "not_looked_at": lambda f: (
        f"Ranks hold at one look only, so the {METRICS[f['metric']].noun} was compared by means of logarithms."
        if f["sequential"]
        else f"The values of single runs are not at hand, or too many, so nobody looked whether ranks would suit the "
        f"{METRICS[f['metric']].noun} better; it was compared by means of logarithms."
    ),
    "too_few_for_quantile": lambda f: (
        f"The {METRICS[f['metric']].noun} has no interval below {f['needed']} runs a task, or where the runs around it "
        "do not vary."
    ),
    "mean_guards_tail": lambda f: (
        f"The {METRICS[f['metric']].noun} has no interval below {f['needed']} runs a task; instead of it, the mean is "
        "held to its limit."
    ),
    "censored_times": lambda f: (
        f"{f['timeouts']:,} of {runs(f['runs'])} of {f['version']} ran out of time and would have taken longer; their "
        "times are not among those that are compared."
    ),
    "no_trend": lambda _: "There is no trend, as the store could not be asked.",
    "dated_in_future": lambda f: (
        f"No week holds {runs(f['runs'])} of {f['version']} dated in the future, up to {day(f['last'])}."
    ),
    "no_repeats": lambda _: (
        "No task was run at least twice, so a split within tasks is impossible; run each task more often."
    ),
    "few_days": _few_days,
    "beyond_acceptable": _beyond_acceptable,
    "small_improvement": _small_improvement,
    **load_sentences.SENTENCES,
    "low_coverage": lambda f: f"Test coverage is {f['coverage']:g}%, below {f['threshold']:g}%.",
}
