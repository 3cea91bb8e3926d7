"""The rules of the settings file: what is watched, against what, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.alerts.channels import check_address
from benchmark_recorder.analysis.detector import watched_metric
from benchmark_recorder.analysis.guardrails import GUARDRAILS
from benchmark_recorder.analysis.metrics import METRICS, check_margin
from benchmark_recorder.errors import ConfigurationError, InvalidQueryError, preview
from benchmark_recorder.settings import effective_settings

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_DAYS: Final = 3650
_RULE: Final = ("name", "version", "metric", "margin", "baseline", "baseline_days", "no_data_hours", "send")
_TABLE: Final = ("rules", "false_alarm_days", "max_messages_per_hour")


@dataclass(frozen=True, slots=True)
class Rule:
    """What is watched.

    Attributes:
        name: of the alert.
        version: whose runs are watched.
        metric: ``execution_time``, ``cost``, ``failure_rate``, ``success_rate`` or ``routing_accuracy``.
        margin: how much worse it may be: 0.05 is 5%, or 5 points.
        baseline: the version that it is held against; ``None`` for its own past.
        baseline_days: how many days of its own past.
        no_data_hours: hours without a run after which that is an alert; twice the longest pause so far unless given.
        send: the addresses of channels.
    """

    name: str
    version: str
    metric: str
    margin: float
    baseline: str | None = None
    baseline_days: float | None = None
    no_data_hours: float | None = None
    send: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """All that the table says.

    Attributes:
        rules: in its order.
        false_alarm_days: days between two false alarms of a rule, on average, at least.
        max_messages_per_hour: to one channel; what is beyond it comes later, together.
    """

    rules: tuple[Rule, ...]
    false_alarm_days: float = 365.0
    max_messages_per_hour: int = 10


def alert_settings(table: Mapping[str, Any] | None = None, origin: str = "alerts") -> AlertSettings:
    """The rules in force, or those of a table.

    Args:
        table: as in the settings file; that of the settings unless given.
        origin: what an error names as its place.

    Raises:
        ConfigurationError: something in it is wrong or unknown; says where, and never a secret.
    """
    if table is None:
        settings = effective_settings()
        table = settings.alerts
        origin = f"alerts ({dict(settings.origins).get('alerts', 'settings')})"
    _check_names(table, _TABLE, origin)
    given = table.get("rules", ())
    if not isinstance(given, list | tuple) or not all(isinstance(rule, Mapping) for rule in given):
        raise ConfigurationError(f"{origin}: rules: expected tables, [[tool.benchmark_recorder.alerts.rules]]")
    rules = tuple(_rule(rule, f"{origin}: rules[{number}]") for number, rule in enumerate(given))
    names = [rule.name for rule in rules]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigurationError(f"{origin}: rules: {preview(twice)} is the name of two; give each its own")
    return AlertSettings(
        rules,
        _number(table, "false_alarm_days", origin, 1, MOST_DAYS) or 365.0,
        int(_number(table, "max_messages_per_hour", origin, 1, 3600) or 10),
    )


def _rule(given: Mapping[str, Any], origin: str) -> Rule:
    _check_names(given, _RULE, origin)
    name = _text(given, "name", origin)
    origin = f"{origin} ({preview(name)})"
    version, baseline = _text(given, "version", origin), given.get("baseline")
    days = _number(given, "baseline_days", origin, 1, MOST_DAYS)
    if (baseline is None) == (days is None):
        raise ConfigurationError(f"{origin}: give either baseline, a version, or baseline_days, such as 28")
    if baseline is not None and _text(given, "baseline", origin) == version:
        raise ConfigurationError(f"{origin}: baseline: the same as version; baseline_days = 28 watches its own past")
    metric = _asked(lambda: watched_metric(given.get("metric", "time")), origin)
    usual = GUARDRAILS.get(metric, METRICS[metric].margin)
    margin = _asked(lambda: check_margin(given.get("margin", usual), METRICS[metric]), origin)
    send = given.get("send", ())
    send = (send,) if isinstance(send, str) else send
    if not isinstance(send, list | tuple):
        raise ConfigurationError(f"{origin}: send: expected the addresses of channels, got {preview(send)}")
    return Rule(
        name,
        version,
        metric,
        margin,
        baseline,
        days,
        _number(given, "no_data_hours", origin, 1, 24 * MOST_DAYS),
        tuple(dict.fromkeys(check_address(address, f"{origin}: send") for address in send)),
    )


def _check_names(table: Mapping[str, Any], known: tuple[str, ...], origin: str) -> None:
    # Not the name itself, unless it looks like one: it may be a secret in the wrong place.
    if unknown := [name for name in table if name not in known]:
        shown = preview(unknown[0]) if unknown[0].isidentifier() else "a name"
        raise ConfigurationError(f"{origin}: {shown} is unknown; known are {', '.join(known)}")


def _text(given: Mapping[str, Any], name: str, origin: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip() or (name == "name" and "://" in value):
        raise ConfigurationError(f"{origin}: {name}: expected a text that is not blank, and no URL")
    return value


def _number(given: Mapping[str, Any], name: str, origin: str, least: float, most: float) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ConfigurationError(f"{origin}: {name}: expected a number from {least:g} to {most:g}")
    return float(value)


def _asked(check: Callable[[], Any], origin: str) -> Any:  # noqa: ANN401
    try:
        return check()
    except InvalidQueryError as error:
        said = str(error)
    # A value that was given may be a secret in the wrong place.
    raise ConfigurationError(f"{origin}: {said.partition(', got')[0] if '://' in said else said}")
