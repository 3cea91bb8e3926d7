"""Views of changes over time, and of what is to be expected."""

from __future__ import annotations

from benchmark_recorder.analysis import ChangePoints, Forecast
from benchmark_recorder.reporting.views import View


class ChangePointsView(
    View, ChangePoints, page="outlook_pages.changes_page", frame="changes_frame", words=("changes", "warnings")
):
    """Where one metric moved."""

    __slots__ = ()


class ForecastView(View, Forecast, page="outlook_pages.forecast_page", frame="forecast_frame", words=("warnings",)):
    """What further runs will take."""

    __slots__ = ()
