"""A ``BenchmarkMetric`` as the document that is stored: ``recorder.record``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import InvalidRecordError, preview
from benchmark_recorder.fields import FIELDS, METRIC_FIELDS
from benchmark_recorder.records import stamp, timestamp_text
from benchmark_recorder.validation import admit

if TYPE_CHECKING:
    from benchmark_recorder.recording.admission import Admission
    from benchmark_recorder.records import BenchmarkMetric, Document

_ALWAYS_THERE: Final = frozenset(f.name for f in FIELDS if f.absent != "left out") - {"record_id"}


def admitted_metric(metric: BenchmarkMetric, admission: Admission) -> tuple[Document, tuple[str, ...], bool]:
    """A metric as it is stored, what was normalised, and whether its id was made here.

    Raises:
        InvalidRecordError: a field is wrong.
    """
    fresh_id, _ = stamp()
    document = _document_of(metric)
    fresh = document.setdefault("record_id", fresh_id) is fresh_id
    document["timestamp"] = timestamp_text(metric.timestamp)
    document["version"] = document["version"] or admission.known_version()
    if admission.labels:
        document["metadata"] = {**admission.labels, **(document.get("metadata") or {})}
    admitted, notes = admit(document)
    return admitted, notes, fresh


def _document_of(metric: BenchmarkMetric) -> Document:
    """The fields of a metric; one of the recorder before this one has fewer."""
    if not hasattr(metric, "timestamp"):
        raise InvalidRecordError(f"metric: expected a BenchmarkMetric, got {preview(metric)}", field="metric")
    return {
        name: value
        for name in METRIC_FIELDS
        if (value := getattr(metric, name, None)) is not None or name in _ALWAYS_THERE
    }
