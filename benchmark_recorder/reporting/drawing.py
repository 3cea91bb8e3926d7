"""Charts on matplotlib's axes: the same in a notebook and in a report, in the colours that each of them gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import missing
from benchmark_recorder.reporting.charts import Forest, Spread, Timeline, Tradeoff
from benchmark_recorder.reporting.escaping import squeeze, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes

    from benchmark_recorder.reporting.charts import Chart, Colour, Marker, Series

_BEYOND: Final = 1.5
"""How far an interval may stretch the axis, in widths of what the points span; the rest is an arrow."""


@dataclass(frozen=True, slots=True)
class Style:
    """How charts look.

    Attributes:
        ink: of text.
        muted: of what only helps to read.
        rule: of lines that only help to read.
        colours: of marks.
        label: what is written for a recorded name.
    """

    ink: str
    muted: str
    rule: str
    colours: Mapping[Colour, str]
    label: Callable[[str], str]


def require_matplotlib() -> None:
    """Raise ``MissingDependencyError`` where it is not installed."""
    try:
        import matplotlib as _  # noqa: F401, ICN001
    except ImportError as error:
        raise missing("plots need matplotlib", "report") from error


def draw(chart: Chart, axes: Axes, style: Style) -> None:
    """Draw a chart."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(style.rule)
    axes.set_axisbelow(True)
    axes.tick_params(colors=style.muted, length=0)
    match chart:
        case Forest():
            _forest(chart, axes, style)
        case Tradeoff():
            _tradeoff(chart, axes, style)
        case Spread():
            _spread(chart, axes, style)
        case Timeline():
            _timeline(chart, axes, style)


def limits(marks: Sequence[Marker], *, zero: bool) -> tuple[float, float]:
    """Where an axis begins and ends: all points, 0 where it matters, and intervals unless they dwarf the points."""
    values = [m.value for m in marks] + [0.0] * zero
    least, most = min(values, default=0.0), max(values, default=1.0)
    span = most - least
    ends = [end for m in marks for end in m.reach]
    if not span:
        span = max((abs(end - least) for end in ends if math.isfinite(end)), default=0.0) or abs(most) or 1.0
    low = max(min([least, *ends]), least - _BEYOND * span)
    high = min(max([most, *ends]), most + _BEYOND * span)
    pad = 0.05 * (high - low) or 0.5
    return low - pad, high + pad


def _forest(chart: Forest, axes: Axes, style: Style) -> None:
    low, high = limits(chart.rows, zero=True)
    if not chart.ends:
        low = 0.0
    axes.set_xlim(low, high)
    axes.set_ylim(len(chart.rows) - 0.4, -0.6)
    axes.set_yticks([])
    _value_ticks(axes, "x", style, plus=bool(chart.ends))
    if chart.margin is not None:
        axes.axvspan(max(low, -chart.margin), min(high, chart.margin), color=style.rule, alpha=0.35, linewidth=0)
    if chart.ends:
        axes.axvline(0, color=style.muted, linewidth=1)
    for place, row in enumerate(chart.rows):
        _across(axes, row, place, style)
        _write_beside(axes, place, style.label(row.name), style.ink)
    axis = chart.axis if not chart.ends else f"{chart.ends[0]} ← {chart.axis} → {chart.ends[1]}"
    axes.set_xlabel(axis, color=style.muted, loc="right")  # it may need the room under the names


def _across(axes: Axes, row: Marker, place: float, style: Style) -> None:
    """A mark with its interval; an arrow where the interval goes on beyond the edge."""
    colour = style.colours[row.colour]
    low, high = row.reach
    left, right = axes.get_xlim()
    axes.plot(_seen(row, (left, right)), [place, place], color=colour, linewidth=2, solid_capstyle="round")
    for end, edge, arrow in ((low, left, 8), (high, right, 9)):  # CARETLEFTBASE, CARETRIGHTBASE
        if (end < edge) if arrow == 8 else (end > edge):
            axes.plot([edge], [place], marker=arrow, markersize=6, color=colour, linewidth=0)
    axes.plot([row.value], [place], marker="o", markersize=6.5, color=colour, linewidth=0)


def _seen(mark: Marker, edges: tuple[float, float]) -> tuple[float, float]:
    """What an axis shows of an interval."""
    low, high = mark.reach
    return max(low, edges[0]), min(high, edges[1])


def _tradeoff(chart: Tradeoff, axes: Axes, style: Style) -> None:
    axes.set_xlim(*limits([x for x, _ in chart.points], zero=False))
    axes.set_ylim(*limits([y for _, y in chart.points], zero=False))
    for axis in ("x", "y"):
        _value_ticks(axes, axis, style)
    for ordinal, (x, y) in enumerate(chart.points):
        colour = style.colours[x.colour]
        axes.plot(_seen(x, axes.get_xlim()), [y.value] * 2, color=colour, linewidth=1.5, solid_capstyle="round")
        axes.plot([x.value] * 2, _seen(y, axes.get_ylim()), color=colour, linewidth=1.5, solid_capstyle="round")
        axes.plot([x.value], [y.value], marker="o", markersize=7, color=colour, linewidth=0)
        side = -1 if x.value > sum(axes.get_xlim()) / 2 else 1  # there is room towards the middle
        _write(axes, x.value, y.value, style.label(x.name), style.ink, offset=(7 * side, -6 if ordinal % 2 else 6))
    axes.set_xlabel(chart.axes[0], color=style.muted)
    _name_vertical(axes, chart.axes[1], style)


def _spread(chart: Spread, axes: Axes, style: Style) -> None:
    if chart.logarithmic:
        axes.set_xscale("log")
    axes.set_xlim(chart.edges[0], chart.edges[-1])
    axes.set_ylim(len(chart.bars), 0)
    axes.set_yticks([])
    _value_ticks(axes, "x", style, logarithmic=chart.logarithmic)
    most = max(share for bar in chart.bars for share in bar.shares)
    for place, bar in enumerate(chart.bars, 1):
        colour = style.colours[bar.colour]
        tops = [place - 0.85 * share / most for share in bar.shares]
        axes.stairs(tops, chart.edges, baseline=place, fill=True, color=colour, alpha=0.25, linewidth=0)
        axes.stairs(tops, chart.edges, baseline=None, color=colour, linewidth=1.2)
        axes.plot([bar.median] * 2, [place - 0.9, place], color=colour, linewidth=2.2)
        axes.axhline(place, color=style.rule, linewidth=0.8)
        _write_beside(axes, place - 0.4, style.label(bar.name), style.ink)
    axes.set_xlabel(chart.axis, color=style.muted)


def _timeline(chart: Timeline, axes: Axes, style: Style) -> None:
    marks = [mark for line in chart.lines for mark in line.marks if mark is not None]
    axes.set_ylim(*limits(marks, zero=False))
    axes.set_xlim(-0.4, len(chart.weeks) - 0.6)
    every = 1 + (len(chart.weeks) - 1) // 5
    axes.set_xticks(range(0, len(chart.weeks), every), [week[5:] for week in chart.weeks[::every]])
    _value_ticks(axes, "y", style)
    ends = [
        _over_weeks(axes, line, (ordinal - (len(chart.lines) - 1) / 2) * 0.12, style)
        for ordinal, line in enumerate(chart.lines)
    ]
    for line, end in zip(chart.lines, ends, strict=True):  # over all lines
        if end is not None:
            _write(axes, *end, style.label(line.name), style.ink, offset=(8, 0))
    axes.set_xlabel("week starting on (UTC)", color=style.muted)
    _name_vertical(axes, chart.axis, style)


def _over_weeks(axes: Axes, line: Series, aside: float, style: Style) -> tuple[float, float] | None:
    """One version's line, a little aside of the others', so that no interval hides another; where it ends."""
    colour = style.colours[line.colour]
    there = [(place + aside, mark) for place, mark in enumerate(line.marks) if mark is not None]
    axes.plot([x for x, _ in there], [mark.value for _, mark in there], color=colour, linewidth=1.6)
    for x, mark in there:
        axes.plot([x, x], _seen(mark, axes.get_ylim()), color=colour, linewidth=1.2, alpha=0.6)
    for place, (each, flag) in enumerate(zip(line.marks, line.flags, strict=True)):
        if each is not None:
            inside = style.colours[flag] if flag else colour
            shape = {"bad": "v", "good": "^", None: "o"}[flag]
            size = 9 if flag else 6
            axes.plot([place + aside], [each.value], marker=shape, markersize=size, color=inside, linewidth=0)
    return (there[-1][0], there[-1][1].value) if there else None


def _write(  # noqa: PLR0913 - a text's place
    axes: Axes, x: float, y: float, text: str, colour: str, *, offset: tuple[float, float]
) -> None:
    """A recorded name near a point: never mathematics."""
    axes.annotate(
        text,
        (x, y),
        offset,
        textcoords="offset points",
        color=colour,
        ha="left" if offset[0] > 0 else "right",
        va={1: "bottom", 0: "center", -1: "top"}[(offset[1] > 0) - (offset[1] < 0)],
        parse_math=False,
    )


def _write_beside(axes: Axes, y: float, text: str, colour: str) -> None:
    """A recorded name on the left of its row."""
    where = axes.get_yaxis_transform()
    axes.text(-0.02, y, text, color=colour, ha="right", va="center", transform=where, parse_math=False)


def _name_vertical(axes: Axes, name: str, style: Style) -> None:
    """What the vertical axis is, above it, where it reads without turning the head."""
    axes.set_title(name, loc="left", color=style.muted, fontsize="medium", pad=10)


def _value_ticks(axes: Axes, axis: str, style: Style, *, plus: bool = False, logarithmic: bool = False) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    one = axes.xaxis if axis == "x" else axes.yaxis
    one.set_major_locator(LogLocator(numticks=6) if logarithmic else MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    one.set_minor_locator(NullLocator())
    one.set_major_formatter(FuncFormatter(lambda value, _: tick(value, plus=plus)))
    one.grid(visible=True, color=style.rule, linewidth=0.8)


def tick(value: float, *, plus: bool = False) -> str:
    """A number on an axis."""
    text = f"{value:{'+' if plus else ''},.6g}" if value else "0"
    return text.replace("-", "\N{MINUS SIGN}")


MOST_OF_NAME: Final = 32
"""Columns of a name."""
_COLOURS: Final[dict[Colour, str]] = {
    "good": "#2a9461",
    "bad": "#d1493b",
    "doubt": "#b8860b",
    "calm": "#7b8794",
    "accent": "#3f74e0",
    "second": "#c07a2c",
}
"""Seen on white and on black."""


def plot(chart: Chart, ax: Axes | None = None, versions: Sequence[str] = ()) -> Axes:
    """Draw a chart on these axes, or on those of a new figure of pyplot's, which a notebook shows.

    Args:
        chart: what to draw.
        ax: where.
        versions: that it is about, the candidate first; its title.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import rcParams

    if ax is None:
        from matplotlib import pyplot as plt

        _, ax = plt.subplots(layout="constrained")
    style = Style(
        ink=rcParams["text.color"],
        muted=rcParams["axes.labelcolor"],
        rule=rcParams["grid.color"],
        colours=_COLOURS,
        label=drawable,
    )
    draw(chart, ax, style)
    if versions:
        ax.set_title(" against ".join(map(drawable, versions)), color=style.ink, loc="left", parse_math=False)
    return ax


def drawable(name: str) -> str:
    """A recorded name as the fonts in use can draw it; what they lack is spelled as Python's escapes."""
    shown = squeeze(visible(name).strip() or "(empty)", MOST_OF_NAME)
    if shown.isascii():
        return shown
    there = _characters()
    return "".join(sign if ord(sign) in there else sign.encode("unicode_escape").decode() for sign in shown)


def _characters() -> set[int]:
    """The characters that some font in use has."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    found: set[int] = set()
    for family in FontProperties().get_family():
        try:
            path = findfont(FontProperties(family=[family]), fallback_to_default=False)
        except ValueError:  # a family in the settings that is not installed
            continue
        found |= get_font(path).get_charmap().keys()
    return found
