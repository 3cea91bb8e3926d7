from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmark_recorder.reporting.charts import Chart, DurationBars, Forest, Marker, Series, Spread, Timeline, Tradeoff
from benchmark_recorder.reporting.escaping import visible
from benchmark_recorder.reporting.svg import svg
from tests.hostile import HOSTILE

ROOT = Path(__file__).parent.parent.parent


def charts(name: str) -> dict[str, Chart]:
    """One of each kind, about something of that name."""
    mark = Marker(name, 2.0, 1.0, 4.0, "good")
    return {
        "forest": Forest((mark, Marker("other", -3.0, None, None, "calm")), "change (%)", ("faster", "slower"), 1.0),
        "tradeoff": Tradeoff(((mark, mark), (Marker("other", 3.0, 2.0, None), mark)), ("cost ($)", "success (%)")),
        "spread": Spread(
            (DurationBars(name, (0.25, 0.75), 2.0, "accent"),), (1.0, 2.0, 30.0), "time (s)", logarithmic=True
        ),
        "timeline": Timeline(
            (Series(name, (mark, None, mark), (None, None, "bad"), "accent"),), ("a", "b", "c"), "time (s)"
        ),
    }


kinds = pytest.mark.parametrize("kind", charts("v1"))


def drawn(chart: Chart, key: str = "figure-1") -> ET.Element:
    return ET.fromstring(svg(chart, key, "a title", "a description"))


@cache
def plainly_drawn(kind: str) -> ET.Element:
    return drawn(charts("v1")[kind])


@kinds
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_text_and_nothing_else(kind: str, text: str) -> None:
    root, plain = drawn(charts(text)[kind]), plainly_drawn(kind)
    assert [e.tag for e in root.iter()] == [e.tag for e in plain.iter()]
    shown = ["".join(e.itertext()) for e in root.iter("text")]
    assert all(one.isprintable() and one for one in shown)
    (name,) = [one for one in shown if one not in {"".join(e.itertext()) for e in plain.iter("text")}]
    begin = visible(text).strip()[:4] or "(empty)"
    assert name.startswith(begin.rstrip("…"))


def all_drawings() -> list[str]:
    return [svg(chart, "figure-1", "a", "b") for chart in charts("v1").values()]


def test_the_same_charts_are_the_same_bytes_in_another_process_and_thread() -> None:
    here = all_drawings()
    program = (
        "import matplotlib.style, json; from tests.reporting.test_svg import all_drawings;"
        "matplotlib.style.use('dark_background');"
        "print(json.dumps(all_drawings()))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == here
    with ThreadPoolExecutor(4) as threads:
        assert all(found == here for found in threads.map(lambda _: all_drawings(), range(4)))


@kinds
def test_every_colour_is_the_pages(kind: str) -> None:
    text = svg(charts("v1")[kind], "figure-1", "a", "b")
    colours = re.findall(r"(?:fill|stroke): ([^;\"]+)", text)
    assert set(colours) <= {"none"} | {
        f"var(--{name})" for name in ("ink", "muted", "rule", "good", "bad", "calm", "accent")
    }
    assert "font-family" not in text


@kinds
def test_ids_begin_with_the_drawings_own_key(kind: str) -> None:
    root = drawn(charts("v1")[kind], "figure-7")
    ids = [e.attrib["id"] for e in root.iter() if "id" in e.attrib]
    assert ids
    assert len(ids) == len(set(ids))
    assert all(one.startswith("figure-7-") for one in ids)


def test_title_and_description_are_what_it_is_labelled_by() -> None:
    root = ET.fromstring(svg(charts("v1")["forest"], "figure-1", "<b>\x00", "a & b"))
    assert root.attrib["role"] == "img"
    labels = root.attrib["aria-labelledby"].split()
    texts = {e.attrib["id"]: e.text for e in root if e.tag in {"title", "desc"}}
    assert [texts[label] for label in labels] == ["<b>\\x00", "a & b"]


@pytest.mark.parametrize(
    "marks",
    [
        (Marker("a", 0.0, 0.0, 0.0),),
        (Marker("a", 0.0, None, None), Marker("b", 0.0, None, None)),
        (Marker("a", 1e9, -1e9, 1e9), Marker("b", -1e9, None, 1e9)),
        (Marker("a", 1e-9, 0.0, 1e-8), Marker("b", 2e-9, 0.0, 1e9)),
        (Marker("a", 5.0, 5.0, 5.0), Marker("b", 5.0, 5.0, 5.0)),
        (Marker("a", 5.0, None, 6.0), Marker("b", 5.0, 4.0, None)),
        (Marker("a", 0.0, None, 0.0),),
    ],
)
def test_any_figures_can_be_drawn(marks: tuple[Marker, ...]) -> None:
    drawn(Forest(marks, "x", ("less", "more"), 1.0))
    drawn(Forest(marks, "x"))
    drawn(Tradeoff(tuple((mark, mark) for mark in marks), ("x", "y")))
    drawn(Timeline((Series("v", marks, (None,) * len(marks), "calm"),), tuple("abcde"[: len(marks)]), "y"))


def test_an_interval_that_dwarfs_the_points_ends_in_an_arrow() -> None:
    rows = (Marker("a", 1.0, 0.5, 1.5), Marker("b", 2.0, 1.0, 1000.0))
    with_arrow = svg(Forest(rows, "x", ("less", "more")), "f", "a", "b")
    without = svg(Forest((rows[0], Marker("b", 2.0, 1.0, 3.0)), "x", ("less", "more")), "f", "a", "b")
    assert with_arrow.count("<use") == without.count("<use") + 1


def test_an_open_interval_ends_in_an_arrow() -> None:
    closed, opened = Marker("a", 1.0, 0.5, 1.5), Marker("a", 1.0, 0.5, None)
    other = Marker("b", 2.0, 1.0, 3.0)
    arrows = [svg(Forest((m, other), "x", ("less", "more")), "f", "a", "b").count("<use") for m in (closed, opened)]
    assert arrows[1] == arrows[0] + 1
