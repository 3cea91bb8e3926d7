from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark_recorder.errors import MissingDependencyError
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.drawing import drawable
from benchmark_recorder.stores.memory import MemoryStore
from tests.hostile import HOSTILE
from tests.reporting.histories import hostile_runs
from tests.runs import record_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWERS: dict[str, Callable[[BenchmarkRecorder, str, str], Any]] = {
    "summary": lambda recorder, v1, _: recorder.get_historical_metrics(v1),
    "comparison": lambda recorder, v1, v2: recorder.compare_versions(v1, v2),
    "joint": lambda recorder, v1, v2: recorder.compare_all(v1, v2),
    "each": lambda recorder, v1, v2: recorder.compare_each(v1, [v2]),
    "slices": lambda recorder, v1, v2: recorder.compare_versions(v1, v2, by="agent"),
    "claims": lambda recorder, v1, v2: recorder.check_claims(v1, v2, ["time 30% lower", "routing 5% higher"]),
    "gate": lambda recorder, v1, v2: recorder.check_gate(v1, v2),
    "selftest": lambda recorder, v1, _: recorder.selftest(v1, splits=20),
}
each = pytest.mark.parametrize("ask", ANSWERS.values(), ids=ANSWERS)


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mpl.use("svg")
    yield
    plt.close("all")


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder)
    return recorder


def save(axes: Axes) -> None:
    assert isinstance(axes.figure, Figure)
    axes.figure.savefig(io.BytesIO(), format="png", dpi=40)


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@each
def test_a_plot_is_on_new_axes_that_can_be_saved(recorder: BenchmarkRecorder, ask: Any) -> None:
    axes = ask(recorder, "v1.0", "v2.0").plot()
    assert type(axes) is Axes
    assert axes.get_xlabel()
    assert texts(axes)
    assert plt.get_fignums()
    save(axes)


@each
def test_the_title_names_the_versions(recorder: BenchmarkRecorder, ask: Any) -> None:
    title = ask(recorder, "v1.0", "v2.0").plot().get_title(loc="left")
    assert title in {"v1.0", "v2.0 against v1.0"}


def test_what_is_faster_lies_to_the_left_in_every_plot(recorder: BenchmarkRecorder) -> None:
    def first_point(answer: Any) -> float:
        lines = answer.plot(Figure().add_subplot()).lines
        return next(float(np.asarray(line.get_xdata())[0]) for line in lines if line.get_marker() == "o")

    effect = -100 * (recorder.compare_versions("v1.0", "v2.0").effect or 0)
    assert effect < -20
    for name in ("joint", "each", "claims", "gate"):
        assert first_point(ANSWERS[name](recorder, "v1.0", "v2.0")) == pytest.approx(effect), name
    assert first_point(ANSWERS["slices"](recorder, "v1.0", "v2.0")) < -20


@each
def test_a_plot_takes_the_axes_that_it_is_given(recorder: BenchmarkRecorder, ask: Any) -> None:
    axes = Figure().add_subplot()
    assert ask(recorder, "v1.0", "v2.0").plot(axes) is axes
    assert ask(recorder, "v1.0", "v2.0").plot(ax=axes) is axes
    assert plt.get_fignums() == []


def test_the_points_are_the_results(recorder: BenchmarkRecorder) -> None:
    comparison = recorder.compare_versions("v1.0", "v2.0")
    axes = comparison.plot(Figure().add_subplot())
    points = sorted(float(np.asarray(line.get_xdata())[0]) for line in axes.lines if line.get_marker() == "o")
    assert points == pytest.approx(sorted(-100 * (row.effect or 0) for row in comparison.tasks))
    assert set(texts(axes)) == {row.task_id for row in comparison.tasks}


@each
def test_nothing_recorded_is_an_empty_plot(ask: Any) -> None:
    axes = ask(BenchmarkRecorder(store=MemoryStore()), "v1.0", "v2.0").plot()
    save(axes)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_drawn_as_it_is(text: str) -> None:
    recorder, versions = hostile_runs(text, tasks=2)
    figure = Figure()
    for ask, axes in zip(ANSWERS.values(), figure.subplots(len(ANSWERS)), strict=True):
        ask(recorder, versions[0], versions[-1]).plot(axes)
        assert all(one.isprintable() for one in [*texts(axes), axes.get_title(loc="left")])
    figure.savefig(io.BytesIO(), format="png", dpi=40)


def test_a_character_that_no_font_in_use_has_is_spelled() -> None:
    assert drawable("v1 é") == "v1 é"
    assert drawable("\u6f22") == "\\u6f22"
    with mpl.rc_context({"font.family": ["No Such Font", "DejaVu Sans"]}):
        assert drawable("é\u6f22") == "é\\u6f22"


def test_without_matplotlib_the_error_holds_the_line_that_installs_it(
    recorder: BenchmarkRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "jinja2>=[\d.]+" "matplotlib>=[\d.]+"$'):
        recorder.compare_all("v1.0", "v2.0").plot()
