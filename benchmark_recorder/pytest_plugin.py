"""The pytest plugin: tests record executions, and a session is compared with an earlier version.

pytest imports this file in every run, so it imports the rest of the package only when an option or the fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.bound import BoundRecorder
    from benchmark_recorder.recorder import BenchmarkRecorder

NAME: Final = "benchmark_recorder"
"""Of the plugin, the fixture and the marker."""

_recorder: Final = pytest.StashKey["BenchmarkRecorder"]()
_recorded: Final = pytest.StashKey[int]()
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
        f"{NAME}(task=..., version=..., expected_agent=..., ...): what the fixture {NAME} records of this test",
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

    config = request.config
    known: dict[str, Any] = {"task": request.node.nodeid, "version": config.option.bench_version}
    for marker in reversed(list(request.node.iter_markers(NAME))):  # the closest one last
        if marker.args:
            pytest.fail(f"{NAME}: the marker takes only keyword arguments: task=..., version=...", pytrace=False)
        known |= marker.kwargs
    task, version = known.pop("task"), known.pop("version")
    if not version:
        pytest.fail(f"{NAME}: name the version: --bench-version NAME, or version= in the marker", pytrace=False)
    try:
        bound = BoundRecorder(
            _recorder_of(config), version=version, task=task, known=known, ignored=(pytest.skip.Exception,)
        )
    except TypeError as error:
        pytest.fail(f"{NAME}: the marker: {error}", pytrace=False)
    yield bound
    config.stash[_recorded] = config.stash.get(_recorded, 0) + bound.count


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
    from benchmark_recorder.reporting.comparison_pages import joint_page
    from benchmark_recorder.reporting.comparison_views import task_texts
    from benchmark_recorder.reporting.escaping import terminal
    from benchmark_recorder.reporting.text import render_text

    option = config.option
    versions = (option.bench_compare, option.bench_version)
    recorder = _recorder_of(config)
    try:
        joint = recorder.compare_all(*versions)
        page = joint_page(joint, task_texts(recorder.store.scan, joint.comparisons.values()))
        lines = [*render_text(page).splitlines(), ""]
        if not option.bench_gate:
            return lines, True
        gate = recorder.check_gate(*versions, on_inconclusive=option.bench_on_inconclusive)
    except BenchmarkRecorderError as error:
        return [f"cannot be compared: {terminal(str(error), 1000)}"], not option.bench_gate
    return [*lines, *str(gate).splitlines(), ""], gate.exit_code == 0


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
