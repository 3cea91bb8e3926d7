"""JUnit XML, which every CI system reads: a gate, or executions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TextIO
from xml.etree import ElementTree as ET

from benchmark_recorder.reporting.encoders import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.analysis import GateCheck, GateResult
    from benchmark_recorder.records import Columns

JUNIT_FIELDS: Final = ("version", "task_id", "task_description", "execution_time", "success", "error_type")
"""The columns that ``print_junit`` needs."""


def gate_junit(result: GateResult) -> str:
    """One test case for each guardrail: failed where it blocks, skipped where it does not tell.

    What does not tell fails as well where the gate was asked to fail on it, or has no data at all.
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
    """Whether the exit code speaks of this guardrail."""
    if result.exit_code == 1:
        literal = {threshold.metric for threshold in result.literal if threshold.blocks}
        return check.metric in literal if result.policy == "literal" else check.state == "block"
    return result.exit_code != 0 and check.state in {"inconclusive", "missing"}


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
    """One test case for each execution, under its version as the class; a failure tells the class of its error."""
    rows = [dict(zip(JUNIT_FIELDS, row, strict=True)) for row in zip(*_lists(columns), strict=True)]
    failures = sum(not row["success"] for row in rows)
    seconds = math.fsum(_seconds(row) for row in rows)
    counts = f'tests="{len(rows)}" failures="{failures}" time="{seconds:.6f}"'
    file.write(f'<testsuites>\n  <testsuite name="executions" {counts}>\n')
    file.writelines(f"    {_execution(row)}\n" for row in rows)
    file.write("  </testsuite>\n</testsuites>\n")


def _lists(columns: Columns) -> Iterator[list[Any]]:
    return (columns[name].tolist() for name in JUNIT_FIELDS)


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
