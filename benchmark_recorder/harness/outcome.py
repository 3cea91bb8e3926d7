"""What an orchestrator returned, read as it is: a success, or which kind of failure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TIMEOUT: Final = "Timeout"
INVALID_RESULT: Final = "InvalidResult"
WRONG_RESULT: Final = "WrongResult"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended.

    Attributes:
        success: what the orchestrator said; ``False`` where it did not come to say it.
        agent_selected: the agent that it says it chose, or ``None``.
        cost: USD, or ``None`` where it reports none.
        error_type: ``None`` for a success; ``"Timeout"``, ``"InvalidResult"`` (not a result, or fields of a
            wrong type), ``"WrongResult"`` (an unsuccessful one that gives no ``error_type``), or an
            exception's class.
        raised: whether an exception ended it.
        model: the language model, where the result says it.
        input_tokens: read by the model, where the result says it.
        output_tokens: written by the model, where the result says it.
    """

    success: bool
    agent_selected: str | None = None
    cost: float | None = None
    error_type: str | None = None
    raised: bool = False
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


def read_outcome(result: object) -> Outcome:
    """The outcome that a result tells: an object, or a dict, with ``success``, ``agent_selected`` and ``cost``.

    ``success`` is needed; ``agent_selected``, ``cost``, ``error_type``, ``model``, ``input_tokens`` and
    ``output_tokens`` may be absent or ``None``. One field of a wrong type makes the result an ``InvalidResult``; what
    is right in it is kept.
    """
    try:
        return _read(result)
    except Exception:  # noqa: BLE001 - a result's own property may raise anything, and it is then no result
        return Outcome(success=False, error_type=INVALID_RESULT)


def _read(result: object) -> Outcome:
    success = _field(result, "success")
    names = {name: _field(result, name) for name in ("agent_selected", "error_type", "model")}
    tokens = {name: _field(result, name) for name in ("input_tokens", "output_tokens")}
    cost = _plain(_field(result, "cost"))
    texts = {name: value for name, value in names.items() if isinstance(value, str)}
    counts = {name: value for name, value in tokens.items() if _is_count(value)}
    valid = (
        isinstance(success, bool)
        and len(texts) == sum(value is not None for value in names.values())
        and len(counts) == sum(value is not None for value in tokens.values())
        and (cost is None or _is_amount(cost))
    )
    said = texts.pop("error_type", None)
    fields: dict[str, Any] = {**texts, **counts, "cost": float(cost) if _is_amount(cost) else None}
    if not valid:
        return Outcome(success=False, error_type=INVALID_RESULT, **fields)
    if success:
        return Outcome(success=True, **fields)
    return Outcome(success=False, error_type=said or WRONG_RESULT, **fields)


def _field(result: object, name: str) -> Any:  # noqa: ANN401
    """A field of a result; ``None`` where it is absent."""
    value = result.get(name) if isinstance(result, Mapping) else getattr(result, name, None)
    return _plain(value) if name == "success" else value


def _plain(value: Any) -> Any:  # noqa: ANN401
    """A numpy scalar as the plain number; anything else as it is."""
    return value.item() if type(value).__module__ == "numpy" and not getattr(value, "ndim", 1) else value


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
