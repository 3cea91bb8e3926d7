"""The pages: what each answer says, in its order, from frozen results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Final

from benchmark_recorder.reporting.attention import attention_section
from benchmark_recorder.reporting.figures import moment
from benchmark_recorder.reporting.page import Bullets, Heading, Line, Notes, Page, Paragraph, Prose, Recorded
from benchmark_recorder.reporting.pictures import effect_figures, spread_figure, tradeoff_figure, trend_figures
from benchmark_recorder.reporting.sentences import sentence
from benchmark_recorder.reporting.tables import (
    comparison_cards,
    comparison_table,
    list_table,
    task_lines,
    version_table,
)
from benchmark_recorder.reporting.trends import trend_section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.analysis import Comparison, Doubt, JointComparison, Summary
    from benchmark_recorder.reporting.report import Basis, Report


MOST_OF_NAME: Final = 60
"""Characters of a version's or a task's name inside a sentence."""


class Footnotes:
    """Doubts by number, each said once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._doubts: list[Doubt] = []

    def mark(self, doubts: Sequence[Doubt]) -> str:
        """What stands behind the sentence that the doubts belong to: `` [1, 3]``, or nothing."""
        for doubt in doubts:
            if doubt.sentence not in self._numbers:
                self._doubts.append(doubt)
                self._numbers[doubt.sentence] = len(self._doubts)
        numbers = sorted({self._numbers[doubt.sentence] for doubt in doubts})
        return f" [{', '.join(map(str, numbers))}]" if numbers else ""

    def notes(self) -> Page:
        """The section that explains the numbers."""
        if not self._doubts:
            return ()
        return Heading(("Notes",)), Notes(tuple((_told(doubt),) for doubt in self._doubts))


def _told(doubt: Doubt) -> Prose:
    return readable(doubt.sentence, *(value for value in doubt.figures.values() if isinstance(value, str)))


def absences(doubts: Sequence[Doubt]) -> Page:
    """Which versions have no runs, as the first thing that is said."""
    return tuple(Paragraph((_told(doubt),)) for doubt in doubts if doubt.code == "unknown_version")


def readable(sentence: str, *names: str) -> Prose:
    """A sentence of the analysis, in which long names are cut so that all of it can be read."""
    for name in names:
        if len(name) > MOST_OF_NAME:
            sentence = sentence.replace(name, f"{name[:MOST_OF_NAME]}…")
    return Prose(sentence)


def report_page(report: Report) -> Page:
    """The report as blocks."""
    footnotes = Footnotes()
    versions: list[str | Recorded] = []
    for summary in report.summaries:
        versions += [", ", Recorded(summary.version)]
    verdicts = [block for joint in report.comparisons for block in comparison_section(joint, footnotes, report.texts)]
    figures = (
        *versions_section(report.summaries, footnotes),
        *spread_figure(report.distributions),
        *tradeoff_figure([summary for summary in report.summaries if summary.count]),
    )
    return (
        Heading(("Benchmark report: ", *versions[1:]), level=1),
        *(verdicts or figures),
        *attention_section(report.attention, report.texts),
        *trend_section(report.trends, footnotes),
        *trend_figures(report.trends),
        *(figures if verdicts else ()),
        *footnotes.notes(),
        Heading(("Based on",)),
        Bullets(tuple(_basis_lines(report))),
    )


def comparison_section(joint: JointComparison, footnotes: Footnotes, texts: Mapping[str, str]) -> Page:
    """Verdict sentences, the table, and the tasks that stand out."""
    v1, v2 = Recorded(joint.v1), Recorded(joint.v2)
    heading = Heading((v2, " against ", v1))
    told = [c for c in joint.comparisons.values() if c.v1_count or c.v2_count]
    if not any(c.v1_count and c.v2_count for c in told):
        # Which versions have no runs is said where the versions are.
        every = [d for d in joint.warnings if all(d in c.warnings for c in joint.comparisons.values())]
        doubts = [d for d in every if d.code not in {"unknown_version", "nothing_to_compare"}]
        return heading, Paragraph((readable(joint.sentence, joint.v1, joint.v2), footnotes.mark(doubts)))
    common = [d for d in joint.warnings if all(d in c.warnings for c in told)]
    bullets = tuple((*sentence(c), footnotes.mark([d for d in c.warnings if d not in common])) for c in told)
    return (
        heading,
        Paragraph((readable(joint.sentence, joint.v1, joint.v2), footnotes.mark(common))),
        *comparison_cards(joint),
        Bullets(bullets),
        *comparison_table([c for c in told if c.v1_count and c.v2_count]),
        *_tasks_section(told, texts),
        *effect_figures(told, texts),
    )


def _tasks_section(comparisons: Sequence[Comparison], texts: Mapping[str, str]) -> Page:
    lines = task_lines(comparisons, texts)
    if not lines:
        return ()
    return Paragraph(("Tasks that stand out (! worse, * better; among many, some do by chance):",)), Bullets(lines)


def comparison_page(comparison: Comparison, texts: Mapping[str, str] | None = None) -> Page:
    """One metric of two versions; ``texts`` are those of tasks without an id of their own, by the id that was made."""
    footnotes = Footnotes()
    heading = Heading((Recorded(comparison.v2), " against ", Recorded(comparison.v1)), level=1)
    verdict = Paragraph((*sentence(comparison), footnotes.mark(comparison.warnings)))
    both = comparison.v1_count and comparison.v2_count
    return (
        heading,
        verdict,
        *(comparison_table([comparison]) if both else ()),
        *((Paragraph((f"Method: {comparison.method}.",)),) if both else ()),
        *_tasks_section([comparison], texts or {}),
        *effect_figures([comparison], texts or {}),
        *footnotes.notes(),
    )


def joint_page(joint: JointComparison, texts: Mapping[str, str] | None = None) -> Page:
    """All metrics of two versions; see ``comparison_page``."""
    footnotes = Footnotes()
    heading, *rest = comparison_section(joint, footnotes, texts or {})
    assert isinstance(heading, Heading)
    return Heading(heading.line, level=1), *absences(joint.warnings), *rest, *footnotes.notes()


def summary_page(summary: Summary) -> Page:
    """One version."""
    footnotes = Footnotes()
    section = versions_section([summary], footnotes)[1:]
    return Heading((Recorded(summary.version),), level=1), *section, *footnotes.notes()


def list_page(summaries: Sequence[Summary]) -> Page:
    """All versions, a line each."""
    return (list_table(summaries),)


def versions_section(summaries: Sequence[Summary], footnotes: Footnotes) -> Page:
    """The figures of each version, and what is doubtful about them."""
    there = [summary for summary in summaries if summary.count]
    missing = tuple(block for s in summaries if not s.count for block in absences(s.warnings))
    doubtful = [s for s in there if s.warnings]
    doubts = tuple(("About ", Recorded(s.version), f": see{footnotes.mark(s.warnings)}.") for s in doubtful)
    return (
        Heading(("Versions",)),
        *missing,
        *((version_table(there), Paragraph(("In brackets: 95 % intervals.",))) if there else ()),
        *((Bullets(doubts),) if doubts else ()),
    )


def _basis_lines(report: Report) -> list[Line]:
    basis = report.basis
    firsts = [s.first for s in report.summaries if s.first is not None]
    lasts = [s.last for s in report.summaries if s.last is not None]
    total = sum({s.version: s.count for s in report.summaries}.values())
    journals = [doubt.figures["journal"] for doubt in _outages(report.summaries) if "journal" in doubt.figures]
    where: Line = (Recorded(journals[0]), ", the local journal of ") if journals else ()
    lines: list[Line] = [(f"{total:,} record{'' if total == 1 else 's'} in ", *where, Recorded(basis.store))]
    if firsts:
        lines.append((f"from {moment(min(firsts))} to {moment(max(lasts))} UTC",))
    asked = {name: value for name, value in basis.query.items() if value is not None}
    if asked:
        parts: list[str | Recorded] = []
        for name, value in asked.items():
            parts += [", ", f"{name} is ", Recorded(_shown(value))]
        lines.append(("only where ", *parts[1:]))
    if "last_days" in asked and any(len(trend.weeks) > 1 for trend in report.trends):
        lines.append(("week over week looks back further than that, at whole weeks",))
    return [*lines, *_left_out_lines(report.summaries), *_health_lines(basis), *_outage_lines(report.summaries)]


def _left_out_lines(summaries: Sequence[Summary]) -> Iterator[Line]:
    """Records that the store holds, but that no answer counts, of whatever version they are."""
    counts = {d.figures["left_out"] for s in summaries for d in s.warnings if d.code == "records_left_out"}
    if counts:
        yield (f"not included: {max(counts):,} in which a field is missing or of another kind than it should be",)


def _health_lines(basis: Basis) -> Iterator[Line]:
    """What is not in the figures, and what is, though it is not yet where it belongs."""
    health = basis.health
    for n, what in (
        (health.waiting, "in memory, which could not be written yet"),
        (health.lost, "lost, as they could not be written"),
        (health.invalid, "refused for their content"),
    ):
        if n:
            yield (f"not included: {n:,} {what}",)
    if health.pending:
        oldest: Line = (", the oldest of ", Recorded(health.pending_since)) if health.pending_since else ()
        yield f"included: {health.pending:,} kept locally until that store confirms them", *oldest
    if health.quarantined:
        yield (f"included: {health.quarantined:,} refused by that store and kept locally",)
    if health.failing_since:
        yield (f"writing there has failed since {health.failing_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC",)


def _outage_lines(summaries: Sequence[Summary]) -> Iterator[Line]:
    """That a store was out of reach: since when, and what is missing for it."""
    for figures in (doubt.figures for doubt in _outages(summaries)):
        last = figures["last_confirmed"]
        reached: Line = ("last reached at ", Recorded(last)) if last else ("never reached from here",)
        missing = "), so what other machines recorded is missing; how much that is cannot be told from here"
        yield "not included: ", Recorded(figures["store"]), " could not be asked (", *reached, missing


def _outages(summaries: Sequence[Summary]) -> list[Doubt]:
    doubts = {doubt.sentence: doubt for summary in summaries for doubt in summary.warnings}
    return [doubt for doubt in doubts.values() if doubt.code == "store_out_of_reach"]


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value))
    return str(value)
