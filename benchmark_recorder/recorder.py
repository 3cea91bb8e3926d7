"""Records executions; the questions about them are in ``history``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar, Unpack, overload

from benchmark_recorder._lazy import Lent
from benchmark_recorder.errors import ConfigurationError, InvalidRecordError, StoreUnavailableError, preview
from benchmark_recorder.history import History
from benchmark_recorder.recording.admission import Admission
from benchmark_recorder.recording.buffer import WriteBuffer
from benchmark_recorder.records import stamp
from benchmark_recorder.stores.base import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from benchmark_recorder.legacy import LegacyQuestions
    from benchmark_recorder.recording.experiment import Experimenting
    from benchmark_recorder.recording.lineage import Lineage
    from benchmark_recorder.recording.measurement import Measurement
    from benchmark_recorder.recording.tracking import Known
    from benchmark_recorder.records import BenchmarkMetric, Document
    from benchmark_recorder.stores.health import Health

    class _Questions(LegacyQuestions, Experimenting): ...
else:
    _Questions = History

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_PATH: Final = "benchmarks/metrics.json"

EARLIER_NAMES: Final = frozenset(
    {"clear", "export_to_csv", "get_all_metrics", "get_average_execution_time", "get_execution_time_trend"}
    | {"get_metrics_by_agent", "get_metrics_by_version", "get_recent_metrics", "get_statistics", "get_success_rate"}
    | {"get_total_cost", "storage_path"}
)
"""Those of the recorder before this one: loaded when one is used, as programs that only record use none."""


class BenchmarkRecorder(_Questions):
    """Records executions in one store, and answers questions about them.

    Safe to use from any thread, from asyncio (call it directly) and after a fork.

    Args:
        storage_path: the JSON file; ``benchmarks/metrics.json`` under the working directory unless given.
        store: where records go instead of a JSON file.
        durability: ``"process"``: a record whose call returned survives a killed process; ``"fsync"``: a power cut.
        strict: raise storage trouble out of recording calls instead of keeping the record in memory.
        on_invalid: ``"raise"`` or ``"log"`` wrong arguments of recording calls.
        store_task_text: ``False`` keeps a task's id, and not its text.
        version: of records that name none.
        labels: metadata of every record, such as ``{"region": "eu"}``; what a record says itself is stronger.
        enabled: ``False`` makes recording calls return at once; questions work as always.

    Raises:
        StoreUnavailableError: the file system has no locks.
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
        version: str | None = None,
        labels: Mapping[str, str] | None = None,
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
        if enabled:
            store.check_writable()
        self._buffer = WriteBuffer(store, strict=strict)
        self._raise_invalid = on_invalid == "raise"
        self._store_task_text = store_task_text
        self._enabled = enabled
        self._admit = Admission(version, labels)
        self._measurement: type[Measurement] | None = None
        # Two recorders of one file or database are one place: what is measured in one may be a part of the other's run.
        self._place: object = store.name if {"/", os.sep} & set(store.name) else store

    if not TYPE_CHECKING:
        experiment = Lent("benchmark_recorder.recording.experiment.Experimenting")

        def __getattr__(self, name: str) -> object:
            if name not in EARLIER_NAMES:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
            from benchmark_recorder.legacy import LegacyQuestions

            return vars(LegacyQuestions)[name].__get__(self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *EARLIER_NAMES})

    def _before_question(self) -> None:
        self._buffer.flush()

    # In ---------------------------------------------------------------------------------------------------------

    def record_execution(  # noqa: PLR0913, PLR0917 - the guide's signature
        self,
        task: str,
        duration: float,
        success: bool,  # noqa: FBT001 - the guide passes it by position
        version: str | None = None,
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
        parent: Measurement | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        """Record one task execution; when this returns, a killed process cannot lose it.

        Args:
            task: the task's text.
            duration: seconds.
            success: whether it succeeded.
            version: of the orchestrator; the recorder's unless given.
            agent_selected: the agent that the task was routed to.
            cost: USD; ``None`` where it is unknown, 0 where it was free.
            difficulty: 0 to 1.
            metadata: anything that is JSON, up to 16 KiB.
            task_id: what makes runs of two versions comparable; made from the text unless given.
            expected_agent: the agent that would have been right.
            error_type: the class of the failure; never together with success.
            model: the language model.
            input_tokens: read by the model.
            output_tokens: written by the model.
            timestamp: when it happened; now unless given; a naive one is local time.
            parent: the run that this execution was a part of; it is a run of its own unless given.
            idempotency_key: executions of the same version and task with the same key count once, the first one.

        Raises:
            InvalidRecordError: an argument is wrong (unless ``on_invalid="log"``).
            StoreError: the record could not be written (only with ``strict=True``).
        """
        if not self._enabled:
            return
        try:
            document, notes = self._admit(
                *(task, duration, success, version, agent_selected, cost, difficulty, metadata, task_id),
                *(expected_agent, error_type, model, input_tokens, output_tokens, timestamp, idempotency_key),
            )
            if parent is not None:
                document["parent_id"] = self._root_id(parent)
        except (InvalidRecordError, StoreUnavailableError, ImportError, OSError) as error:
            self._refuse(error)
            return
        self._put(document, notes, fresh=idempotency_key is None)
        if parent is not None:
            parent.lineage.add_values(cost, input_tokens, output_tokens)

    def _root_id(self, parent: Measurement) -> str:
        lineage: Lineage | None = getattr(parent, "lineage", None)
        if lineage is None or lineage.place != self._place:
            raise InvalidRecordError(
                "parent: expected what measure() of a recorder of the same store gave, and got "
                f"{preview(parent) if lineage is None else 'a run of another store'}",
                field="parent",
            )
        return lineage.root.settle(stamp()[0])

    def check_execution(self, **arguments: Any) -> None:  # noqa: ANN401 - as record_execution has them
        """Raise what ``record_execution`` would raise for its arguments, and record nothing."""
        self._admit(**arguments)

    def record(self, metric: BenchmarkMetric) -> None:
        """Record an execution that is a ``BenchmarkMetric`` already.

        Its id is kept if it has one; so recording the same metric twice stores it once.

        Raises:
            InvalidRecordError: a field is wrong (unless ``on_invalid="log"``).
            StoreError: the record could not be written (only with ``strict=True``).
        """
        if not self._enabled:
            return
        try:
            from benchmark_recorder.validation import admit_metric  # it needs pydantic

            document, notes, fresh = admit_metric(metric, self._admit.labels, self._admit.known_version)
        except (InvalidRecordError, StoreUnavailableError, ImportError, OSError) as error:
            self._refuse(error)
            return
        self._put(document, notes, fresh=fresh)

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

    def measure(
        self,
        task: str,
        version: str | None = None,
        *,
        root: bool = False,
        cancelled: Literal["failure", "discard"] = "failure",
        **known: Unpack[Known],
    ) -> Measurement:
        """Time a block of code and record it: ``with recorder.measure(task=..., version=...) as run:``.

        Works in ``async with`` too. Set what becomes known on ``run`` (``run.cost = 0.002``). An exception is recorded
        as a failure, and passes on. A block inside another one, in the same context, is a part of that run: questions
        leave it out unless they ask for ``runs="children"`` or ``"all"``.

        A wrong value does not cost the run: it is left out, and named in the record's ``dropped``.

        Args:
            task: the task's text.
            version: of the orchestrator; the recorder's unless given.
            root: whether it is a run of its own even inside another one.
            cancelled: ``"failure"``: cancelled work is a failure of the class ``"Cancelled"``; ``"discard"``: it is not
                recorded.
            **known: any other attribute of ``Measurement`` that is known beforehand.

        Raises:
            InvalidRecordError: no version is given, and the recorder has none.
        """
        if cancelled not in {"failure", "discard"}:
            raise InvalidRecordError(
                f'cancelled: expected "failure" or "discard", got {preview(cancelled)}', field="cancelled"
            )
        discards = cancelled == "discard"
        return self.new_run(task, version, root=root, sink=self._record_quietly, _discards_cancelled=discards, **known)

    def new_run(
        self,
        task: str,
        version: str | None = None,
        *,
        sink: Callable[[Measurement], None] | None = None,
        root: bool = False,
        **known: Any,  # noqa: ANN401
    ) -> Measurement:
        """A measurement for the fixture and the harness: recording it raises errors, unless ``sink`` records it."""
        make = self._measurement
        if make is None:
            from benchmark_recorder.recording.measurement import (
                Measurement,  # a program that measures nothing needs none
            )

            self._measurement = make = Measurement
        dropped = []
        if not isinstance(version, str) or not version.strip():
            dropped = [] if version is None else ["version"]
            version = self._admit.known_version()
        return make(sink or self.record_run, self._place, task, version, _is_root=root, dropped=dropped, **known)

    @overload
    def track(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def track(
        self,
        function: None = None,
        /,
        *,
        version: str | None = ...,
        task: str | Callable[..., str] | None = ...,
        outcome: Callable[[Any], Mapping[str, Any]] | None = ...,
        root: bool = ...,
        cancelled: Literal["failure", "discard"] = ...,
        **known: Unpack[Known],
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    def track(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        task: str | Callable[..., str] | None = None,
        outcome: Callable[[Any], Mapping[str, Any]] | None = None,
        **known: Any,
    ) -> Any:
        """A decorator that records each call of a function, bare (``@recorder.track``) or with arguments.

        The function may be plain, ``async def`` or a generator of either kind. A result that is unfinished work (a
        generator, an awaitable, a task, a context manager made of a generator) is timed to its end.

        Args:
            function: what to decorate.
            task: the task's text, or a function of the call's arguments that makes it; the function's name unless
                given.
            outcome: a function from the result to what it says about the execution:
                ``lambda result: {"success": result.ok, "cost": result.cost}``. If it fails, or says something unknown,
                the run is a failure of the class ``"InvalidResult"``.
            **known: any other argument of ``measure``, the same for each call.

        Raises:
            InvalidRecordError: no version is given, and the recorder has none.
        """
        from benchmark_recorder.recording.tracking import tracked

        def measure(text: str) -> Measurement:
            return self.measure(text, **known)

        measure("")  # what is wrong fails here, not in the calls

        def decorate(decorated: Callable[..., Any]) -> Callable[..., Any]:
            return tracked(decorated, measure, task, outcome)

        return decorate if function is None else decorate(function)

    def record_run(self, run: Measurement) -> None:
        """Record what ``new_run`` measured.

        Raises:
            InvalidRecordError: a field is wrong.
            StoreError: the record could not be written (only with ``strict=True``).
        """
        if self._enabled:
            document, notes = self._admit(**run.arguments())
            document |= run.lineage.fields(document["record_id"])
            self._put(document, notes, fresh=run.idempotency_key is None)

    def _record_quietly(self, run: Measurement) -> None:
        if not self._enabled:
            return
        try:
            dropped = run.dropped
            try:
                document, notes = self._admit(**run.arguments())
            except InvalidRecordError:
                from benchmark_recorder.recording.salvage import salvaged

                (document, notes), more = salvaged(self._admit, run.arguments(), run.instead())
                dropped = [*dropped, *more]
            if dropped:
                document["dropped"] = list(dict.fromkeys(dropped))
                self._buffer.count_normalised((f"without {', '.join(dropped)}",))
            document |= run.lineage.fields(document["record_id"])
            self._put(document, notes, fresh=run.idempotency_key is None)
        except Exception as error:  # noqa: BLE001 - the measured code must not be hurt, strict or not
            self._buffer.count_unwritten(error)

    # Health and closing ---------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """How recording is doing: what waits, what was lost, and why; with a remote store also what is pending."""
        return self._buffer.health().with_delivery(self._store.condition())

    def flush(self, timeout: float | None = 10.0) -> bool:
        """Write what waits in memory, and deliver what is pending; whether nothing is left.

        Args:
            timeout: seconds to wait for a remote store; ``None``: however long it takes.
        """
        return self._buffer.flush() and self._store.flush(timeout)

    def close(self) -> None:
        """Write what waits, and close the store; the recorder stays usable."""
        self._buffer.close()
        self._buffer.attempt(self._store.close)
