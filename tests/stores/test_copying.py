from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.stores.replication.copying import Prefetch, one_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_the_call_is_made_before_its_result_is_asked_for_and_in_another_thread() -> None:
    made = threading.Event()
    threads: list[threading.Thread] = []

    def call() -> int:
        threads.append(threading.current_thread())
        made.set()
        return 3

    ahead = Prefetch(call)
    assert made.wait(30)
    assert ahead.result() == 3
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


def test_its_error_is_raised_where_the_result_is_asked_for_and_not_by_waiting() -> None:
    def call() -> int:
        raise ZeroDivisionError

    ahead = Prefetch(call)
    ahead.wait()
    with pytest.raises(ZeroDivisionError):
        ahead.result()


def test_where_no_thread_can_be_had_the_call_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    ahead = Prefetch(threading.current_thread)
    ahead.wait()
    assert ahead.result() is threading.current_thread()
    assert list(one_ahead(iter([1, 2, 3]))) == [1, 2, 3]


def test_items_come_in_their_order_and_the_next_one_is_made_meanwhile() -> None:
    made: list[int] = []
    second = threading.Event()

    def items() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    ahead = one_ahead(items())
    assert next(ahead) == 0
    assert second.wait(30)
    assert made == [0, 1]
    assert list(ahead) == [1, 2, 3]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    ahead = one_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError):
        next(ahead)


def test_a_reader_that_stops_early_leaves_no_thread_behind() -> None:
    source = iter([1, 2, 3])
    ahead = one_ahead(source)
    assert next(ahead) == 1
    ahead.close()  # type: ignore[attr-defined]
    assert next(source) == 3
