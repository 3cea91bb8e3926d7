"""What a load test shows, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_recorder.analysis.load_results import LoadResult
from benchmark_recorder.reporting.numbers import (
    UNDEFINED,
    amount,
    dollars,
    limits,
    money,
    number,
    rate,
    seconds,
    signed,
)
from benchmark_recorder.reporting.page import (
    Bullets,
    Footnotes,
    Heading,
    Line,
    Page,
    Paragraph,
    Table,
    Untrusted,
    joined,
)
from benchmark_recorder.reporting.views import View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis.load_results import Knee, LoadChange, LoadStep
    from benchmark_recorder.analysis.results import Estimate
    from benchmark_recorder.reporting.numbers import Unit


class LoadResultView(View, LoadResult, page="load_pages.load_page", frame="load_frame", words=("warnings",)):
    """A load test."""

    __slots__ = ()


def load_page(result: LoadResult) -> Page:
    """Throughput and response at each rate, how versions differ, where they stop keeping up, and what spoils it."""
    footnotes = Footnotes()
    told = footnotes.mark(result.warnings)
    title: Line = ("Load: ", *joined((Untrusted(version),) for version in result.versions))
    given = result.settings
    rates = ", ".join(f"{step:g}" for step in given["steps"])
    about = (
        f"{rates} runs a second ({given['pacing']}), each for {given['duration']:g} s in {given['turns']} turns of a "
        f"version; took {amount(result.seconds, seconds([result.seconds]))} and {money(result.cost)}. "
        f"Load {result.run_id}."
    )
    if not result.steps:
        return Heading(title, level=1), Paragraph(("No run ended.", told)), *footnotes.notes()
    return (
        Heading(title, level=1),
        Paragraph((about, *((" Caveats: see", told, ".") if told else ()))),
        Heading(("Response",)),
        _response_table(result.steps),
        Paragraph(
            ("(seconds from the moment a run was due; in brackets: 95% intervals, from turn to turn; ~: not valid)",)
        ),
        Heading(("Load",)),
        _load_table(result.steps),
        Heading(("Service, and the generator's own error",)),
        _service_table(result.steps),
        *_changes(result.changes),
        *((Heading(("Knee",)), Bullets(tuple(map(_knee, result.knees)))) if result.knees else ()),
        *_failures(result.steps),
        *footnotes.notes(),
    )


def _named(step: LoadStep) -> Line:
    mark = "" if step.valid else "~ "
    return f"{mark}{step.rate:g}/s ", Untrusted(step.version)


def _table(steps: Sequence[LoadStep], columns: Mapping[str, Sequence[str]]) -> Table:
    header: tuple[Line, ...] = (("rate",), *((name,) for name in columns))
    rows = tuple((_named(step), *((texts[place],) for texts in columns.values())) for place, step in enumerate(steps))
    return Table(header, rows, "l" + "r" * len(columns), splits=True)


def _response_table(steps: Sequence[LoadStep]) -> Table:
    unit = seconds(step.response["p99"].value for step in steps)
    return _table(
        steps,
        {
            f"{name} ({unit.symbol})": [_with_interval(step.response[name], unit) for step in steps]
            for name in ("mean", "p50", "p95", "p99")
        },
    )


def _with_interval(estimate: Estimate, unit: Unit) -> str:
    if estimate.interval is None:
        return number(estimate.value, unit)
    ends = (number(end, unit) for end in (estimate.interval.low, estimate.interval.high))
    return f"{number(estimate.value, unit)} [{', '.join(ends)}]"


def _load_table(steps: Sequence[LoadStep]) -> Table:
    costs = dollars(step.cost for step in steps)
    columns = {
        "runs": [f"{step.runs:,}" for step in steps],
        "offered (/s)": [f"{step.offered:.4g}" for step in steps],
        "achieved (/s)": [f"{step.achieved:.4g}" for step in steps],
        "in flight": [f"{step.in_flight:.3g}" for step in steps],
        "at most": [f"{step.in_flight_max:,}" for step in steps],
        "queued": [f"{step.queued:,}" for step in steps],
        "dropped": [f"{step.dropped:,}" for step in steps],
        "failures": [rate(step.failures / step.runs) if step.runs else UNDEFINED for step in steps],
        "rate limits": [f"{step.rate_limited:,}" for step in steps],
        "cost ($)": [number(step.cost, costs) if step.unknown_costs < step.runs else UNDEFINED for step in steps],
    }
    if any(step.unfinished for step in steps):
        columns["unfinished"] = [f"{step.unfinished:,}" for step in steps]
    return _table(steps, columns)


def _service_table(steps: Sequence[LoadStep]) -> Table:
    unit = seconds(step.service["p95"].value for step in steps)
    own = seconds(step.generator_error["max"] for step in steps)
    columns = {
        f"{name} ({unit.symbol})": [number(step.service[name].value, unit) for step in steps] for name in ("p50", "p95")
    }
    columns |= {
        f"error {name} ({own.symbol})": [number(step.generator_error[name], own) for step in steps]
        for name in ("p50", "p99", "max")
    }
    columns["loop held up (ms)"] = [f"{1e3 * step.loop_lag:.3g}" for step in steps]
    columns["Little's law"] = [UNDEFINED if step.little is None else f"{step.little:.3f}" for step in steps]
    return _table(steps, columns)


def _changes(changes: Sequence[LoadChange]) -> Page:
    if not changes:
        return ()
    lines: list[Line] = []
    for one in changes:
        doubt = "" if one.valid else " (not valid)"
        ends = limits(one.change.interval, "%")
        figure = f"response {one.figure} {signed(one.change.value, '%')} ({ends}){doubt}"
        lines.append((Untrusted(one.v2), " against ", Untrusted(one.v1), f" at {one.rate:g}/s: ", figure))
    return Heading(("Changes",)), Bullets(tuple(lines))


def _knee(knee: Knee) -> Line:
    low, high = f"{knee.low or 0:g}", f"{knee.high or 0:g}"
    if knee.low is not None and knee.high is not None:
        where = f"between {low} and {high} runs a second"
    elif knee.high is not None:
        where = f"below {high} runs a second"
    elif knee.low == knee.tried:
        where = f"beyond {low} runs a second"
    else:
        where = f"above {low} runs a second; at higher rates some turns kept up and some did not"
    return Untrusted(knee.version), ": ", where


def _failures(steps: Sequence[LoadStep]) -> Page:
    """The kinds of failures of each step that has any."""
    lines = tuple(
        (*_named(step), ": ", *joined((Untrusted(kind), f" {n:,}") for kind, n in step.errors.items()))
        for step in steps
        if step.errors
    )
    return (Heading(("Failures",)), Bullets(lines)) if lines else ()
