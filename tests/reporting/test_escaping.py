from __future__ import annotations

import csv
import io
import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from benchmark_recorder.reporting.escaping import (
    MAX_SHOWN,
    csv_cell,
    fit,
    markdown,
    markdown_cell,
    markdown_prose,
    terminal,
    visible,
    width,
    without_apostrophe,
    workflow_message,
    workflow_property,
)
from tests.hostile import HOSTILE

hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
any_text = st.text(st.characters(categories=None)) | st.text("`|\\:# \n=@\x1bé漢x")


def is_harmless(text: str) -> bool:
    """Nothing but characters that print, and one line."""
    return text.isprintable() and "\n" not in text


@hostile
def test_every_character_shows_and_the_length_is_bounded(text: str) -> None:
    assert is_harmless(visible(text))
    assert len(visible(text)) <= MAX_SHOWN


@given(any_text)
def test_every_character_of_any_text_shows(text: str) -> None:
    assert is_harmless(visible(text))
    assert len(visible(text, 20)) <= 20


def test_a_text_that_prints_is_left_as_it_is() -> None:
    assert visible("v2.0, 漢字 é") == terminal("v2.0, 漢字 é") == "v2.0, 漢字 é"


def test_controls_and_direction_marks_are_spelled() -> None:
    assert visible("a\x1b[31m\u202eb\nc\ud800") == "a\\x1b[31m\\u202eb\\nc\\ud800"


def test_marks_heaped_on_a_letter_are_spelled_and_those_of_a_language_are_not() -> None:
    assert visible("e\u0301\u0323 o\u0302\u0301") == "e\u0301\u0323 o\u0302\u0301"
    assert visible("e" + "\u0316" * 6) == "e" + "\u0316" * 4 + "\\u0316" * 2


def test_a_cut_is_marked() -> None:
    assert visible("x" * 201) == "x" * 199 + "…"
    assert visible("x" * 200) == "x" * 200


@hostile
def test_a_terminal_and_a_log_obey_nothing(text: str) -> None:
    shown = terminal(text)
    assert is_harmless(shown)
    assert len(shown) <= MAX_SHOWN
    assert not re.search(r"(^|\s)::", shown)
    assert "##" not in shown


@given(any_text)
def test_no_text_starts_a_log_command_wherever_the_line_is_wrapped(text: str) -> None:
    assert not any(word.startswith("::") for word in terminal(text).split())
    assert "##" not in terminal(text)


def test_what_is_no_command_keeps_its_colons() -> None:
    assert terminal("Planner::run") == "Planner::run"


@hostile
def test_markdown_shows_the_text_and_does_nothing_else(text: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parseInline(f"a {markdown(text)} b")
    (inline,) = tokens
    kinds = [token.type for token in inline.children or []]
    if visible(text).strip():
        assert kinds == ["text", "code_inline", "text"]
        (code,) = [token for token in inline.children or [] if token.type == "code_inline"]
        assert code.content.strip() == terminal(text).strip()
        assert "##" not in code.content  # it may be printed to a log
    else:
        assert kinds == ["text"]


def table(cell: str) -> list[str]:
    """The cells of a table that has ``cell`` in the middle, as a reader of Markdown sees them."""
    text = f"| a | b | c |\n|---|---|---|\n| 1 | {cell} | 3 |\n\nafter"
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    assert [token.type for token in tokens].count("tr_open") == 2
    return [token.content for before, token in pairwise(tokens) if before.type in {"th_open", "td_open"}]


@hostile
def test_a_markdown_cell_stays_one_cell(text: str) -> None:
    cells = table(markdown_cell(text))
    assert len(cells) == 6
    assert cells[3] == "1"
    assert cells[4] == markdown(text)
    assert cells[5] == "3"


@given(any_text)
def test_any_text_stays_one_markdown_cell(text: str) -> None:
    assert table(markdown_cell(text))[4] == markdown(text)


@hostile
def test_a_csv_cell_is_no_formula_and_reads_back(text: str) -> None:
    csv.field_size_limit(2_000_000)
    cell = csv_cell(text)
    assert not re.match("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]", cell)
    file = io.StringIO(newline="")
    csv.writer(file).writerow(["before", cell, "after"])
    file.getvalue().encode()
    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [["before", cell, "after"]]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_formula_gets_an_apostrophe_and_nothing_else(sign: str) -> None:
    assert csv_cell(f"{sign}1+1") == f"'{sign}1+1"
    assert csv_cell(f"1{sign}1") == f"1{sign}1"


@given(any_text | st.text("'=a+;\t\n\" "))
def test_the_apostrophes_of_a_csv_cell_come_off_again_and_no_others(text: str) -> None:
    recorded = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)
    assert without_apostrophe(csv_cell(text)) == recorded


@given(st.lists(st.sampled_from(["=1+1", "@x", "+1", "-1", "\uff1d1", ";", "\t", "\n", "\r", '"', "'", " ", "a"])))
def test_no_cell_is_a_formula_whatever_separates_cells(parts: list[str]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow(["before", csv_cell("".join(parts)), "after"])
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=separator):
            assert [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\uff1d"))] == []


def test_no_sentence_refers_to_an_issue() -> None:
    assert markdown_prose("GH-1 gh-22 #3 high-4") == "GH-\u20601 gh-\u206022 \\#\u20603 high-4"


@hostile
def test_a_workflow_command_has_one_line_and_its_own_properties(text: str) -> None:
    message, title = workflow_message(visible(text)), workflow_property(visible(text))
    assert is_harmless(message)
    assert is_harmless(title)
    assert not {":", ","} & set(title)


def test_workflow_commands_are_escaped_as_the_runner_unescapes_them() -> None:
    assert workflow_message("50 %\r\n: a, b") == "50 %25%0D%0A: a, b"
    assert workflow_property("a: b, c") == "a%3A b%2C c"


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert width("漢字") == 4
    assert width(unicodedata.normalize("NFD", "é")) == 1


@given(st.text("a漢é\u0301"), st.integers(1, 12))
def test_what_is_fitted_fits(text: str, columns: int) -> None:
    assert width(fit(text, columns)) <= columns
    assert fit(text, max(1, width(text))) == text
