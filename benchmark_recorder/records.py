"""One execution (``BenchmarkMetric``), the document it is stored as, and which executions a question is about.

Stores hold documents; people read ``BenchmarkMetric``. ``plain`` and ``validation`` check what is to become a document.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, get_args

from benchmark_recorder._lazy import warn_renamed
from benchmark_recorder.errors import InvalidQueryError, InvalidRecordError, one_of
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
    from numpy.typing import NDArray

    from benchmark_recorder.units import UnitFilter

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


# Which executions ---------------------------------------------------------------------------------------------------


Names: TypeAlias = "str | Collection[str] | None"
"""One or several, or no filter."""

Runs: TypeAlias = Literal["roots", "children", "all"]

TEXT_FILTERS: Final = {
    "version": "versions",
    "task_id": "task_ids",
    "agent_selected": "agents",
    "model": "models",
    "error_type": "error_types",
    "host": "hosts",
    "git_commit": "commits",
    "expected_agent": "expected_agents",
}
"""The fields that a query can name texts of, each with the query's attribute."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which executions; an empty one means all.

    Attributes:
        versions: any of these; ``None`` for all.
        task_ids: any of these.
        task: the task's text, or any record whose ``task_id`` was made from it.
        agents: any of these was selected.
        models: any of these was used.
        error_types: it failed with any of these.
        hosts: it ran on any of these.
        commits: it ran from any of these.
        expected_agents: any of these would have been right.
        success: only successes, or only failures.
        since: from this microsecond since 1970 on.
        until: before this microsecond.
        metadata: top-level keys with exactly these values.
        runs: ``"roots"``: runs that were not a part of another one; ``"children"``: those that were; or ``"all"``.
        by: group by these keys (see ``grouping``); no filter: only ``summarize`` and ``histogram`` look at it.
        unit: ``metadata.<key>``: count each value of this key once (see ``cells.Cells``); no filter: only
            ``summarize`` looks at it, and what counts runs (``histogram``, ``durations``) refuses it.
        units: only some units, or all others; for replication, not for callers.
        exclude_ids: records with these ids are left out; for replication, not for callers.
        own_cells: tasks that always get cells of their own; for replication and reports.
    """

    versions: tuple[str, ...] | None = None
    task_ids: tuple[str, ...] | None = None
    task: str | None = None
    agents: tuple[str, ...] | None = None
    success: bool | None = None
    since: int | None = None
    until: int | None = None
    metadata: tuple[tuple[str, Any], ...] = ()
    exclude_ids: frozenset[str] = frozenset()
    own_cells: frozenset[str] = frozenset()
    models: tuple[str, ...] | None = None
    error_types: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None
    commits: tuple[str, ...] | None = None
    expected_agents: tuple[str, ...] | None = None
    runs: Runs = "roots"
    by: tuple[str, ...] = ()
    unit: str | None = None
    units: UnitFilter | None = None

    def __post_init__(self) -> None:
        if self.unit is not None:
            from benchmark_recorder.units import unit_key  # recording never needs it

            unit_key(self.unit)

    @classmethod
    def of(  # noqa: PLR0913
        cls,
        *,
        version: Names = None,
        task_id: Names = None,
        task: str | None = None,
        agent: Names = None,
        success: bool | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        last_days: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        model: Names = None,
        error_type: Names = None,
        host: Names = None,
        commit: Names = None,
        expected_agent: Names = None,
        runs: Runs = "roots",
        now: datetime | None = None,
    ) -> Query:
        """A query from the arguments that every question takes.

        Args:
            version: a version, or several.
            task_id: a task's id, or several.
            task: a task's text.
            agent: the selected agent, or several.
            success: only successes, or only failures.
            since: from then on, a datetime or ISO 8601 text; a naive one is local time.
            until: before then.
            last_days: the same as ``since``, counted back from now.
            metadata: top-level keys of the metadata with exactly these values.
            model: the language model, or several.
            error_type: the class of the failure, or several.
            host: where it ran, or several.
            commit: the whole hash of the git commit that it ran from, or several.
            expected_agent: the agent that would have been right, or several.
            runs: ``"roots"``, ``"children"`` or ``"all"``.
            now: the present, for ``last_days``.

        Raises:
            InvalidQueryError: an argument has the wrong type or value.
        """
        if last_days is not None:
            since = _days_ago(last_days, since, now)
        if success is not None and not isinstance(success, bool):
            raise InvalidQueryError(f"success: expected True, False or None, got {preview(success)}")
        if task is not None and (not isinstance(task, str) or not task):
            raise InvalidQueryError(f"task: expected a text that is not empty, got {preview(task)}")
        one_of("runs", runs, get_args(Runs))
        if metadata is not None and (
            not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata)
        ):
            raise InvalidQueryError("metadata: expected a dict whose keys are texts")
        start, end = _micros("since", since), _micros("until", until)
        if start is not None and end is not None and start >= end:
            raise InvalidQueryError("since: expected a time before until, got one that is not")
        return cls(
            versions=_names("version", version),
            task_ids=_names("task_id", task_id),
            task=task,
            agents=_names("agent", agent),
            success=success,
            since=start,
            until=end,
            metadata=tuple((metadata or {}).items()),
            models=_names("model", model),
            error_types=_names("error_type", error_type),
            hosts=_names("host", host),
            commits=_names("commit", commit),
            expected_agents=_names("expected_agent", expected_agent),
            runs=runs,
        )

    def refuse_unit(self, question: str) -> None:
        """Called by questions that count runs.

        Raises:
            InvalidQueryError: units are to be counted.
        """
        if self.unit is not None:
            raise InvalidQueryError(f"unit: {question} counts runs, not units by {self.unit}; leave unit out")

    @property
    def texts(self) -> Mapping[str, tuple[str, ...]]:
        """The fields of which one of some texts is asked for, with these."""
        return {name: texts for name, filter_ in TEXT_FILTERS.items() if (texts := getattr(self, filter_)) is not None}

    @property
    def without(self) -> frozenset[str]:
        """The old name of ``exclude_ids``."""
        warn_renamed("Query.without", "exclude_ids")
        return self.exclude_ids

    @property
    def apart(self) -> frozenset[str]:
        """The old name of ``own_cells``."""
        warn_renamed("Query.apart", "own_cells")
        return self.own_cells

    def matches(self, document: Document) -> bool:
        """Whether a document is asked for."""
        return (
            all(document.get(name) in texts for name, texts in self.texts.items())
            and (self.task is None or self._is_task(document))
            and (self.runs == "all" or (document.get("parent_id") is None) == (self.runs == "roots"))
            and (self.success is None or document.get("success") is self.success)
            and (self.since is None or timestamp_micros(document["timestamp"]) >= self.since)
            and (self.until is None or timestamp_micros(document["timestamp"]) < self.until)
            and (not self.metadata or self.has_metadata(document.get("metadata")))
            and document.get("record_id") not in self.exclude_ids
            and (self.units is None or self.units.matches(document.get("metadata")))
        )

    def _is_task(self, document: Document) -> bool:
        assert self.task is not None
        return document.get("task_description") == plain_text(self.task)[0] or document.get("task_id") == task_id_of(
            self.task
        )

    def has_metadata(self, metadata: object) -> bool:
        """Whether a record's metadata is asked for."""
        return isinstance(metadata, dict) and all(
            key in metadata and same_json(metadata[key], value) for key, value in self.metadata
        )


def same_json(left: object, right: object) -> bool:
    """Equality as JSON has it: 1 is 1.0, but neither is true."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def _names(name: str, value: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Collection) and not isinstance(value, Mapping):
        names = tuple(value)
        if all(isinstance(n, str) for n in names):
            return names
    raise InvalidQueryError(f"{name}: expected a text or several, got {preview(value)}")


def _micros(name: str, value: datetime | str | None) -> int | None:
    if value is None:
        return None
    try:
        return timestamp_micros(timestamp_text(value))
    except InvalidRecordError:
        raise InvalidQueryError(f"{name}: expected a datetime or an ISO 8601 text, got {preview(value)}") from None


def _days_ago(days: float, since: datetime | str | None, now: datetime | None) -> datetime:
    if since is not None:
        raise InvalidQueryError("last_days: give either last_days or since, not both")
    try:
        if isinstance(days, bool) or not days > 0:
            raise ValueError  # noqa: TRY301
        return (now or datetime.now(UTC)) - timedelta(days=days)
    except (TypeError, ValueError, OverflowError):
        raise InvalidQueryError(f"last_days: expected a number of days above 0, got {preview(days)}") from None


class Filters(TypedDict, total=False):
    """The arguments by which every question selects executions; see ``Query.of``."""

    task: str | None
    agent: str | Collection[str] | None
    success: bool | None
    since: datetime | str | None
    until: datetime | str | None
    last_days: float | None
    metadata: Mapping[str, Any] | None
    model: str | Collection[str] | None
    error_type: str | Collection[str] | None
    host: str | Collection[str] | None
    commit: str | Collection[str] | None
    expected_agent: str | Collection[str] | None
    runs: Literal["roots", "children", "all"]


class QueryArguments(Filters, total=False):
    """The same where no task is asked for by position."""

    task_id: str | Collection[str] | None
