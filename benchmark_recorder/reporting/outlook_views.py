"""Views of changes over time."""

from __future__ import annotations

from benchmark_recorder.analysis import ChangePoints
from benchmark_recorder.reporting.views import View


class ChangePointsView(
    View, ChangePoints, page="outlook_pages.changes_page", frame="changes_frame", words=("changes", "warnings")
):
    """Where one metric moved."""

    __slots__ = ()
