"""Everything at once, over a real server: is each acknowledged record there, exactly once?

``python -m tests.perf.soak [--seconds SECONDS] [--seed SEED]``: ten minutes unless given. Four processes record
into one journal with threads, forks and a signal handler, one of them as a second user where the system allows it.
Meanwhile they are killed, the journal is renamed and merged by git, and the server is stopped, killed, stepped down,
write-blocked and cut off. Exits 1 where a record was lost or doubled, or a question was answered wrongly.
"""

from __future__ import annotations

import argparse
import faulthandler
import fcntl
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo.errors import AutoReconnect, PyMongoError

from benchmark_recorder import BenchmarkRecorder, get_benchmark_history, get_benchmark_recorder
from benchmark_recorder.errors import StoreError
from tests.stores.mongod import Mongod, find_mongod

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 4
NOBODY = 65534
SIGNALS_PER_SECOND = 20
PAUSE = 0.01


class Worker:
    """Records until SIGTERM; each token whose call returned is appended to ``NAME.done``."""

    def __init__(self, folder: Path, url: str, name: str) -> None:
        self.name, self.numbers = name, itertools.count()
        self.done = os.open(folder / f"{name}.done", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.recorder = get_benchmark_recorder(url, journal=folder / "metrics.json")
        self.stopping = threading.Event()
        self.handled: list[str] = []

    def record(self, kind: str) -> str:
        token = f"{self.name} {os.getpid()} {kind} {next(self.numbers)}"
        self.recorder.record_execution(token, 0.001, success=True, version="v1", metadata={"padding": "x" * 40})
        return token

    def acknowledge(self, *tokens: str) -> None:
        for token in tokens:
            os.write(self.done, f"{token}\n".encode())

    def loop(self) -> None:
        while not self.stopping.is_set():
            self.acknowledge(self.record("thread"))
            time.sleep(PAUSE)

    def fork(self) -> None:
        child = os.fork()
        if not child:
            self.acknowledge(self.record("child"))
            os._exit(0)
        os.waitpid(child, 0)

    def run(self) -> None:
        faulthandler.register(signal.SIGUSR1)
        signal.signal(signal.SIGTERM, lambda *_: self.stopping.set())
        # Inside an append, a handler's record is written when that append ends: only then is it acknowledged here.
        signal.signal(signal.SIGALRM, lambda *_: self.handled.append(self.record("handler")))
        signal.setitimer(signal.ITIMER_REAL, 1 / SIGNALS_PER_SECOND, 1 / SIGNALS_PER_SECOND)
        threads = [threading.Thread(target=self.loop) for _ in range(2)]
        for thread in threads:
            thread.start()
        for turn in itertools.count(1):
            if self.stopping.is_set():
                break
            before, self.handled = self.handled, []
            self.acknowledge(self.record("program"), *before)
            if turn % 100 == 0:
                self.fork()
            time.sleep(PAUSE)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for thread in threads:
            thread.join()
        while self.recorder.health().waiting:  # what the journal could not take while others held it
            if not self.recorder.flush(0.0):
                time.sleep(PAUSE)
        self.acknowledge(*self.handled)


def become_second_user(url: str) -> None:
    """Record once elsewhere, then change the user: who may not read the environment's files has loaded them by then."""
    with tempfile.TemporaryDirectory() as folder:
        with get_benchmark_recorder(
            f"{url.partition('?')[0]}-warm?replicaSet=rs0", journal=f"{folder}/m.json"
        ) as first:
            first.record_execution("warm", 1.0, success=True, version="v1", timestamp="2026-01-01T00:00:00Z")
            first.flush()
        get_benchmark_history(f"{folder}/m.json").versions()
    os.setgid(NOBODY)
    os.setuid(NOBODY)


class Soak:
    """The processes, the server, and what happens to them."""

    def __init__(self, folder: Path, server: Mongod, seed: int) -> None:
        self.folder, self.server, self.random = folder, server, random.Random(seed)
        self.journal = folder / "metrics.json"
        self.url = server.url("soak")
        self.names = itertools.count()
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self.renamed: list[Path] = []
        self.happened: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, check: bool = True) -> None:
        identity = ("-c", "user.name=soak", "-c", "user.email=soak@localhost")
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=check, capture_output=True)

    def start(self, slot: int) -> None:
        guest = ["--guest"] if slot == 0 and os.getuid() == 0 else []
        name = f"worker{next(self.names)}"
        command = [sys.executable, "-m", "tests.perf.soak", "--work", str(self.folder), self.url, name, *guest]
        log = (self.folder / f"{name}.log").open("wb")
        self.workers[slot] = subprocess.Popen(command, stderr=log, start_new_session=True)

    def kill(self) -> None:
        slot = self.random.randrange(WORKERS)
        self.workers[slot].kill()
        self.workers[slot].wait()
        self.start(slot)

    def rename(self) -> None:
        name = self.folder / f"metrics-{len(self.renamed)}.json"
        with suppress(FileNotFoundError):  # renamed just now, and nothing was recorded since
            self.journal.rename(name)
            self.renamed.append(name)
            time.sleep(0.5)  # longer than a recorder takes to notice

    def merge(self) -> None:
        """A branch with three records of its own comes in by a real merge, with and without conflict markers."""
        self.rename()
        time.sleep(2)  # so that the new file holds records to merge
        union = self.random.random() < 0.5
        with self.journal.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.signal_workers(signal.SIGSTOP)  # git makes the new file anew, where nobody has a lock on it
            (self.folder / ".git/info/attributes").write_text("metrics.json merge=union\n" if union else "")
            self.make_branch()
            self.git("merge", "--quiet", "--no-edit", "branch", check=False)
            self.git("add", "metrics.json")
            self.git("commit", "--quiet", "--message=merged", check=False)
            self.signal_workers(signal.SIGCONT)
        time.sleep(3)  # what was kept in memory meanwhile is written before the next kill

    def make_branch(self) -> None:
        """Leave both branches committed: their common base is half of the journal, and one has three other records."""
        content = self.journal.read_bytes()
        lines = content.splitlines(keepends=True)
        half = b"".join(lines[: len(lines) // 2]).rstrip(b",\n")
        tokens = [f"branch {self.happened['merge']} {number}" for number in range(3)]
        other = self.folder / "branch.json"
        with BenchmarkRecorder(other) as recorder:
            for token in tokens:
                recorder.record_execution(token, 0.001, success=True, version="v1")
        more = other.read_bytes().partition(b"\n")[2]
        other.unlink()
        self.commit(half + b"\n]}\n", "base")
        self.git("branch", "--force", "branch")
        self.git("checkout", "--quiet", "branch")
        self.commit(half + b",\n" + more, "branch")
        self.git("checkout", "--quiet", "main")
        self.commit(content, "main")
        with (self.folder / "branch.done").open("a") as done:
            done.write("".join(f"{token}\n" for token in tokens))

    def signal_workers(self, number: signal.Signals) -> None:
        for worker in self.workers.values():
            os.killpg(worker.pid, number)

    def commit(self, content: bytes, message: str) -> None:
        self.journal.write_bytes(content)
        self.git("add", "--force", "metrics.json")
        self.git("commit", "--quiet", f"--message={message}", "--allow-empty")

    def stop_server(self) -> None:
        self.server.signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.5, 3))
        self.server.signal(signal.SIGCONT)

    def kill_server(self) -> None:
        self.server.kill()
        time.sleep(self.random.uniform(0, 2))
        self.server.start()
        self.server.await_primary()

    def command(self, database: str, seconds: float, *commands: dict[str, Any]) -> None:
        """Send one command after the other to the primary, again where a connection was cut."""
        for command in commands:
            while True:
                try:
                    self.server.await_primary()
                    with self.server.client() as client:
                        client[database].command(command)
                    break
                except AutoReconnect:
                    self.happened["command in vain"] += 1
            time.sleep(seconds)

    def step_down(self) -> None:
        self.command("admin", 0, {"replSetStepDown": 1, "force": True})

    def block_writes(self) -> None:
        self.command("admin", 1, *({"setUserWriteBlockMode": 1, "global": flag} for flag in (True, False)))

    def cut_off(self) -> None:
        data = {"failCommands": ["insert", "update", "bulkWrite"], "closeConnection": True}
        self.command("admin", 0, {"configureFailPoint": "failCommand", "mode": {"times": 5}, "data": data})

    def ask(self) -> None:
        """An answer counts at least what the server had before the question, and names no other version."""
        try:
            with self.server.client() as client:
                known = client["soak"]["executions"].estimated_document_count()
            versions = get_benchmark_history(self.url, journal=self.journal).versions()
        except (StoreError, PyMongoError):
            self.happened["ask in vain"] += 1
            return
        counted = sum(version.count for version in versions.values())
        if set(versions) - {"v1"} or counted < known:
            self.wrong.append(f"{counted} executions of {', '.join(versions)}; the server alone had {known}")

    def run(self, seconds: float) -> None:
        acts: list[Callable[[], None]] = [
            *[self.kill] * 4,
            *(self.rename, self.merge, self.stop_server, self.kill_server, self.step_down),
            *(self.block_writes, self.cut_off, self.ask, self.ask),
        ]
        for slot in range(WORKERS):
            self.start(slot)
        deadline = time.monotonic() + seconds
        time.sleep(3)  # each has recorded by then
        while time.monotonic() < deadline:
            act = self.random.choice(acts)
            act()
            self.happened[act.__name__] += 1
            time.sleep(self.random.uniform(0.2, 1.5))

    def end(self) -> None:
        """Let the workers finish what they are at."""
        for worker in self.workers.values():
            worker.terminate()
        for worker in self.workers.values():
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGUSR1)  # where its threads are is in its log
                time.sleep(1)
                worker.kill()
                worker.wait()
            if worker.returncode:
                self.wrong.append(f"a worker ended with {worker.returncode}")

    def deliver(self) -> None:
        for file in self.renamed:
            self.tool("doctor", "--repair", "--store", str(file))  # what a merge has left
            self.tool("sync", "--from", str(file), "--to", self.url)
        self.tool("sync", "--store", self.url, "--journal", str(self.journal))

    def tool(self, *what: str) -> None:
        command = [sys.executable, "-m", "benchmark_recorder", *what]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            self.wrong.append(f"{' '.join(what)} ended with {done.returncode}: {done.stdout}{done.stderr}")

    def count(self) -> tuple[Counter[str], set[str]]:
        """How often the server has each token, and those that were acknowledged."""
        with self.server.client() as client:
            there = Counter(one["task_description"] for one in client["soak"]["executions"].find())
        files = self.folder.glob("*.done")
        return there, {line for file in files for line in file.read_text().splitlines()}

    def logs(self) -> Counter[str]:
        """The kinds of messages in the workers' logs: a traceback is a fault."""
        found: Counter[str] = Counter()
        for file in self.folder.glob("*.log"):
            text = file.read_text(errors="replace")
            if "Traceback" in text or "most recent call first" in text:
                found[f"{file.name}: {text[-4000:]}"] += 1
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", nargs=3, metavar=("FOLDER", "URL", "NAME"))
    parser.add_argument("--guest", action="store_true")
    given = parser.parse_args()
    if given.work:
        folder, url, name = given.work
        if given.guest:
            become_second_user(url)
        Worker(Path(folder), url, name).run()
        return 0
    path, reason = find_mongod()
    if path is None:
        print(f"no soak: {reason}")
        return 1
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    (folder / "data").mkdir()
    os.umask(0)
    with Mongod(path, folder / "data") as server:
        soak = Soak(folder, server, given.seed)
        try:
            soak.run(given.seconds)
        finally:
            soak.end()
        soak.deliver()
        there, acknowledged = soak.count()
    tracebacks = soak.logs()
    lost, doubled = acknowledged - set(there), [token for token, times in there.items() if times > 1]
    print(f"{given.seconds:.0f} s: " + ", ".join(f"{name} {times}" for name, times in sorted(soak.happened.items())))
    print(f"acknowledged {len(acknowledged):,}, stored {len(there):,}, lost {len(lost)}, doubled {len(doubled)}")
    for line in (*sorted(lost)[:20], *doubled[:20], *soak.wrong, *tracebacks):
        print(f"  {line}")
    if lost or doubled or soak.wrong or tracebacks:
        print(f"what is there can be seen in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
