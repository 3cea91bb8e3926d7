"""The pages of changes over time, and of what is to be expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.analysis.change_points import FEWEST, MATTERS
from benchmark_recorder.reporting.numbers import (
    PERCENT,
    UNDEFINED,
    Unit,
    dollars,
    given,
    limits,
    number,
    seconds,
    signed,
)
from benchmark_recorder.reporting.outlook_sentences import backtest_sentence, short
from benchmark_recorder.reporting.page import (
    Bullets,
    Footnotes,
    Heading,
    Line,
    Page,
    Paragraph,
    Table,
    Untrusted,
    absences,
    readable,
)
from benchmark_recorder.reporting.wording import UNITS, short_unit, unit

if TYPE_CHECKING:
    from benchmark_recorder.analysis import ChangePoint, ChangePoints, Estimate, Forecast

_ORDER: Final = {
    "day": "(days in UTC)",
    "commit": "(commits in the order of their first runs, which need not be that of the code)",
}


def changes_page(found: ChangePoints) -> Page:
    """When a metric moved, and why."""
    footnotes = Footnotes()
    heading = Heading((f"Changes of the {METRICS[found.metric].noun} by {found.by}: ", Untrusted(found.version)), 1)
    return (
        heading,
        *absences(found.warnings),
        *changes_section(found, footnotes),
        *_caveats(found, footnotes),
        *footnotes.notes(),
    )


def _caveats(found: ChangePoints, footnotes: Footnotes) -> Page:
    said = [caveat for caveat in found.warnings if caveat.code != "unknown_version"]
    return (Paragraph((f"Caveats: see{footnotes.mark(said)}.",)),) if said else ()


def changes_section(found: ChangePoints, footnotes: Footnotes) -> Page:
    """Each change in words, and all in a table."""
    kind = METRICS[found.metric].kind
    if not found.changes:
        if not found.series:
            return ()
        said = f"No change of {given(MATTERS[kind], unit(kind))} or more is shown in {len(found.series):,} {found.by}s."
        looked = len(found.series) >= FEWEST
        return (*((Paragraph((said,)),) if looked else ()), _extent(found))
    lines: tuple[Line, ...] = tuple(
        (readable(change.sentence, *change.commits), footnotes.mark(change.warnings)) for change in found.changes
    )
    return Bullets(lines), _table(found), Paragraph((_ORDER[found.by],))


def _extent(found: ChangePoints) -> Table:
    """What a series without a change is made of."""
    values = [point.value for point in found.series]
    scale = UNITS[found.metric](values)
    first, last = found.series[0], found.series[-1]
    header = (f"{found.by}s", "runs", "from", "to", f"lowest ({scale.symbol})", "highest")
    row: tuple[Line, ...] = (
        (f"{len(values):,}",),
        (f"{sum(point.runs for point in found.series):,}",),
        *((Untrusted(short(point.label)),) for point in (first, last)),
        *((number(value, scale),) for value in (min(values), max(values))),
    )
    return Table(tuple((name,) for name in header), (row,), "rrllrr")


def _table(found: ChangePoints) -> Table:
    scale = UNITS[found.metric](
        value for change in found.changes for value in (change.before_value, change.after_value)
    )
    names = ("from", f"before ({scale.symbol})", "after", "change", "95% interval", "cause")
    rows: tuple[tuple[Line, ...], ...] = tuple(
        (
            (Untrusted(short(change.at)),),
            *((number(value, scale),) for value in (change.before_value, change.after_value)),
            *((text,) for text in change_texts(change)),
            (change.cause if change.kind == "step" else change.kind,),
        )
        for change in found.changes
    )
    return Table(tuple((name,) for name in names), rows, "lrrrrl", splits=True)


def change_texts(change: ChangePoint) -> tuple[str, str]:
    """A change and its interval in a table, in the direction in which the values change."""
    metric = METRICS[change.metric]
    effect = None if change.effect is None else metric.better * change.effect
    return signed(effect, short_unit(metric.kind)), limits(change.interval, better=metric.better)


MOST_FORECAST: Final = 50
"""Tasks that a page lists; the result has all of them."""


def forecast_page(found: Forecast) -> Page:
    """What further runs will take, in all and task by task."""
    footnotes = Footnotes()
    runs = found.repeats * len(found.tasks)
    what = f"{runs:,} run{'' if runs == 1 else 's'}, {found.concurrency:,} at once"
    said = backtest_sentence(found)
    more = len(found.tasks) - MOST_FORECAST
    if not any(one.runs or one.time.value is not None for one in found.tasks):
        return Heading(("Forecast: ", Untrusted(found.version)), 1), *absences(found.warnings)
    caveats = (Paragraph((f"Caveats: see{footnotes.mark(found.warnings)}.",)),) if found.warnings else ()
    return (
        Heading(("Forecast: ", Untrusted(found.version)), 1),
        _forecast_totals(found, what),
        *((_forecast_tasks(found),) if found.tasks else ()),
        *((Paragraph((f"(and {more:,} more tasks)",)),) if more > 0 else ()),
        *((Paragraph((said,)),) if said else ()),
        *caveats,
        *footnotes.notes(),
    )


def _forecast_totals(found: Forecast, what: str) -> Table:
    one = Unit("runs", 1.0, 1)
    totals = (
        ("time", found.total_time, seconds([found.total_time.value])),
        ("cost", found.total_cost, dollars([found.total_cost.value])),
        ("failures", found.failures, one),
    )
    rows: tuple[tuple[Line, ...], ...] = tuple(
        ((f"{name} ({scale.symbol})",), (number(figure.value, scale),), (_between(figure, scale),))
        for name, figure, scale in totals
    )
    return Table(((what,), ("expected",), ("90% interval",)), rows, "lrr")


def _between(figure: Estimate, scale: Unit) -> str:
    ends = figure.interval
    return UNDEFINED if ends is None else f"{number(ends.low, scale)} to {number(ends.high, scale)}"


def _forecast_tasks(found: Forecast) -> Table:
    shown = found.tasks[:MOST_FORECAST]
    times, costs = seconds(one.time.value for one in shown), dollars(one.cost.value for one in shown)
    names = ("task", "runs", f"time ({times.symbol})", "90% interval", f"cost ({costs.symbol})", "failures")
    rows: tuple[tuple[Line, ...], ...] = tuple(
        (
            (Untrusted(one.task_id),),
            (f"{one.runs:,}",),
            (number(one.time.value, times),),
            (_between(one.time, times),),
            (number(one.cost.value, costs),),
            (number(one.failure_rate.value, PERCENT),),
        )
        for one in shown
    )
    return Table((*((name,) for name in names[:-1]), ("failures (%)",)), rows, "lrrrrr")
