"""A sentence for each caveat that load tests and savings alone have, by its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.reporting.numbers import amount, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    Figures = Mapping[str, Any]


def _time(value: float) -> str:
    return amount(value, seconds([value]))


def _at(f: Figures) -> str:
    return f"{f['version']} at {f['rate']:g}/s"


def _loop_blocked(f: Figures) -> str:
    why = "the processor was busy" if f["busy"] > 0.9 else "something computed, or waited without await"
    return (
        f"Times of {_at(f)} are not valid: the event loop was held up for {_time(f['lag'])}, "
        f"because {why}. Runs that wait for each other there would not in production."
    )


SENTENCES: Final = {
    "load_interrupted": lambda f: f"The load was interrupted in turn {f['turns']:,}; what ended by then is here.",
    "load_max_cost": lambda f: (
        f"The load ended in turn {f['turns']:,}, because the runs would have cost more than ${f['max_cost']:g}."
    ),
    "loop_blocked": _loop_blocked,
    "generator_late": lambda f: (
        f"Times of {_at(f)} are not valid: the generator began 1% of the runs {_time(f['late'])} "
        f"late or more, and half of them took {_time(f['service'])} or less."
    ),
    "load_not_steady": lambda f: (
        f"{_at(f)} was not steady: in flight were {f['little']:.2f} times rate x response, so the figures depend on "
        "how long the load lasts. Make the duration longer, or the turns fewer."
    ),
    "rate_limited": lambda f: (
        f"A provider refused {f['refused']:,} of {f['runs']:,} runs of {_at(f)} for too many requests: there, the "
        "figures show its quota."
    ),
    "runs_dropped": lambda f: (
        f"{f['dropped']:,} runs of {_at(f)} never began, because the queue was full; they are in no time."
    ),
    "left_running": lambda f: (
        f"{f['runs']:,} runs of {f['version']} went on after their timeout: they may have slowed others down."
    ),
    "few_descriptors": lambda f: (
        f"This process may open {f['limit']:,} files (ulimit -n), and {f['in_flight']:,} runs were in flight: failures "
        "may be for that reason."
    ),
    "costs_not_capped": lambda f: (
        f"The cost of {f['unknown']:,} of {f['runs']:,} runs is unknown, so max_cost does not count it."
    ),
    "no_runs_to_save_on": lambda _: "There are no runs that match.",
    "no_known_costs": lambda f: (
        f"The cost of none of {f['runs']:,} runs is known, so nothing can be said of savings; record cost=."
    ),
    "costs_left_out": lambda f: (
        f"The cost of {f['unknown']:,} of {f['runs']:,} runs is unknown; they are left out, not taken as free."
    ),
    "nothing_to_choose": lambda _: "All runs have one model and one agent, or none: there is nothing to replace it by.",
    "no_matched_models": lambda _: (
        "No task was done by two models, or by two agents, at least four times each with a known cost: raw averages "
        "would compare different tasks."
    ),
}
"""Of the caveats that load tests and savings alone have."""
