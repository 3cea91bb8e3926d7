"""Answers for CI: a gate as comment, JUnit and workflow commands; a version as figures for github-action-benchmark."""

from __future__ import annotations

import hashlib
import math
import os
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TextIO
from xml.etree import ElementTree as ET

from benchmark_recorder.codes import Code
from benchmark_recorder.reporting.decision_pages import gate_page, marked_table
from benchmark_recorder.reporting.escaping import terminal, visible, workflow_message, workflow_property
from benchmark_recorder.reporting.json import json_text
from benchmark_recorder.reporting.markdown import render_markdown
from benchmark_recorder.reporting.page import Heading, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmark_recorder.analysis import Estimate, GateCheck, GateResult, Summary
    from benchmark_recorder.records import Columns

MARKER: Final = "<!-- benchmark-recorder: gate"
"""How the first line begins, invisible to readers: a bot finds its comment by that line, to replace it."""

MOST_COMMENT_BYTES: Final = 65_536
"""Of a body: GitHub takes so many characters."""

_CUT: Final = "The rest of the gate's page did not fit here.\n"
_FOLDED: Final = "<details>\n<summary>Details</summary>\n"
_END: Final = "\n</details>\n"


def gate_comment(result: GateResult, gated: str = "", environment: Mapping[str, str] = MappingProxyType({})) -> str:
    """A marker, the decision, a table, a link to the CI run, and folded, as many whole blocks of the page as fit.

    Args:
        result: of the gate.
        gated: what it is about; a comment replaces an earlier one about the same. See ``gated_name``.
        environment: of the process; a job of GitHub Actions knows its address.
    """
    heading, *blocks = gate_page(result)
    assert isinstance(heading, Heading)
    heading, body = replace(heading, level=3), f"{MARKER} {_named(gated)}-->\n\n"
    if result.state == "no_data":
        return body + render_markdown((heading, *blocks))
    body += render_markdown((heading, marked_table(result)))
    if link := _address(environment):
        body += f"\n[The run]({link})\n"
    body += f"\n{_FOLDED}"
    for block in blocks:
        longer = body if isinstance(block, Table) else f"{body}\n{render_markdown((block,))}"
        if len(f"{longer}\n{_CUT}{_END}".encode()) > MOST_COMMENT_BYTES:
            return f"{body}\n{_CUT}{_END}"
        body = longer
    return f"{body}{_END}"


def gated_name(baseline: str, query: Mapping[str, object], environment: Mapping[str, str]) -> str:
    """What tells a gate from the others of a pull request, and is the same at its next push."""
    job = [environment.get(name, "") for name in ("GITHUB_JOB", "RUNNER_OS", "RUNNER_ARCH")]
    asked = [json_text(query)] if query else []
    return " ".join([part for part in job if part] + [baseline, *asked])


def _named(text: str) -> str:
    """A name inside of an HTML comment: letters that can be read, and a digest that tells it from all others."""
    if not text:
        return ""
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", text)[:60].strip("-.")
    return f"{readable} {hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]} "


def _address(environment: Mapping[str, str]) -> str | None:
    """Of the run of GitHub Actions."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    link = f"{server}/{repository}/actions/runs/{run}"
    return link if re.fullmatch(r"https?://[\w.:-]+(/[\w.-]+){2}/actions/runs/\d+", link, re.ASCII) else None


JUNIT_FIELDS: Final = ("version", "task_id", "task_description", "execution_time", "success", "error_type")
"""The columns that ``print_junit`` needs."""


def gate_junit(result: GateResult) -> str:
    """One test case for each guardrail: failed where it blocks, skipped where it is inconclusive or has no data.

    The latter fails as well where the gate was asked to fail on it, or has no data at all.
    """
    suite = ET.Element("testsuite", name="benchmark gate", tests=str(len(result.checks)))
    cases = [_case(suite, check, fails=_fails(check, result)) for check in result.checks]
    suite.set("failures", str(cases.count("failure")))
    suite.set("skipped", str(cases.count("skipped")))
    ET.SubElement(suite, "system-out").text = terminal(result.sentence, 4096)
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


def _fails(check: GateCheck, result: GateResult) -> bool:
    """Whether this guardrail is a cause of the non-zero exit code."""
    if result.exit_code == Code.BLOCKED:
        literal = {threshold.metric for threshold in result.literal if threshold.blocks}
        return check.metric in literal if result.policy == "literal" else check.state == "block"
    undecided = check.state in {"inconclusive", "missing"}
    return result.exit_code != 0 and undecided and (check.required or result.state == "no_data")


def _case(suite: ET.Element, check: GateCheck, *, fails: bool) -> str:
    case = ET.SubElement(suite, "testcase", classname="benchmark.gate", name=check.metric, time="0")
    message = terminal(check.sentence, 4096)
    if fails:
        ET.SubElement(case, "failure", message=message, type=check.state)
        return "failure"
    if check.state in {"inconclusive", "missing"}:
        ET.SubElement(case, "skipped", message=message)
        return "skipped"
    return "passed"


def print_junit(columns: Columns, file: TextIO) -> None:
    """One test case for each execution, under its version as the class; a failure names its error type."""
    lists = (columns[name].tolist() for name in JUNIT_FIELDS)
    rows = [dict(zip(JUNIT_FIELDS, row, strict=True)) for row in zip(*lists, strict=True)]
    failures = sum(not row["success"] for row in rows)
    seconds = math.fsum(_seconds(row) for row in rows)
    counts = f'tests="{len(rows)}" failures="{failures}" time="{seconds:.6f}"'
    file.write(f'<testsuites>\n  <testsuite name="executions" {counts}>\n')
    file.writelines(f"    {_execution(row)}\n" for row in rows)
    file.write("  </testsuite>\n</testsuites>\n")


def _execution(row: dict[str, Any]) -> str:
    name = terminal(row["task_description"] or row["task_id"] or "")
    case = ET.Element("testcase", classname=terminal(row["version"]), name=name, time=f"{_seconds(row):.6f}")
    if not row["success"]:
        ET.SubElement(case, "failure", message=terminal(row["error_type"] or "failed"))
    return ET.tostring(case, encoding="unicode")


def _seconds(row: dict[str, Any]) -> float:
    """Older files may hold runs without a time."""
    seconds: float = row["execution_time"]
    return seconds if math.isfinite(seconds) else 0.0


MOST_SUMMARY_BYTES: Final = 900 * 1024
"""Of a job summary; GitHub takes none of it beyond 1,024 KiB."""


def commands(result: GateResult) -> Iterator[str]:
    """Workflow commands: an error where the gate fails the job, else warnings."""
    if result.exit_code or result.state in {"warn", "inconclusive"}:
        yield _command("error" if result.exit_code else "warning", f"Benchmark gate: {result.state}", result.sentence)
    if result.state != "warn":
        for alert in result.alerts:
            yield _command("warning", "Benchmark alert", alert.sentence)


def _command(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={workflow_property(visible(title))}::{workflow_message(visible(message, 1000))}"


def append_summary(result: GateResult, environment: Mapping[str, str]) -> None:
    """Append the gate's page to the job's summary, inside GitHub Actions and if there is room.

    Raises:
        OSError: the summary cannot be written.
    """
    place = environment.get("GITHUB_STEP_SUMMARY")
    if not place:
        return
    text = render_markdown(gate_page(result)).encode()
    with Path(place).open("ab") as file:
        room = MOST_SUMMARY_BYTES - os.fstat(file.fileno()).st_size
        file.write(text if len(text) <= room else b"\nThe benchmark gate's page did not fit here.\n")


def smaller_is_better(summary: Summary) -> list[dict[str, Any]]:
    """Time, failures and cost."""
    found = summary.estimates
    return _entries(
        summary,
        ("Execution time, mean", "s", summary.mean, found.get("mean"), 1.0),
        ("Execution time, 95th percentile", "s", summary.p95, found.get("p95"), 1.0),
        ("Failure rate", "%", 1 - summary.success_rate, found.get("success_rate"), 100.0),
        ("Cost of a run, mean", "USD", summary.mean_cost, found.get("mean_cost"), 1.0),
    )


def bigger_is_better(summary: Summary) -> list[dict[str, Any]]:
    """Successes and right routings."""
    found = summary.estimates
    routing = found.get("routing_accuracy")
    accuracy = math.nan if routing is None or routing.value is None else routing.value
    return _entries(
        summary,
        ("Success rate", "%", summary.success_rate, found.get("success_rate"), 100.0),
        ("Routing accuracy", "%", accuracy, routing, 100.0),
    )


def _entries(summary: Summary, *figures: tuple[str, str, float, Estimate | None, float]) -> list[dict[str, Any]]:
    extra = visible(f"{summary.version}: {summary.count:,} runs of {summary.tasks:,} tasks")
    return [
        {"name": name, "unit": unit, "value": scale * value, **_range(estimate, scale), "extra": extra}
        for name, unit, value, estimate, scale in figures
        if math.isfinite(value)
    ]


def _range(estimate: Estimate | None, scale: float) -> dict[str, str]:
    """Half the width of the 95% interval, as the action shows it: ``± 0.12``."""
    interval = estimate.interval if estimate else None
    if interval is None or interval.low is None or interval.high is None:
        return {}
    return {"range": f"\u00b1 {scale * (interval.high - interval.low) / 2:.3g}"}
