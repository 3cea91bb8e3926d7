"""Processes that record into one JSON file: run by the tests as scripts of their own, so that they may fork and die.

``python -m tests.stores.crowd many METHOD PATH PROCESSES THREADS RECORDS``: all at once.
``python -m tests.stores.crowd killed PATH MOMENTS``: 4 at once, one of them killed at each moment.
``python -m tests.stores.crowd together PATH PROCESSES RECORDS``: each opens the file and records at the same moment.
``python -m tests.stores.crowd interrupted PATH MOMENTS``: one, into whose work Ctrl-C comes at each moment.
All write ``PATH.acknowledged``: the ids of the records whose call returned.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.testing import make_document


def record(store: JSONFileStore, acknowledged: int, padding: int = 0) -> None:
    document = make_document(metadata={"padding": "x" * padding})
    store.append([document], fresh=True)
    # A kill cuts a write at the end of a page: no line of 64 bytes among its like reaches over one.
    os.write(acknowledged, document["record_id"].encode().ljust(63) + b"\n")


def acknowledgements(path: str) -> int:
    return os.open(f"{path}.acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def record_in_threads(store: JSONFileStore, threads: int, records: int, *, forking: bool) -> None:
    acknowledged = acknowledgements(store.name)

    def work() -> None:
        for _ in range(records):
            record(store, acknowledged)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for _ in range(20 if forking else 0):
        # The other threads hold the lock, or wait for it, at most of these moments.
        child = os.fork()
        if not child:
            record(store, acknowledged)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    for worker in workers:
        worker.join()


def work_anew(path: str, threads: int, records: int) -> None:
    with JSONFileStore(path) as store:
        record_in_threads(store, threads, records, forking=False)


def many(method: str, path: str, processes: int, threads: int, records: int) -> None:
    context = multiprocessing.get_context(method)
    store = JSONFileStore(path)
    store.append([make_document()], fresh=True)  # open before any fork
    if method == "fork":
        children = [
            context.Process(target=record_in_threads, args=(store, threads, records), kwargs={"forking": True})  # type: ignore[attr-defined]
            for _ in range(processes)
        ]
    else:
        children = [context.Process(target=work_anew, args=(path, threads, records)) for _ in range(processes)]  # type: ignore[attr-defined]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0


def together(path: str, processes: int, records: int) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes)

    def work() -> None:
        acknowledged = acknowledgements(path)
        with JSONFileStore(path) as store:
            barrier.wait(60)
            for _ in range(records):
                record(store, acknowledged)

    children = [context.Process(target=work) for _ in range(processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0


def killed(path: str, moments: int) -> None:
    rng = random.Random(moments)
    store = JSONFileStore(path)
    acknowledged = acknowledgements(path)
    begun = time.monotonic()
    children = [recording_child(store, acknowledged, rng.randrange(2**32)) for _ in range(4)]
    while not os.fstat(acknowledged).st_size:
        time.sleep(0.000_1)
    pace = max(0.006, time.monotonic() - begun)  # on a busy machine a child may take long to its first record
    for moment in range(moments):
        time.sleep(rng.uniform(0, pace))
        victim = children.pop(0)
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        if moment % 10 == 9:  # all of them, so that nobody else mends what the last one left
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            children = [recording_child(store, acknowledged, rng.randrange(2**32)) for _ in range(3)]
        children.append(recording_child(store, acknowledged, rng.randrange(2**32)))
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def recording_child(store: JSONFileStore, acknowledged: int, seed: int) -> int:
    child = os.fork()
    if child:
        return child
    rng = random.Random(seed)
    try:
        while True:
            record(store, acknowledged, rng.choice([0, 300, 9000]))  # from a part of a page to some pages
    finally:
        os._exit(1)


def interrupted(path: str, moments: int) -> None:
    rng = random.Random(moments)
    store = JSONFileStore(path)
    store._writer._patience = 0.000_01  # far below the time between two moments
    record(store, acknowledgements(path))
    returned: list[str] = []
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    for _ in range(moments):
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.000_05, 0.000_3))
            for _ in range(5000):  # until then; Python tells nobody of one that comes in a finalizer
                document = make_document()
                store.append([document], fresh=True)
                returned.append(document["record_id"])
        except KeyboardInterrupt:
            pass
        with store.path.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.write(acknowledgements(path), "".join(f"{record_id}\n" for record_id in returned).encode())
    store.append([make_document()], fresh=True)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "many":
        start_method, file, *numbers = arguments
        many(start_method, file, *map(int, numbers))
    elif command == "together":
        file, *numbers = arguments
        together(file, *map(int, numbers))
    elif command == "interrupted":
        file, *numbers = arguments
        interrupted(file, *map(int, numbers))
    else:
        file, *numbers = arguments
        killed(file, *map(int, numbers))
    print(len(Path(file).read_bytes()))
