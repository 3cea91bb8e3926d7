"""The sentences about experiments and their caveats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting.numbers import moment, rate, size
from benchmark_recorder.reporting.wording import WORDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmark_recorder.analysis import ExperimentMetric, ExperimentResult

    Figures = Mapping[str, Any]


def experiment_words(found: ExperimentResult, **_: object) -> dict[str, str]:
    """The sentence of an experiment: its state, and why."""
    return {"sentence": _STATES[found.state](found)}


def _named(found: ExperimentResult, *verdicts: str) -> str:
    return " and ".join(_moved(one) for one in found.metrics if one.verdict in verdicts)


def _moved(one: ExperimentMetric) -> str:
    wording, effect = WORDINGS[one.metric], one.effect or 0.0
    unit = " points" if METRICS[one.metric].kind == "points" else "%"
    return f"{METRICS[one.metric].noun} ({size(effect, unit)} {wording.better if effect > 0 else wording.worse})"


def _continue(found: ExperimentResult) -> str:
    if found.runs_to_go is None:
        return "Go on: nothing is decided yet."
    return (
        f"Go on: nothing is decided yet; if the change is what it seems, some {found.runs_to_go:,} further runs decide "
        "as likely as not."
    )


def _broken(found: ExperimentResult) -> str:
    units, planned = found.control_units + found.treatment_units, rate(found.weight or 0.0)
    return (
        f"Broken: {found.treatment_units:,} of {units:,} units got {found.treatment}, and {planned} were to; or units "
        "got both versions. Whatever splits them otherwise may be what differs, so nothing is decided."
    )


def _control_wins(found: ExperimentResult) -> str:
    better = _named(found, "improved")
    but = f", though it is better in {better}" if better else ""
    return f"{found.control} wins: {found.treatment} is worse in {_named(found, 'regressed')}{but}."


_STATES: Final[Mapping[str, Callable[[ExperimentResult], str]]] = {
    "continue": _continue,
    "treatment_wins": lambda f: f"{f.treatment} wins: better in {_named(f, 'improved')}, and nothing is worse.",
    "control_wins": _control_wins,
    "no_difference": lambda _: "No difference that matters: every change is smaller than its margin.",
    "broken": _broken,
    "no_data": lambda f: f"There are no runs of an experiment {f.name}.",
}

SENTENCES: Final[Mapping[str, Callable[[Figures], str]]] = {
    "not_yet": lambda f: f"Not yet: with few common tasks, a version needs {f['needed']} runs; one has {f['runs']}.",
    "too_few_units": lambda f: f"Not yet: each version needs {f['needed']} units, and one has {f['units']}.",
    "changed_midway": lambda f: (
        f"The experiment was changed midway: its runs name {f['plans']} plans. Only those of the newest count; give "
        "a changed experiment a new name."
    ),
    "units_in_both_arms": lambda f: (
        f"{f['units']:,} of {f['all']:,} units have runs of both versions, and count in each."
    ),
    "late_arm": lambda f: (
        f"The first run of {f['version']} is of {moment(max(f['v1_first'], f['v2_first']))}, that of the other version "
        f"of {moment(min(f['v1_first'], f['v2_first']))}: what happened in between met one version only."
    ),
}
