"""Pages about two versions: verdicts, tables, and the tasks that stand out."""

from __future__ import annotations

from dataclasses import replace
from os.path import commonprefix
from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting.numbers import UNDEFINED, amount, count, limits, number, p_value, signed, size
from benchmark_recorder.reporting.page import (
    MOST_UNMATCHED,
    Bullets,
    Card,
    Cards,
    Footnotes,
    Heading,
    Line,
    Page,
    Paragraph,
    Status,
    Table,
    Untrusted,
    absences,
    joined,
    readable,
)
from benchmark_recorder.reporting.version_pages import group_name
from benchmark_recorder.reporting.wording import (
    LABELS,
    TONES,
    UNITS,
    WORDINGS,
    joint_badge,
    noun_of,
    sentence,
    short_unit,
    unit,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmark_recorder.analysis import Comparison, EachComparison, JointComparison, SlicedComparison, TaskRow
    from benchmark_recorder.analysis.metrics import Metric
    from benchmark_recorder.cells import UnmatchedTasks
    from benchmark_recorder.reporting.numbers import Unit

MOST_OF_TASK: Final = 60
"""Characters of a task's text."""
MOST_TASKS: Final = 3
"""Tasks that are named for each metric; the whole list is in the result."""


def comparison_page(comparison: Comparison, texts: Mapping[str, str] | None = None) -> Page:
    """One metric of two versions; ``texts`` are those of tasks without an id of their own, by the id that was made."""
    footnotes = Footnotes()
    heading = Heading((Untrusted(comparison.v2), " against ", Untrusted(comparison.v1)), level=1)
    verdict = Paragraph((*sentence(comparison), footnotes.mark(comparison.warnings)))
    both = comparison.v1_count and comparison.v2_count
    return (
        heading,
        verdict,
        *(comparison_table([comparison]) if both else ()),
        *((Paragraph((f"Method: {comparison.method}.",)),) if both else ()),
        *_tasks_section([comparison], texts or {}),
        *_unmatched_section([comparison], texts or {}),
        *footnotes.notes(),
    )


def joint_page(joint: JointComparison, texts: Mapping[str, str] | None = None) -> Page:
    """All metrics of two versions; see ``comparison_page``."""
    footnotes = Footnotes()
    heading, *rest = comparison_section(joint, footnotes, texts or {})
    assert isinstance(heading, Heading)
    return Heading(heading.line, level=1), *absences(joint.warnings), *rest, *footnotes.notes()


def short_page(joint: JointComparison) -> Page:
    """The verdict and the table of two versions, for the end of a log."""
    compared = [c for c in joint.comparisons.values() if c.v1_count and c.v2_count]
    said = Paragraph((readable(joint.sentence, joint.v1, joint.v2),))
    if not compared:
        return (said,)
    (table, _) = comparison_table(compared)
    assert isinstance(table, Table)
    return said, replace(table, rows=tuple(row for row in table.rows if row[-1] != ("",)))


def each_page(each: EachComparison, texts: Mapping[str, str] | None = None) -> Page:
    """Several candidates against one baseline: first all verdicts, then each."""
    footnotes = Footnotes()
    sections = [comparison_section(joint, footnotes, texts or {}) for joint in each.comparisons.values()]
    return (
        Heading((f"{len(each.comparisons)} versions against ", Untrusted(each.baseline)), level=1),
        *absences(each.warnings),
        Paragraph((readable(each.sentence, each.baseline, *each.comparisons),)),
        *adjusted_note(len(each.comparisons)),
        *(block for section in sections for block in section),
        *footnotes.notes(),
    )


def adjusted_note(candidates: int) -> Page:
    """What a verdict allows for where several versions are compared with one."""
    return (Paragraph(("(adjusted for all of these metrics and versions together)",)),) if candidates > 1 else ()


def comparison_section(joint: JointComparison, footnotes: Footnotes, texts: Mapping[str, str]) -> Page:
    """Verdict sentences, the table, and the tasks that stand out."""
    v1, v2 = Untrusted(joint.v1), Untrusted(joint.v2)
    heading = Heading((v2, " against ", v1))
    compared = [c for c in joint.comparisons.values() if c.v1_count or c.v2_count]
    if not any(c.v1_count and c.v2_count for c in compared):
        # The section on versions says which of them have no runs.
        every = [d for d in joint.warnings if all(d in c.warnings for c in joint.comparisons.values())]
        caveats = [d for d in every if d.code not in {"unknown_version", "nothing_to_compare"}]
        return heading, Paragraph((readable(joint.sentence, joint.v1, joint.v2), footnotes.mark(caveats)))
    common = [d for d in joint.warnings if all(d in c.warnings for c in compared)]
    bullets = tuple((*sentence(c), footnotes.mark([d for d in c.warnings if d not in common])) for c in compared)
    return (
        heading,
        Paragraph((readable(joint.sentence, joint.v1, joint.v2), footnotes.mark(common))),
        *comparison_cards(joint),
        Bullets(bullets),
        *comparison_table([c for c in compared if c.v1_count and c.v2_count]),
        *_tasks_section(compared, texts),
        *_unmatched_section(compared[:1], texts),
    )


def _tasks_section(comparisons: Sequence[Comparison], texts: Mapping[str, str]) -> Page:
    lines = task_lines(comparisons, texts)
    if not lines:
        return ()
    return Paragraph(("Tasks that stand out (! worse, * better; with many tasks, some do by chance):",)), Bullets(lines)


def _unmatched_section(comparisons: Sequence[Comparison], texts: Mapping[str, str]) -> Page:
    """The tasks that only one version ran, which no comparison by task covers."""
    return tuple(
        Paragraph(_unmatched_line(own, comparison.v2 if own.version == comparison.v1 else comparison.v1, texts))
        for comparison in comparisons
        for own in comparison.unmatched
    )


def _unmatched_line(own: UnmatchedTasks, other: str, texts: Mapping[str, str]) -> Line:
    named = joined(task_name(task_id, texts) for task_id in own.first[:MOST_UNMATCHED])
    more = own.tasks - MOST_UNMATCHED
    tasks = "1 task" if own.tasks == 1 else f"{own.tasks:,} tasks"
    which = (f"{tasks} of ", Untrusted(own.version), " that ", Untrusted(other), " did not run: ")
    return *which, *named, f", and {more:,} more." if more > 0 else "."


def comparison_table(comparisons: Sequence[Comparison]) -> Page:
    """A row for each metric, and what its signs mean; all are of the same two versions."""
    if not comparisons:
        return ()
    first = comparisons[0]
    table = Table(
        header=(
            ("",),
            (Untrusted(first.v1),),
            (Untrusted(first.v2),),
            ("change",),
            ("95% interval",),
            ("runs",),
            ("verdict",),
        ),
        rows=tuple(row for comparison in comparisons for row in _comparison_rows(comparison)),
        align="lrrrrrl",
    )
    return table, Paragraph((_legend(comparisons),))


def _legend(comparisons: Sequence[Comparison]) -> str:
    parts = ["change: from the first version to the second, by the method that suits the data"]
    if any(METRICS[c.metric].compared == "geometric means" for c in comparisons):
        parts.append("time: geometric mean over tasks of successful runs; plain mean: of all runs")
    if any(c.kind == "points" for c in comparisons):
        parts.append("pt: percentage points")
    if any(c.verdict == "inconclusive" for c in comparisons):
        parts.append("~: inconclusive")
    return f"({'; '.join(parts)})"


def _comparison_rows(comparison: Comparison) -> Iterable[tuple[Line, ...]]:
    """The values that the change lies between, and the plain ones where these are others."""
    compared, plain = (comparison.v1_compared, comparison.v2_compared), (comparison.v1_value, comparison.v2_value)
    unit = UNITS[comparison.metric]((*compared, *plain))
    label = f"{LABELS[comparison.metric]} ({unit.symbol})"
    yield (label,), *change_cells(comparison, unit), *verdict_cells(comparison)
    shown = tuple((number(value, unit),) for value in plain)
    if shown != tuple((number(value, unit),) for value in compared):
        yield (f"{_plain(METRICS[comparison.metric])} ({unit.symbol})",), *shown, *[("",)] * 4


def _plain(metric: Metric) -> str:
    """What the guide has of all runs, whatever their task."""
    if metric.compared == "quantiles":
        return f"plain {metric.name.partition('.')[2]}"
    return "plain rate" if metric.compared == "rates" else "plain mean"


def change_cells(comparison: Comparison, unit: Unit) -> tuple[Line, ...]:
    """Both values, the change and its interval."""
    return (
        (number(comparison.v1_compared, unit),),
        (number(comparison.v2_compared, unit),),
        (change_text(comparison, comparison.effect),),
        (limits(comparison.interval, better=METRICS[comparison.metric].better),),
    )


def verdict_cells(comparison: Comparison) -> tuple[Line, ...]:
    """The runs and the verdict."""
    word = "~" if comparison.verdict == "inconclusive" else comparison.verdict
    runs = f"{count(comparison.v1_count)}+{count(comparison.v2_count)}"
    return (runs,), (Status(word, TONES[comparison.verdict]),)


def change_text(comparison: Comparison, effect: float | None) -> str:
    """An effect on the whole or on a task, in the direction in which the values change."""
    change = None if effect is None else METRICS[comparison.metric].better * effect
    return signed(change, short_unit(comparison.kind))


def comparison_cards(joint: JointComparison) -> Page:
    """Each metric at a glance."""
    compared = [c for c in joint.comparisons.values() if c.v1_count and c.v2_count]
    return (Cards(tuple(map(_card, compared)), Status(joint_badge(joint), TONES[joint.verdict])),) if compared else ()


def _card(comparison: Comparison) -> Card:
    unit = UNITS[comparison.metric]((comparison.v1_compared, comparison.v2_compared))
    better = METRICS[comparison.metric].better
    interval = limits(comparison.interval, better=better)
    values = f"{amount(comparison.v1_compared, unit)} \N{RIGHTWARDS ARROW} {amount(comparison.v2_compared, unit)}"
    return Card(
        label=noun_of(comparison.metric),
        status=Status(comparison.verdict, TONES[comparison.verdict]),
        figure=change_text(comparison, comparison.effect),
        details=((f"95%: {interval}" if comparison.interval else "no interval",), (values,)),
    )


def task_lines(comparisons: Sequence[Comparison], texts: Mapping[str, str]) -> tuple[Line, ...]:
    """The tasks that stand out: those that got worse (``!``), then those that got better (``*``), by size.

    A task whose id was made from its text is called by both; ``texts`` are by id.
    """
    lines: list[Line] = []
    for comparison in comparisons:
        rows = [row for row in comparison.tasks if (row.stands_out or row.turn) and row.effect]
        rows.sort(key=lambda row: ((row.effect or 0.0) > 0, -abs(row.effect or 0.0)))
        lines += [_task_line(comparison, row, texts) for row in rows[:MOST_TASKS]]
        if len(rows) > MOST_TASKS:
            more = len(rows) - MOST_TASKS
            lines.append((f"{more:,} more task{'' if more == 1 else 's'} in {METRICS[comparison.metric].noun}",))
    return tuple(lines)


def _task_line(comparison: Comparison, row: TaskRow, texts: Mapping[str, str]) -> Line:
    assert row.effect is not None
    wording = WORDINGS[comparison.metric]
    sign, word = ("!", wording.worse) if row.effect < 0 else ("*", wording.better)
    name = task_name(row.task_id, texts)
    if row.turn:
        failed, fails = _failed(comparison, row.v1_value, row.v1_count), _failed(comparison, row.v2_value, row.v2_count)
        turned = "begins to fail" if row.turn == "begins_to_fail" else "is repaired"
        return f"{sign} ", *name, f" {turned} ({failed} runs failed before, {fails} now)"
    runs = f"({row.v1_count:,}+{row.v2_count:,} runs)"
    return f"{sign} ", *name, f" {wording.verb} {size(row.effect)}{unit(comparison.kind)} {word} {runs}"


def _failed(comparison: Comparison, rate: float | None, n: int) -> str:
    """How many of a task's runs failed, from its failure or success rate."""
    assert rate is not None
    hits = round(rate * n)
    return f"{hits if comparison.metric == 'failure_rate' else n - hits:,} of {n:,}"


def task_name(task_id: str, texts: Mapping[str, str]) -> Line:
    """A task's id, behind its text where the id was made from it."""
    text = texts.get(task_id)
    if text is None:
        return (Untrusted(task_id),)
    shown = text if len(text) <= MOST_OF_TASK else _cut(text, texts.values())
    return Untrusted(shown), " (", Untrusted(task_id), ")"


# Slice by slice ------------------------------------------------------------------------------------------------------

MOST_NAMED: Final = 20
"""Groups that are named in a sentence."""


def slices_page(sliced: SlicedComparison) -> Page:
    """Two versions on one metric, slice by slice."""
    footnotes = Footnotes()
    return *slices_section(sliced, footnotes, level=1), *footnotes.notes()


def slices_section(sliced: SlicedComparison, footnotes: Footnotes, level: int = 2) -> Page:
    """The verdict over all slices, and a row for each."""
    noun = f", {METRICS[sliced.metric].noun} by "
    title = (Untrusted(sliced.v2), " against ", Untrusted(sliced.v1), noun, Untrusted(sliced.by))
    legend = Paragraph(("q: the p-value, adjusted for the number of slices.",))
    return (
        Heading(title, level),
        Paragraph((*pooled_sentence(sliced), footnotes.mark(sliced.warnings))),
        *((_slices_table(sliced, footnotes), legend) if sliced.slices else ()),
        *_lonely(sliced.only_v1, sliced.v1),
        *_lonely(sliced.only_v2, sliced.v2),
    )


def pooled_sentence(sliced: SlicedComparison) -> Line:
    """What all slices together say."""
    pooled, noun = sliced.pooled, noun_of(sliced.metric)
    if not sliced.slices:
        return (f"{noun}: no slice has runs of both versions.",)
    if pooled is None:
        return (f"{noun}: fewer than two slices can be pooled.",)
    test = f"Cochran's Q {pooled.q:.1f}, {p_value(pooled.q_p_value)}, I2 = {100 * pooled.i2:.0f}%"
    if pooled.verdict == "differs":
        return (f"{noun}: the slices differ ({test}), so no change over all of them is given.",)
    kind = sliced.slices[0].comparison.kind
    better = METRICS[sliced.metric].better
    change = signed(None if pooled.effect is None else better * pooled.effect, short_unit(kind))
    interval = limits(pooled.interval, better=better)
    return (f"{noun}: {pooled.verdict}; {change} over all slices (95%: {interval}; {pooled.method}; {test}).",)


def _slices_table(sliced: SlicedComparison, footnotes: Footnotes) -> Table:
    compared = [one.comparison for one in sliced.slices]
    values = UNITS[sliced.metric](value for c in compared for value in (c.v1_compared, c.v2_compared))
    header = (sliced.by, sliced.v1, sliced.v2)
    return Table(
        header=(
            *((Untrusted(name),) for name in header),
            *((name,) for name in ("change", "95% interval", "q", "runs", "verdict")),
        ),
        rows=tuple(
            (
                (*group_name(one.group), footnotes.mark(one.comparison.warnings)),
                *change_cells(one.comparison, values),
                (UNDEFINED if one.q_value is None else p_value(one.q_value).removeprefix("p = "),),
                *verdict_cells(one.comparison),
            )
            for one in sliced.slices
        ),
        align="lrrrrrrl",
    )


def _lonely(groups: tuple[str | None, ...], version: str) -> Page:
    """The groups that only one version has runs in."""
    if not groups:
        return ()
    shown = joined([group_name(group) for group in groups[:MOST_NAMED]])
    more = f" and {len(groups) - MOST_NAMED:,} more" if len(groups) > MOST_NAMED else ""
    return (Paragraph(("Not compared, because only ", Untrusted(version), " has runs there: ", *shown, f"{more}.")),)


def _cut(text: str, others: Iterable[str]) -> str:
    """A long text cut at its end, or before that where it is like another one up to there."""
    pairs = ((text, other) for other in others if other != text)
    alike = max((len(commonprefix(pair)) for pair in pairs), default=0)  # noqa: RUF071 - by characters, as is meant
    if alike < MOST_OF_TASK:
        return f"{text[:MOST_OF_TASK]}…"
    head, start = MOST_OF_TASK // 3, alike - MOST_OF_TASK // 6
    rest = text[start : start + MOST_OF_TASK - head]
    return f"{text[:head]}…{rest}{'…' if start + len(rest) < len(text) else ''}"
