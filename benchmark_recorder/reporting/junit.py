"""A gate as JUnit XML, which every CI system reads."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from benchmark_recorder.reporting.encoders import terminal

if TYPE_CHECKING:
    from benchmark_recorder.analysis import GateCheck, GateResult


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
