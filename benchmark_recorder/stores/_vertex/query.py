"""Runs a query, each of whose requests has our timeout and our retry."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from google.cloud import bigquery

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.stores._vertex.errors import RAISED, patience

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def answer(  # noqa: PLR0913 - settings
    client: bigquery.Client,
    sql: str,
    values: Mapping[str, tuple[str, Any]],
    *,
    project: str,
    location: str,
    timeout: float,
    deadline: float,
) -> Iterable[bigquery.Row]:
    """The rows, fetched page by page as they are read.

    Args:
        client: Google's.
        sql: with parameters as ``@name``.
        values: by the parameter's name: its BigQuery type, and a value or a list.
        project: that pays.
        location: of the dataset.
        timeout: seconds that one request may take.
        deadline: seconds that the query may run, and each call with its retries may take.

    Raises:
        StoreUnavailableError: the query took too long; it was cancelled.
        google.api_core.exceptions.GoogleAPIError: and all others of ``_vertex_errors.RAISED``.
    """
    retry = patience(deadline)
    job = client.query(
        sql,
        job_config=_config(values),
        project=project,
        location=location,
        retry=retry,
        timeout=timeout,
        job_retry=None,
        api_method="QUERY",
    )
    if job.state == "DONE":  # the first page came with the first reply
        return job.result(retry=retry, timeout=timeout)
    _wait(job, timeout, deadline)
    # Not job.result(), which allows its request two minutes whatever it is told.
    table = client.get_table(job.destination, retry=retry, timeout=timeout)
    return client.list_rows(table, retry=retry, timeout=timeout)


def _config(values: Mapping[str, tuple[str, Any]]) -> bigquery.QueryJobConfig:
    return bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ArrayQueryParameter(name, kind, value)
            if isinstance(value, list)
            else bigquery.ScalarQueryParameter(name, kind, value)
            for name, (kind, value) in values.items()
        ]
    )


def _wait(job: bigquery.QueryJob, timeout: float, deadline: float) -> None:
    end = time.monotonic() + deadline
    pause = 0.1
    while not job.done(retry=patience(deadline), timeout=timeout):
        if time.monotonic() > end:
            try:
                job.cancel(retry=None, timeout=timeout)
            except RAISED as error:
                raise StoreUnavailableError(f"a query took longer than {deadline:g} s, and may go on") from error
            raise StoreUnavailableError(f"a query took longer than {deadline:g} s, and was cancelled")
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
    failure = job.exception(timeout=timeout)
    if failure is not None:
        raise failure
