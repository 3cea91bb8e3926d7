"""Langfuse's exports, as JSON, JSON lines or the answer of its API: traces, or observations.

Of observations the roots alone are runs: what they contain is part of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.exchange.entry import Asked, Entry, id_of, wrong
from benchmark_recorder.records import timestamp_micros, timestamp_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmark_recorder.records import Document

_LEVELS: Final = {"DEBUG", "DEFAULT", "WARNING", "ERROR"}


def is_row(row: Document) -> bool:
    """Whether a JSON object is a trace or an observation of Langfuse's."""
    return "id" in row and (
        {"traceId", "startTime", "type"} <= row.keys() or {"timestamp", "latency", "tags"} <= row.keys()
    )


def is_answer(top: Document) -> bool:
    """Whether a JSON document is an answer of its API."""
    data = top.get("data")
    return isinstance(data, list) and "meta" in top and all(isinstance(row, dict) and is_row(row) for row in data[:1])


def entries(rows: Iterable[tuple[str, Any]], asked: Asked, notes: list[str]) -> Iterator[Entry]:
    """One entry per trace, or per observation without a parent.

    Raises:
        InvalidRecordError: something is not a trace or an observation, or does not say whether it succeeded.
    """
    inner = 0
    for place, row in rows:
        if not isinstance(row, dict) or not is_row(row):
            raise wrong(place, "not a trace or an observation of Langfuse's")
        if row.get("parentObservationId"):
            inner += 1
        else:
            yield _entry(place, row, asked)
    if inner:
        notes.append(f"{inner:,} observations are parts of others, and are left out")


def _entry(place: str, row: Document, asked: Asked) -> Entry:
    usage = _first(row, "usageDetails", "usage", kind=dict) or {}
    failed, score = _failed(row, place, asked)
    input_ = row.get("input")
    document: Document = {
        "record_id": id_of("langfuse", row["id"]),
        "timestamp": row.get("timestamp") or row.get("startTime"),
        "version": row.get("version") or row.get("release"),
        "task_description": input_ if isinstance(input_, str) and input_ else json.dumps(input_ or row.get("name")),
        "execution_time": _seconds(row),
        "success": not failed,
        "agent_selected": row.get("name"),
        "cost_estimated": _first(row, "totalCost", "calculatedTotalCost", kind=(int, float)) or None,
        "model": row.get("providedModelName") or row.get("model"),
        "input_tokens": _first(usage, "input", "promptTokens", kind=int),
        "output_tokens": _first(usage, "output", "completionTokens", kind=int),
        "error_type": "error" if failed and score is None else None,
        "metadata": {
            name: row[name] for name in ("environment", "release", "sessionId") if isinstance(row.get(name), str)
        }
        | ({"score": score} if score is not None else {}),
    }
    return Entry(place, {name: value for name, value in document.items() if value is not None})


def _seconds(row: Document) -> Any:  # noqa: ANN401 - an invalid one is refused later
    """How long it took: from the times, which say it to the millisecond, else from the latency in seconds."""
    start, end = row.get("startTime"), row.get("endTime")
    if isinstance(start, str) and isinstance(end, str):
        return (timestamp_micros(timestamp_text(end)) - timestamp_micros(timestamp_text(start))) / 1e6
    return row.get("latency")


def _failed(row: Document, place: str, asked: Asked) -> tuple[bool, float | None]:
    """Whether it failed, and the score that says so; without one the level says it."""
    if asked.scorer is not None:
        score = _score(row.get("scores"), asked.scorer)
        if score is None:
            raise wrong(place, f"there is no score {asked.scorer!r} with a number")
        return score < 1, score
    level = row.get("level")
    if level not in _LEVELS:
        raise wrong(place, "it has no level, so that nothing says whether it succeeded; name a score (--scorer)")
    return level == "ERROR", None


def _score(scores: Any, name: str) -> float | None:  # noqa: ANN401 - anything that JSON holds
    """A score: by name to a list of values, as tables are exported, or one of a list of objects, as the API has it."""
    found: Any = None
    if isinstance(scores, dict):
        values = scores.get(name)
        found = values[0] if isinstance(values, list) and values else values
    elif isinstance(scores, list):
        found = next((one.get("value") for one in scores if isinstance(one, dict) and one.get("name") == name), None)
    return float(found) if isinstance(found, (int, float)) else None


def _first(row: Document, *names: str, kind: Any) -> Any:  # noqa: ANN401
    found = (row.get(name) for name in names)
    return next((value for value in found if isinstance(value, kind) and not isinstance(value, bool)), None)
