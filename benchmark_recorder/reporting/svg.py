"""A chart as SVG inside of an HTML page: the same data make the same bytes, and the page's colours are its own.

The drawing is made once, and each colour in it is a custom property of the page's style sheet (``var(--ink)``). So it
follows the reader's colour scheme, also while the page is open, and on paper; two drawings, one for each scheme, would
take twice the bytes and say everything twice to a screen reader. Untrusted names never pass through matplotlib: a
stand-in is drawn, and the name is put in its place, for which there is room. So no name is mathematics, lacks a glyph,
or ends an element.
"""

from __future__ import annotations

import io
import re
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, cast
from xml.etree import ElementTree as ET

from benchmark_recorder.reporting.charts import Forest, Spread, Timeline, Tradeoff
from benchmark_recorder.reporting.drawing import Style, draw, require_matplotlib
from benchmark_recorder.reporting.escaping import squeeze, visible, width

if TYPE_CHECKING:
    from collections.abc import Iterable

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
_NAMESPACE: Final = "{http://www.w3.org/2000/svg}"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
_STAND_IN: Final = re.compile(r"@(\d{3})")
_COLOURS: Final = ("ink", "muted", "rule", "good", "bad", "doubt", "calm", "accent", "second")
_CODES: Final = {name: f"#0000{ordinal:02x}" for ordinal, name in enumerate(_COLOURS, 1)}
"""What matplotlib draws in: no colour that it would choose itself."""
_SETTINGS: Final[dict[str, Any]] = {
    "font.family": "sans-serif",
    "font.size": FONT,
    "svg.fonttype": "none",
    "text.parse_math": False,
    "path.simplify": False,
}
_SETTINGS_LOCK: Final = Lock()
"""matplotlib's settings are the whole process's."""


def svg(chart: Chart, key: str, title: str, description: str) -> str:
    """The drawing as one ``svg`` element.

    Args:
        chart: what is drawn.
        key: begins each id in it, so it must be the only one of its kind in the page.
        title: what it is, as plain text.
        description: what there is to see.

    Raises:
        MissingDependencyError: there is no matplotlib.
    """
    require_matplotlib()
    names: list[str] = []

    def stand_in(name: str) -> str:
        names.append(_shown(name))
        return f"@{len(names) - 1:03}"

    style = Style(
        ink=_CODES["ink"],
        muted=_CODES["muted"],
        rule=_CODES["rule"],
        colours={cast("Colour", name): code for name, code in _CODES.items()},
        label=stand_in,
    )
    drawn = _drawn(chart, style, key)
    root = _cleaned(ET.fromstring(drawn), key, names)  # noqa: S314 - matplotlib wrote it, and no recorded text is in it
    root.attrib = {
        "class": "chart",
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-description",
    }
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(tag, {"id": f"{key}-{tag if tag == 'title' else 'description'}"})
        element.text = visible(text, 1000)
        root.insert(place, element)
    return ET.tostring(root, encoding="unicode")


def _drawn(chart: Chart, style: Style, key: str) -> str:
    """What matplotlib draws on a figure of its own; of its global state only settings change, and they come back."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    out = io.StringIO()
    with _SETTINGS_LOCK, mpl.rc_context():
        mpl.rcdefaults()
        for name, value in {**_SETTINGS, "svg.hashsalt": key}.items():
            mpl.rcParams[name] = value  # type: ignore[index]  # its names are literals there
        height, box = _box(chart)
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        axes = figure.add_axes(box)
        for part in (figure.patch, axes.patch):
            part.set_visible(False)
        draw(chart, axes, style)
        canvas: Any = FigureCanvasSVG(figure)  # untyped there
        canvas.print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return out.getvalue()


def _box(chart: Chart) -> tuple[float, tuple[float, float, float, float]]:
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


def _cleaned(root: ET.Element, key: str, names: list[str]) -> ET.Element:
    """Only what is seen, in the page's colours and font: no metadata, no style sheet, no id that nothing refers to."""
    used = set(re.findall(r"#([\w-]+)\)?", " ".join(value for e in root.iter() for value in _references(e))))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{_NAMESPACE}metadata", f"{_NAMESPACE}style"}:
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_NAMESPACE)
        element.attrib = dict(_attributes(element, key, used))
        if element.tag == "text" and (found := _STAND_IN.fullmatch(element.text or "")):
            element.text = names[int(found[1])]
        element.text, element.tail = (element.text or "").strip() or None, None
    _drop_empty(root)
    return root


def _references(element: ET.Element) -> list[str]:
    return [value for name, value in element.attrib.items() if name in {_LINK, "clip-path"}]


def _attributes(element: ET.Element, key: str, used: set[str]) -> list[tuple[str, str]]:
    found = []
    for name, value in element.attrib.items():
        if name == "id":
            if value in used:
                found.append(("id", f"{key}-{value}"))
        elif name == _LINK:
            found.append(("href", f"#{key}-{value[1:]}"))
        elif name == "clip-path":
            found.append((name, value.replace("#", f"#{key}-")))
        elif name == "style":
            found.append((name, _coloured(value)))
        else:
            found.append((name, value))
    return found


def _coloured(style: str) -> str:
    """A style with the page's colours, in the page's font."""
    parts = [part.strip() for part in style.split(";")]
    kept = "; ".join(part for part in parts if part and not part.startswith("font-family"))
    for name, code in _CODES.items():
        kept = kept.replace(code, f"var(--{name})")
    return kept


def _drop_empty(element: ET.Element) -> None:
    for child in list(element):
        _drop_empty(child)
        if child.tag in {"g", "defs"} and not len(child):
            element.remove(child)
