"""Which executions a question is about, and what each of them counts as: a run, or part of a unit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, TypedDict, get_args

from benchmark_recorder._lazy import warn_renamed
from benchmark_recorder.errors import InvalidQueryError, InvalidRecordError, one_of, preview
from benchmark_recorder.fields import METADATA_PREFIX, metadata_key
from benchmark_recorder.records import plain_text, task_id_of, timestamp_micros, timestamp_text

if TYPE_CHECKING:
    from benchmark_recorder.records import Document

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
        dropped: any of these arguments was left out because its value was wrong.
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
    dropped: tuple[str, ...] | None = None
    runs: Runs = "roots"
    by: tuple[str, ...] = ()
    unit: str | None = None
    units: UnitFilter | None = None

    def __post_init__(self) -> None:
        if self.unit is not None:
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
        dropped: Names = None,
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
            dropped: an argument, such as ``"cost"``, that was left out because its value was wrong, or several.
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
            dropped=_names("dropped", dropped),
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
            and (self.dropped is None or self._has_dropped(document.get("dropped")))
            and (self.success is None or document.get("success") is self.success)
            and ((self.since is None and self.until is None) or self._is_when(document.get("timestamp")))
            and (not self.metadata or self.has_metadata(document.get("metadata")))
            and document.get("record_id") not in self.exclude_ids
            and (self.units is None or self.units.matches(document.get("metadata")))
        )

    def _is_when(self, timestamp: Any) -> bool:  # noqa: ANN401 - an invalid record's may be anything
        try:
            micros = timestamp_micros(timestamp)
        except (TypeError, ValueError):
            return False
        return (self.since is None or micros >= self.since) and (self.until is None or micros < self.until)

    def _is_task(self, document: Document) -> bool:
        assert self.task is not None
        return document.get("task_description") == plain_text(self.task)[0] or document.get("task_id") == task_id_of(
            self.task
        )

    def _has_dropped(self, names: object) -> bool:
        assert self.dropped is not None
        return isinstance(names, list) and any(name in self.dropped for name in names)

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
    dropped: str | Collection[str] | None
    runs: Literal["roots", "children", "all"]


class QueryArguments(Filters, total=False):
    """The same where no task is asked for by position."""

    task_id: str | Collection[str] | None


class ComparisonArguments(QueryArguments, total=False):
    """The same for what compares two versions, and what their runs share beside the version.

    Attributes:
        blocks: ``"auto"`` (unless given): the runs of a host without a gap over 3 hours, at most 24 hours; a key as in
            ``by``; or ``None``. Where the versions do not share their blocks equally, the interval of times is wider;
            not with ``by``. A gate takes it from the project's settings first.
        block_sd: how much times differ between blocks, as a standard deviation of logarithms, where it is known.
    """

    blocks: str | None
    block_sd: float | None


_KNOWN_ARGUMENTS: Final = ("version", *QueryArguments.__annotations__)


def query_of(**arguments: Any) -> Query:  # noqa: ANN401 - Query.of looks at each
    """``Query.of`` for arguments that a user wrote.

    Raises:
        InvalidQueryError: an argument is unknown, or has the wrong type or value.
    """
    unknown = [name for name in arguments if name not in _KNOWN_ARGUMENTS]
    if unknown:
        raise InvalidQueryError(f"unknown query argument {', '.join(unknown)}; known are {', '.join(_KNOWN_ARGUMENTS)}")
    return Query.of(**arguments)


# Units ---------------------------------------------------------------------------------------------------------------
#
# The people, sessions or machines of an experiment, each of which counts once however many runs it has. A unit is a
# text, a number or a truth value in the metadata. Two are the same where they are equal as JSON: 1 is 1.0, and neither
# is true.

MAX_UNITS: Final = 1_000_000
"""Units of all versions and groups of one question together."""

_ENDLESS: Final = frozenset({float("inf"), float("-inf")})

Unit: TypeAlias = "tuple[bool, str | float]"
"""Whether the value is a truth value, and the value: Python takes true for 1, JSON does not."""


class UnitFilter(NamedTuple):
    """Only the runs of some units, or all others, those without a unit included.

    Attributes:
        key: of the metadata, whose values are the units.
        units: some of them.
        inside: whether theirs are asked for; otherwise all others.
    """

    key: str
    units: frozenset[Unit]
    inside: bool

    def matches(self, metadata: object) -> bool:
        """Whether a record with this metadata is asked for."""
        return (unit_of(metadata, self.key) in self.units) == self.inside


def unit_of(metadata: Any, key: str) -> Unit | None:  # noqa: ANN401 - what a record has
    """The unit of a record with this metadata; ``None`` where the key is absent, null, a list or an object."""
    value = metadata.get(key) if isinstance(metadata, dict) else None
    if not isinstance(value, str | int | float) or value in _ENDLESS or value != value:  # noqa: PLR0124 - NaN
        return None
    return isinstance(value, bool), value


def unit_key(unit: str) -> str:
    """The key of the metadata whose values are the units.

    Raises:
        InvalidQueryError: it is not such a key.
    """
    key = metadata_key(unit) if isinstance(unit, str) else None
    if not key:
        raise InvalidQueryError(f"unit: expected {METADATA_PREFIX}<key>, got {preview(unit)}")
    return key
