"""What the live page shows: its sections, each the markup of a heading and what belongs to it.

A section asks a ``History`` and knows nothing of servers; the page shows them in the order of ``SECTIONS``.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmark_recorder.alerts import alert_settings, check_alerts
from benchmark_recorder.alerts.texts import alerts_page
from benchmark_recorder.analysis import METRICS
from benchmark_recorder.grouping import check_key
from benchmark_recorder.queries import Query
from benchmark_recorder.questions import versions_of
from benchmark_recorder.records import is_made, task_id_of
from benchmark_recorder.reporting.comparison_pages import comparison_section, slices_section
from benchmark_recorder.reporting.comparison_views import tasks_named
from benchmark_recorder.reporting.html import environment, render_sections
from benchmark_recorder.reporting.numbers import amount, moment, money, seconds
from benchmark_recorder.reporting.outlook_pages import changes_section
from benchmark_recorder.reporting.page import Bullets, Footnotes, Heading, Page, Paragraph, Status, Table, Untrusted
from benchmark_recorder.reporting.report_page import health_lines
from benchmark_recorder.reporting.version_pages import groups_section, list_page, versions_section
from benchmark_recorder.serve.hours import HEIGHT, WIDTH, bars_of, hours_of, hours_table
from benchmark_recorder.stores.completing import completed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmark_recorder.history import History
    from benchmark_recorder.records import Columns
    from benchmark_recorder.reporting.page import Line

MOST_VERSIONS: Final = 20
"""That are listed, the newest; all others are counted."""
MOST_RUNS: Final = 20
MOST_TEXTS: Final = 10_000
"""Texts of tasks that are kept."""
TEMPLATES: Final = Path(__file__).parent / "templates"
_SECOND: Final = 1_000_000
"""In microseconds."""


class View(NamedTuple):
    """What a reader looks at.

    Attributes:
        versions: the one that is compared with, and the others; the latest two unless given.
        last_days: how far back.
        by: the key that the runs are also grouped by; empty for none.
    """

    versions: tuple[str, ...] = ()
    last_days: float = 7.0
    by: str = ""

    @classmethod
    def of(cls, versions: Sequence[str], last_days: str | float, by: str) -> View:
        """A view of what a reader asked for.

        Raises:
            InvalidQueryError: a value is wrong.
        """
        try:
            days = float(last_days)
        except ValueError:
            days = float("nan")  # is refused with the others
        Query.of(version=versions or None, last_days=days)
        return cls(tuple(versions), days, check_key(by) if by else "")


class Looked:
    """What several sections of a view need.

    Args:
        history: what is asked.
        view: what the reader looks at.

    Attributes:
        store: the history's, which answers every question.
        texts: of tasks whose ids were made from them, by the id.
        learnt: tasks whose texts were looked for.
    """

    def __init__(self, history: History, view: View) -> None:
        self.history = history
        self.store = completed(history.store)
        self.view = view
        self.texts: dict[str, str] = {}
        self.learnt: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """The versions that are compared: those that the reader named, or the latest two of those that ran lately."""
        return self.view.versions or self.lately[-2:]

    @property
    def lately(self) -> tuple[str, ...]:
        """The versions that ran in the last days, in the order of their first runs ever."""
        spans: dict[str, tuple[int, int]] = {}
        for cell in self.store.summarize(Query.of()).cells:
            first, last = spans.get(cell.version, (cell.first, cell.last))
            spans[cell.version] = min(first, cell.first), max(last, cell.last)
        since = Query.of(last_days=self.view.last_days).since or 0
        return tuple(sorted((name for name in spans if spans[name][1] >= since), key=lambda name: (spans[name], name)))


def verdict(looked: Looked) -> Page:
    """Is the newest version better than the one before it?"""
    names = looked.names
    if len(names) < 2:
        who: Line = ("Only ", Untrusted(names[0]), " ran") if names else ("Nothing ran",)
        return (
            Heading(("Is it better?",)),
            Paragraph(
                (
                    *who,
                    f" in the last {looked.view.last_days:g} days; a verdict needs two versions.",
                )
            ),
        )
    footnotes, pages = Footnotes(), []
    for name in names[1:]:
        # A reader looks again and again, and acts when the verdict says so.
        joint = looked.history.compare_all(names[0], name, sequential=True, last_days=looked.view.last_days)
        _learn_texts(looked, tasks_named(joint.comparisons.values()), None)
        pages.append(comparison_section(joint, footnotes, looked.texts))
    return *chain.from_iterable(pages), *footnotes.notes()


def alerts(looked: Looked) -> Page:
    """What the rules of the settings say, if there are any."""
    settings = alert_settings()
    if not settings.rules:
        return ()
    _, *said = alerts_page(check_alerts(looked.history, settings))
    return Heading(("Alerts",)), *said


def versions(looked: Looked) -> Page:
    """The figures of the compared versions, and the newest ones in a line each."""
    lately, days = looked.lately, looked.view.last_days
    newest = lately[-MOST_VERSIONS:]
    asked = Query.of(version=tuple({*newest, *looked.names}) or None, last_days=days)
    found = versions_of(looked.store, asked, narrowed=True)
    own = [found[name] for name in looked.names if name in found]
    if not own:
        return Heading(("Versions",)), Paragraph((f"No runs in the last {days:g} days.",))
    footnotes, older = Footnotes(), len(lately) - len(newest)
    listed = list_page([found[name] for name in newest if name in found]) if len(newest) > len(own) else ()
    more = (Paragraph((f"{older:,} more ran before these.",)),) if older else ()
    return *versions_section(own, footnotes), *listed, *more, *footnotes.notes()


def slices(looked: Looked) -> Page:
    """The same by groups, where the reader asked for them."""
    by, days = looked.view.by, looked.view.last_days
    if not by:
        return ()
    names, footnotes = looked.names, Footnotes()
    pages: list[Page] = []
    if len(names) > 1:
        for metric in ("execution_time", "failure_rate"):
            found = looked.history.compare_versions(names[-2], names[-1], metric, by=by, last_days=days)
            pages.append(slices_section(found, footnotes, 3))
    for name in names[-2:]:
        groups = looked.history.get_historical_metrics(name, by=by, last_days=days)
        pages.append(groups_section(name, by, groups, footnotes, 3))
    return Heading(("By ", Untrusted(by))), *chain.from_iterable(pages), *footnotes.notes()


def runs(looked: Looked) -> Page:
    """The newest runs."""
    columns = _newest(looked)
    count = len(columns["time"])
    heading = Heading(("Newest runs",))
    if not count:
        return heading, Paragraph((f"None in the last {looked.view.last_days:g} days.",))
    _learn_texts(looked, columns["task_id"].tolist(), int(columns["time"].min()))
    unit = seconds(columns["execution_time"].tolist())
    names = ("time (UTC)", "version", "task", "outcome", "took", "cost", "agent", "model")
    rows = tuple(
        (
            (moment(int(columns["time"][n])),),
            (Untrusted(columns["version"][n]),),
            (Untrusted(looked.texts.get(columns["task_id"][n], columns["task_id"][n])),),
            (_outcome(success=columns["success"][n], error_type=columns["error_type"][n])),
            (amount(columns["execution_time"][n], unit),),
            (money(columns["cost"][n]) if columns["cost"][n] == columns["cost"][n] else "-",),
            (_named(columns["agent_selected"][n]),),
            (_named(columns["model"][n]),),
        )
        for n in range(count)
    )
    return heading, Table(tuple((name,) for name in names), rows, "lllrrrll")


def _newest(looked: Looked) -> Columns:
    """The columns of the newest runs, the newest first: looked for in a span that grows until there are enough."""
    fields = (
        "time",
        "version",
        "task_id",
        "success",
        "error_type",
        "execution_time",
        "cost",
        "agent_selected",
        "model",
    )
    now, span = time_ns() // 1000, 60 * _SECOND
    furthest = int(looked.view.last_days * 86_400 * _SECOND)
    asked = Query.of(version=looked.view.versions or None)
    while True:
        found = looked.store.scan(replace(asked, since=now - span, until=now + 60 * _SECOND), fields)
        if len(found["time"]) >= MOST_RUNS or span >= furthest:
            order = found["time"].argsort(kind="stable")[::-1][:MOST_RUNS]
            return {name: column[order] for name, column in found.items()}
        span = min(span * 8, furthest)


def _learn_texts(looked: Looked, tasks: Iterable[str], since: int | None) -> None:
    """Look up the texts of tasks that were not looked up yet, whose ids were made from them."""
    new = {task_id for task_id in tasks if is_made(task_id)} - looked.learnt
    if not new:
        return
    if len(looked.learnt) > MOST_TEXTS:
        looked.learnt.clear()
        looked.texts.clear()
    asked = Query(task_ids=tuple(sorted(new)), since=since)
    found = looked.store.scan(asked, ("task_id", "task_description"))
    pairs = zip(found["task_id"].tolist(), found["task_description"].tolist(), strict=True)
    looked.texts.update({task_id: text for task_id, text in pairs if text and task_id == task_id_of(text)})
    looked.learnt |= new


def _outcome(*, success: bool, error_type: str | None) -> Line:
    if success:
        return (Status("ok", "good"),)
    return (Status("failed", "bad"), *((" ", Untrusted(error_type)) if error_type else ()))


def _named(name: str | None) -> str | Untrusted:
    return "-" if name is None else Untrusted(name)


def changes(looked: Looked) -> Page:
    """The days since which a figure of the newest version is another one, if there are any."""
    pages: list[Page] = []
    for metric in ("execution_time", "failure_rate") if looked.names else ():
        found, footnotes = looked.history.find_changes(looked.names[-1], metric), Footnotes()
        if found.changes:
            title = Heading((f"{METRICS[metric].noun} of ", Untrusted(looked.names[-1])), 3)
            pages.append((title, *changes_section(found, footnotes), *footnotes.notes()))
    return (Heading(("What changed",)), *chain.from_iterable(pages)) if pages else ()


def delivery(looked: Looked) -> Page:
    """Where the records are, and what is missing from the figures."""
    lines = tuple(health_lines(looked.history.health()))
    state: Page = (Bullets(lines),) if lines else ()
    return Heading(("Records",)), Paragraph(("In ", Untrusted(looked.history.store.name), ".")), *state


def _page_of(make: Callable[[Looked], Page]) -> Callable[[Looked], str]:
    def markup(looked: Looked) -> str:
        page = make(looked)
        return render_sections(page, f"about-{make.__name__}") if page else ""

    return markup


def hours(looked: Looked) -> str:
    """The last 24 hours as a strip."""
    names, now = looked.names, time_ns() // 1000
    found = hours_of(looked.store, names, now) if names else []
    return environment(TEMPLATES).get_template("hours.html.jinja").render(
        bars=bars_of(found, names, now),
        names=[(Untrusted(name),) for name in names],
        table=hours_table(found) if found else None,
        highest=amount(max(h.p95 for h in found), seconds([h.p95 for h in found])) if found else "",
        width=WIDTH,
        height=HEIGHT,
    )  # fmt: skip


SECTIONS: Final[Mapping[str, Callable[[Looked], str]]] = {
    "verdict": _page_of(verdict),
    "alerts": _page_of(alerts),
    "hours": hours,
    "versions": _page_of(versions),
    "slices": _page_of(slices),
    "changes": _page_of(changes),
    "runs": _page_of(runs),
    "delivery": _page_of(delivery),
}
"""By the id of their element, in the page's order."""
