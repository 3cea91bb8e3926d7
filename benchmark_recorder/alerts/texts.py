"""Alerts for people: what, how much, since when, how sure, where to look, and the command that shows more."""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.alerts.channels import Message
from benchmark_recorder.analysis.metrics import METRICS
from benchmark_recorder.analysis.results import Interval
from benchmark_recorder.reporting.escaping import visible
from benchmark_recorder.reporting.frames import Column, Frame, Kind
from benchmark_recorder.reporting.html import render_html
from benchmark_recorder.reporting.numbers import UNDEFINED, given, limits, signed, size
from benchmark_recorder.reporting.page import Bullets, Heading, Line, Page, Paragraph, Prose, Status, Table, Untrusted
from benchmark_recorder.reporting.text import render_text
from benchmark_recorder.reporting.views import Shown
from benchmark_recorder.reporting.wording import LABELS, WORDINGS, runs, short_unit, unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.alerts.results import Alert
    from benchmark_recorder.reporting.page import Tone

MOST_OF_NAME: Final = 60
"""Characters of a name in a sentence or a title."""

TONES: Final[dict[str, Tone]] = {
    "quiet": "calm",
    "pending": "doubt",
    "firing": "bad",
    "recovered": "good",
    "no_data": "doubt",
    "broken": "bad",
}
_COLUMNS: Final = ("name", "state", "version", "metric", "baseline", "since", "change", "low", "high", "runs")


class Alerts(Shown, tuple["Alert", ...]):  # noqa: SLOT001 - a tuple cannot have any
    """What all rules say, in their order; can be printed."""

    def _page(self) -> Page:
        return alerts_page(self)

    def _frame(self) -> Frame:
        kinds: dict[str, Kind] = {"change": "float", "low": "float", "high": "float", "runs": "count"}
        return {name: Column(kinds.get(name, "text"), tuple(alert[name] for alert in self)) for name in _COLUMNS}


def alerts_page(alerts: Sequence[Alert]) -> Page:
    """A row and a sentence for each rule."""
    if not alerts:
        return Heading(("Alerts",), level=1), Paragraph(("There are no rules.",))
    header: tuple[Line, ...] = (("rule",), ("state",), ("metric",), ("change",), ("95% interval",), ("since",))
    rows = tuple(
        (
            (Untrusted(alert.name),),
            (Status(alert.state, TONES[alert.state]),),
            (LABELS[alert.metric],),
            (UNDEFINED if alert.change is None else signed(alert.change, _suffix(alert)),),
            (_interval(alert),),
            ((alert.since or UNDEFINED)[:16].replace("T", " "),),
        )
        for alert in alerts
    )
    return (
        Heading(("Alerts",), level=1),
        Table(header, rows, "lllrrl"),
        Bullets(tuple((Untrusted(alert.name), ": ", Prose(alert.sentence)) for alert in alerts)),
        *_deliveries(alerts),
    )


def _deliveries(alerts: Sequence[Alert]) -> Page:
    lines = [
        (Untrusted(alert.name), " to ", Untrusted(address), ": ", Prose(what))
        for alert in alerts
        for address, what in alert.delivery.items()
    ]
    return (Heading(("Delivery",)), Bullets(tuple(lines))) if lines else ()


def _suffix(alert: Alert) -> str:
    return short_unit(METRICS[alert.metric].kind)


def _interval(alert: Alert, suffix: str | None = None) -> str:
    if alert.change is None:
        return UNDEFINED
    return limits(Interval(alert.low, alert.high), _suffix(alert) if suffix is None else suffix)


def worded(alert: Alert) -> Alert:
    """The alert with its sentence and command."""
    return replace(alert, sentence=_sentence(alert), command=_command(alert))


def _short(name: str) -> str:
    return name if len(name) <= MOST_OF_NAME else f"{name[:MOST_OF_NAME]}…"


def _against(alert: Alert) -> str:
    return _short(alert.baseline) if alert.baseline is not None else f"the {alert.baseline_days:g} days before"


def _sentence(alert: Alert) -> str:
    version, metric, since = _short(alert.version), METRICS[alert.metric], (alert.since or "")[:16].replace("T", " ")
    margin = given(alert.margin, unit(metric.kind))
    if alert.state == "no_data":
        return f"No runs of {version} since {since} UTC; {alert.reason}."
    if alert.state == "broken":
        return f"It cannot be judged: {alert.reason}."
    if alert.change is None:
        return f"{version} against {_against(alert)}: {alert.reason or 'no run counts yet'}."
    wording, than = WORDINGS[alert.metric], _against(alert) if alert.baseline else f"in {_against(alert)}"
    grown = size(alert.change, unit(metric.kind))
    what = f"{version} {wording.verb} {grown} {wording.worse if alert.change >= 0 else wording.better} than {than}"
    basis = f"95% interval {_interval(alert, unit(metric.kind))}; {runs(alert.runs)} since {since} UTC"
    chance = alert.chance_days
    sure = "" if chance is None else f" Chance alone gets this far at most once in {_days(chance)}."
    change = signed(alert.change, unit(metric.kind))
    return {
        "firing": f"{what} ({basis}); {margin} is allowed.{sure}",
        "recovered": f"{version} is within {margin} of {_against(alert)} again: {noun(alert)} {change} ({basis}).",
        "pending": f"{what} ({basis}); more evidence is needed to say that this is beyond {margin}.",
        "quiet": f"{what} ({basis}); nothing says that it is beyond {margin}.",
    }[alert.state]


def noun(alert: Alert) -> str:
    """Of what a change is counted: failures, where that is what is watched."""
    return {"success_rate": "failures", "failure_rate": "failures", "routing_accuracy": "wrong agents"}.get(
        alert.metric, METRICS[alert.metric].noun
    )


def _days(days: float) -> str:
    if days < 2:
        return f"{max(1, round(24 * days))} h"
    return f"{days:,.0f} days" if days < 3650 else f"{days / 365:,.0f} years" if days < 365e6 else "a million years"


def _command(alert: Alert) -> str:
    version = shlex.quote(visible(alert.version))
    if alert.baseline is not None:
        return f"benchmark-recorder compare {shlex.quote(visible(alert.baseline))} {version} --metric {alert.metric}"
    since = f" --since {alert.since[:13]}:00Z" if alert.since else ""
    return f"benchmark-recorder show {version} --by hour{since}"


# Messages -------------------------------------------------------------------------------------------------------------

TITLES: Final = {
    "firing": "firing",
    "recovered": "recovered",
    "no_data": "no data",
    "broken": "broken",
    "quiet": "judged again",
    "pending": "judged again",
}
"""What a message about a state says; rules that were broken or without data, and are neither now, are judged again."""


def message_of(alert: Alert, store: str, moment: int) -> Message:
    """The message about a transition.

    Args:
        alert: after it.
        store: where the records are.
        moment: the hour of the transition; the same one gives the same message id.
    """
    title = f"Alert {TITLES[alert.state]}: {visible(alert.name, MOST_OF_NAME)}"
    page: Page = (
        Heading((title,), level=1),
        Paragraph((Prose(alert.sentence),)),
        Bullets(
            (
                ("Rule: ", Untrusted(alert.name)),
                *((("Since: ", alert.since[:16].replace("T", " "), " UTC"),) if alert.since else ()),
                ("Records: ", Untrusted(store)),
                ("More: ", Prose(alert.command)),
            )
        ),
    )
    return Message(
        id=key_of(alert.name, alert.version, alert.state, str(moment)),
        title=title,
        text=render_text(page),
        html=render_html(page),
        thread=key_of(alert.name, alert.version),
        data={"kind": "alert", "alerts": [{k: v for k, v in alert.to_dict().items() if k != "delivery"}]},
    )


def key_of(*parts: str) -> str:
    """An id that the same parts always get."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def digest_of(messages: Sequence[Message]) -> Message:
    """Several messages as one; the only one as it is."""
    if len(messages) == 1:
        return messages[0]
    alerts = [alert for message in messages for alert in message.data.get("alerts", ())]
    states = Counter(TITLES[alert["state"]] for alert in alerts)
    title = f"{len(messages)} alerts: {', '.join(f'{n} {state}' for state, n in states.most_common())}"
    return Message(
        id=key_of(*(message.id for message in messages)),
        title=title,
        text="\n".join([f"{title}\n", *(message.text for message in messages)]),
        html="".join(message.html or "" for message in messages) or None,
        data={"kind": "digest", "alerts": alerts},
    )


def plain_message(kind: str, title: str, text: str, html: str | None = None, **data: Any) -> Message:  # noqa: ANN401
    """A message that is about no alert: a report, or a test."""
    return Message(key_of(kind, title, text), title, text, html, data={"kind": kind, **data})
