"""What a run did: frozen counts; how good the versions are is the recorder's to say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmark_recorder.harness.outcome import INVALID_RESULT, TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a run, as it was recorded.

    Attributes:
        task_id: the task's.
        version: the orchestrator's.
        repeat: 1 for the first.
        duration: seconds.
        success: whether the task succeeded.
        agent_selected: the agent that it was routed to, where the orchestrator says it.
        expected_agent: the right one, where the task names one.
        cost: USD, or ``None`` where unknown.
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
        successes: said to be so by the orchestrator.
        exceptions: ended by one.
        timeouts: stopped, or over time.
        wrong_results: unsuccessful by the orchestrator's own word.
        invalid_results: what it returned was no result.
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
        """All that did not succeed."""
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
        run_id: stands in the metadata of each of its records, as ``{"run": run_id, "repeat": …}``.
        versions: in the order of the orchestrators.
        executions: in the order they ended.
        warnings: sentences about doubts that a reader of the figures must know. They hold names of versions as the
            orchestrators gave them: escape them like any other text.
        seconds: that the run took, by its clock.
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
        """What limits a question to this run: ``recorder.compare_versions(…, **result.query)``."""
        return {"metadata": {"run": self.run_id}}
