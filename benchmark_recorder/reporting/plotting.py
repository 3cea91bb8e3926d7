"""Results on a notebook's axes: in its own colours and fonts, as far as these go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.reporting.drawing import Style, draw, require_matplotlib
from benchmark_recorder.reporting.encoders import squeeze, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmark_recorder.reporting.charts import Chart, Colour

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


def plot(chart: Chart, ax: Axes | None = None) -> Axes:
    """Draw a chart.

    Args:
        chart: what is drawn.
        ax: where; a new figure of pyplot's unless given, which a notebook shows.

    Returns:
        The axes that hold it.

    Raises:
        MissingDependencyError: there is no matplotlib.
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
