"""A rule and a history to an alert. Only whole hours count, so one moment gives one answer, however often one looks."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from time import time_ns
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmark_recorder.alerts.results import Alert
from benchmark_recorder.alerts.rules import AlertSettings, Rule, alert_settings
from benchmark_recorder.alerts.texts import Alerts, worded
from benchmark_recorder.analysis.detector import Hour, baseline_of, change_in, hours_of, read_hours
from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.grouping import HOUR, REST, period_label
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.completing import completed

if TYPE_CHECKING:
    from benchmark_recorder.analysis.detector import Baseline, Hours, Reading
    from benchmark_recorder.history import History

DAY: Final = 24
"""In hours."""

WATCHED: Final = 28 * DAY
"""Hours back from now that a version is watched over; its own past begins before them."""

LEAST_PAUSE: Final = 6
"""Hours without a run that are never an alert by themselves."""

SHOWN_RECOVERED: Final = 24
"""Hours for which a recovery is shown as one."""


class Memory(NamedTuple):
    """What a watcher knows of a rule from its last look.

    Attributes:
        state: of the alert.
        firing: whether it fired and has not recovered.
        changed: the hour since 1970 after which that last changed.
        since: the hour at which the change of the runs began, as far as could be told.
        strength: of the evidence for it; a logarithm.
        start: the hour at which the baseline ends.
    """

    state: str = "quiet"
    firing: bool = False
    changed: int | None = None
    since: int | None = None
    strength: float = 0.0
    start: int | None = None


def check_alerts(history: History, settings: AlertSettings | None = None, *, now: int | None = None) -> Alerts:
    """What each rule says of a history, by all whole hours so far; nothing is noted, and nobody is told.

    Args:
        history: whose runs.
        settings: the rules; those of the settings file unless given.
        now: hours since 1970; the present one unless given.

    Raises:
        ConfigurationError: a rule is wrong.
        StoreError: the store cannot be read.
    """
    settings, hour = settings or alert_settings(), present() if now is None else now
    return Alerts([look(history, rule, settings, Memory(), hour)[0] for rule in settings.rules])


def present() -> int:
    """The present hour, since 1970."""
    return time_ns() // 1000 // HOUR


def look(history: History, rule: Rule, settings: AlertSettings, memory: Memory, now: int) -> tuple[Alert, Memory]:
    """What a rule says at an hour, going on from an earlier look.

    Raises:
        StoreUnavailableError: records of a server that cannot be reached are missing.
        StoreError: the store cannot be read.
    """
    past = None if rule.baseline_days is None else round(rule.baseline_days * DAY)
    start = memory.start if memory.firing and memory.start is not None else (now - WATCHED) // DAY * DAY
    hours = _hours_of(history, rule, None if past is None else start - past, now)
    own = [each for each in hours if each.cell.version == rule.version]
    numbers = sorted({each.hour for each in own})
    alert = Alert(rule.name, "quiet", rule.version, rule.metric, rule.baseline, rule.baseline_days, rule.margin)
    if not numbers:
        recent = "" if past is None else f" in the last {(now - start + past) / DAY:.0f} days"
        reason = f"there are no runs of the version{recent}"
        return worded(replace(alert, state="broken", reason=reason)), memory._replace(state="broken")
    silent, usual = now - 1 - numbers[-1], max((b - a - 1 for a, b in pairwise(numbers)), default=0)
    if silent > (rule.no_data_hours or max(LEAST_PAUSE, 2 * usual)):
        since, reason = _moment(numbers[-1] + 1), f"the longest pause before was {usual} h"
        return worded(replace(alert, state="no_data", reason=reason, since=since)), memory._replace(state="no_data")
    if past is not None and not memory.firing:
        # A young version learns from the first half of its runs, until there are enough of them.
        start = max(start, numbers[0] + min(past, (now - numbers[0]) // 2))
    learned = [
        each for each in hours if (each.hour < start if past is not None else each.cell.version == rule.baseline)
    ]
    if rule.baseline is not None and not learned:
        reason = "there are no runs of the baseline"
        return worded(replace(alert, state="broken", reason=reason)), memory._replace(state="broken")
    alert, memory = _judged(alert, (learned, own), settings, memory._replace(start=start), now)
    return worded(alert), memory


def _hours_of(history: History, rule: Rule, since: int | None, now: int) -> list[Hour]:
    versions = (rule.version,) if rule.baseline is None else (rule.baseline, rule.version)
    asked = replace(
        Query.of(version=versions), by=("hour",), until=now * HOUR, since=None if since is None else since * HOUR
    )
    found = completed(history.store).summarize(asked)
    if found.is_partial:
        raise StoreUnavailableError("; ".join(note.sentence for note in found.caveats))
    return [Hour(cell.first // HOUR, cell) for cell in found.cells if cell.group != (REST,)]


def _judged(
    alert: Alert, hours: tuple[list[Hour], list[Hour]], settings: AlertSettings, memory: Memory, now: int
) -> tuple[Alert, Memory]:
    """What the hours of the baseline and those of the version say."""
    learned, own = hours
    baseline, begin = baseline_of(learned, alert.metric), max(memory.start or 0, memory.changed or 0)
    after = [] if baseline is None else [each for each in own if each.hour >= begin]
    watched = None if baseline is None else hours_of(after, alert.metric, baseline)
    if baseline is None or watched is None or not (memory.firing or len(watched.n)):
        few = "too few runs of the baseline count; it waits for more"
        reason = few if baseline is None else "no run that counts is of a task that the baseline ran"
        state = "firing" if memory.firing else "quiet"
        return replace(alert, state=state, reason=reason), memory._replace(state=state)
    alarm = settings.false_alarm_days * DAY
    reading = read_hours(watched, baseline, alert.margin, alarm_hours=alarm, firing=memory.firing)
    if reading.changed is not None:
        memory = memory._replace(changed=reading.changed, since=reading.since, strength=reading.strength)
    state = _state(reading, memory.changed, math.log(alarm), now)
    memory = memory._replace(state=state, firing=reading.firing)
    first = {"pending": reading.onset, "quiet": begin}.get(state, memory.since)
    shown = hours_of([each for each in own if each.hour >= (first or 0)], alert.metric, baseline)
    evidence = memory.strength if state in {"firing", "recovered"} else reading.evidence
    alert = replace(alert, state=state, chance_days=math.exp(min(evidence, 700.0)) / DAY if evidence > 0 else None)
    return _filled(alert, shown, baseline), memory


def _state(reading: Reading, changed: int | None, limit: float, now: int) -> str:
    if reading.firing:
        return "firing"
    if reading.evidence >= limit / 2:
        return "pending"
    recovered = changed is not None and now - changed < SHOWN_RECOVERED
    return "recovered" if recovered else "quiet"


def _filled(alert: Alert, hours: Hours, baseline: Baseline) -> Alert:
    """The alert with the change in some hours."""
    found = change_in(hours, baseline)
    if found is None:
        return alert
    change, low, high = (end if baseline.is_rate else math.expm1(min(end, 700.0)) for end in found[:3])
    since = _moment(int(hours.hour[0]))
    return replace(alert, since=since, change=change, low=low, high=high, runs=found.runs)


def _moment(hour: int) -> str:
    return f"{period_label('hour', hour * HOUR)}:00+00:00"
