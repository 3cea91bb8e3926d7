"""The pages of claims, gates, plans of runs and the gate's self-test, for people."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.analysis.guardrails import literal_state
from benchmark_recorder.reporting.numbers import (
    PERCENT,
    UNDEFINED,
    amount,
    count,
    dollars,
    given,
    limits,
    number,
    rate,
    seconds,
    signed,
)
from benchmark_recorder.reporting.page import (
    Block,
    Bullets,
    Footnotes,
    Heading,
    Line,
    Page,
    Paragraph,
    Prose,
    Table,
    Untrusted,
    absences,
    readable,
)
from benchmark_recorder.reporting.wording import LABELS, UNITS, short_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.analysis import (
        ClaimReport,
        ClaimResult,
        FalseBlocks,
        GateCheck,
        GateResult,
        LiteralCheck,
        RunPlan,
        SelfTest,
    )


def gate_page(result: GateResult) -> Page:
    """The gate's decision, and why."""
    footnotes = Footnotes()
    versions: Line = (Untrusted(result.candidate), " against ", Untrusted(result.baseline))
    words = {"block": "blocked", "pass": "passed", "warn": "warning", "no_data": "no data"}
    heading = Heading((f"Gate: {words.get(result.state, result.state)}: ", *versions), level=1)
    if result.state == "no_data":
        said = Paragraph((readable(result.sentence, result.baseline, result.candidate),))
        return heading, *absences(result.warnings), said
    caveats = footnotes.mark(result.warnings)
    default = result.policy == "default"
    checks = result.checks if default else result.literal
    bound = "at worst: the one-sided 95% bound; " if default else ""
    return (
        heading,
        _gate_table(result),
        Paragraph((f"({bound}pt: percentage points)",)),
        Bullets(tuple((Prose(check.sentence),) for check in checks)),
        *_untried(result),
        *_literal(result),
        *((Heading(("Alerts",)), Bullets(tuple((Prose(a.sentence),) for a in result.alerts))) if result.alerts else ()),
        *((Paragraph((f"Caveats: see{caveats}.",)),) if caveats else ()),
        *footnotes.notes(),
    )


MOST_TASKS: Final = 20
"""Tasks that a gate's page lists of those that one version did not run."""


def _untried(result: GateResult) -> Page:
    """The tasks that only one version ran."""
    page: list[Block] = []
    for caveat in result.warnings:
        if caveat.code not in {"tasks_not_run", "no_common_task"}:
            continue
        for version, tasks, ids in (
            (result.candidate, caveat.figures["tasks"], caveat.figures["task_ids"]),
            (result.baseline, caveat.figures["new_tasks"], caveat.figures["new_task_ids"]),
        ):
            rows: list[Line] = [(Untrusted(task),) for task in ids[:MOST_TASKS]]
            if tasks > len(rows):
                rows.append((f"and {tasks - len(rows):,} more",))
            if rows:
                page += [Heading(("Tasks that ", Untrusted(version), " did not run")), Bullets(tuple(rows))]
    return tuple(page)


def _gate_table(result: GateResult) -> Table:
    default = result.policy == "default"
    names = ("change", *(("at worst",) if default else ()), "limit", "state")
    header: tuple[Line, ...] = (
        ("",),
        (Untrusted(result.baseline),),
        (Untrusted(result.candidate),),
        *((name,) for name in names),
    )
    if default:
        return Table(header, tuple(map(_gate_row, result.checks)), "lrrrrrl")
    checks = {check.metric: check for check in result.checks}
    rows = tuple(_literal_row(checks[threshold.metric], threshold) for threshold in result.literal)
    return Table(header, rows, "lrrrrl")


MARKS: Final = {
    "pass": "\u2705",
    "warn": "\u26a0\ufe0f",
    "block": "\u274c",
    "inconclusive": "\u2754",
    "missing": "\u2754",
}
"""Of a guardrail's states, where an output has pictures: seen without reading, and without telling colours apart."""


def marked_table(result: GateResult) -> Table:
    """The gate's table with a mark beside each state, and the runs of both versions."""
    table, checks = _gate_table(result), {LABELS[check.metric]: check for check in result.checks}
    rows = []
    for *cells, (state,) in table.rows:
        check = checks[str(cells[0][0]).rpartition(" (")[0]]
        runs = f"{count(check.v1_count)}+{count(check.v2_count)}"
        rows.append((*cells, (runs,), (f"{MARKS.get(str(state), '')} {state}".strip(),)))
    return replace(
        table, header=(*table.header[:-1], ("runs",), table.header[-1]), rows=tuple(rows), align=f"{table.align[:-1]}rl"
    )


def _gate_row(check: GateCheck) -> tuple[Line, ...]:
    suffix = _suffix(check.metric)
    return (
        *_values(check.metric, check.v1_compared, check.v2_compared),
        (signed(check.worsening, suffix),),
        (signed(check.bound, suffix),),
        (given(check.margin, suffix),),
        (check.state,),
    )


def _literal_row(check: GateCheck, threshold: LiteralCheck) -> tuple[Line, ...]:
    suffix = _suffix(threshold.metric)
    change, limit = signed(threshold.worsening, suffix), given(threshold.threshold, suffix)
    return *_values(check.metric, check.v1_value, check.v2_value), (change,), (limit,), (literal_state(threshold),)


def _suffix(metric: str) -> str:
    return short_unit(METRICS[metric].kind)


def _values(metric: str, v1: float | None, v2: float | None) -> tuple[Line, ...]:
    unit = UNITS[metric]((v1, v2))
    return (f"{LABELS[metric]} ({unit.symbol})",), (number(v1, unit),), (number(v2, unit),)


def _literal(result: GateResult) -> Page:
    """The guide's thresholds, where they or their reasons say something else."""
    if result.difference is None:
        return ()
    return Heading(("Policies differ",)), Paragraph((readable(result.difference, result.baseline, result.candidate),))


def claims_page(report: ClaimReport) -> Page:
    """Each claim, what was found, and where to look where it is not met."""
    footnotes = Footnotes()
    heading = Heading(("Claims: ", Untrusted(report.v2), " against ", Untrusted(report.v1)), level=1)
    unmet = [result for result in report.results if not result.met and (result.hints or result.needed)]
    return (
        heading,
        Paragraph((Prose(report.sentence), footnotes.mark(report.warnings))),
        _claims_table(report.results),
        Paragraph(("(change in percent of the first version's value)",)),
        *(block for result in unmet for block in _advice(result)),
        *footnotes.notes(),
    )


def _claims_table(results: Sequence[ClaimResult]) -> Table:
    header: tuple[Line, ...] = tuple((name,) for name in ("claim", "found", "interval", "status"))
    rows = tuple(
        (
            (result.text,),
            (signed(None if result.change is None else result.change / 100, "%"),),
            (_interval(result),),
            (result.status,),
        )
        for result in results
    )
    return Table(header, rows, "lrrl")


def _interval(result: ClaimResult) -> str:
    interval = result.equivalence_interval or result.interval
    better = METRICS[result.claim.metric].better
    return f"{limits(interval, '%', better, 0.01)} ({given(interval.confidence, '%')})" if interval else UNDEFINED


def _advice(result: ClaimResult) -> Page:
    needed = ((Prose(result.needed.sentence),),) if result.needed else ()
    hints: tuple[Line, ...] = tuple((hint,) for hint in result.hints)
    return Heading((f"{result.status}: {result.text}",)), Bullets((*needed, *hints))


def plan_page(plan: RunPlan) -> Page:
    """How many further runs, and what they take."""
    footnotes = Footnotes()
    against: Line = () if plan.v2 is None else (" against ", Untrusted(plan.v1))
    heading = Heading(("Runs to plan: ", Untrusted(plan.v2 or plan.v1), *against), level=1)
    said = Paragraph((readable(plan.sentence, plan.v1, plan.v2 or plan.v1), footnotes.mark(plan.warnings)))
    return heading, said, _plan_table(plan), *footnotes.notes()


def _plan_table(plan: RunPlan) -> Table:
    """What is planned for, and what it takes; a plan that is not needed takes nothing."""
    unit = short_unit(METRICS[plan.metric].kind)
    rows = {
        "decision": plan.decision,
        "true change": given(plan.effect, unit),
        "power": rate(plan.power),
        "power of the runs that there are": UNDEFINED if plan.present is None else rate(plan.present),
    }
    if needed := plan.needed:
        counts = {
            "further runs": needed.runs,
            "runs of each task in each version": needed.runs_per_task,
            "further tasks": needed.tasks,
        }
        rows |= {name: UNDEFINED if n is None else f"{n:,}" for name, n in counts.items()}
        rows["cost"] = amount(needed.cost, dollars([needed.cost]))
        rows["time, one after the other"] = amount(needed.seconds, seconds([needed.seconds]))
    return Table((("",), ("plan",)), tuple(((name,), (text,)) for name, text in rows.items()), "lr")


def selftest_page(result: SelfTest) -> Page:
    """How often the gate blocks a version against itself, and what it would find."""
    footnotes = Footnotes()
    heading = Heading(("Self-test of the gate: ", Untrusted(result.version), " against itself"), level=1)
    said = Paragraph((Prose(result.sentence), footnotes.mark(result.warnings)))
    judged = [kind for kind in (result.within_tasks, result.by_day) if kind is not None]
    return (
        heading,
        said,
        *(
            (_blocks_table(judged), Paragraph(("(percent of the splits; every block is a false one)",)))
            if judged
            else ()
        ),
        *((_detectable_table(result),) if result.detectable else ()),
        *footnotes.notes(),
    )


def _blocks_table(judged: Sequence[FalseBlocks]) -> Table:
    metrics = tuple(judged[0].by_metric)
    names = ("split", "splits", "blocked", *(LABELS[metric] for metric in metrics), "literal", "inconclusive")
    rows = tuple(
        (
            (kind.kind,),
            (f"{kind.splits:,}",),
            (number(kind.rate, PERCENT),),
            *((number(kind.by_metric[metric], PERCENT),) for metric in metrics),
            (number(kind.literal_rate, PERCENT),),
            (number(kind.inconclusive_rate, PERCENT),),
        )
        for kind in judged
    )
    return Table(tuple((name,) for name in names), rows, "l" + "r" * (len(names) - 1))


def _detectable_table(result: SelfTest) -> Table:
    rows: tuple[tuple[Line, ...], ...] = tuple(
        ((LABELS[metric],), (signed(value, _suffix(metric)),)) for metric, value in result.detectable.items()
    )
    return Table((("guardrail",), ("smallest worsening found with 80% power",)), rows, "lr")
