from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from benchmark_recorder import BenchmarkRecorder, MemoryStore
from benchmark_recorder.analysis import GateResult
from benchmark_recorder.analysis.results import Caveat
from benchmark_recorder.reporting.ci import MARKER, MOST_COMMENT_BYTES, gate_comment, gated_name
from tests.hostile import HOSTILE
from tests.runs import record_runs

GITHUB = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "a/b",
    "GITHUB_RUN_ID": "12",
    "GITHUB_JOB": "test",
    "RUNNER_OS": "Linux",
}


def gate(versions: tuple[str, str], **fields: Any) -> GateResult:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, {versions[0]: (1.0, 0.1), versions[1]: (1.5, 0.1)}, **fields)
    first, second = sorted({metric.version for metric in recorder.get_all_metrics()}, key=len)
    return recorder.check_gate(first, second)


def test_it_begins_with_a_marker_that_is_not_shown() -> None:
    text = gate_comment(gate(("v1", "v2-slow")))
    marker = f"{MARKER} -->"
    assert text.splitlines()[0] == marker
    assert "\n### Gate: blocked: `v2-slow` against `v1`\n" in text
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text)
    assert html.startswith(f"{marker}\n<h3>Gate: blocked: ")
    assert html.count("<table>") == 1
    assert "\u274c block" in html
    assert "65+65" in html


def test_details_are_folded_and_what_is_not_is_short() -> None:
    text = gate_comment(gate(("v1", "v2-slow"), repeats=2), "x", GITHUB)
    unfolded, _, folded = text.partition("<details>")
    assert len(unfolded.splitlines()) <= 40
    assert "[The run](https://github.com/a/b/actions/runs/12)" in unfolded
    assert "- Execution time " in folded
    assert folded.endswith("</details>\n")
    assert "The run" not in gate_comment(gate(("v1", "v2-slow")), "x", GITHUB | {"GITHUB_REPOSITORY": "a/b) [x](y"})


def test_the_marker_names_what_is_gated() -> None:
    result = gate(("v1", "v2-slow"))
    names = [
        gated_name("v1", {}, GITHUB),
        gated_name("v1", {}, GITHUB | {"RUNNER_OS": "Windows"}),
        gated_name("v1", {}, GITHUB | {"GITHUB_JOB": "nightly"}),
        gated_name("v1", {"agent": "a"}, GITHUB),
        gated_name("v0", {}, GITHUB),
        "python 3.11",
        "python-3.11",
    ]
    markers = [gate_comment(result, name).splitlines()[0] for name in names]
    assert len(set(markers)) == len(names)
    assert markers[0].startswith(f"{MARKER} test-Linux-v1 ")
    assert all(re.fullmatch(r"<!-- [\w.: -]+ -->", marker) and "--" not in marker[4:-3] for marker in markers)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_are_no_markup_no_mention_and_no_link(text: str) -> None:
    result = gate((text, f"{text[:4000]}2"), task=text, task_id=text, agent_selected=text, error_type=text)
    body = gate_comment(result, text)
    assert len(body.encode()) <= MOST_COMMENT_BYTES
    marker = body.splitlines()[0]
    assert re.fullmatch(r"<!-- [\w.: -]+ -->", marker, re.ASCII)
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(body)
    assert [token.content for token in tokens if token.type == "html_block"] == [
        f"{marker}\n",
        "<details>\n<summary>Details</summary>\n",
        "</details>\n",
    ]
    inline = [child for token in tokens for child in token.children or ()]
    assert not {"link_open", "image", "html_inline"} & {child.type for child in inline}
    shown = "\n".join(child.content for child in inline if child.type == "text")
    assert not re.search(r"@\w|#\d|GH-\d|https?://|\bwww\.", shown)


def test_blocks_that_do_not_fit_are_left_out_whole_and_the_comment_says_so() -> None:
    caveats = tuple(Caveat("odd", f"{n} " + "\U0001f469" * 900) for n in range(100))
    body = gate_comment(replace(gate(("v1", "v2-slow")), warnings=caveats))
    assert len(body.encode()) <= MOST_COMMENT_BYTES
    assert "| time (ms) |" in body
    assert body.endswith("\nThe rest of the gate's page did not fit here.\n\n</details>\n")
