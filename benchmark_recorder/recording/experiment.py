"""Experiments: which of two versions a unit gets, and how its runs say so."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from benchmark_recorder.errors import ConfigurationError, InvalidRecordError, preview
from benchmark_recorder.records import plain_text

if TYPE_CHECKING:
    from benchmark_recorder.recording.measurement import Measurement

EXPERIMENT: Final = "experiment"
PLAN: Final = "experiment_plan"
UNIT: Final = "unit"
"""The keys of a record's metadata: the experiment's name, its arms and weight as JSON, and the unit's mark."""

LONGEST_NAME: Final = 200


class Measuring(Protocol):
    """What measures runs: a recorder."""

    def measure(self, task: str, version: str | None = None, **known: Any) -> Measurement:  # noqa: ANN401
        """See ``BenchmarkRecorder.measure``."""


class Experiment:
    """Two versions side by side, each for some of the units: people, sessions, or whatever a run is for.

    Nothing is registered or asked: a unit's version follows from the name of the experiment and the unit alone, in
    each process, machine and language. docs/experiments.md has the rule.

    Args:
        recorder: measures the runs.
        name: of the experiment.
        control: the version that is there.
        treatment: the version that is tried.
        weight: the part of the units that gets the treatment, above 0 and below 1.

    Raises:
        ConfigurationError: an argument is wrong; the message names it.
    """

    __slots__ = ("_recorder", "control", "name", "treatment", "weight")

    def __init__(self, recorder: Measuring, name: str, *, control: str, treatment: str, weight: float = 0.5) -> None:
        for argument, text in (("name", name), ("control", control), ("treatment", treatment)):
            if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_NAME:
                raise ConfigurationError(
                    f"{argument}: expected a text of 1 to {LONGEST_NAME} characters, got {preview(text)}"
                )
        if control == treatment:
            raise ConfigurationError(f"treatment: expected another version than the control, got {preview(treatment)}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < 1:
            raise ConfigurationError(f"weight: expected a number above 0 and below 1, got {preview(weight)}")
        self._recorder = recorder
        self.name, self.control, self.treatment = (plain_text(text)[0] for text in (name, control, treatment))
        self.weight = float(weight)

    def __repr__(self) -> str:
        return (
            f"Experiment({self.name!r}, control={self.control!r}, treatment={self.treatment!r}, weight={self.weight})"
        )

    def assign(self, unit: str | int) -> str:
        """The version of a unit.

        Raises:
            InvalidRecordError: it is neither a text nor a whole number.
        """
        return self._arm(_digest(self.name, unit))

    def measure(
        self,
        unit: str | int,
        task: str,
        *,
        metadata: dict[str, Any] | None = None,
        **known: Any,  # noqa: ANN401 - as the recorder has them
    ) -> Measurement:
        """``BenchmarkRecorder.measure`` with the unit's version, as ``run.version``; the unit itself is not recorded.

        A unit that is none gets the control, and its run counts for no experiment.

        Args:
            unit: a text or a whole number.
            task: the task's text.
            metadata: of the run.
            **known: any other argument of ``BenchmarkRecorder.measure``, except ``version``.
        """
        own = dict(metadata) if isinstance(metadata, dict) else {}
        try:
            digest = _digest(self.name, unit)
        except InvalidRecordError:
            run = self._recorder.measure(task, self.control, metadata=own, **known)
            run.dropped.append(UNIT)
            return run
        plan = json.dumps([self.control, self.treatment, self.weight])
        own |= {EXPERIMENT: self.name, PLAN: plan, UNIT: digest[:16]}
        return self._recorder.measure(task, self._arm(digest), metadata=own, **known)

    def _arm(self, digest: str) -> str:
        # 13 hexadecimal digits are 52 bits, which every language's floating-point number holds exactly.
        return self.treatment if int(digest[-13:], 16) / 16**13 < self.weight else self.control


def _digest(name: str, unit: object) -> str:
    if isinstance(unit, bool) or not isinstance(unit, str | int) or unit == "":
        raise InvalidRecordError(f"unit: expected a text or a whole number, got {preview(unit)}", field="unit")
    return sha256(f"{name}{unit}".encode("utf-8", "surrogatepass")).hexdigest()


class Experimenting:
    """Lends ``experiment`` to the recorder."""

    def experiment(self, name: str, *, control: str, treatment: str, weight: float = 0.5) -> Experiment:
        """An experiment, whose runs it measures: ``with experiment.measure(user_id, task=text) as run:``.

        Args:
            name: of the experiment.
            control: the version that is there.
            treatment: the version that is tried.
            weight: the part of the units that gets the treatment.

        Raises:
            ConfigurationError: an argument is wrong.
        """
        return Experiment(cast("Measuring", self), name, control=control, treatment=treatment, weight=weight)
