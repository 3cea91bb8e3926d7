"""Prometheus' text format, for the textfile collector of its node exporter or for a page that it scrapes.

Labels are bounded: the newest versions and the agents with the most runs; the others are together. The figures are of
the records that a store holds now, so they fall when records are pruned: all are gauges but the histogram.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from benchmark_recorder.grouping import REST, UNKNOWN
from benchmark_recorder.histogram import SCALE, Histogram
from benchmark_recorder.queries import Query
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.stores.completing import completed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from benchmark_recorder.cells import Cell
    from benchmark_recorder.stores.base import Store

MOST_LABELS: Final = 20
"""Versions, and agents."""

POWERS: Final = range(-3, 13)
"""Of 2: the bounds of durations in seconds, at which our histograms can be cut exactly."""


def prometheus_text(store: Store, query: Query | None = None) -> str:
    """The figures of the matching records, by version and agent.

    Args:
        store: is only read.
        query: which records; all roots unless given.

    Raises:
        StoreError: the store cannot be read.
    """
    store, query = completed(store), replace(query or Query(), by=("agent",))
    cells = store.summarize(query).cells
    label = _labelling(cells)
    histograms = defaultdict[str, Histogram](Histogram)
    for (version, group), histogram in store.histogram(query).items():
        histograms[label(version, group)] = histograms[label(version, group)].merge(histogram)
    executions, seconds, known, cost, latest = (defaultdict[str, float](int) for _ in range(5))
    for cell in cells:
        own = label(cell.version, cell.group)
        executions[f'{own},success="{str(cell.success).lower()}"'] += cell.n
        seconds[own] += cell.time.total
        known[own] += cell.cost.n
        cost[own] += cell.cost.total
        latest[own] = max(latest[own], cell.last / 1e6)
    condition = store.condition()
    pending = {} if condition is None else {"": condition.pending}
    return "".join(
        (
            _gauge("benchmark_executions", "Recorded executions.", executions),
            _gauge("benchmark_cost_usd", "Sum of the known costs.", cost),
            _gauge("benchmark_cost_known_executions", "Executions whose cost is known.", known),
            _gauge("benchmark_last_execution_timestamp_seconds", "When the latest one was recorded.", latest),
            _gauge("benchmark_journal_pending", "Executions that wait for the remote store.", pending),
            _family(
                "benchmark_duration_seconds",
                "histogram",
                "Of executions; one that took exactly as long as a bound is above it.",
                _buckets(histograms, seconds),
            ),
        )
    )


def _labelling(cells: Iterable[Cell]) -> Callable[[str, tuple[str | None, ...]], str]:
    """The labels of a version and a group, as they are written."""
    first, runs = dict[str, int](), defaultdict[str, int](int)
    for cell in cells:
        first[cell.version] = min(first.get(cell.version, cell.first), cell.first)
        runs[_agent(cell.group)] += cell.n
    versions = sorted(first, key=lambda name: (-first[name], name))[:MOST_LABELS]
    agents = sorted(runs, key=lambda name: (-runs[name], name))[:MOST_LABELS]

    def label(version: str, group: tuple[str | None, ...]) -> str:
        agent = _agent(group)
        return (
            f'version="{_escaped(version if version in versions else REST)}",'
            f'agent="{_escaped(agent if agent in agents else REST)}"'
        )

    return label


def _agent(group: tuple[str | None, ...]) -> str:
    return UNKNOWN if group[0] is None else group[0]


def _escaped(name: str) -> str:
    return terminal(name).replace("\\", r"\\").replace('"', r"\"")


def _buckets(histograms: Mapping[str, Histogram], seconds: Mapping[str, float]) -> Iterator[tuple[str, str, float]]:
    for own, histogram in histograms.items():
        for power in POWERS:
            below = sum(n for bucket, n in histogram.counts.items() if bucket < power << SCALE)
            yield "_bucket", f'{own},le="{2.0**power}"', histogram.zeros + below
        yield "_bucket", f'{own},le="+Inf"', histogram.count
        yield "_sum", own, seconds[own]
        yield "_count", own, histogram.count


def _gauge(name: str, about: str, values: Mapping[str, float]) -> str:
    return _family(name, "gauge", about, (("", labels, value) for labels, value in values.items()))


def _family(name: str, kind: str, about: str, samples: Iterable[tuple[str, str, float]]) -> str:
    """One family: what its name goes on with, labels and value of each sample; nothing if it has none."""
    lines = [f"{name}{more}{labels and f'{{{labels}}}'} {value!r}\n" for more, labels, value in samples]
    return f"# HELP {name} {about}\n# TYPE {name} {kind}\n{''.join(lines)}" if lines else ""
