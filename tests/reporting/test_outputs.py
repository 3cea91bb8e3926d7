"""Every output against texts that break outputs which trust them, in every field that can hold a text."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt

from benchmark_recorder.grouping import UNKNOWN
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.ci import append_summary, commands, gate_junit
from benchmark_recorder.reporting.csv import COLUMNS
from benchmark_recorder.reporting.decision_pages import claims_page, gate_page, plan_page, selftest_page
from benchmark_recorder.reporting.escaping import csv_cell, terminal
from benchmark_recorder.reporting.markdown import render_markdown
from benchmark_recorder.stores.memory import MemoryStore
from tests.hostile import HOSTILE
from tests.runs import record_hostile

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark_recorder.reporting.page import Page

KINDS = {
    *("heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "code_inline"),
    *("bullet_list_open", "bullet_list_close", "ordered_list_open", "ordered_list_close"),
    *("list_item_open", "list_item_close", "table_open", "table_close", "thead_open", "thead_close"),
    *("tbody_open", "tbody_close", "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close"),
    "text_special",
}
"""Of Markdown's tokens, those that our pages are made of: no link, image, markup of HTML, emphasis or code block."""


class Hostile:
    """A recorder with a hostile text in every field, and the names of its versions."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.recorder = BenchmarkRecorder(store=MemoryStore())
        self.versions = record_hostile(self.recorder, text)

    def report(self, form: str) -> str:
        """The whole report, which also tells a hostile query and a version without runs."""
        stored = self.recorder.store.scan(Query(), ("task_id", "metadata"))
        arguments: dict[str, Any] = {"task_id": [stored["task_id"][0], "x"], "metadata": stored["metadata"][0]}
        return self.recorder.generate_report([*self.versions, self.text[:100] + "?"], form, **arguments)


@pytest.fixture(params=list(HOSTILE.values()), ids=list(HOSTILE))
def hostile(request: pytest.FixtureRequest) -> Hostile:
    return Hostile(request.param)


def check_log(text: str) -> None:
    """Nothing in it moves a cursor, colours, or is a command to a CI system that reads it."""
    assert all(line.isprintable() for line in text.split("\n"))
    assert not re.search(r"^\s*::", text, re.MULTILINE)
    assert "##" not in text


def check_markdown(text: str) -> list[str]:
    """Nothing in it but our own blocks; the kinds of its blocks."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    assert {token.type for token in tokens} | {c.type for token in tokens for c in token.children or []} <= KINDS
    prose = "".join(
        child.content for token in tokens for child in token.children or [] if child.type in {"text", "text_special"}
    )
    assert not re.search(r"@\w", prose)
    assert not re.search(r"#\w", prose)
    return [token.type for token in tokens]


def test_the_corpus_is_in_every_part_of_the_report() -> None:
    """Else what follows would test less than it says."""
    report = " ".join(Hostile("HOSTILE").report("text").split())
    for part in (
        r"Failure rate: HOSTILE2 fails \S+ points more often than HOSTILE ",
        r"! HOSTILE begins to fail \(0 of 24 runs failed before, 12 of 24 now\)",
        r"HOSTILE failed in 12 of 24 runs",
        r"HOSTILE 0 12 ",
        r"HOSTILE -> HOSTILE4 12 of 24 12 of 24",
        r"! week of 2026-11-09: HOSTILE2 is \S+% slower",
        r"more than one host, among them HOSTILE and HOSTILE5",
        r"more than one commit, among them HOSTILE and HOSTILE3",
        r"There are no runs of version HOSTILE\? that match the query",
        r"only where task_id is HOSTILE, x, metadata is HOSTILE=HOSTILE",
        r"HOSTILE: \S+ \S+ \S+ per success",
    ):
        assert re.search(part, report), part


def test_the_text_report_is_plain(hostile: Hostile) -> None:
    report = hostile.report("text")
    check_log(report)
    assert re.findall(r"^(.+)\n-+$", report, re.MULTILINE)[-1] == "Based on"


def test_the_markdown_report_is_whole(hostile: Hostile) -> None:
    report = hostile.report("markdown")
    assert not re.search(r"^\s*::|##(?!#* )", report, re.MULTILINE)  # a job may print it to its log
    kinds = check_markdown(report)
    assert kinds.count("heading_open") == 1 + 2 + 5
    assert kinds.count("table_open") == 1 + 2 + 1 + 1


def test_the_json_report_reads_back(hostile: Hostile) -> None:
    text = hostile.report("json")
    assert text.isascii()
    check_log(text)
    document = json.loads(text, parse_constant=pytest.fail)
    assert [version["version"] for version in document["versions"]][:2] == hostile.versions
    (task,) = document["attention"][1]["worst_tasks"]
    assert task["task_id"] == document["basis"]["query"]["task_id"][0]


def test_the_csv_report_has_a_harmless_cell_for_each_name(hostile: Hostile) -> None:
    csv.field_size_limit(sys.maxsize)
    text = hostile.report("csv")
    check_log(text.replace("\r\n", "\n"))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.count("\r\n") == text.count("\n") == len(rows) + 1
    for row in rows:
        assert set(row) == set(COLUMNS)
        texts = (row[name] for name in ("kind", "version", "baseline", "metric", "unit", "verdict", "method"))
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d")) for cell in texts)
    assert {csv_cell(terminal(version, 4096)) for version in hostile.versions} <= {row["version"] for row in rows}


def test_the_csv_report_has_a_harmless_cell_for_each_group(hostile: Hostile) -> None:
    csv.field_size_limit(sys.maxsize)
    text = hostile.recorder.generate_report(hostile.versions, "csv", by="agent")
    check_log(text.replace("\r\n", "\n"))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.count("\r\n") == text.count("\n") == len(rows) + 1
    groups = hostile.recorder.get_historical_metrics(hostile.versions[0], by="agent")
    version = csv_cell(terminal(hostile.versions[0], 4096))
    shown = {row["group"] for row in rows if (row["kind"], row["version"]) == ("group", version)}
    assert shown == {csv_cell(terminal(UNKNOWN if group is None else group, 4096)) for group in groups}
    assert not any(row["group"].startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d")) for row in rows)
    assert {row["by"] for row in rows} == {"", "agent"}


def pages(hostile: Hostile) -> list[Page]:
    v1, v2 = hostile.versions
    return [
        gate_page(hostile.recorder.check_gate(v1, v2)),
        gate_page(hostile.recorder.check_gate(v2, v1, policy="literal")),
        gate_page(hostile.recorder.check_gate(v2, v1, sequential=True)),
        claims_page(hostile.recorder.check_claims(v1, v2, GUIDE_CLAIMS)),
        plan_page(hostile.recorder.plan_runs(v1, v2, effect=0.2)),
        selftest_page(hostile.recorder.selftest(v2, splits=10)),
    ]


def test_decisions_are_whole_in_markdown(hostile: Hostile) -> None:
    for page in pages(hostile):
        check_markdown(render_markdown(page))
        assert not re.search(r"^\s*::|##(?!#* )", render_markdown(page), re.MULTILINE)


def test_the_summary_of_a_job_is_whole(hostile: Hostile, tmp_path: Path) -> None:
    place = tmp_path / "summary.md"
    append_summary(hostile.recorder.check_gate(*hostile.versions), {"GITHUB_STEP_SUMMARY": str(place)})
    check_markdown(place.read_text(encoding="utf-8"))


def test_a_ci_log_gets_our_own_commands_alone(hostile: Hostile) -> None:
    v1, v2 = hostile.versions
    found = [*commands(hostile.recorder.check_gate(v1, v2)), *commands(hostile.recorder.check_gate(v2, v1))]
    assert found
    for line in found:
        assert line.isprintable()
        assert re.match(r"::(error|warning) title=Benchmark[^:,]*::", line)


def test_junit_is_well_formed_and_shows_every_character(hostile: Hostile) -> None:
    for versions in (hostile.versions, hostile.versions[::-1]):
        result = hostile.recorder.check_gate(*versions)
        document = ET.fromstring(gate_junit(result))
        assert {node.tag for node in document.iter()} <= {
            *("testsuites", "testsuite", "testcase", "failure", "skipped", "system-out"),
        }
        assert [case.get("name") for case in document.iter("testcase")] == [check.metric for check in result.checks]
        said = [node.get("message") or "" for node in document.iter()] + [document.findtext(".//system-out") or ""]
        assert all(text.isprintable() for text in said)
        check_log("\n".join(gate_junit(result).splitlines()))
