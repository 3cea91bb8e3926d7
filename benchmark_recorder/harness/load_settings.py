"""How much load, and for how long: the settings of a load test, and what they must be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from benchmark_recorder.errors import ConfigurationError, preview
from benchmark_recorder.harness.execution import RealClock
from benchmark_recorder.harness.runner import DEFAULT_TIMEOUT, at_least_one, seconds_of

if TYPE_CHECKING:
    from benchmark_recorder.harness.execution import Clock


class LoadSettings(TypedDict, total=False):
    """How much load, and for how long.

    Attributes:
        rate: runs a second; 50 unless given.
        steps: several rates, one after the other, instead of ``rate``.
        duration: seconds of load at each rate, for each version; 120 unless given.
        turns: into which these are divided, so that the versions alternate; 4 unless given.
        warm_up: seconds at the beginning of each turn that do not count; a tenth of it unless given.
        max_concurrency: runs under way at once; 5,000 unless given. Others wait, and their wait counts.
        max_queue: runs that wait at once; 10,000 unless given. Others are dropped, and counted.
        max_cost: USD; no run begins that is likely to exceed it. No limit unless given.
        timeout: seconds that a run may take; 300 unless given; ``None``: no limit.
        pacing: ``"poisson"``, as many users come, unless given; ``"even"``: at even distances.
        seed: of the arrivals and of the order of the tasks.
        progress: whether to show a live line on stderr; by default if that is a terminal.
        clock: real time unless a ``VirtualClock`` is given.
    """

    rate: float
    steps: Sequence[float] | None
    duration: float
    turns: int
    warm_up: float | None
    max_concurrency: int
    max_queue: int
    max_cost: float | None
    timeout: float | None
    pacing: Literal["poisson", "even"]
    seed: int
    progress: bool | None
    clock: Clock | None


_DEFAULTS: Final = LoadSettings(
    rate=50.0,
    steps=None,
    duration=120.0,
    turns=4,
    warm_up=None,
    max_concurrency=5_000,
    max_queue=10_000,
    max_cost=None,
    timeout=DEFAULT_TIMEOUT,
    pacing="poisson",
    seed=0,
    progress=None,
    clock=None,
)
MOST_RATE: Final = 1e6


def checked_settings(settings: LoadSettings) -> dict[str, Any]:
    """All settings, and the rates in rising order.

    Raises:
        ConfigurationError: one cannot be used; names it.
    """
    if unknown := settings.keys() - _DEFAULTS.keys():
        raise ConfigurationError(f"{min(unknown)}: no such setting; there are {', '.join(_DEFAULTS)}")
    given: dict[str, Any] = {**_DEFAULTS, **settings}
    given["rates"] = _rates(given.pop("rate"), given.pop("steps"), both="rate" in settings)
    _positive("duration", given["duration"], "seconds")
    for name in ("turns", "max_concurrency"):
        at_least_one(name, given[name])
    for name, least in (("max_queue", 0), ("seed", -math.inf)):
        if isinstance(given[name], bool) or not isinstance(given[name], int) or given[name] < least:
            more = "" if least else ", 0 or more"
            raise ConfigurationError(f"{name}: expected a whole number{more}, got {preview(given[name])}")
    if given["max_cost"] is not None:
        _positive("max_cost", given["max_cost"], "US dollars")
    seconds_of("timeout", given["timeout"])
    if given["pacing"] not in {"poisson", "even"}:
        raise ConfigurationError(f'pacing: expected "poisson" or "even", got {preview(given["pacing"])}')
    _check_turns(given["duration"] / given["turns"], given["warm_up"], given["rates"][0])
    given["clock"] = given["clock"] or RealClock()
    return given


def _rates(rate: object, steps: object, *, both: bool) -> list[float]:
    if steps is None:
        steps = [rate]
    elif both:
        raise ConfigurationError("steps: give either rate or steps, not both")
    elif isinstance(steps, str) or not isinstance(steps, Sequence) or not steps:
        raise ConfigurationError(f"steps: expected a list of rates a second, got {preview(steps)}")
    return sorted({_positive("rate", one, "runs a second", MOST_RATE) for one in steps})


def _check_turns(length: float, warm_up: object, lowest: float) -> None:
    """Whether a turn is long enough for its warm-up, and for a run."""
    usable = isinstance(warm_up, int | float) and not isinstance(warm_up, bool) and 0 <= warm_up < length
    if warm_up is not None and not usable:
        raise ConfigurationError(
            f"warm_up: expected seconds, 0 or more and less than a turn of {length:g} s (duration / turns), "
            f"got {preview(warm_up)}"
        )
    if lowest * length < 1:
        raise ConfigurationError(
            f"duration: at {lowest:g} a second hardly any run is due in a turn of {length:g} s (duration / turns); "
            "make the duration longer"
        )


def _positive(name: str, value: object, unit: str, most: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf or value > most:
        limit = f", at most {most:,.0f}" if most < math.inf else ""
        raise ConfigurationError(f"{name}: expected {unit} above 0{limit}, got {preview(value)}")
    return float(value)
