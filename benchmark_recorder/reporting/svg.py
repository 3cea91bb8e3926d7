"""A chart as SVG inside an HTML page: the same data make the same bytes, and the page's colours are its own.

matplotlib draws it once, in codes that become custom properties of the page's style sheet (``var(--ink)``). So it
follows the reader's colour scheme, also while the page is open, and on paper; its text can be selected and found.
Untrusted names never pass through matplotlib: it draws a stand-in, for which there is room, and the escaped name takes
its place. So no name is mathematics, lacks a glyph, or ends an element.
"""

from __future__ import annotations

import io
import re
from functools import cache
from html import escape
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, cast

from benchmark_recorder.reporting.charts import Forest, Spread, Timeline, Tradeoff
from benchmark_recorder.reporting.drawing import Style, draw, require_matplotlib
from benchmark_recorder.reporting.escaping import squeeze, visible, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmark_recorder.reporting.charts import Chart, Colour

WIDTH: Final = 380
"""Of a drawing in its own units: about that of a phone, where a unit is then a pixel."""
FONT: Final = 11.5
_ROW: Final = 22
MOST_OF_NAME: Final = 18
"""Columns of a name beside a chart."""
_MOST_ROOM: Final = 120
"""For such a name."""
_WIDTHS: Final = (0.0, 0.85, 1.02)
"""Of signs beyond ASCII that take so many columns of a terminal, in font sizes."""
_COLOURS: Final = ("ink", "muted", "rule", "good", "bad", "doubt", "calm", "accent", "second")
_CODES: Final = {name: f"#0000{ordinal:02x}" for ordinal, name in enumerate(_COLOURS, 1)}
"""What matplotlib draws in: no colour that it would choose itself."""
_SETTINGS: Final[Any] = {  # Any: the names are literals in matplotlib's types
    "font.family": "sans-serif",
    "font.size": FONT,
    "svg.fonttype": "none",
    "text.parse_math": False,
    "path.simplify": False,
}
_SETTINGS_LOCK: Final = Lock()
"""matplotlib's settings are the whole process's."""
_UNWANTED: Final = re.compile(r' id="[\w.]+_\d+"| font-family: [^;]*;|(?<=>)\s+(?=<)|\n')
"""Ids that nothing refers to, fonts that are not the page's, and white space."""
_REFERENCES: Final = re.compile(r' id="|xlink:href="#|url\(#')


def svg(chart: Chart, key: str, title: str, description: str) -> str:
    """The drawing as one ``svg`` element, with its title and description, both plain text.

    ``key`` begins each id in it, so it must be the only one of its kind in the page.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require_matplotlib()
    names: list[str] = []

    def stand_in(name: str) -> str:
        names.append(_shown(name))
        return f"@{len(names) - 1:03}"

    colours = cast("Mapping[Colour, str]", _CODES)
    style = Style(_CODES["ink"], _CODES["muted"], _CODES["rule"], colours, stand_in)
    height, box = _box(chart)
    drawn = _drawn(chart, style, key, height, box)
    inside = _UNWANTED.sub("", drawn[drawn.index("<g ") :])
    inside = _REFERENCES.sub(lambda found: f"{found[0].removeprefix('xlink:')}{key}-", inside)
    for name, code in _CODES.items():
        inside = inside.replace(code, f"var(--{name})")
    inside = re.sub(r"@(\d{3})", lambda found: escape(names[int(found[1])]), inside)
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-labelledby="{key}-title {key}-description">'
        f'<title id="{key}-title">{escape(visible(title, 1000))}</title>'
        f'<desc id="{key}-description">{escape(visible(description, 1000))}</desc>'
        f"{inside}"
    )


_Box = tuple[float, float, float, float]


def _drawn(chart: Chart, style: Style, key: str, height: float, box: _Box) -> str:
    """What matplotlib draws on a figure of its own; of its global state only settings change, and they come back."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    out = io.StringIO()
    with _SETTINGS_LOCK, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_SETTINGS, "svg.hashsalt": key})
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        axes = figure.add_axes(box)
        for part in (figure.patch, axes.patch):
            part.set_visible(False)
        draw(chart, axes, style)
        canvas: Any = FigureCanvasSVG(figure)  # untyped there
        canvas.print_svg(out, metadata={"Date": None})
    return out.getvalue()


def _box(chart: Chart) -> tuple[float, _Box]:
    """The drawing's height, and the axes' place in it: from the left, from below, width, height, as shares."""
    left, right, below, above, inner = 62.0, 22.0, 40.0, 10.0, 210.0
    match chart:
        case Forest(rows=rows):
            left, inner = _room_for(row.name for row in rows), _ROW * max(2, len(rows))
        case Spread(bars=bars):
            left, inner = _room_for(bar.name for bar in bars), 64 * max(2, len(bars))
        case Tradeoff():
            above = 30.0
        case Timeline(lines=lines):
            above, right = 30.0, _room_for(line.name for line in lines)
    height = inner + below + above
    return height, (left / WIDTH, below / height, (WIDTH - left - right) / WIDTH, inner / height)


def _room_for(names: Iterable[str]) -> float:
    """Room for names beside the axes."""
    return 14 + max((_extent(_shown(name)) for name in names), default=0)


def _shown(name: str) -> str:
    """A name that fits beside a chart."""
    columns, whole = MOST_OF_NAME, visible(name).strip() or "(empty)"
    while _extent(shown := squeeze(whole, columns)) > _MOST_ROOM:
        columns -= 1
    return shown


def _extent(text: str) -> float:
    """How wide a text is, at most, in the fonts that browsers have; the widest of them is DejaVu Sans."""
    return FONT * sum(_extents().get(sign, 0.66) if sign.isascii() else _WIDTHS[width(sign)] for sign in text)


@cache
def _extents() -> dict[str, float]:
    """Of signs that are much wider or narrower than most, in font sizes."""
    classes = {0.4: "!'()*,-./:;I[]fijlrt| ", 0.87: "#&<=>ABCDGHKNOQRUVXY^_~+", 1.02: "%@MWmw"}
    return {sign: size for size, signs in classes.items() for sign in signs}
