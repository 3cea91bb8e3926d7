from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from benchmark_recorder import BenchmarkRecorder, MemoryStore
from benchmark_recorder.analysis import GateResult
from benchmark_recorder.analysis.results import Caveat
from benchmark_recorder.reporting.ci import MARKER, MOST_COMMENT_BYTES, gate_comment
from tests.hostile import HOSTILE
from tests.runs import record_runs


def gate(versions: tuple[str, str], **fields: Any) -> GateResult:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, {versions[0]: (1.0, 0.1), versions[1]: (1.5, 0.1)}, **fields)
    first, second = sorted({metric.version for metric in recorder.get_all_metrics()}, key=len)
    return recorder.check_gate(first, second)


def test_it_begins_with_a_marker_that_is_not_shown() -> None:
    text = gate_comment(gate(("v1", "v2-slow")))
    assert text.splitlines()[0] == MARKER
    assert "# Gate: blocked: `v2-slow` against `v1`\n" in text
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text)
    assert html.startswith(f"{MARKER}\n<h1>Gate: blocked: ")
    assert html.count("<table>") == 1


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_are_no_markup_no_mention_and_no_link(text: str) -> None:
    result = gate((text, f"{text[:4000]}2"), task=text, task_id=text, agent_selected=text, error_type=text)
    body = gate_comment(result)
    assert len(body.encode()) <= MOST_COMMENT_BYTES
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(body)
    assert [token.content for token in tokens if token.type == "html_block"] == [f"{MARKER}\n"]
    inline = [child for token in tokens for child in token.children or ()]
    assert not {"link_open", "image", "html_inline"} & {child.type for child in inline}
    shown = "\n".join(child.content for child in inline if child.type == "text")
    assert not re.search(r"@\w|#\d|GH-\d|https?://|\bwww\.", shown)


def test_blocks_that_do_not_fit_are_left_out_whole_and_the_comment_says_so() -> None:
    caveats = tuple(Caveat("odd", f"{n} " + "\U0001f469" * 900) for n in range(100))
    body = gate_comment(replace(gate(("v1", "v2-slow")), warnings=caveats))
    assert len(body.encode()) <= MOST_COMMENT_BYTES
    assert "| time (ms) |" in body
    assert body.endswith("\nThe rest of the gate's page did not fit here.\n")
