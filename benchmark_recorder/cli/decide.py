"""``claims``, ``gate``, ``plan`` and ``selftest``: may the new version be merged?"""

import math
import os
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from benchmark_recorder.cli.app import app, complain, say_aside
from benchmark_recorder.cli.options import (
    AllowPartial,
    AsJSON,
    Baseline,
    Candidate,
    Method,
    Output,
    Scope,
    Sequential,
    Version,
    check_different,
    resolved,
)
from benchmark_recorder.cli.output import Answer, form_of, knows_versions, no_data, write_text
from benchmark_recorder.errors import InvalidQueryError, preview
from benchmark_recorder.history import History

if TYPE_CHECKING:
    from benchmark_recorder.analysis import GateResult


FORMS: Final[dict[str, Literal["text", "markdown", "json", "junit"]]] = {
    ".txt": "text",
    ".md": "markdown",
    ".json": "json",
    ".xml": "junit",
}
"""A verdict's form by the ending of its file."""


@app.command(epilog='Example: benchmark-recorder claims v1.0 v2.0 --claim "time 30% lower" --claim "cost within 1%"')
@resolved
def claims(  # noqa: PLR0913 - options
    history: History,
    v1: Baseline,
    v2: Candidate,
    query: dict[str, Any],
    *,
    claim: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="time 30% lower, routing 25% higher, cost within 1%. May be repeated."),
    ] = None,
    scope: Scope = "suite",
    method: Method = "auto",
    allow_partial: AllowPartial = False,
) -> Answer:
    """Check claims about a new version against recorded runs."""
    check_different(v1, v2)
    if not claim:
        raise InvalidQueryError('name what was claimed: --claim "time 30% lower" --claim "cost within 1%"')
    report = history.check_claims(v1, v2, claim, scope=scope, method=method, allow_partial=allow_partial, **query)
    return Answer({"claims": report}, report, [v1, v2], knows_versions(report))


def _text(result: "GateResult", form: str) -> str:
    from benchmark_recorder.reporting import json_text
    from benchmark_recorder.reporting.ci import gate_junit
    from benchmark_recorder.reporting.decision_pages import gate_page
    from benchmark_recorder.reporting.markdown import render_markdown
    from benchmark_recorder.reporting.text import render_text

    if form == "json":
        return json_text(result, indent=2) + "\n"
    if form == "junit":
        return gate_junit(result)
    page = gate_page(result)
    return render_text(page) if form == "text" else render_markdown(page)


def _percent(text: str) -> float | None:
    """``--target``: ``30``, ``30%`` or ``none``.

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
        raise InvalidQueryError(f"--target: expected a percentage below 100, or none, got {preview(text)}")
    return percent


def margins_of(texts: list[str] | None) -> dict[str, float] | None:
    """``--margin``: ``time=5%`` or ``time=0.05``.

    Raises:
        InvalidQueryError: it is something else.
    """
    found = {}
    for text in texts or ():
        name, _, share = text.partition("=")
        try:
            found[name.strip()] = _share(share, "--margin")
        except InvalidQueryError:
            raise InvalidQueryError(
                f"--margin: expected METRIC=SHARE, such as time=5% or cost=0.02, got {preview(text)}"
            ) from None
    return found or None


def _annotate(result: "GateResult") -> None:
    """Inside GitHub Actions: annotations, and the job's summary; the gate's verdict does not depend on them."""
    from benchmark_recorder.reporting.ci import append_summary, commands

    if os.environ.get("GITHUB_ACTIONS") == "true":
        for command in commands(result):
            say_aside(command)  # stdout may be a file's content; the runner reads both
    try:
        append_summary(result, os.environ)
    except OSError as error:
        complain(f"GITHUB_STEP_SUMMARY: cannot write {os.environ['GITHUB_STEP_SUMMARY']}: {error.strerror}")


@app.command(epilog="Example: benchmark-recorder gate v1.0 v2.0 --on-inconclusive fail")
@resolved
def gate(  # noqa: PLR0913 - options
    history: History,
    v1: Annotated[str, typer.Argument(metavar="V1", hidden=True)],
    v2: Annotated[str, typer.Argument(metavar="V2", hidden=True)],
    query: dict[str, Any],
    *,
    policy: Annotated[
        Literal["default", "guide", "literal"],
        typer.Option(metavar="POLICY", help="default, or guide (literal)."),
    ] = "default",
    margin: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=SHARE", help="A limit, such as time=5%. May be repeated."),
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="METRIC", help="What must pass; default: time. May be repeated.")
    ] = None,
    on_inconclusive: Annotated[
        Literal["warn", "fail", "pass"] | None, typer.Option(metavar="ACTION", help="warn, fail or pass.")
    ] = None,
    target: Annotated[str, typer.Option(metavar="PERCENT", help="Warn below this speed-up.")] = "none",
    coverage: Annotated[float | None, typer.Option(metavar="PERCENT", help="Test coverage, for its alert.")] = None,
    baseline_days: Annotated[
        float | None, typer.Option(metavar="DAYS", help="Baseline: V1 in so many days before V2.")
    ] = None,
    baseline_file: Annotated[str | None, typer.Option(metavar="PATH", help="Baseline: V1 in this JSON file.")] = None,
    scope: Scope | None = None,
    method: Method | None = None,
    sequential: Sequential = False,
    allow_partial: AllowPartial = False,
    format: Annotated[  # noqa: A002
        Literal["text", "markdown", "json", "junit"] | None,
        typer.Option(metavar="FORMAT", help="text, markdown, json or junit."),
    ] = None,
    output: Output = "-",
    comment: Annotated[str | None, typer.Option(metavar="FILE", help="Also write a pull request comment here.")] = None,
    comment_id: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Its subject; default: the job and V1.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Fail (exit 1) if the candidate V2 is worse than the baseline V1, beyond the margin."""
    from benchmark_recorder.reporting.ci import gate_comment, gated_name

    if baseline_days is None and baseline_file is None:
        check_different(v1, v2)
    result = history.check_gate(
        v1,
        v2,
        policy=policy,
        margins=margins_of(margin),
        require=require or None,
        on_inconclusive=on_inconclusive,
        target=_percent(target),
        coverage=coverage,
        baseline_days=baseline_days,
        baseline_file=baseline_file,
        scope=scope,
        method=method,
        sequential=sequential,
        allow_partial=allow_partial,
        **query,
    )
    form = "json" if as_json else form_of(format, output, FORMS, "text")
    write_text(_text(result, form), output, history.store)
    if comment is not None:
        gated = comment_id or gated_name(v1, query, os.environ)
        write_text(gate_comment(result, gated, os.environ), comment, history.store, "--comment")
    _annotate(result)
    if result.state == "no_data":
        no_data(history.store, [v2] if baseline_file else [v1, v2])
    raise typer.Exit(result.exit_code)


def _share(text: str, option: str) -> float:
    """``10%`` or ``0.1``.

    Raises:
        InvalidQueryError: it is something else.
    """
    try:
        return float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        raise InvalidQueryError(f"{option}: expected a share, such as 10% or 0.1, got {preview(text)}") from None


@app.command(epilog="Example: benchmark-recorder plan v1.0 v2.0 --effect 15%")
@resolved
def plan(  # noqa: PLR0913 - options
    history: History,
    v1: Baseline,
    query: dict[str, Any],
    v2: Annotated[str | None, typer.Argument(metavar="[V2]", help="Candidate, if it has run already.")] = None,
    *,
    effect: Annotated[str, typer.Option(metavar="SHARE", help="The true change to plan for, such as 15% or 0.15.")],
    metric: Annotated[str, typer.Option(metavar="NAME", help="Such as time, failures or cost.")] = "execution_time",
    power: Annotated[str, typer.Option(metavar="SHARE", help="How often to reach the decision.")] = "80%",
    decision: Annotated[
        Literal["gate", "verdict", "claim"], typer.Option(metavar="DECISION", help="gate, verdict or claim.")
    ] = "gate",
    margin: Annotated[str | None, typer.Option(metavar="SHARE", help="The limit of the gate or verdict.")] = None,
    scope: Scope = "suite",
) -> Answer:
    """Plan how many further runs a decision takes.

    A gate blocks a candidate that is worse by more than its margin, and passes one that is within it: plan for either.
    """
    if v2 is not None:
        check_different(v1, v2)
    result = history.plan_runs(
        v1,
        v2,
        metric,
        effect=_share(effect, "--effect"),
        power=_share(power, "--power"),
        decision=decision,
        scope=scope,
        margin=None if margin is None else _share(margin, "--margin"),
        **query,
    )
    known = all(warning.figures.get("version") != v1 for warning in result.warnings)
    return Answer({"plan": result}, result, [v1], known)


@app.command(epilog="Example: benchmark-recorder selftest v1.0")
@resolved
def selftest(  # noqa: PLR0913 - options
    history: History,
    version: Version,
    query: dict[str, Any],
    *,
    splits: Annotated[int, typer.Option(metavar="N", help="Random splits of each kind.")] = 2000,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the random splits.")] = 0,
    scope: Scope = "suite",
) -> Answer:
    """Estimate how often the gate would block a version against itself.

    The version's runs are split at random, over and over.
    """
    result = history.selftest(version, splits=splits, seed=seed, scope=scope, **query)
    return Answer({"selftest": result}, result, [version], knows_versions(result))
