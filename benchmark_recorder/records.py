"""One execution (``BenchmarkMetric``), and the document it is stored as.

Stores hold documents; people read ``BenchmarkMetric``. ``plain`` and ``validation`` check what is to become a document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmark_recorder.errors import preview as preview
from benchmark_recorder.fields import COLUMNS as COLUMNS
from benchmark_recorder.fields import FIELDS as FIELDS
from benchmark_recorder.fields import MAX_TEXT
from benchmark_recorder.fields import METRIC_FIELDS as METRIC_FIELDS
from benchmark_recorder.identity import legacy_record_id as legacy_record_id
from benchmark_recorder.identity import stamp as stamp
from benchmark_recorder.identity import task_id_of as task_id_of
from benchmark_recorder.identity import timestamp_micros as timestamp_micros
from benchmark_recorder.identity import timestamp_text as timestamp_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Document: TypeAlias = dict[str, Any]
"""A record as it is stored: JSON values under the field names of ``BenchmarkMetric``, absent fields left out."""

Columns: TypeAlias = "Mapping[str, NDArray[Any]]"
"""Records as columns: one array per asked-for field, all of one length (see ``COLUMNS``)."""


@dataclass(frozen=True, slots=True)
class BenchmarkMetric:
    """One task execution.

    The first eleven fields are those of the files that exist already; ``dataclasses.asdict`` works.

    Attributes:
        timestamp: when it was recorded, ISO 8601; ours are UTC with ``+00:00``, a naive one is local time.
        version: of the orchestrator.
        git_commit: of the orchestrator's checkout, where one was found.
        task_id: what makes runs of two versions comparable; ``sha256(task)[:12]`` unless given.
        task_description: the task's text.
        execution_time: seconds.
        success: whether the task succeeded.
        agent_selected: the agent that the task was routed to.
        cost_estimated: USD; 0.0 when unknown (see ``cost_known``).
        difficulty: 0 to 1.
        metadata: anything that is JSON, up to 16 KiB.
        record_id: 32 hexadecimal digits, ordered by time; a store counts one id once.
        cost_known: ``True`` where the caller gave a cost of 0; otherwise a cost of 0 is unknown.
        expected_agent: the agent that would have been right.
        error_type: the class of the exception, ``"Timeout"``, ...
        host: where it ran.
        model: the language model.
        input_tokens: read by the model.
        output_tokens: written by the model.
        parent_id: the record of the run that this one was a part of; ``None`` for a root.
        dropped: arguments of ``record_execution`` that ``measure`` or ``track`` left out because they were wrong.
    """

    timestamp: str
    version: str
    git_commit: str | None
    task_id: str
    task_description: str
    execution_time: float
    success: bool
    agent_selected: str | None
    cost_estimated: float
    difficulty: float | None = None
    metadata: dict[str, Any] | None = field(default_factory=dict)
    record_id: str | None = None
    cost_known: bool | None = None
    expected_agent: str | None = None
    error_type: str | None = None
    host: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    parent_id: str | None = None
    dropped: list[str] | None = None


def is_unicode(text: str) -> bool:
    """Whether a text is without surrogates, which no encoding takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encodable(text: str) -> str:
    """A text as every store can hold it: pairs of surrogates joined, lone ones as U+FFFD."""
    if text.isascii() or is_unicode(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain_text(text: str) -> tuple[str, str]:
    """A text field as it is stored, and how it was changed (``""`` if it was not)."""
    stored, notes = encodable(text), []
    if stored is not text:
        notes.append("had lone surrogates, which became U+FFFD")
    if len(stored) > MAX_TEXT:
        marker = f"… [cut from {len(stored):,} characters]"
        notes.append(f"was cut from {len(stored):,} to {MAX_TEXT:,} characters")
        stored = stored[: MAX_TEXT - len(marker)] + marker
    return stored, " and ".join(notes)


def known_cost(document: Document) -> float | None:
    """The cost in USD, or ``None`` where it is unknown."""
    cost = document.get("cost_estimated") or 0.0
    return cost if cost or document.get("cost_known") else None


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's
    """``Query``, which is defined in ``queries``."""
    if name == "Query":
        return import_module("benchmark_recorder.queries").Query
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
