"""Timing a piece of work and recording how it went."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.recording.lineage import SUMMED, Lineage, figures_of
from benchmark_recorder.records import keyed_record_id, task_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

CANCELLED: Final = "Cancelled"


@dataclass(slots=True, eq=False)
class Measurement:
    """One execution while it runs; a context manager, plain and asynchronous.

    Attributes that are set inside the block are recorded when it ends. An exception makes it a failure with the
    exception's class in ``error_type``, and passes on. Runs of the same store that begin inside the block, in the same
    context, are parts of this one, and it is their root.

    Attributes:
        task: the task's text.
        version: of the orchestrator.
        success: set it to ``False`` for a result that is wrong without an exception.
        agent_selected: the agent that the task was routed to.
        cost: USD; of a root that says nothing the sum of its parts, if each of them is known. So are the tokens.
        difficulty: 0 to 1.
        metadata: anything that is JSON.
        task_id: what makes runs of two versions comparable.
        expected_agent: the agent that would have been right.
        error_type: the class of the failure; a run that has one is a failure.
        model: the language model.
        input_tokens: read by the model.
        output_tokens: written by the model.
        idempotency_key: a run that is recorded again with the same key, version and task counts once.
        duration: seconds; measured, unless the block sets it.
        lineage: the runs around it and inside it.
        dropped: what was said of it wrongly, and left out.
    """

    _sink: Callable[[Measurement], None]
    _place: object
    task: str
    version: str
    success: bool = True
    agent_selected: str | None = None
    cost: float | None = None
    difficulty: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    task_id: str | None = None
    expected_agent: str | None = None
    error_type: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    idempotency_key: str | None = None
    duration: float | None = None
    lineage: Lineage = field(init=False)
    _is_root: bool = False
    _discards_cancelled: bool = False
    _ignored: tuple[type[BaseException], ...] = ()
    _started: float = 0.0
    _seconds: float = 0.0
    _began_as: str = ""
    _discarded: bool = False
    dropped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began_as = self.version
        self.lineage = Lineage(self._place)
        if isinstance(self.metadata, dict):
            self.metadata = dict(self.metadata)  # a run's additions must not reach the next one

    def discard(self) -> None:
        """Leave no record of this run; its parts keep theirs."""
        self._discarded = True

    def arguments(self) -> dict[str, Any]:
        """What is recorded: arguments of ``record_execution``."""
        return {name: getattr(self, name) for name in RECORDED}

    def instead(self) -> dict[str, Any]:
        """Values for arguments that no record can do without, where the block has made them wrong."""
        return {"version": self._began_as, "duration": self._seconds}

    # Its time -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the clock."""
        self.lineage.begin(is_root=self._is_root)
        if self.idempotency_key is not None:
            self._settle_id(self.idempotency_key)
        self._started = time.perf_counter()

    def _settle_id(self, key: object) -> None:
        """Now, so that its parts know it; what is wrong is said when the run is recorded."""
        with suppress(InvalidRecordError, TypeError, AttributeError):
            task_id = task_id_of(self.task) if self.task_id is None else self.task_id
            self.lineage.settle(keyed_record_id(self.version, task_id, key))

    def end(self, error: BaseException | None = None) -> None:
        """Stop the clock and record; a second call does nothing."""
        seconds = time.perf_counter() - self._started
        lineage = self.lineage
        if lineage.ended:
            return
        self._seconds = seconds
        if self.duration is None:
            self.duration = seconds
        if error is not None:
            self._fail(error)
        elif self.error_type is not None:
            self.success = False
        lineage.ended = True
        if self._discarded:
            return
        if lineage.is_alone:
            self._sink(self)
            return
        figures = lineage.completed(figures_of(self.cost, self.input_tokens, self.output_tokens))
        if lineage.parent is not None:
            self._sink(self)
            lineage.parent.add_part(figures)
            return
        for name, figure in zip(SUMMED, figures, strict=True):
            if getattr(self, name) is None:
                setattr(self, name, figure)
        self._sink(self)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, GeneratorExit) or (
            isinstance(error, SystemExit) and (error.code is None or (isinstance(error.code, int) and not error.code))
        ):
            return  # its consumer, or the program, ended it: nothing went wrong
        name = type(error).__name__
        if name in {"CancelledError", "Cancelled"}:  # of asyncio, of trio: not imported for this
            name = CANCELLED
            self._discarded |= self._discards_cancelled
        self._discarded |= isinstance(error, self._ignored)
        self.success = False
        self.error_type = self.error_type or name
        causes = ", ".join(dict.fromkeys(_causes(error)))
        if causes and isinstance(self.metadata, dict):
            self.metadata.setdefault("cause", causes)

    def __enter__(self) -> Self:
        self.begin()
        self.lineage.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lineage.leave()
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


RECORDED = tuple(
    name for name in Measurement.__dataclass_fields__ if not name.startswith("_") and name not in {"lineage", "dropped"}
)


def _causes(error: BaseException) -> Iterator[str]:
    """The classes of the exceptions that an exception was made of: the last cause's, or those of a group."""
    seen = {id(error)}
    cause = error
    while cause.__cause__ is not None and id(cause.__cause__) not in seen:
        cause = cause.__cause__
        seen.add(id(cause))
    if isinstance(cause, BaseExceptionGroup):
        for one in cause.exceptions:
            yield from _causes(one) if isinstance(one, BaseExceptionGroup) or one.__cause__ else (type(one).__name__,)
    elif cause is not error:
        yield type(cause).__name__
