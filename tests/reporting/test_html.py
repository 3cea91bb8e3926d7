"""The HTML report: what it holds, and what a real browser makes of it."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.errors import MissingDependencyError
from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting import html
from benchmark_recorder.reporting.escaping import visible
from benchmark_recorder.stores.memory import MemoryStore
from tests.hostile import HOSTILE
from tests.reporting.histories import VERSIONS, hostile_runs, weeks_of_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

VOID = {"meta"}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "h1", "h2", "h3", "p", "ul", "ol"),
    *("li", "span", "bdi", "div", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "details"),
    *("summary", "svg", "desc", "g", "path", "text", "use", "defs", "clippath", "rect"),
}
SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
screens = pytest.mark.parametrize(("width", "scheme"), SCREENS)


class Reader(HTMLParser):
    """What a browser sees: balanced tags that we use, attributes, text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.values: list[str] = []
        self.text = ""
        self.title = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        self.names |= {name for name, _ in attrs}
        self.values += [value for _, value in attrs if value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-2:] == ["head", "title"]:
            self.title += data
        elif self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def recorder() -> BenchmarkRecorder:
    return weeks_of_runs()


@pytest.fixture(scope="module")
def report(recorder: BenchmarkRecorder) -> str:
    return recorder.generate_report(VERSIONS, "html")


@pytest.fixture(scope="module")
def worst() -> str:
    """Every hostile text as a version or a task of one report."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    texts = [text[:4000] for text in HOSTILE.values()]
    for version in texts[::6]:
        for task in texts:
            for run in range(2):
                factor = 1 + len(version) % 7
                recorder.record_execution(task, factor * (1 + run / 10), run > 0, version, task_id=task, cost=factor)
    versions = sorted({metric.version for metric in recorder.get_all_metrics()})
    return recorder.generate_report(versions, "html")


def test_a_report_holds_every_section_and_every_chart(report: str) -> None:
    seen = Reader(report)
    assert seen.title == "Benchmark report: v1.0, v2.0, v2.1"
    headings = re.findall(r"<h2 [^>]*>(.*?)</h2>", report, re.DOTALL)
    names = [re.sub(r"<[^>]*>", "", heading).split("\n")[0].strip() for heading in headings]
    assert [name for name in names if name != "Notes"] == [
        "v2.1 against v2.0 improved in 1 and regressed in 1 of 4",
        "v2.0 against v1.0 improved in 2 and regressed in 1 of 4",
        *("What to look at", "Week over week", "Versions", "Based on"),
    ]
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", report)
    assert captions == [
        *(["Change in execution time by task", "Change in cost by task"] * 2),
        *("Mean execution time by week", "Success rate by week", "Cost per run by week"),
        *("Distribution of execution times", "Cost against success"),
    ]


def test_every_chart_has_a_title_a_description_and_its_numbers_in_a_table(report: str) -> None:
    figures = re.findall(r"<figure>(.*?)</figure>", report, re.DOTALL)
    for number, figure in enumerate(figures, 1):
        assert f'role="img" aria-labelledby="figure-{number}-title figure-{number}-description"' in figure
        assert re.search(rf'<title id="figure-{number}-title">[^<]+</title>', figure)
        assert re.search(rf'<desc id="figure-{number}-description">[^<]+</desc>', figure)
        assert len(re.findall("<tr>", figure)) >= 3
    assert len(figures) == 9


def test_no_id_is_there_twice(report: str) -> None:
    ids = re.findall(r' id="([^"]*)"', report)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"#(figure-[\w-]+)", report)) <= set(ids)


def test_the_file_refers_to_nothing_and_runs_nothing(report: str) -> None:
    seen = Reader(report)
    assert not {name for name in seen.names if name.startswith("on")} | {"src", "action"} & seen.names
    assert all(value.startswith("#") for value in re.findall(r'href="([^"]*)"', report))
    assert "default-src 'none'" in report
    assert not re.search(r"@import|url\((?!#)|https?:", report)


def test_the_same_runs_make_the_same_file(recorder: BenchmarkRecorder, report: str) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.fonttype": "path"}):
        assert recorder.generate_report(VERSIONS, "html") == report
        assert mpl.rcParams["font.size"] == 30


@pytest.mark.parametrize("versions", [["v1.0"], ["v1.0", "v2.0"], ["v1.0", "v1.0"]])
def test_nothing_recorded_is_a_report_too(versions: list[str]) -> None:
    text = BenchmarkRecorder(store=MemoryStore()).generate_report(versions, "html")
    seen = Reader(text)
    assert "There are no runs of version v1.0." in seen.text
    assert "0 records in memory" in seen.text
    assert "svg" not in text.split("</style>")[1]


@pytest.mark.parametrize("durations", [(0.0, 1e-300), (1.0, 1e300), (1e299, 1e300), (0.0, 0.0), (1.0, 1.0)])
def test_extreme_durations_are_shown_without_a_warning(durations: tuple[float, float]) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for run in range(12):
        for version in ("v1", "v2"):
            recorder.record_execution("x", durations[run % 2], run > 3, version, cost=run * 1e12)
    report = recorder.generate_report(["v1", "v2"], "html")
    Reader(report)
    assert not re.search(r"\bnan\b|\binf\b", report)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_in_every_field_are_shown_and_never_obeyed(text: str) -> None:
    recorder, versions = hostile_runs(text, tasks=2)
    agents = recorder.store.scan(Query(), ("agent_selected",))["agent_selected"].tolist()
    report = recorder.generate_report([*versions, text[:100] + "?"], "html", agent=[text, *set(agents)])
    seen = Reader(report)
    assert seen.text.replace("\n", "").isprintable()
    assert (visible(versions[0]) or "(empty)") in seen.text
    assert all(value.isprintable() for value in seen.values)
    assert report.count("<svg") >= 3
    assert "@000" not in report


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_what_is_missing_is_named_with_the_line_that_installs_it(
    recorder: BenchmarkRecorder, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    html.environment.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r'pip install "jinja2>=[\d.]+" "matplotlib>=[\d.]+"$'):
        recorder.generate_report(VERSIONS, "html")
    with pytest.raises(MissingDependencyError, match=module):
        BenchmarkRecorder(store=MemoryStore()).generate_report(["none"], "html")


# In a browser ---------------------------------------------------------------------------------------------------------

OVERFLOWING = """
() => [...document.body.querySelectorAll('*')].filter(e => {
  const box = e.getBoundingClientRect();
  return !e.closest('.scroll table') && box.width && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(e => `${e.tagName} ${e.textContent.slice(0, 60)}`)
"""
CUT = """
() => [...document.querySelectorAll('svg')].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
  }).map(text => text.textContent);
})
"""
FAINT = """
() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = numbers(colour).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
  };
  return [...document.body.querySelectorAll('*')].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && !e.matches('title, desc') && e.checkVisibility()
  ).filter(e => {
    const style = getComputedStyle(e);
    const [a, b] = [light(e.matches('text') ? style.fill : style.color), light(behind(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05) < 4.5;
  }).map(e => `${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}`);
}
"""


class Visit:
    """One look at a file."""

    def __init__(self, browser: Browser, source: str, folder: Path, **options: Any) -> None:
        path = folder / "report.html"
        path.write_text(source, encoding="utf-8")
        self.page: Page = browser.new_page(**options)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(path.as_uri())
        self.address = path.as_uri()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    made: list[Visit] = []

    def look(source: str, width: int = 1280, scheme: str = "light", **options: Any) -> Visit:
        size = {"width": width, "height": 900}
        made.append(Visit(browser, source, tmp_path, viewport=size, color_scheme=scheme, **options))
        return made[-1]

    yield look
    for one in made:
        one.page.close()


@screens
@pytest.mark.parametrize("which", ["report", "worst"])
def test_nothing_overflows_and_no_request_leaves(
    which: str, width: int, scheme: str, visit: Any, request: pytest.FixtureRequest
) -> None:
    seen = visit(request.getfixturevalue(which), width, scheme)
    seen.page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.page.evaluate(OVERFLOWING) == []
    assert seen.page.evaluate(CUT) == []
    assert seen.requests == [seen.address]
    assert seen.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(report: str, scheme: str, visit: Any) -> None:
    page = visit(report, scheme=scheme).page
    assert page.evaluate(FAINT) == []
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")


def test_the_charts_follow_the_colour_scheme_while_the_page_is_open(report: str, visit: Any) -> None:
    page = visit(report).page
    ink = "getComputedStyle(document.querySelector('svg text')).fill"
    before = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ink) != before


def test_a_screen_reader_finds_each_chart_by_its_name(report: str, visit: Any) -> None:
    page = visit(report).page
    assert page.get_by_role("img", name=re.compile("^Distribution of execution times")).count() == 1
    assert page.get_by_role("img").count() == 9
    assert page.get_by_role("region").count() >= 10


def test_without_script_it_reads_the_same(report: str, visit: Any) -> None:
    with_script, without = visit(report), visit(report, java_script_enabled=False)
    assert without.page.inner_text("main") == with_script.page.inner_text("main")


def test_paper_is_light_and_shows_the_figures_of_each_chart(report: str, visit: Any) -> None:
    page = visit(report, scheme="dark").page
    table = page.locator("figure details table").first
    assert not table.is_visible()
    page.emulate_media(media="print", color_scheme="dark")
    assert table.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(FAINT) == []


def test_a_table_that_is_too_wide_scrolls_alone_and_by_the_keyboard(report: str, visit: Any) -> None:
    page = visit(report, 390).page
    wide = page.locator("section > .scroll").first
    assert wide.evaluate("e => e.scrollWidth > e.clientWidth")
    wide.focus()
    page.keyboard.press("ArrowRight")
    # Shadows that stay, under covers that scroll with the table, tell that there is more to the side.
    assert wide.evaluate("e => getComputedStyle(e).backgroundAttachment") == "local, local, scroll, scroll"
    while not wide.evaluate("e => e.scrollLeft"):
        page.wait_for_timeout(20)
