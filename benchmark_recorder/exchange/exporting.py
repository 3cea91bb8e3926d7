"""A store's records into files for other programs."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from benchmark_recorder.errors import InvalidQueryError, one_of
from benchmark_recorder.fields import METRIC_FIELDS
from benchmark_recorder.queries import Query
from benchmark_recorder.reporting import json_text, print_csv, print_json, print_jsonl
from benchmark_recorder.reporting.csv import CSV_FIELDS

if TYPE_CHECKING:
    import os

    from benchmark_recorder.stores.base import Store

FIGURES: Final = ("customSmallerIsBetter", "customBiggerIsBetter")
"""What github-action-benchmark calls its ``tool``: figures of one version."""
FORMS: Final = ("csv", "jsonl", "json", "junit", "prometheus", *FIGURES)
"""What an export can be."""
WHOLE_FORMS: Final = ("jsonl", "json")
"""Those that hold records as they are, also invalid ones."""


def export_file(store: Store, path: str | os.PathLike[str], form: str, query: Query | None = None) -> int:
    """Write the matching records to a file; see ``export_records``.

    Raises:
        InvalidQueryError: the form is unknown, or needs a version, or the path is where the records live.
        StoreError: the store cannot be read.
        OSError: the file cannot be written.
    """
    query = query or Query(runs="all")
    _check(form, query)
    if holds(store, path):
        raise InvalidQueryError(f"path: the records live in {path}; name another file")
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        return export_records(store, file, form, query)


def export_records(
    store: Store, file: TextIO, form: str, query: Query | None = None, *, all_fields: bool = False
) -> int:
    """Write the matching records, and return how many.

    ``csv``, ``jsonl`` and ``json`` can be imported again; the others are for other programs.

    Args:
        store: is only read.
        file: text, opened with ``newline=""``.
        form: one of ``FORMS``; the last two take the records of one version.
        query: which records; all unless given.
        all_fields: in JSON lines, every field in every line, ``null`` where it is absent.

    Raises:
        InvalidQueryError: the form is unknown, needs a version, or has no lines for ``all_fields``.
        StoreError: the store cannot be read.
    """
    query = query or Query(runs="all")
    _check(form, query)
    if all_fields and form != "jsonl":
        raise InvalidQueryError(f"all_fields: only jsonl has lines that may lack a field, got {form}")
    if form in {"csv", "junit"}:
        from benchmark_recorder.reporting.ci import JUNIT_FIELDS, print_junit

        fields, write = (CSV_FIELDS, print_csv) if form == "csv" else (JUNIT_FIELDS, print_junit)
        columns = store.scan(query, fields)
        write(columns, file)
        return len(columns[fields[0]])
    if form == "prometheus":
        from benchmark_recorder.exchange.prometheus import prometheus_text

        file.write(prometheus_text(store, query))
        return sum(cell.n for cell in store.summarize(query).cells)
    if form in FIGURES:
        return _print_figures(store, file, form, query)
    numbers = count()
    absent = dict.fromkeys(METRIC_FIELDS) if all_fields else {}
    numbered = (absent | document for document, _ in zip(store.documents(query), numbers, strict=False))
    (print_json if form == "json" else print_jsonl)(numbered, file)
    return next(numbers)


def holds(store: Store, path: str | os.PathLike[str]) -> bool:
    """Whether a path is the file, or the journal, in which a store keeps its records."""
    journal: Store = getattr(store, "journal", store)
    target, places = Path(path), [Path(place.name) for place in (store, journal)]
    return target.exists() and any(place.exists() and target.samefile(place) for place in places)


def _check(form: str, query: Query) -> None:
    if one_of("form", form, FORMS) in FIGURES and (query.versions is None or len(query.versions) != 1):
        raise InvalidQueryError(f"version: {form} needs exactly one version, whose figures continue its chart")


def _print_figures(store: Store, file: TextIO, form: str, query: Query) -> int:
    assert query.versions is not None
    from benchmark_recorder.analysis import summarize_version
    from benchmark_recorder.reporting.ci import bigger_is_better, smaller_is_better

    summary = summarize_version(query.versions[0], store.summarize(query), store.durations(query))
    figures = smaller_is_better(summary) if form == "customSmallerIsBetter" else bigger_is_better(summary)
    file.write(json_text(figures, indent=2) + "\n")
    return summary.count
