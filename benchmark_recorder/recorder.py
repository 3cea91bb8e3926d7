"""Records executions; the questions about them are in ``history``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypedDict, TypeVar, Unpack

from benchmark_recorder.errors import ConfigurationError, InvalidRecordError, StoreUnavailableError, preview
from benchmark_recorder.fields import FIELDS, METRIC_FIELDS
from benchmark_recorder.history import History
from benchmark_recorder.identity import stamp, task_id_of, timestamp_text
from benchmark_recorder.legacy import LegacyQuestions
from benchmark_recorder.plain import are_plain, is_plain
from benchmark_recorder.recording.buffer import WriteBuffer
from benchmark_recorder.recording.commit import find_commit
from benchmark_recorder.recording.measurement import Measurement, tracked
from benchmark_recorder.stores.base import Health, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from benchmark_recorder.records import BenchmarkMetric, Document


P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_PATH: Final = "benchmarks/metrics.json"


class BenchmarkRecorder(LegacyQuestions, History):
    """Records executions in one store, and answers questions about them.

    Safe to use from any thread, from asyncio (call it directly) and after a fork.

    Args:
        storage_path: the JSON file; ``benchmarks/metrics.json`` under the working directory unless given.
        store: where records go instead of a JSON file.
        durability: ``"process"``: a record whose call returned survives a killed process; ``"fsync"``: a power cut.
        strict: raise storage trouble out of recording calls instead of keeping the record in memory.
        on_invalid: ``"raise"`` or ``"log"`` wrong arguments of recording calls.
        store_task_text: ``False`` keeps a task's id, and not its text.
        enabled: ``False`` makes recording calls return at once; questions work as always.
    """

    def __init__(  # noqa: PLR0913 - settings
        self,
        storage_path: str | os.PathLike[str] | None = None,
        *,
        store: Store | None = None,
        durability: Literal["process", "fsync"] = "process",
        strict: bool = False,
        on_invalid: Literal["raise", "log"] = "raise",
        store_task_text: bool = True,
        enabled: bool = True,
    ) -> None:
        if store is not None and storage_path is not None:
            raise ConfigurationError("give either storage_path or store, not both")
        if store is not None and not isinstance(store, Store):
            raise ConfigurationError(
                f"store: expected a Store, got {preview(store)}; a path is storage_path, "
                "pass a URL to get_benchmark_recorder()"
            )
        if store is not None and durability != "process":
            raise ConfigurationError("durability: pass it to the store: JSONFileStore(path, durability=...)")
        if on_invalid not in {"raise", "log"}:
            raise ConfigurationError(f'on_invalid: expected "raise" or "log", got {on_invalid!r}')
        if store is None:
            from benchmark_recorder.stores.json_file import JSONFileStore

            store = JSONFileStore(Path(storage_path or DEFAULT_PATH).absolute(), durability=durability)
        super().__init__(store)
        self._buffer = WriteBuffer(store, strict=strict)
        self._raise_invalid = on_invalid == "raise"
        self._store_task_text = store_task_text
        self._enabled = enabled
        self._commit = find_commit()
        self._host = os.uname().nodename if hasattr(os, "uname") else None

    def _before_question(self) -> None:
        self._buffer.flush()

    # In ---------------------------------------------------------------------------------------------------------

    def record_execution(  # noqa: PLR0913, PLR0917 - the guide's signature
        self,
        task: str,
        duration: float,
        success: bool,  # noqa: FBT001 - the guide passes it by position
        version: str,
        agent_selected: str | None = None,
        cost: float | None = None,
        difficulty: float | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        task_id: str | None = None,
        expected_agent: str | None = None,
        error_type: str | None = None,
        model: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        timestamp: datetime | str | None = None,
    ) -> None:
        """Record one task execution; when this returns, a killed process cannot lose it.

        Args:
            task: the task's text.
            duration: seconds.
            success: whether it succeeded.
            version: of the orchestrator.
            agent_selected: the agent that the task was routed to.
            cost: USD; ``None`` where it is unknown, 0 where it was free.
            difficulty: 0 to 1.
            metadata: anything that is JSON, up to 16 KiB.
            task_id: what makes runs of two versions comparable; made from the text unless given.
            expected_agent: the agent that would have been right.
            error_type: the class of the failure.
            model: the language model.
            input_tokens: read by the model.
            output_tokens: written by the model.
            timestamp: when it happened; now unless given; a naive one is local time.

        Raises:
            InvalidRecordError: an argument is wrong (unless ``on_invalid="log"``).
            StoreError: the record could not be written (only with ``strict=True``).
        """
        if not self._enabled:
            return
        record_id, now = stamp()
        if type(metadata) is dict:
            metadata = metadata.copy()  # first of all: the caller may change it at any moment
        document: Document = {
            "record_id": record_id,
            "timestamp": now,
            "version": version,
            "git_commit": self._commit,
            "task_id": task_id,
            "task_description": task,
            "execution_time": duration,
            "success": success,
            "agent_selected": agent_selected,
            "cost_estimated": 0.0 if cost is None else cost,
            "difficulty": difficulty,
            "metadata": {} if metadata is None else metadata,
        }
        plain = is_plain(task, duration, success, version, agent_selected, cost, difficulty, metadata)
        # By identity: comparing may run a caller's code, or fail (an array, pandas' NA).
        if not (task_id is expected_agent is error_type is model is None and input_tokens is output_tokens is None):
            optional = (task_id, expected_agent, error_type, model, input_tokens, output_tokens)
            given = {name: value for name, value in zip(_OPTIONAL, optional, strict=True) if value is not None}
            document.update(given)
            plain = plain and are_plain(given)
        notes: tuple[str, ...] = ()
        if not plain or timestamp is not None:
            try:
                notes = _admit(document, timestamp, plain=plain)
            except (InvalidRecordError, StoreUnavailableError, ImportError, OSError) as error:
                self._refuse(error)
                return
        if plain and task_id is None:
            document["task_id"] = task_id_of(task)
        if cost is not None and not document["cost_estimated"]:
            document["cost_known"] = True
        if self._host is not None:
            document["host"] = self._host
        self._put(document, notes)

    def record(self, metric: BenchmarkMetric) -> None:
        """Record an execution that is a ``BenchmarkMetric`` already.

        Its id is kept if it has one; so recording the same metric twice stores it once.

        Raises:
            InvalidRecordError: a field is wrong (unless ``on_invalid="log"``).
            StoreError: the record could not be written (only with ``strict=True``).
        """
        if not self._enabled:
            return
        fresh_id, _ = stamp()
        try:
            from benchmark_recorder.validation import admit  # it needs pydantic

            document = _document_of(metric)
            given_id = document.setdefault("record_id", fresh_id) is not fresh_id
            document["timestamp"] = timestamp_text(metric.timestamp)
            admitted, notes = admit(document)
        except (InvalidRecordError, StoreUnavailableError, ImportError, OSError) as error:
            self._refuse(error)
            return
        self._put(admitted, notes, fresh=not given_id)

    def _refuse(self, error: Exception) -> None:
        """Raise or log what is wrong, as ``on_invalid`` says.

        Validation is imported late, and that may fail: no descriptor is left, a signal handler records in the middle of
        that import, or the process was forked there. Then the record is lost, and counted as lost.
        """
        if not isinstance(error, InvalidRecordError):
            self._buffer.count_unwritten(error)
        elif self._raise_invalid:
            raise error
        else:
            self._buffer.count_invalid(error)

    def _put(self, document: Document, notes: tuple[str, ...], *, fresh: bool = True) -> None:
        if notes:
            self._buffer.count_normalised(notes)
        if not self._store_task_text:
            document["task_description"] = ""
        self._buffer.append(document, fresh=fresh)

    def measure(self, task: str, version: str, **known: Unpack[_Known]) -> Measurement:
        """Time a block of code and record it: ``with recorder.measure(task=..., version=...) as run:``.

        Works in ``async with`` too. Set what becomes known on ``run`` (``run.cost = 0.002``). An exception is
        recorded as a failure, and passes on; recording itself raises nothing here.

        Args:
            task: the task's text.
            version: of the orchestrator.
            **known: any other attribute of ``Measurement`` that is known beforehand.
        """
        return Measurement(self._record_quietly, task, version, **known)

    def track(
        self,
        *,
        version: str,
        task: str | Callable[..., str] | None = None,
        outcome: Callable[[Any], Mapping[str, Any]] | None = None,
        **known: Unpack[_Known],
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """A decorator that records each call of a function, plain or ``async def``.

        Args:
            version: of the orchestrator.
            task: the task's text, or a function of the call's arguments that makes it; the function's name unless
                given.
            outcome: a function from the result to what it says about the execution:
                ``lambda result: {"success": result.ok, "cost": result.cost}``.
            **known: any other attribute of ``Measurement``, the same for each call.
        """
        self.measure("", version, **known)  # a wrong name fails here, not in the calls

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            return tracked(function, lambda text: self.measure(text, version, **known), task, outcome)

        return decorate

    def _record_quietly(self, **arguments: Any) -> None:  # noqa: ANN401
        try:
            self.record_execution(**arguments)
        except InvalidRecordError as error:
            self._buffer.count_invalid(error)
        except Exception as error:  # noqa: BLE001 - the measured code must not be hurt, strict or not
            self._buffer.count_unwritten(error)

    # Health and closing ---------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """How recording is doing: what waits, what was lost, and why; with a remote store also what is pending."""
        health, condition = self._buffer.health(), self._store.condition()
        if condition is None:
            return health
        return replace(
            health,
            failing_since=min(filter(None, (health.failing_since, condition.failing_since)), default=None),
            last_error=condition.last_error or health.last_error,
            pending=condition.pending,
            pending_since=condition.pending_since,
            quarantined=condition.quarantined,
            elsewhere=condition.elsewhere,
        )

    def flush(self, timeout: float | None = 10.0) -> bool:
        """Write what waits in memory, and deliver what is pending; whether nothing is left.

        Args:
            timeout: seconds to wait for a remote store; ``None``: however long it takes.
        """
        return self._buffer.flush() and self._store.flush(timeout)

    def close(self) -> None:
        """Write what waits, and close the store; the recorder stays usable."""
        self._buffer.close()
        self._store.close()


class _Known(TypedDict, total=False):
    """Fields that may be known before an execution ends."""

    agent_selected: str | None
    cost: float | None
    difficulty: float | None
    metadata: dict[str, Any]
    task_id: str | None
    expected_agent: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None


_OPTIONAL: Final = tuple(
    f.name for f in FIELDS if f.argument is not None and f.absent in {"made", "left out"} and f.kind != "time"
)
_ALWAYS_THERE: Final = frozenset(f.name for f in FIELDS if f.absent != "left out") - {"record_id"}


def _admit(document: Document, timestamp: datetime | str | None, *, plain: bool) -> tuple[str, ...]:
    """Replace a caller's values by those to be stored; returns what was normalised."""
    notes: tuple[str, ...] = ()
    if not plain:
        from benchmark_recorder.validation import admit_execution  # it needs pydantic

        admitted, notes = admit_execution(document)
        document.update(admitted)
    if timestamp is not None:
        document["timestamp"] = timestamp_text(timestamp)
    return notes


def _document_of(metric: BenchmarkMetric) -> Document:
    """The fields of a metric; one of the recorder before this one has fewer."""
    if not hasattr(metric, "timestamp"):
        raise InvalidRecordError(f"metric: expected a BenchmarkMetric, got {preview(metric)}", field="metric")
    return {
        name: value
        for name in METRIC_FIELDS
        if (value := getattr(metric, name, None)) is not None or name in _ALWAYS_THERE
    }
