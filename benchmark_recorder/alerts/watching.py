"""One look of a watcher: check each rule, note what changed and who is to be told, and deliver."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmark_recorder.alerts.checking import DAY, Memory, look
from benchmark_recorder.alerts.delivery import deliver, entries_for, send
from benchmark_recorder.alerts.texts import Alerts, key_of, message_of, worded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmark_recorder.alerts.channels import Message
    from benchmark_recorder.alerts.results import Alert
    from benchmark_recorder.alerts.rules import AlertSettings, Rule
    from benchmark_recorder.alerts.state import StateFile
    from benchmark_recorder.history import History

TOLD: Final = {"firing", "no_data", "broken"}
"""States whose beginning and end are told."""


class Look(NamedTuple):
    """What a look found.

    Attributes:
        alerts: by rule.
        told: transitions of this look.
        complaints: of channels, in words.
    """

    alerts: Alerts
    told: tuple[Alert, ...]
    complaints: tuple[str, ...]


def watch_once(
    history: History,
    settings: AlertSettings,
    file: StateFile,
    *,
    clock: Callable[[], float] = time.time,
    attempt: Callable[[str, Message], None] = send,
) -> Look | None:
    """Look once; ``None`` where another watcher is at work on the same records.

    Nothing is sent that could not be noted before: else a watcher that cannot write would repeat it at every look.

    Raises:
        StoreError: the records cannot be read, or the state cannot be written.
    """
    with file.locked() as alone:
        if not alone:
            return None
        now = clock()
        state = file.read()
        file.write(state)  # before anything else: whether it can be
        hour = _hour(state, int(now // 3600))
        alerts, told = [], []
        for rule in settings.rules:
            key = _key(rule)
            memory = _memory(state["rules"].get(key), hour)
            alert, after = look(history, rule, settings, memory, hour)
            said = _told(memory if key in state["rules"] else None, after, alert)
            state["rules"][key] = after._asdict()
            alerts.append(alert)
            if said is not None:
                told.append(said)
                moment = after.changed if said.state in {"firing", "recovered"} and after.changed else hour
                state["outbox"] += entries_for(message_of(said, history.store.name, moment), rule.send, now)
        known = {_key(rule) for rule in settings.rules}
        state["rules"] = {key: value for key, value in state["rules"].items() if key in known}
        state["looked"] = hour
        complaints = deliver(state, lambda: file.write(state), now, settings.max_messages_per_hour, attempt)
        shown = [
            replace(alert, delivery=_delivery(state, rule)) for alert, rule in zip(alerts, settings.rules, strict=True)
        ]
        return Look(Alerts(shown), tuple(told), tuple(complaints))


def _key(rule: Rule) -> str:
    """Of a rule that says something else now, nothing is remembered."""
    what = (rule.name, rule.version, rule.metric, rule.margin, rule.baseline, rule.baseline_days)
    return key_of(*map(str, what))


def _hour(state: Mapping[str, Any], hour: int) -> int:
    """The present hour; that of the last look where the clock went back since, by at most a day."""
    return max(hour, state["looked"]) if state["looked"] - hour <= DAY else hour


def _memory(noted: Mapping[str, Any] | None, hour: int) -> Memory:
    memory = Memory() if noted is None else Memory(**noted)
    if memory.changed is not None and memory.changed > hour:  # the clock was far ahead
        memory = memory._replace(changed=hour)
    return memory


def _told(before: Memory | None, after: Memory, alert: Alert) -> Alert | None:
    """What people are told after a look, if anything; ``before`` is ``None`` at the first one."""
    changed = before is not None and before.changed != after.changed
    if after.state in TOLD:
        return alert if changed or before is None or before.state != after.state else None
    if changed or (before is not None and before.firing and not after.firing):
        return worded(replace(alert, state="recovered"))
    return alert if before is not None and before.state in TOLD else None


def _delivery(state: Mapping[str, Any], rule: Rule) -> dict[str, str]:
    waiting = {entry["address"] for entry in state["outbox"]}
    found = {}
    for address in rule.send:
        known = state["channels"].get(address) or {}
        if known.get("error"):
            found[address] = f"failed: {known['error']}"
        elif address in waiting:
            found[address] = "waits for the budget"
        if known.get("given_up"):
            found[address] = f"{found.get(address, 'works again')}; {known['given_up']:,} given up"
    return found
