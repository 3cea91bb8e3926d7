from __future__ import annotations

import re

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.html import render_html
from benchmark_recorder.reporting.markdown import render_markdown
from benchmark_recorder.reporting.outlook_pages import changes_page, forecast_page
from tests.days import followed, record_days
from tests.hostile import HOSTILE
from tests.reporting.test_outputs import check_log, check_markdown
from tests.reporting.test_views import Reader

STEP = [1.0] * 12 + [1.5] * 12


def hostile_days(text: str) -> tuple[BenchmarkRecorder, str]:
    """A version that changes, with a canary that moves as well, and a hostile text in every field."""

    def about(day: int) -> dict[str, object]:
        other = text if day < 12 else f"{text[:4000]}2"
        return {"git_commit": other, "model": other, "metadata": {"region": other[:500]}}

    recorder = followed(text, STEP, about=about, tasks=(text[:4000],), repeats=1)
    pinned = lambda _: {"git_commit": text}  # noqa: E731 - as short as what it is for
    record_days(recorder, f"{text[:4000]}3", STEP, about=pinned, tasks=(text[:4000],), repeats=1, seed=2)
    return recorder, next(iter(recorder.versions()))


def test_the_corpus_is_in_every_part_of_the_page() -> None:
    recorder, version = hostile_days("HOSTILE")
    page = " ".join(str(recorder.find_changes(version)).split())
    for part in (
        "by day: HOSTILE",
        "commit HOSTILE2 was first measured there",
        "The model changed there from HOSTILE to HOSTILE2",
        "The region changed there from HOSTILE to HOSTILE2",
        "HOSTILE3, all of one commit, moved with it",
    ):
        assert part.lower() in page.lower(), part


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_changes_and_forecasts_show_a_hostile_text_and_never_obey_it(text: str) -> None:
    recorder, version = hostile_days(text)
    forecast = recorder.predict([text[:4000], f"{text[:4000]}new"], version=version)
    check_log(str(forecast))
    check_markdown(render_markdown(forecast_page(forecast)))
    assert Reader(render_html(forecast_page(forecast))).text.replace("\n", "").isprintable()
    for by in ("day", "commit"):
        found = recorder.find_changes(version, by=by)
        check_log(str(found))
        markdown = render_markdown(changes_page(found))
        check_markdown(markdown)
        assert not re.search(r"^\s*::|##(?!#* )", markdown, re.MULTILINE)
        assert Reader(render_html(changes_page(found))).text.replace("\n", "").isprintable()
        assert len(found.to_pandas()) == len(found.changes)


def test_the_page_shows_each_change_in_words_and_in_a_table() -> None:
    lines = str(
        followed("v2.0", [1.0] * 20 + [1.25] * 20, about=lambda _: {"git_commit": "a" * 40}).find_changes("v2.0")
    )
    assert lines.splitlines()[0] == "Changes of the execution time by day: v2.0"
    assert re.search(
        r"- From 2026-09-21 on it is \d\d\.\d% slower \(95% interval: \d\d\.\d to \d\d\.\d% slower\)\.\n"
        r"  Cause: not the code, but its environment\. Commit aaaaaaaaaaaa ran on both\n  sides of it\.",
        lines,
    )
    assert re.search(
        r"^2026-09-21 +1\.\d\d +2\.\d\d +\+\d\d\.\d% +\+\d\d\.\d to \+\d\d\.\d  environment$", lines, re.MULTILINE
    )
    assert max(map(len, lines.splitlines())) <= 80


def test_no_change_says_how_large_one_would_have_to_be() -> None:
    assert "No change of 5% or more is shown in 40 days." in str(followed("v", [1.0] * 40).find_changes("v"))
    few = followed("v", [1.0] * 40, failing=lambda day: 0.5 * (day % 2)).find_changes("v", "failures")
    assert "No change of 2 points or more is shown in 40 days." in str(few)


def test_a_place_that_is_not_certain_is_given_with_its_ends() -> None:
    found = followed("v", [1.0] * 20 + [1.12] * 20, repeats=1).find_changes("v")
    (change,) = found.changes
    assert change.before < change.at <= change.after
    assert change.at != change.after
    assert f"(surely after {change.before}, surely by {change.after}) it is" in str(change)


def test_a_drift_says_that_it_has_no_single_place() -> None:
    (change,) = followed("v", [1.02**day for day in range(60)]).find_changes("v").changes
    assert re.fullmatch(
        r"Execution time drifts: from 2026-09-01 to 2026-10-30 it is [\d.]+% slower\. There is no single place of "
        r"change\.",
        str(change),
    )
