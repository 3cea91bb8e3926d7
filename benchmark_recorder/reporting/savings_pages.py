"""Where money can be saved, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis.savings_results import Savings
from benchmark_recorder.reporting.numbers import UNDEFINED, dollars, given, money, number, rate, signed
from benchmark_recorder.reporting.page import (
    Bullets,
    Footnotes,
    Heading,
    Line,
    Page,
    Paragraph,
    Prose,
    Status,
    Table,
    Untrusted,
)
from benchmark_recorder.reporting.views import View

if TYPE_CHECKING:
    from benchmark_recorder.analysis.results import Interval
    from benchmark_recorder.analysis.savings_results import Suggestion
    from benchmark_recorder.reporting.numbers import Unit


class SavingsView(View, Savings, page="savings_pages.savings_page", frame="savings_frame", words=("warnings",)):
    """Suggestions."""

    __slots__ = ()


_LEGEND: Final = (
    "in brackets: 95% intervals; success in points, at worst by the one-sided 95% bound; evidence: success falls by "
    "less than"
)


def savings_page(found: Savings) -> Page:
    """Each suggestion with what it saves, what it does to success, and what tests it."""
    footnotes = Footnotes()
    told = footnotes.mark(found.warnings)
    about = f"{found.runs:,} runs of {found.days:g} days, {money(found.cost)} where the cost is known."
    heading = Heading(("Savings",), level=1)
    if not found.suggestions:
        said = f"{about} No saving is shown by these runs."
        return heading, Paragraph((said, told)), *footnotes.notes()
    margin = given(found.quality_margin)
    return (
        heading,
        Paragraph((f"{about} A month has as many runs as these days in proportion.", told)),
        _table(found),
        Paragraph((f"({_LEGEND} {margin} points, and the time does not grow by 10%)",)),
        Heading(("What to do",)),
        Bullets(tuple(map(_advice, found.suggestions))),
        *footnotes.notes(),
    )


def _table(found: Savings) -> Table:
    unit = dollars(one.saving.value for one in found.suggestions)
    names = ("change", "tasks", f"saves a month ({unit.symbol})", "success", "at worst", "time", "strength")
    rows = tuple(
        (
            _change(one),
            (f"{one.tasks:,}",),
            (_saving(one, unit),),
            (signed(None if one.success is None else one.success.value),),
            (signed(one.success_at_worst),),
            (signed(None if one.time is None else one.time.value, "%"),),
            (Status(one.strength, "good" if one.strength == "evidence" else "doubt"),),
        )
        for one in found.suggestions
    )
    return Table(tuple((name,) for name in names), rows, "lrrrrrl")


def _change(one: Suggestion) -> Line:
    match one.kind:
        case "failures":
            return ("failures: ", Untrusted(one.replaced) if one.replaced else "without a class")
        case "retries":
            return ("retries",)
    return Untrusted(one.by or ""), " for ", Untrusted(one.replaced or "")


def _saving(one: Suggestion, unit: Unit) -> str:
    most = "up to " if one.by is None else ""
    return f"{most}{number(one.saving.value, unit)}{_ends(one.saving.interval, unit)}"


def _ends(interval: Interval | None, unit: Unit) -> str:
    if interval is None or interval.low is None or interval.high is None:
        return ""
    return f" [{number(interval.low, unit)}, {number(interval.high, unit)}]"


def _advice(one: Suggestion) -> Line:
    if one.kind == "failures":
        return (*_change(one), f": {one.runs:,} failed runs cost this much. See: ", Prose(one.command))
    if one.kind == "retries":
        return ("retries: ", f"{one.runs:,} runs were repetitions (metadata.attempt above 1).")
    where = "" if one.difficulty is None else f" of difficulty up to {one.difficulty:.2g}"
    tasks = f" for {one.tasks:,} task{'' if one.tasks == 1 else 's'}{where}"
    worst = UNDEFINED if one.success_at_worst is None else rate(abs(one.success_at_worst))
    known = (
        f"; {one.runs:,} matched runs."
        if one.needed is None
        else (f"; not shown yet: success may fall by {worst}. About {one.needed:,} runs on each side would show it.")
    )
    return ("use ", *_change(one), tasks, known, " Test it: ", Prose(one.command))
