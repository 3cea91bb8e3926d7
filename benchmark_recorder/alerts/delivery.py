"""At least once to each channel: noted before and after; retried with growing pauses; within a budget; together."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import tenacity

from benchmark_recorder.alerts.channels import ChannelError, Message, open_channel
from benchmark_recorder.alerts.texts import digest_of
from benchmark_recorder.errors import BenchmarkRecorderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ATTEMPTS: Final = 3
"""In a row, where the failure may pass in a moment."""

PATIENCE: Final = 5.0
"""Seconds that such an attempt waits at most; longer ones wait for a later look."""

DEADLINE: Final = 90.0
"""Seconds after which a channel counts as failed, so that it never stops another."""

LONGEST_PAUSE: Final = 900.0
GIVE_UP: Final = 86_400.0
HOUR: Final = 3600.0


def send(address: str, message: Message) -> None:
    """Send a message to a channel now, with a few attempts.

    Raises:
        ConfigurationError: there is no such channel, or the environment lacks what it needs.
        ChannelError: it was not taken.
    """
    channel = open_channel(address)
    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=_pause,
        retry=tenacity.retry_if_exception(_passes_soon),
        reraise=True,
    )
    failure: ChannelError | None = None
    try:
        attempts(channel.send, message)
    except BenchmarkRecorderError:
        raise
    except Exception as error:  # noqa: BLE001 - another package's; its text may hold a secret
        failure = ChannelError(f"{address.partition(':')[0]}: {type(error).__name__}", temporary=True)
    if failure is not None:
        raise failure


def _passes_soon(error: BaseException) -> bool:
    return isinstance(error, ChannelError) and error.temporary and (error.retry_after or 0.0) <= PATIENCE


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after if isinstance(error, ChannelError) else None
    return 0.2 * 2.0**state.attempt_number if asked is None else asked


def entries_for(message: Message, addresses: tuple[str, ...], now: float) -> list[dict[str, Any]]:
    """What waits in the outbox: one entry for each channel."""
    own = {
        "id": message.id,
        "title": message.title,
        "text": message.text,
        "html": message.html,
        "thread": message.thread,
        "data": dict(message.data),
    }
    return [
        {"address": address, "message": own, "status": "waiting", "created": now, "tries": 0, "not_before": now}
        for address in addresses
    ]


def deliver(
    state: dict[str, Any],
    save: Callable[[], None],
    now: float,
    most_per_hour: int,
    attempt: Callable[[str, Message], None] = send,
) -> list[str]:
    """Bring what waits in the outbox to its channels, each on its own; what came of it is in the state.

    Args:
        state: see ``state.StateFile``; what is "sending" was cut short, and is sent again.
        save: writes the state, before and after.
        now: seconds since 1970.
        most_per_hour: messages to one channel.
        attempt: sends a message to an address.

    Returns:
        What went wrong, in words.
    """
    complaints, batches = [], defaultdict[str, list[dict[str, Any]]](list)
    for entry in state["outbox"]:
        # A clock that went back must not make anybody wait for it.
        entry["created"] = min(entry["created"], now)
        entry["not_before"] = min(entry["not_before"], now + HOUR)
        batches[entry["address"]].append(entry)
    for address, all_of_it in [*batches.items()]:
        known = state["channels"].setdefault(address, {"sent": [], "error": None, "given_up": 0})
        late = [entry for entry in all_of_it if entry["tries"] and now - entry["created"] > GIVE_UP]
        if late:
            known["given_up"] += len(late)
            state["outbox"] = _without(state["outbox"], late)
            complaints.append(f"{address}: gave up {len(late)} of its messages after a day: {known['error']}")
        entries = _without(all_of_it, late)
        known["sent"] = [moment for moment in known["sent"] if now - HOUR < moment <= now]
        is_due = any(entry["not_before"] <= now for entry in entries)
        batches[address] = entries if is_due and len(known["sent"]) < most_per_hour else []
    due = {address: entries for address, entries in batches.items() if entries}
    for entries in due.values():
        for entry in entries:
            entry["status"] = "sending"
    save()
    found = _attempts({address: digest_of([_message(e) for e in entries]) for address, entries in due.items()}, attempt)
    for address, entries in due.items():
        known, error = state["channels"][address], found[address]
        if error is None:
            known["sent"].append(now)
            known["error"] = None
            state["outbox"] = _without(state["outbox"], entries)
            continue
        known["error"] = str(error)
        tries = 1 + max(entry["tries"] for entry in entries)
        pause = max(getattr(error, "retry_after", None) or 0.0, min(LONGEST_PAUSE, 15.0 * 2.0 ** min(tries, 20)))
        for entry in entries:
            entry |= {"status": "waiting", "tries": tries, "not_before": now + pause}
        complaints.append(f"{address}: {error}; it is tried again in {pause:.0f} s")
    if due:
        save()
    return complaints


def _without(entries: list[dict[str, Any]], some: list[dict[str, Any]]) -> list[dict[str, Any]]:
    gone = set(map(id, some))
    return [entry for entry in entries if id(entry) not in gone]


def _message(entry: Mapping[str, Any]) -> Message:
    return Message(**entry["message"])


def _attempts(
    messages: Mapping[str, Message], attempt: Callable[[str, Message], None]
) -> dict[str, BenchmarkRecorderError | None]:
    """What came of each, all at once: a channel that hangs is left behind at the deadline."""
    found: dict[str, BenchmarkRecorderError | None] = {}

    def one(address: str, message: Message) -> None:
        try:
            attempt(address, message)
        except BenchmarkRecorderError as error:
            found[address] = error
        except Exception as error:  # noqa: BLE001 - a bug in one channel stops no other
            found[address] = ChannelError(type(error).__name__, temporary=True)
        else:
            found[address] = None

    threads = [threading.Thread(target=one, args=pair, daemon=True) for pair in messages.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    late = ChannelError(f"no answer within {DEADLINE:g} s", temporary=True)
    return {address: found.get(address, late) for address in messages}
