"""Views of experiments."""

from __future__ import annotations

from benchmark_recorder.analysis import ExperimentList, ExperimentResult
from benchmark_recorder.reporting.views import View


class ExperimentView(
    View,
    ExperimentResult,
    page="experiment_pages.experiment_page",
    frame="experiment_frame",
    words=("sentence", "warnings"),
):
    """How an experiment is doing."""

    __slots__ = ()


class ExperimentListView(
    View, ExperimentList, page="experiment_pages.list_page", frame="experiments_frame", words=("warnings",)
):
    """The experiments that runs name."""

    __slots__ = ()
