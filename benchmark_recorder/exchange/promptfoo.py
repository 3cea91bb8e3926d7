"""promptfoo's JSON (``eval --output results.json``): each test that was answered by a provider.

An answer from promptfoo's cache says nothing of time, and is left out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from benchmark_recorder.exchange.entry import Asked, Entry, id_of, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.records import Document

VERSION: Final = 3
"""Of its results."""

_REASONS: Final = {1: "assertion", 2: "error"}
"""Why a test failed."""


def is_report(top: Document) -> bool:
    """Whether a JSON document is one of promptfoo's."""
    results = top.get("results")
    return isinstance(results, dict) and isinstance(results.get("results"), list) and "stats" in results


def entries(report: Document, asked: Asked, notes: list[str]) -> Iterator[Entry]:
    """One entry per answer that did not come from the cache.

    Raises:
        InvalidRecordError: the results are of another version, or one of them is not an object.
    """
    results = report["results"]
    if results.get("version") != VERSION:
        raise wrong(
            "the whole file", f"promptfoo's results of version {results.get('version')}: only {VERSION} is read"
        )
    cached = 0
    for number, result in enumerate(results["results"], 1):
        if not isinstance(result, dict):
            raise wrong(f"result {number}", "expected an object")
        response = _dict(result, "response")
        if response.get("cached") is True:
            cached += 1
            continue
        yield _entry(result, number, report, asked)
    if cached:
        notes.append(f"{cached:,} of {len(results['results']):,} answers came from the cache and are left out")


def _entry(result: Document, number: int, report: Document, asked: Asked) -> Entry:
    case, provider, response = _dict(result, "testCase"), _dict(result, "provider"), _dict(result, "response")
    usage, success, cost = _dict(response, "tokenUsage"), result.get("success"), result.get("cost")
    # The test, not the prompt made of it: another version's prompts differ.
    task = case.get("description") or _dict(result, "vars") or _dict(result, "prompt").get("raw")
    run = report.get("evalId"), result.get("promptIdx"), result.get("testIdx"), result.get("id") or number
    milliseconds = result.get("latencyMs")
    document: Document = {
        "record_id": id_of("promptfoo", *run),
        "timestamp": report["results"].get("timestamp"),
        "version": asked.version,
        "task_description": task if isinstance(task, str) else json.dumps(task, sort_keys=True, ensure_ascii=False),
        "execution_time": milliseconds / 1000 if isinstance(milliseconds, (int, float)) else milliseconds,
        "success": success,
        "model": provider.get("id"),
        "cost_estimated": cost or None,
        "input_tokens": usage.get("prompt"),
        "output_tokens": usage.get("completion"),
        "error_type": None if success is not False else _REASONS.get(cast("int", result.get("failureReason")), "error"),
        "metadata": {
            "imported": {"version": _dict(report, "metadata").get("promptfooVersion")},
            "prompt": str(_dict(result, "prompt").get("label"))[:1000],
        },
    }
    return Entry(f"result {number}", {k: v for k, v in document.items() if v is not None})


def _dict(document: Document, name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
