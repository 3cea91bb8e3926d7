from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, fields, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.analysis import Comparison, Result, compare
from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import task_id_of
from benchmark_recorder.reporting.escaping import visible
from benchmark_recorder.reporting.page import Untrusted
from benchmark_recorder.reporting.views import Plotted, View, function_of
from benchmark_recorder.stores.memory import MemoryStore
from tests.hostile import HOSTILE
from tests.runs import record_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from benchmark_recorder.records import Columns

ANSWERS: dict[str, Callable[[BenchmarkRecorder, str, str], Result]] = {
    "summary": lambda recorder, v1, _: recorder.get_historical_metrics(v1),
    "comparison": lambda recorder, v1, v2: recorder.compare_versions(v1, v2),
    "joint": lambda recorder, v1, v2: recorder.compare_all(v1, v2),
    "each": lambda recorder, v1, v2: recorder.compare_each(v1, [v2]),
    "claims": lambda recorder, v1, v2: recorder.check_claims(v1, v2, GUIDE_CLAIMS),
    "gate": lambda recorder, v1, v2: recorder.check_gate(v1, v2),
    "plan": lambda recorder, v1, v2: recorder.plan_runs(v1, v2, effect=0.2),
    "selftest": lambda recorder, v1, _: recorder.selftest(v1, splits=20),
    "changes": lambda recorder, v1, _: recorder.find_changes(v1),
    "forecast": lambda recorder, v1, _: recorder.predict(version=v1),
}
TAGS = {"div", "h3", "h4", "p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "bdi", "span"}

each = pytest.mark.parametrize("ask", ANSWERS.values(), ids=ANSWERS)


@pytest.fixture(scope="module")
def recorder() -> BenchmarkRecorder:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder)
    return recorder


class Reader(HTMLParser):
    """What a browser sees: tags, attributes, text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[tuple[str, str | None]] = set()
        self.text = ""
        self.names: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        self.open.append(tag)
        self.seen |= set(attrs)
        if tag == "bdi":
            self.names.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] == "bdi":
            self.names[-1] += data


@each
def test_an_answer_prints_as_text_in_80_columns(recorder: BenchmarkRecorder, ask: Any) -> None:
    text = str(ask(recorder, "v1.0", "v2.0"))
    assert "v1.0" in text.splitlines()[0]
    assert not text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 80


@each
def test_an_answer_is_a_table_in_a_notebook(recorder: BenchmarkRecorder, ask: Any) -> None:
    answer = ask(recorder, "v1.0", "v2.0")
    seen = Reader(answer._repr_html_())
    assert seen.text.strip().startswith(str(answer).splitlines()[0])
    assert {name for name, _ in seen.seen} <= {"class", "style"}
    assert "<table>" in answer._repr_html_()


@each
def test_an_answer_about_nothing_is_shown_too(ask: Any) -> None:
    answer = ask(BenchmarkRecorder(store=MemoryStore()), "v1.0", "v2.0")
    assert "no runs" in " ".join(str(answer).split())
    Reader(answer._repr_html_())


@each
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_shown_and_never_obeyed(ask: Any, text: str) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    names = {text: (1.0, 0.1), f"{text[:4000]}2": (0.4, 0.0)}
    record_runs(recorder, names, tasks=1, repeats=6, task_id=text, task=text, agent_selected=text)
    versions = sorted({metric.version for metric in recorder.get_all_metrics()}, key=len)
    answer = ask(recorder, *versions)
    assert all(line.isprintable() for line in str(answer).split("\n"))
    seen = Reader(answer._repr_html_())
    assert seen.text.replace("\n", "").isprintable()
    assert (visible(Untrusted(versions[0]).text) or "(empty)") in seen.names  # blanks at its ends as escapes


@each
def test_a_view_is_the_result_it_shows(recorder: BenchmarkRecorder, ask: Any) -> None:
    answer = ask(recorder, "v1.0", "v2.0")
    again = ask(recorder, "v1.0", "v2.0")
    assert answer == again
    assert dict(answer) == dict(again)
    assert answer["warnings"] == answer.warnings
    assert answer.to_dict() == again.to_dict()
    assert answer.to_dict().keys() == dict(answer).keys()
    assert asdict(answer).keys() == {field.name for field in fields(answer)}
    assert copy.deepcopy(answer) == pickle.loads(pickle.dumps(answer)) == answer
    with pytest.raises(FrozenInstanceError):
        answer.warnings = ()
    with pytest.raises(TypeError):
        hash(answer)


def test_a_result_reads_as_a_mapping_of_its_fields(recorder: BenchmarkRecorder) -> None:
    summary = recorder.get_historical_metrics("v1.0")
    assert list(summary) == list(summary.keys()) == [name for name, _ in summary.items()]
    assert list(summary.values()) == [summary[name] for name in summary]
    assert dict(**summary) == dict(summary) == dict(summary.items())
    assert "mean" in summary
    assert "mode" not in summary
    assert summary.get("mean") == summary.mean
    assert summary.get("mode", 1) == 1
    with pytest.raises(KeyError, match="'mode'; there are version, count"):
        summary["mode"]


def test_a_view_equals_the_plain_result_and_differs_from_another(recorder: BenchmarkRecorder) -> None:
    view = recorder.compare_versions("v1.0", "v2.0")
    plain = compare(recorder.store.summarize(Query.of(version=("v1.0", "v2.0"))), "v1.0", "v2.0")
    assert type(plain) is Comparison
    assert isinstance(view, Comparison)
    assert view == plain
    assert plain == view
    assert view != replace(view, margin=0.5)
    assert view != view.to_dict()


def test_the_comparisons_of_a_joint_one_are_views_too(recorder: BenchmarkRecorder) -> None:
    joint = recorder.compare_all("v1.0", "v2.0")
    assert str(joint.comparisons["cost"]).startswith("v2.0 against v1.0\n")
    assert joint.comparisons["cost"] == recorder.compare_versions("v1.0", "v2.0", "cost")


class ScannedStore(MemoryStore):
    """Counts what is asked for texts; cannot be asked while it is off."""

    off = False
    asked = 0

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        if self.off:
            raise StoreUnavailableError("off")
        self.asked += "task_description" in fields
        return super().scan(query, fields)


@pytest.mark.parametrize("which", ["compare_versions", "compare_all"])
def test_a_printed_comparison_names_its_tasks_by_their_texts_looked_up_once(which: str) -> None:
    store = ScannedStore()
    recorder = BenchmarkRecorder(store=store)
    for version, seconds in (("v1", 1.0), ("v2", 2.0)):
        for i in range(10):
            recorder.record_execution(
                "mend the roof", seconds + i / 100, i > 0, version, "builder", 0.1, expected_agent="builder"
            )
    found = getattr(recorder, which)("v1", "v2")
    assert store.asked == 0
    store.off = True
    assert task_id_of("mend the roof") in str(found)
    assert "mend the roof" not in str(found)
    store.off = False
    assert "mend the roof" in str(found)
    assert "mend the roof" in found._repr_html_()
    assert store.asked == 1
    other = pickle.loads(pickle.dumps(found))
    assert other == found
    assert task_id_of("mend the roof") in str(other)


@each
def test_what_makes_a_page_a_table_and_a_chart_exists(
    recorder: BenchmarkRecorder, ask: Callable[[BenchmarkRecorder, str, str], View]
) -> None:
    view = ask(recorder, "v1.0", "v2.0")
    wanted = (
        view._functions if isinstance(view, Plotted) else {name: view._functions[name] for name in ("page", "frame")}
    )
    assert all(callable(function_of(home)) for home in wanted.values())
