"""Servers with queues whose waiting times are known, as orchestrators."""

from __future__ import annotations

import asyncio
import math
from random import Random
from typing import Any

from scipy import optimize

TASK = {"id": "t-1", "description": "Do it"}


class Queue:
    """``servers`` that take exponential times (M/M/c), or always the same (M/D/c), first come first served."""

    def __init__(
        self,
        version: str = "v1",
        *,
        servers: int = 1,
        mean: float = 1.0,
        fixed: bool = False,
        cost: float | None = None,
    ) -> None:
        self.version = version
        self.seen = 0
        self._free = asyncio.Semaphore(servers)
        self._chance = Random(version)
        self._mean, self._fixed, self._cost = mean, fixed, cost

    async def execute_task(self, _: dict[str, Any]) -> dict[str, Any]:
        self.seen += 1
        seconds = self._mean if self._fixed else self._chance.expovariate(1 / self._mean)
        async with self._free:
            await asyncio.sleep(seconds)
        return {"success": True, "cost": self._cost}


class Stalling:
    """Takes 10 ms, but nothing ends between ``begin`` and ``end``, in seconds since the first task."""

    version = "stalls"

    def __init__(self, begin: float, end: float) -> None:
        self._begin, self._end = begin, end
        self._first: float | None = None

    async def execute_task(self, _: dict[str, Any]) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        self._first = now if self._first is None else self._first
        since = now - self._first
        await asyncio.sleep(max(0.010, self._end - since) if since >= self._begin - 0.010 else 0.010)
        return {"success": True}


def erlang_c(servers: int, offered: float) -> float:
    """The chance that a run waits, at ``offered`` runs per mean service time (Erlang 1917)."""
    top = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return top / (sum(offered**k / math.factorial(k) for k in range(servers)) + top)


def mmc_response(q: float, servers: int, rate: float, mean: float) -> float:
    """A quantile of the response in M/M/c."""
    mu, waits = 1 / mean, erlang_c(servers, rate * mean)
    drain = servers * mu - rate

    def beyond(t: float) -> float:
        if math.isclose(drain, mu):
            return math.exp(-mu * t) * (1 + waits * mu * t)
        late = (math.exp(-drain * t) * mu - math.exp(-mu * t) * drain) / (mu - drain)
        return (1 - waits) * math.exp(-mu * t) + waits * late

    return float(optimize.brentq(lambda t: beyond(t) - (1 - q), 0, 1000 * mean))


def md1_response(q: float, rate: float, mean: float) -> float:
    """A quantile of the response in M/D/1 (Erlang 1909; in the stable form of Franx 2001, with many terms)."""
    rho = rate * mean

    def within(wait: float) -> float:
        terms = range(int(wait / mean) + 1)
        total = math.fsum(
            (rate * (k * mean - wait)) ** k / math.factorial(k) * math.exp(-rate * (k * mean - wait)) for k in terms
        )
        return (1 - rho) * total

    return mean + float(optimize.brentq(lambda wait: within(wait) - q, 0, 15 * mean))
