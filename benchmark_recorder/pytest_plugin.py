"""The pytest plugin: tests record executions, and a session is compared with an earlier version.

pytest imports this file in every run, so it imports the rest of the package only when an option or the fixture is used.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator

    from benchmark_recorder.bound import BoundRecorder
    from benchmark_recorder.recorder import BenchmarkRecorder

NAME: Final = "benchmark_recorder"
"""Of the plugin, the fixture and the marker."""

_recorder: Final = pytest.StashKey["BenchmarkRecorder"]()
_recorded: Final = pytest.StashKey[int]()
_failure: Final = pytest.StashKey[str]()
_dirt: Final = pytest.StashKey[dict[str, bool]]()
_summary: Final = pytest.StashKey[list[str]]()
_passes: Final = pytest.StashKey[bool]()
_JUDGED: Final = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
"""Sessions that ran to their end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--bench-...``."""
    group = parser.getgroup(NAME, "benchmark-recorder: record executions, compare versions")
    group.addoption("--bench-store", metavar="PLACE", help="Path or URL of the store; default: the configured one.")
    group.addoption(
        "--bench-version", metavar="NAME", help="Version of what the tests record; a marker may name another."
    )
    group.addoption("--bench-compare", metavar="NAME", help="Compare --bench-version with this version at the end.")
    group.addoption("--bench-gate", action="store_true", help="Fail the session if the gate of that comparison blocks.")
    group.addoption(
        "--bench-on-inconclusive",
        choices=("warn", "fail", "pass"),
        help="What an inconclusive gate does (default: the configured one, or warn).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker; check that the options go together."""
    config.addinivalue_line(
        "markers",
        f"{NAME}(task=..., version=..., repeats=..., expected_agent=..., ...): what the fixture {NAME} records of it",
    )
    option = config.option
    if option.bench_gate and not option.bench_compare:
        raise pytest.UsageError("--bench-gate: name the baseline with --bench-compare")
    if option.bench_compare and not option.bench_version:
        raise pytest.UsageError("--bench-compare: name the candidate with --bench-version")
    if option.bench_compare and option.bench_compare == option.bench_version:
        raise pytest.UsageError("--bench-compare: the same version as --bench-version")
    if option.bench_store and "://" not in option.bench_store:
        # A test may change the working directory, and a worker of pytest-xdist may have another one.
        from benchmark_recorder.errors import StoreError
        from benchmark_recorder.project import expanded

        try:
            option.bench_store = str(config.invocation_params.dir / expanded(option.bench_store))
        except StoreError as error:
            raise pytest.UsageError(f"--bench-store: {error}") from error


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Open the store if an option asks for it: a wrong setting ends the session before it begins."""
    if session.config.option.bench_store or session.config.option.bench_version:
        _recorder_of(session.config)


def _recorder_of(config: pytest.Config) -> BenchmarkRecorder:
    """The session's recorder.

    Raises:
        pytest.UsageError: a setting is wrong.
    """
    if _recorder not in config.stash:
        from benchmark_recorder.config import get_benchmark_recorder
        from benchmark_recorder.errors import BenchmarkRecorderError

        try:
            config.stash[_recorder] = get_benchmark_recorder(config.option.bench_store, strict=True, on_invalid="raise")
        except BenchmarkRecorderError as error:
            raise pytest.UsageError(f"{NAME}: {error}") from error
    return config.stash[_recorder]


@pytest.fixture
def benchmark_recorder(request: pytest.FixtureRequest) -> Iterator[BoundRecorder]:
    """Records executions of this test's task: call a function with it, or use ``measure()`` or ``record(seconds)``."""
    from benchmark_recorder.bound import BoundRecorder
    from benchmark_recorder.errors import InvalidRecordError
    from benchmark_recorder.recording.checkout import dirt_of

    config = request.config
    known: dict[str, Any] = {"task": None, "version": config.option.bench_version, "repeats": ()}
    for marker in reversed(list(request.node.iter_markers(NAME))):  # the closest one last
        if marker.args:
            pytest.fail(f"{NAME}: the marker takes only keyword arguments: task=..., version=...", pytrace=False)
        known |= marker.kwargs
    if _dirt not in config.stash:
        config.stash[_dirt] = dirt_of(config.invocation_params.dir)
    dirt = config.stash[_dirt]
    if dirt and isinstance(known.get("metadata", {}), dict):
        known["metadata"] = {**dirt, **known.get("metadata", {})}
    task, version, repeats = known.pop("task"), known.pop("version"), known.pop("repeats")
    try:
        bound = BoundRecorder(
            _recorder_of(config),
            version=version,
            task=task or _task_of(request.node, repeats),
            known=known,
            ignored=(pytest.skip.Exception,),
            held=True,
        )
    except InvalidRecordError:
        pytest.fail(
            f"{NAME}: name the version: --bench-version NAME, or version= in the marker; or set "
            "BENCHMARK_RECORDER_VERSION",
            pytrace=False,
        )
    except (TypeError, ValueError) as error:
        pytest.fail(f"{NAME}: the marker: {error}", pytrace=False)
    yield bound
    failure = request.node.stash.get(_failure, None)
    forgotten = bound.never_awaited
    bound.release(failure)
    config.stash[_recorded] = config.stash.get(_recorded, 0) + bound.count
    if forgotten and failure is None:
        pytest.fail(f"{NAME}: never awaited, so nothing was recorded: {forgotten}()", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep how a test ended for its fixture: an execution whose test fails did not succeed."""
    if call.when == "call" and call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        item.stash[_failure] = call.excinfo.typename
    return (yield)


def _task_of(item: pytest.Item, repeats: str | Collection[str]) -> str:
    """The test and what its parameters hold, without those that only repeat it.

    pytest names a parameter that is long, or no plain value, by its position (``prompt0``), and one that was put before
    it renames it. Such a name is replaced by what the parameter holds.

    Raises:
        ValueError: there is no such parameter, or it holds something without a text of its own.
    """
    callspec = getattr(item, "callspec", None)
    parameters = dict(callspec.params) if callspec is not None else {}
    left_out = {"__pytest_repeat_step_number", *([repeats] if isinstance(repeats, str) else repeats)}
    unknown = [name for name in left_out if name not in parameters and not name.startswith("__")]
    if unknown:
        raise ValueError(f"repeats: the test has no parameter {', '.join(sorted(unknown))}")
    if callspec is None:
        return item.nodeid
    positional = any(
        re.search(rf"(^|-){re.escape(name)}{index}($|-)", callspec.id) for name, index in callspec.indices.items()
    )
    if not positional and left_out.isdisjoint(parameters):
        return item.nodeid
    held = "-".join(_text_of(name, value) for name, value in parameters.items() if name not in left_out)
    test = item.nodeid.removesuffix(f"[{callspec.id}]")
    return f"{test}[{held}]" if held else test


def _text_of(name: str, value: object) -> str:
    """What a parameter holds, as a text that is the same in each session."""
    if isinstance(value, str):
        return value
    with suppress(TypeError, ValueError):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    text = getattr(value, "__qualname__", None) or repr(value)
    if " at 0x" in text:
        raise ValueError(
            f"the parameter {name} is a {type(value).__name__}, which has no text of its own: name the task in the "
            "marker, or give the parameter an id: pytest.param(..., id=...)"
        )
    return str(text)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - pytest-xdist's
    """Count what a worker recorded; one that crashed reports nothing."""
    count = getattr(node, "workeroutput", {}).get(NAME, 0)
    node.config.stash[_recorded] = node.config.stash.get(_recorded, 0) + count


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write pending records; then, in the process that the user started, compare and decide."""
    config = session.config
    if _recorder in config.stash:
        config.stash[_recorder].close()
    if hasattr(config, "workerinput"):
        cast("Any", config).workeroutput[NAME] = config.stash.get(_recorded, 0)
    elif config.option.bench_compare and exitstatus in _JUDGED and not config.option.collectonly:
        config.stash[_summary], config.stash[_passes] = _judge(config)
        if not config.stash[_passes] and exitstatus != pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _judge(config: pytest.Config) -> tuple[list[str], bool]:
    """The lines of the summary, and whether the session may pass."""
    from benchmark_recorder.errors import BenchmarkRecorderError
    from benchmark_recorder.reporting.comparison_pages import short_page
    from benchmark_recorder.reporting.escaping import terminal
    from benchmark_recorder.reporting.text import render_text, wrapped

    option = config.option
    versions = (option.bench_compare, option.bench_version)
    recorder = _recorder_of(config)
    try:
        joint, is_short = recorder.compare_all(*versions), option.verbose < 1
        said = f"{render_text(short_page(joint))}(-v: notes, methods and tasks)" if is_short else str(joint)
        lines = [*said.splitlines(), ""]
        if not option.bench_gate:
            return lines, True
        gate = recorder.check_gate(*versions, on_inconclusive=option.bench_on_inconclusive)
    except BenchmarkRecorderError as error:
        return [f"cannot be compared: {terminal(str(error), 1000)}"], not option.bench_gate
    decided = str(gate).splitlines()
    if is_short:
        decided = [decided[0], *wrapped(terminal(gate.sentence, 1000))]
    return [*lines, *decided, ""], gate.exit_code == 0


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:  # noqa: ANN401 - pytest's, not public
    """Print how much was recorded, and the verdicts."""
    count, lines = config.stash.get(_recorded, 0), config.stash.get(_summary, [])
    if not count and not lines:
        return
    terminalreporter.section(NAME)
    if count:
        terminalreporter.write_line(_count_line(config, count))
        terminalreporter.write_line("")
    for line in lines:
        terminalreporter.write_line(line)
    if not config.stash.get(_passes, True):
        terminalreporter.write_line("the gate fails this session", red=True, bold=True)


def _count_line(config: pytest.Config, count: int) -> str:
    """How many executions were recorded, and where."""
    from benchmark_recorder.reporting.escaping import terminal
    from benchmark_recorder.settings import effective_settings

    executions = "1 execution" if count == 1 else f"{count:,} executions"
    if effective_settings().disabled:
        return f"{executions} not recorded: recording is switched off (BENCHMARK_RECORDER_DISABLED)"
    return f"recorded {executions} in {terminal(_recorder_of(config).store.name)}"
