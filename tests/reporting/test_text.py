from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder.reporting.escaping import terminal, width
from benchmark_recorder.reporting.page import Bullets, Heading, Line, Notes, Paragraph, Table, Untrusted
from benchmark_recorder.reporting.text import COLUMNS, render_text, wrapped
from tests.hostile import HOSTILE

texts = st.text("ab 漢:#\u0301") | st.text()


def table(*names: str, splits: bool = False, figures: str = "1.0") -> Table:
    header: tuple[Line, ...] = (("",), *((Untrusted(name),) for name in names))
    return Table(header, ((("row",), *((figures,) for _ in names)),), "l" + "r" * len(names), splits=splits)


def test_a_heading_is_underlined_as_wide_as_it_is() -> None:
    assert render_text((Heading(("a ", Untrusted("漢")), 1), Heading(("b",)))) == "a 漢\n====\n\nb\n-\n"


def test_lists_and_notes_hang() -> None:
    page = (Bullets((("word " * 20,),)), Notes((("first",), ("word " * 20,))))
    assert render_text(page).splitlines() == [
        "- " + " ".join(["word"] * 15),
        "  " + " ".join(["word"] * 5),
        "",
        "[1]  first",
        "[2]  " + " ".join(["word"] * 15),
        "     " + " ".join(["word"] * 5),
    ]


@given(texts, st.sampled_from(["", "- ", "[1]  "]), st.integers(20, 80))
def test_wrapped_lines_fit_and_keep_every_character(text: str, mark: str, columns: int) -> None:
    shown = terminal(text)
    lines = list(wrapped(shown, mark, columns))
    assert all(width(line) <= columns for line in lines)
    assert "".join("".join(line[len(mark) :].split()) for line in lines) == "".join(shown.split(" "))


@given(st.lists(st.sampled_from(["::", ":", "a", " ", "##[", "error::", "x" * 30]), max_size=60).map("".join))
def test_no_wrapped_line_begins_with_a_log_command(text: str) -> None:
    assert not any(line.lstrip().startswith("::") for line in wrapped(terminal(text), "- ", 24))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_table_with_hostile_names_keeps_its_shape(text: str) -> None:
    lines = render_text((table(text, f"{text}2"),)).splitlines()
    assert len(lines) == 2
    assert all(width(line) <= COLUMNS for line in lines)


def test_columns_that_do_not_fit_move_into_a_second_table() -> None:
    lines = render_text((table("a", "b", "c", splits=True, figures="x" * 25),)).splitlines()
    assert [line.split() for line in lines] == [["a", "b"], ["row", "x" * 25, "x" * 25], [], ["c"], ["row", "x" * 25]]


def test_long_names_are_squeezed_in_the_middle_and_figures_never() -> None:
    lines = render_text((table("release-2026-11-a", "release-2026-11-b", figures="1" * 34),)).splitlines()
    assert lines[1].split() == ["row", "1" * 34, "1" * 34]
    squeezed = render_text((table(*(f"release-candidate-of-november-{end}" for end in "abc")),)).splitlines()[0].split()
    assert len(set(squeezed)) == 3
    assert any("…" in name for name in squeezed)


def test_figures_that_need_it_get_narrow_gaps() -> None:
    wide = render_text((table(*"abcd", figures="1" * 18),))
    assert max(map(len, wide.splitlines())) == 3 + 4 * (18 + 1)
    assert max(map(len, wide.splitlines())) <= COLUMNS


def test_nothing_is_an_empty_line() -> None:
    assert render_text((Paragraph(("",)), Paragraph(("a",)))) == "a\n"
