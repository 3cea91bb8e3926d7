"""The pages of experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting.numbers import count, given, limits, number, rate, signed
from benchmark_recorder.reporting.page import (
    Footnotes,
    Heading,
    Page,
    Paragraph,
    Status,
    Table,
    Untrusted,
    readable,
)
from benchmark_recorder.reporting.wording import LABELS, TONES, UNITS, short_unit

if TYPE_CHECKING:
    from benchmark_recorder.analysis import ExperimentList, ExperimentMetric, ExperimentResult
    from benchmark_recorder.reporting.page import Line


def experiment_page(found: ExperimentResult) -> Page:
    """The state, and a row for each metric."""
    footnotes = Footnotes()
    names = (found.name, found.control, found.treatment)
    said = Paragraph((readable(found.sentence, *names), footnotes.mark(found.warnings)))
    return (
        Heading(("Experiment: ", Untrusted(found.name)), level=1),
        said,
        *(() if found.state == "no_data" else (_arms(found),)),
        *(_table(found) if found.metrics else ()),
        *footnotes.notes(),
    )


def _arms(found: ExperimentResult) -> Table:
    weight = found.weight or 0.0
    rows = (
        (found.control, 1 - weight, found.control_units, found.control_runs),
        (found.treatment, weight, found.treatment_units, found.treatment_runs),
    )
    return Table(
        header=(("",), ("planned",), ("units",), ("runs",)),
        rows=tuple(
            ((Untrusted(name),), (rate(share),), (count(units),), (count(runs),)) for name, share, units, runs in rows
        ),
        align="lrrr",
    )


def _table(found: ExperimentResult) -> Page:
    header: tuple[Line, ...] = (
        ("",),
        (Untrusted(found.control),),
        (Untrusted(found.treatment),),
        *((name,) for name in ("change", "95% interval", "margin", "verdict")),
    )
    legend = "(each unit counts once, by the mean over its runs; intervals hold at any number of looks)"
    return Table(header, tuple(map(_row, found.metrics)), align="lrrrrrl"), Paragraph((legend,))


def _row(one: ExperimentMetric) -> tuple[Line, ...]:
    unit, metric = UNITS[one.metric]((one.v1_value, one.v2_value)), METRICS[one.metric]
    suffix = short_unit(metric.kind)
    return (
        (f"{LABELS[one.metric]} ({unit.symbol})",),
        (number(one.v1_value, unit),),
        (number(one.v2_value, unit),),
        (signed(None if one.effect is None else metric.better * one.effect, suffix),),
        (limits(one.interval, better=metric.better),),
        (given(one.margin, suffix),),
        (Status("~" if one.verdict == "inconclusive" else one.verdict, TONES[one.verdict]),),
    )


def list_page(found: ExperimentList) -> Page:
    """A row for each experiment and plan."""
    if not found.experiments:
        return (Paragraph(("No run names an experiment.",)),)
    return (
        Table(
            header=tuple((name,) for name in ("experiment", "control", "treatment", "weight", "runs")),
            rows=tuple(
                (
                    (Untrusted(one.name),),
                    (Untrusted(one.control),),
                    (Untrusted(one.treatment),),
                    (rate(one.weight),),
                    (count(one.runs),),
                )
                for one in found.experiments
            ),
            align="lllrr",
        ),
    )
