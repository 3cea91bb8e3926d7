"""pytest-benchmark's JSON: each of its rounds is a successful run.

Its files leave out benchmarks whose call raised, and do not tell those whose test failed afterwards. A file of
``--benchmark-json`` has every round. A file of ``--benchmark-save`` has only figures, and its mean becomes one record,
unless ``--benchmark-save-data`` was given.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.exchange.entry import Entry, wrong
from benchmark_recorder.fields import MAX_METADATA_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.records import Document

MOST_ROUNDS: Final = 1000
"""Of one benchmark: a fast function has a hundred thousand, and a thousand of them say as much."""

_UNSERIALIZABLE: Final = "UNSERIALIZABLE["
"""How it writes a parameter that is no JSON."""

_NO_COMMIT: Final = frozenset({"", "unknown", "unversioned"})


def is_report(top: Document) -> bool:
    """Whether a JSON document is one of pytest-benchmark's."""
    return isinstance(top.get("benchmarks"), list) and "machine_info" in top and "datetime" in top


def entries(report: Document, version: str | None = None) -> Iterator[Entry]:
    """One entry per round, or one for the mean if there are no rounds.

    Args:
        report: the whole file.
        version: of all entries; default: the commit.

    Raises:
        InvalidRecordError: a benchmark has no name or no figures.
    """
    common, machine = _common(report), _machine(report)
    if version is not None:
        common["version"] = version
    for number, benchmark in enumerate(report["benchmarks"], 1):
        place = f"benchmark {number}"
        stats = benchmark.get("stats") if isinstance(benchmark, dict) else None
        if not isinstance(stats, dict):
            raise wrong(place, "stats is missing")
        name = benchmark.get("fullname") or benchmark.get("name")
        if not isinstance(name, str):
            raise wrong(place, "fullname is missing")
        about = machine | {key: benchmark[key] for key in ("group", "extra_info") if benchmark.get(key)}
        if (params := benchmark.get("params")) and not _is_large(params):
            about["params"] = params
        about["imported"] = {"version": _text(report, "version")}
        about["pytest_benchmark"] = {key: stats[key] for key in ("rounds", "iterations") if key in stats}
        name = _named(name, benchmark)
        for seconds, which in _timings(stats, _rounds(benchmark)):
            metadata = {**about, "pytest_benchmark": {**about["pytest_benchmark"], **which}}
            yield Entry(place, {**common, "task_description": name, "execution_time": seconds, "metadata": metadata})


def _timings(stats: Document, rounds: list[Any]) -> Iterator[tuple[Any, Document]]:
    """Seconds, and their round."""
    if not rounds:
        yield stats.get("mean"), {key: stats[key] for key in ("stddev", "min", "max", "median") if key in stats}
        return
    step = -(-len(rounds) // MOST_ROUNDS)
    for index in range(0, len(rounds), step):
        yield rounds[index], {"round": index + 1}


def _rounds(benchmark: Any) -> list[Any]:  # noqa: ANN401 - anything that JSON holds
    """The timings of a benchmark's rounds; none if it has only figures."""
    stats = benchmark.get("stats") if isinstance(benchmark, dict) else None
    data = stats.get("data") if isinstance(stats, dict) else None
    return data if isinstance(data, list) else []


def _common(report: Document) -> Document:
    """What is the same in all entries: time, commit, machine, and the commit as the version."""
    common: Document = {"timestamp": _moment(report["datetime"]), "success": True}
    commit, machine = report.get("commit_info"), report.get("machine_info")
    found = commit.get("id") if isinstance(commit, dict) else None
    if isinstance(found, str) and found not in _NO_COMMIT:
        common |= {"git_commit": found, "version": found[:12] + ("-dirty" if _is_dirty(report) else "")}
    node = machine.get("node") if isinstance(machine, dict) else None
    if isinstance(node, str) and node:
        common["host"] = node
    return common


def _machine(report: Document) -> Document:
    """What tells machines apart, as a key to group by; and whether the files differed from the commit."""
    machine = report.get("machine_info")
    found: Document = {}
    if isinstance(machine, dict):
        cpu = machine.get("cpu")
        brand = (_text(cpu, "brand_raw") or _text(cpu, "brand")) if isinstance(cpu, dict) else ""
        python = " ".join(filter(None, (_text(machine, "python_implementation"), _text(machine, "python_version"))))
        parts = (python, _text(machine, "system"), brand or _text(machine, "machine"))
        found["machine"] = ", ".join(filter(None, parts))
    if _is_dirty(report):
        found["git_dirty"] = True
    return {name: value for name, value in found.items() if value}


def _is_dirty(report: Document) -> bool:
    commit = report.get("commit_info")
    return isinstance(commit, dict) and commit.get("dirty") is True


def _text(document: Document, name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _named(name: str, benchmark: Document) -> str:
    """The test and what its parameters hold, where pytest named them by their positions (``prompt0``)."""
    identity, params = benchmark.get("param"), benchmark.get("params")
    if not isinstance(identity, str) or not isinstance(params, dict) or not name.endswith(f"[{identity}]"):
        return name
    if not any(re.search(rf"(^|-){re.escape(parameter)}\d+($|-)", identity) for parameter in params):
        return name
    held = [one if isinstance(one, str) else json.dumps(one, sort_keys=True) for one in params.values()]
    if any(_UNSERIALIZABLE in one for one in held):  # what it holds is not in the file
        return name
    return f"{name.removesuffix(f'[{identity}]')}[{'-'.join(held)}]"


def _is_large(params: Any) -> bool:  # noqa: ANN401 - anything that JSON holds
    return len(json.dumps(params)) > MAX_METADATA_BYTES // 2


def _moment(text: Any) -> Any:  # noqa: ANN401 - anything that JSON holds; an invalid time is rejected later
    """Its times are UTC; older releases wrote them without an offset."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text
    return moment.replace(tzinfo=UTC).isoformat() if moment.tzinfo is None else text


def notes(report: Document) -> tuple[str, ...]:
    """What the entries leave out of the report, in sentences."""
    rounds = [len(_rounds(one)) for one in report["benchmarks"]]
    means, many = rounds.count(0), sum(n > MOST_ROUNDS for n in rounds)
    found = []
    large = sum(_is_large(one.get("params")) for one in report["benchmarks"] if isinstance(one, dict))
    if large:
        found.append(f"{large:,} of {len(rounds):,} benchmarks have large parameters, which are left out")
    if _is_dirty(report):
        found.append("files differed from the commit: the version ends in -dirty, unless --version names another")
    if means:
        found.append(
            f"{means:,} of {len(rounds):,} benchmarks have no single rounds: each became one record of its mean "
            "(pytest --benchmark-json FILE, or --benchmark-save-data, keeps the rounds)"
        )
    if many:
        found.append(
            f"{many:,} of {len(rounds):,} benchmarks have more than {MOST_ROUNDS:,} rounds: at most that many were "
            "taken, evenly spaced"
        )
    found.append("such a file does not tell tests that failed after their benchmark: all count as successes")
    return tuple(found)
