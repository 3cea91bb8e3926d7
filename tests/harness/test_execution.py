from __future__ import annotations

import asyncio

import pytest

from benchmark_recorder.harness import RealClock, VirtualClock

CLOCK = VirtualClock()


def run_virtual(work: object) -> object:
    loop = CLOCK.new_loop()
    try:
        return loop.run_until_complete(work)  # type: ignore[arg-type]
    finally:
        loop.close()


def test_an_hour_of_virtual_time_passes_at_once_and_is_an_hour() -> None:
    async def wait() -> float:
        started = CLOCK.now()
        await asyncio.sleep(3600)
        return CLOCK.now() - started

    assert run_virtual(wait()) == 3600.0


def test_waits_at_the_same_time_overlap() -> None:
    async def wait() -> float:
        await asyncio.gather(asyncio.sleep(3), asyncio.sleep(5), asyncio.sleep(1))
        return CLOCK.now()

    assert run_virtual(wait()) == 5.0


def test_things_happen_in_the_order_of_virtual_time() -> None:
    async def wait() -> list[tuple[str, float]]:
        seen = []

        async def note(name: str, delay: float) -> None:
            await asyncio.sleep(delay)
            seen.append((name, CLOCK.now()))

        await asyncio.gather(note("late", 2.5), note("early", 0.5), note("between", 1.0))
        return seen

    assert run_virtual(wait()) == [("early", 0.5), ("between", 1.0), ("late", 2.5)]


def test_a_timeout_is_a_timeout_in_virtual_time() -> None:
    async def wait() -> float:
        try:
            async with asyncio.timeout(7):
                await asyncio.Event().wait()
        except TimeoutError:
            return CLOCK.now()
        raise AssertionError

    assert run_virtual(wait()) == 7.0


def test_real_time_never_runs_backwards() -> None:
    clock = RealClock()
    times = [clock.now() for _ in range(1000)]
    assert times == sorted(times)


def test_a_real_time_loop_is_not_taken_for_a_virtual_one() -> None:
    async def ask() -> float:
        return CLOCK.now()

    with pytest.raises(RuntimeError, match="runs in real time"):
        asyncio.run(ask())
