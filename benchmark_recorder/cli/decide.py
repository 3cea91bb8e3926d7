"""``claims``, ``gate`` and ``selftest``: what CI asks."""

import math
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from benchmark_recorder.cli.app import app, complain
from benchmark_recorder.cli.ask import Baseline, Candidate, Scope, ScopeOption, no_data
from benchmark_recorder.cli.options import AsJSON, resolved, two_versions
from benchmark_recorder.cli.output import form_of, opened, print_json, print_page, print_text
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.recorder import BenchmarkRecorder

if TYPE_CHECKING:
    from benchmark_recorder.analysis import GateResult


class Policy(StrEnum):
    """Whose verdict sets the exit code."""

    DEFAULT = "default"
    LITERAL = "literal"


class Reaction(StrEnum):
    """What a gate that cannot tell does."""

    WARN = "warn"
    FAIL = "fail"
    PASS = "pass"  # noqa: S105 - no password


class GateFormat(StrEnum):
    """How a gate's verdict is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    JUNIT = "junit"


FORMS: Final = {".md": GateFormat.MARKDOWN, ".json": GateFormat.JSON, ".xml": GateFormat.JUNIT}
"""A verdict's form by the ending of its file."""


@app.command(epilog="Example: benchmark-recorder claims v1.0 v2.0")
@resolved
def claims(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    v1: Baseline,
    v2: Candidate,
    query: dict[str, Any],
    *,
    scope: ScopeOption = Scope.SUITE,
    as_json: AsJSON = False,
) -> None:
    """Hold four claims against the runs.

    They are the guide's: 30 % faster, 25 % better routing, half the failures, same cost.
    """
    from benchmark_recorder.reporting.decision_pages import claims_page

    two_versions(v1, v2)
    report = recorder.check_claims(v1, v2, scope=scope.value, **query)
    if as_json:
        print_json(claims=report)
    else:
        print_page(claims_page(report))
    if any(warning.code == "unknown_version" for warning in report.warnings):
        no_data(recorder, [v1, v2])


def _write(result: "GateResult", form: GateFormat, output: str, recorder: BenchmarkRecorder) -> None:
    from benchmark_recorder.reporting import json_text
    from benchmark_recorder.reporting.ci import gate_junit
    from benchmark_recorder.reporting.decision_pages import gate_page
    from benchmark_recorder.reporting.markdown import render_markdown
    from benchmark_recorder.reporting.text import render_text

    if form is GateFormat.JSON:
        text = json_text(result, indent=2) + "\n"
    elif form is GateFormat.JUNIT:
        text = gate_junit(result)
    else:
        page = gate_page(result)
        text = render_text(page) if form is GateFormat.TEXT else render_markdown(page)
    if output == "-":
        print_text(text)
        return
    with opened(output, recorder) as file:
        file.write(text)


def _percent(text: str) -> float | None:
    """A target as the user writes it: ``30``, ``30%`` or ``none``.

    Raises:
        InvalidQueryError: it is something else.
    """
    if text.strip().lower() == "none":
        return None
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not -math.inf < percent < 100:
        raise InvalidQueryError(f"--target: expected percent below 100, or none, got {ascii(text)[:80]}")
    return percent


def _tell_runner(result: "GateResult") -> None:
    """Inside GitHub Actions: annotations, and the job's summary; the gate's verdict does not depend on them."""
    from benchmark_recorder.reporting.ci import append_summary, commands

    if os.environ.get("GITHUB_ACTIONS") == "true":
        for command in commands(result):
            typer.echo(command, err=True)  # stdout may be a file's content; the runner reads both
    try:
        append_summary(result, os.environ)
    except OSError as error:
        complain(f"GITHUB_STEP_SUMMARY: cannot write {error.filename}: {error.strerror}")


@app.command(epilog="Example: benchmark-recorder gate v1.0 v2.0 --on-inconclusive fail --format markdown")
@resolved
def gate(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    v1: Baseline,
    v2: Candidate,
    query: dict[str, Any],
    *,
    policy: Annotated[
        Policy, typer.Option(help="default: evidence and size; literal: the guide's thresholds on points.")
    ] = Policy.DEFAULT,
    on_inconclusive: Annotated[Reaction, typer.Option(help="What to do where the runs do not tell.")] = Reaction.WARN,
    target: Annotated[
        str,
        typer.Option(
            metavar="PERCENT",
            help="An alert warns where less of the time is saved; none: where no saving is asked for.",
        ),
    ] = "20",
    coverage: Annotated[float | None, typer.Option(metavar="PERCENT", help="Test coverage, for its alert.")] = None,
    baseline_days: Annotated[
        float | None,
        typer.Option(metavar="DAYS", help="The baseline's runs: those of so many days before the candidate."),
    ] = None,
    baseline_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="The baseline's runs: those in this JSON file.")
    ] = None,
    scope: ScopeOption = Scope.SUITE,
    format: Annotated[  # noqa: A002
        GateFormat | None, typer.Option(help="How to write the verdict; by FILE's ending unless given, else text.")
    ] = None,
    output: Annotated[str, typer.Option(metavar="FILE", help="Where to write it; - is the terminal.")] = "-",
    comment: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the body of a pull request's comment there as well.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Block a candidate that is worse.

    Slower, failing more, or dearer: by more than is tolerated, and not by chance.

    Inside GitHub Actions the verdict becomes an annotation, and its page is appended to the job's summary.
    """
    from benchmark_recorder.reporting.ci import gate_comment

    if baseline_days is None and baseline_file is None:
        two_versions(v1, v2)
    result = recorder.check_gate(
        v1,
        v2,
        policy=policy.value,
        on_inconclusive=on_inconclusive.value,
        target=_percent(target),
        coverage=coverage,
        baseline_days=baseline_days,
        baseline_file=baseline_file,
        scope=scope.value,
        **query,
    )
    form = GateFormat.JSON if as_json else form_of(format, output, FORMS, GateFormat.TEXT)
    _write(result, form, output, recorder)
    if comment is not None:
        with opened(comment, recorder, "--comment") as file:
            file.write(gate_comment(result))
    _tell_runner(result)
    if result.state == "no_data":
        no_data(recorder, [v2] if baseline_file else [v1, v2])
    raise typer.Exit(result.exit_code)


@app.command(epilog="Example: benchmark-recorder selftest v1.0")
@resolved
def selftest(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Which version.")],
    query: dict[str, Any],
    *,
    splits: Annotated[int, typer.Option(metavar="N", help="Of each kind.")] = 2000,
    seed: Annotated[int, typer.Option(metavar="N", help="The same one gives the same answer.")] = 0,
    scope: ScopeOption = Scope.SUITE,
    as_json: AsJSON = False,
) -> None:
    """Tell how often the gate would block a version against itself.

    Its runs are split at random, over and over.
    """
    from benchmark_recorder.reporting.decision_pages import selftest_page

    result = recorder.selftest(version, splits=splits, seed=seed, scope=scope.value, **query)
    if as_json:
        print_json(selftest=result)
    else:
        print_page(selftest_page(result))
    if any(warning.code == "unknown_version" for warning in result.warnings):
        no_data(recorder, [version])
