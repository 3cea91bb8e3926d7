"""What an orchestrator returned, and what a run did."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.fields import FIELDS
from benchmark_recorder.recording.salvage import INVALID_RESULT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TIMEOUT: Final = "Timeout"
WRONG_RESULT: Final = "WrongResult"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended.

    Attributes:
        success: what the orchestrator returned; ``False`` if it returned nothing.
        agent_selected: the agent that it chose, or ``None``.
        cost: USD, or ``None`` if it reports none.
        error_type: ``None`` for a success; ``"Timeout"``, ``"InvalidResult"`` (not a result, or a field of the wrong
            type), ``"WrongResult"`` (unsuccessful, without an ``error_type`` of its own), or an exception's class.
        raised: whether an exception ended it.
        model: the language model, if the result names it.
        input_tokens: read by the model, if known.
        output_tokens: written by the model, if known.
        rate_limited: whether a provider refused it for too many requests.
    """

    success: bool
    agent_selected: str | None = None
    cost: float | None = None
    error_type: str | None = None
    raised: bool = False
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    rate_limited: bool = False

    def said(self) -> dict[str, Any]:
        """What it says, as attributes of ``Measurement``."""
        return {name: getattr(self, name) for name in _SAID}


_SAID: Final = {f.argument: f.kind for f in FIELDS if f.argument in Outcome.__dataclass_fields__}
"""What a result may say, and the kind of each value."""


def read_outcome(result: object) -> Outcome:
    """The outcome of a result: an object, or a dict, with ``success``, ``agent_selected`` and ``cost``.

    ``success`` is needed; ``agent_selected``, ``cost``, ``error_type``, ``model``, ``input_tokens`` and
    ``output_tokens`` may be absent or ``None``. One field of the wrong type makes the result an ``InvalidResult``; its
    other fields are kept.
    """
    try:
        return _read(result)
    except Exception:  # noqa: BLE001 - a property of the result may raise anything; that makes it invalid
        return Outcome(success=False, error_type=INVALID_RESULT)


def _read(result: object) -> Outcome:
    get: Callable[..., Any] = result.get if isinstance(result, Mapping) else partial(getattr, result)
    given = {name: value for name in _SAID if (value := get(name, None)) is not None}
    known = {name: right for name, value in given.items() if (right := _right(_SAID[name], value)) is not None}
    valid = "success" in known and len(known) == len(given)
    known["success"] = valid and known["success"]
    if not valid:
        known["error_type"] = INVALID_RESULT
    else:
        known["error_type"] = None if known["success"] else known.get("error_type") or WRONG_RESULT
    return Outcome(**known, rate_limited=_means_rate_limit(known["error_type"]))


_RATE_LIMITS: Final = re.compile("rate_?limit|too_?many_?requests|throttl|quota|resource_?exhausted", re.IGNORECASE)
"""Of the names of error classes."""


def _means_rate_limit(name: str | None) -> bool:
    return name is not None and _RATE_LIMITS.search(name) is not None


def is_rate_limit(error: BaseException) -> bool:
    """Whether a provider refused a run for too many requests: by the error's class, or by HTTP status 429."""
    if _means_rate_limit(type(error).__name__):
        return True
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            with suppress(Exception):  # a property may raise anything
                if getattr(holder, name, None) == 429:
                    return True
    return False


def _right(kind: str, value: Any) -> Any:  # noqa: ANN401
    """A value of this kind as it is recorded; ``None`` for one of the wrong type."""
    if kind in {"flag", "number"} and type(value).__module__ == "numpy" and not getattr(value, "ndim", 1):
        value = value.item()
    match kind, value:
        case ("flag", bool()) | ("text", str()):
            return value
        case (_, bool()):
            return None
        case ("number", int() | float()) if 0 <= value < math.inf:
            return float(value)
        case ("count", int()) if 0 <= value < 2**63:
            return value
    return None


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a run, as it was recorded.

    Attributes:
        task_id: the task's.
        version: the orchestrator's.
        repeat: 1 for the first.
        duration: seconds.
        success: whether the task succeeded.
        agent_selected: the agent that it was routed to, if known.
        expected_agent: the right agent, if the task names one.
        cost: USD, or ``None`` if unknown.
        error_type: ``None`` for a success.
        raised: whether an exception ended it.
    """

    task_id: str
    version: str
    repeat: int
    duration: float
    success: bool
    agent_selected: str | None
    expected_agent: str | None
    cost: float | None
    error_type: str | None
    raised: bool


@dataclass(frozen=True, slots=True)
class VersionCount:
    """How the executions of one version ended; the five ways add up to ``executions``.

    Attributes:
        version: the orchestrator's.
        executions: all.
        successes: successful by the orchestrator's own word.
        exceptions: ended by an exception.
        timeouts: stopped at the timeout, or longer than it.
        wrong_results: unsuccessful by the orchestrator's own word.
        invalid_results: what it returned was not a result.
        error_types: failures by ``error_type``, the most frequent first.
    """

    version: str
    executions: int
    successes: int
    exceptions: int
    timeouts: int
    wrong_results: int
    invalid_results: int
    error_types: Mapping[str, int]

    @classmethod
    def of(cls, version: str, executions: Sequence[Execution]) -> VersionCount:
        """The counts of one version's executions."""
        kinds = Counter(_kind(execution) for execution in executions)
        types = Counter(execution.error_type for execution in executions if execution.error_type is not None)
        return cls(
            version=version,
            executions=len(executions),
            successes=kinds["success"],
            exceptions=kinds["exception"],
            timeouts=kinds["timeout"],
            wrong_results=kinds["wrong"],
            invalid_results=kinds["invalid"],
            error_types=MappingProxyType(dict(types.most_common())),
        )

    @property
    def failures(self) -> int:
        """Executions that did not succeed."""
        return self.executions - self.successes


def _kind(execution: Execution) -> str:
    if execution.success:
        return "success"
    if execution.raised:
        return "exception"
    return {TIMEOUT: "timeout", INVALID_RESULT: "invalid"}.get(execution.error_type or "", "wrong")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run did.

    Attributes:
        run_id: in the metadata of each of its records, as ``{"run": run_id, "repeat": …}``.
        versions: in the order of the orchestrators.
        executions: in the order they ended.
        warnings: caveats about the figures, as sentences. They contain version names as the orchestrators gave them:
            escape them like any other text.
        seconds: how long the run took, by its clock.
        by_version: the counts of each version.
    """

    run_id: str
    versions: tuple[str, ...]
    executions: tuple[Execution, ...] = field(repr=False)
    warnings: tuple[str, ...]
    seconds: float
    by_version: Mapping[str, VersionCount] = field(init=False)

    def __post_init__(self) -> None:
        counts = {
            version: VersionCount.of(version, [e for e in self.executions if e.version == version])
            for version in self.versions
        }
        object.__setattr__(self, "by_version", MappingProxyType(counts))

    @property
    def query(self) -> dict[str, Any]:
        """Filters for the records of this run: ``recorder.compare_versions(…, **result.query)``."""
        return {"metadata": {"run": self.run_id}}
