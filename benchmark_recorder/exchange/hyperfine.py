"""hyperfine's JSON (``--export-json``): each of its runs, with the exit code for success.

Its files have neither times nor a version: all runs have the file's own time.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from benchmark_recorder.exchange.entry import Asked, Entry, id_of, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.records import Document


def is_report(top: Document) -> bool:
    """Whether a JSON document is one of hyperfine's."""
    results = top.get("results")
    return isinstance(results, list) and bool(results) and isinstance(results[0], dict) and "command" in results[0]


def entries(report: Document, asked: Asked, notes: list[str]) -> Iterator[Entry]:
    """One entry per timed run.

    Raises:
        InvalidRecordError: a result has no command or no runs.
    """
    notes.append(f"such a file says nothing of when it was measured: all runs have the file's time, {asked.modified}")
    for number, result in enumerate(report["results"], 1):
        place = f"result {number}"
        if not isinstance(result, dict) or not isinstance(result.get("command"), str):
            raise wrong(place, "command is missing")
        times, codes = result.get("times"), result.get("exit_codes") or []
        if not isinstance(times, list) or not isinstance(codes, list):
            raise wrong(place, "times is missing: a file with figures alone has no runs")
        parameters = result.get("parameters")
        measured = json.dumps([result["command"], parameters, times])
        for index, (seconds, code) in enumerate(zip_longest(times, codes[: len(times)], fillvalue=0)):
            yield Entry(
                f"{place}, run {index + 1}",
                {
                    "record_id": id_of("hyperfine", measured, index),
                    "timestamp": asked.modified,
                    "version": asked.version,
                    "task_description": result["command"],
                    "execution_time": seconds,
                    "metadata": {"parameters": parameters} if parameters else {},
                    **_ended(code),
                },
            )


def _ended(code: Any) -> Document:  # noqa: ANN401 - anything that JSON holds
    if code == 0:
        return {"success": True}
    return {"success": False, "error_type": "killed by a signal" if code is None else f"exit code {code}"}
