"""Requests to BigQuery: how they are retried, what their errors mean, and queries."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import requests
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.cloud import bigquery

from benchmark_recorder.errors import StoreError, StoreSetupError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from benchmark_recorder.stores.vertex.place import Place

RAISED: Final = (
    exceptions.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    TimeoutError,
    ConnectionError,
)
"""Everything that the clients raise when a call fails."""

_PASSING_REASONS: Final = frozenset(
    {"rateLimitExceeded", "quotaExceeded", "jobRateLimitExceeded", "backendError", "internalError", "badGateway"}
)
"""What BigQuery reports as 400 or 403 where others use 429 and 503."""

_LOGIN: Final = (
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's key"
)


def limits(place: Place) -> dict[str, Any]:
    """Arguments of every call: its timeout, and retries of passing errors after growing, random pauses."""
    retry = Retry(predicate=passes, initial=0.1, maximum=5.0, multiplier=2.0, timeout=place.deadline)
    return {"retry": retry, "timeout": place.timeout}


def passes(error: BaseException) -> bool:
    """Whether the same call may succeed a little later."""
    if isinstance(error, exceptions.RetryError):
        return True
    if isinstance(error, exceptions.GoogleAPICallError):
        if _is_about_credentials(error) or isinstance(error, exceptions.MethodNotImplemented):
            return False
        passing = (exceptions.TooManyRequests, exceptions.ServerError, exceptions.Aborted)
        return isinstance(error, passing) or _reason(error) in _PASSING_REASONS
    if isinstance(error, auth.RefreshError):
        return bool(error.retryable)
    if isinstance(error, requests.RequestException):
        lasting = (requests.exceptions.SSLError, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
        return not isinstance(error, lasting)
    return isinstance(error, auth.TransportError | TimeoutError | ConnectionError)


def _is_about_credentials(error: BaseException) -> bool:
    """Whether no call could succeed with these credentials; gRPC reports that as UNAVAILABLE."""
    return isinstance(error, exceptions.Unauthorized | auth.GoogleAuthError) or (
        isinstance(error, exceptions.ServiceUnavailable) and "metadata from plugin failed" in str(error)
    )


def _reason(error: exceptions.GoogleAPICallError) -> str:
    first = next(iter(error.errors or ()), None)
    return str(first.get("reason", "")) if isinstance(first, dict) else ""


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Google's errors as ours."""
    try:
        yield
    except StoreError:
        raise
    except RAISED as error:
        raise ours(error, place) from error


def ours(error: BaseException, place: Place) -> StoreUnavailableError:
    """One of Google's errors as the one of ours that says what to do."""
    if isinstance(error, exceptions.RetryError):
        error = error.cause or error
    if passes(error):
        return StoreUnavailableError(f"{place.name} does not answer as it should: {_words(error)}")
    return StoreSetupError(f"{place.name}: {_words(error)}; {_remedy(error, place.project)}")


def _words(error: BaseException) -> str:
    text = str(getattr(error, "message", None) or error) or type(error).__name__
    return " ".join(text.split())[:300]


def _remedy(error: BaseException, project: str) -> str:
    """What a person can do about an error that does not pass."""
    check = f"`benchmark-recorder vertex check --project {project}`"
    if isinstance(error, auth.DefaultCredentialsError):
        return f"there are no Google credentials: {_LOGIN}"
    if _is_about_credentials(error):
        return f"the credentials are expired, revoked or unknown: {_LOGIN}"
    if isinstance(error, exceptions.Forbidden):
        return _remedy_of_forbidden(str(error), project)
    if isinstance(error, exceptions.NotFound):
        return (
            f"run `benchmark-recorder vertex setup --project {project}`; if everything exists, it may be in another "
            f"location: {check} shows it"
        )
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate is not trusted: check for a proxy, and check REQUESTS_CA_BUNDLE"
    return f"{check} shows what is missing"


def _remedy_of_forbidden(text: str, project: str) -> str:
    if "accessNotConfigured" in text or "SERVICE_DISABLED" in text or "has not been used in project" in text:
        apis = "bigquery.googleapis.com aiplatform.googleapis.com"
        return f"the API is not enabled: run `gcloud services enable {apis} --project {project}`"
    if "billing" in text.lower() or "free tier" in text:
        return f"streaming needs billing: enable it for the project {project}"
    return (
        "the account lacks a permission: grant it roles/bigquery.dataEditor and roles/bigquery.jobUser, and for "
        f"`vertex setup` roles/aiplatform.featurestoreAdmin, on the project {project}"
    )


def is_invalid_query(error: BaseException) -> bool:
    """Whether BigQuery does not accept a query, as where it names a column that does not exist."""
    return isinstance(error, exceptions.BadRequest) and _reason(error) == "invalidQuery"


def answer(
    client: bigquery.Client, sql: str, values: Mapping[str, tuple[str, Any]], place: Place
) -> Iterable[bigquery.Row]:
    """The rows, fetched page by page as they are read.

    Each ``@name`` in the SQL has a value: its BigQuery type, and a value or a list.

    Raises:
        StoreUnavailableError: the query took too long; it was cancelled.
        google.api_core.exceptions.GoogleAPIError: and all others of ``RAISED``.
    """
    arguments = limits(place)
    job = client.query(
        sql,
        job_config=_config(values),
        project=place.project,
        location=place.location,
        job_retry=None,
        api_method="QUERY",
        **arguments,
    )
    if job.state == "DONE":  # the first page came with the first reply
        return job.result(**arguments)
    _wait(job, place)
    # Not job.result(), which allows its request two minutes whatever timeout is passed.
    return client.list_rows(client.get_table(job.destination, **arguments), **arguments)


def _config(values: Mapping[str, tuple[str, Any]]) -> bigquery.QueryJobConfig:
    return bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ArrayQueryParameter(name, kind, value)
            if isinstance(value, list)
            else bigquery.ScalarQueryParameter(name, kind, value)
            for name, (kind, value) in values.items()
        ]
    )


def _wait(job: bigquery.QueryJob, place: Place) -> None:
    end = time.monotonic() + place.deadline
    pause = 0.1
    while not job.done(**limits(place)):
        if time.monotonic() > end:
            late = f"a query took longer than {place.deadline:g} s"
            try:
                job.cancel(retry=None, timeout=place.timeout)
            except RAISED as error:
                raise StoreUnavailableError(f"{late}, and may still be running") from error
            raise StoreUnavailableError(f"{late}, and was cancelled")
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
    failure = job.exception(timeout=place.timeout)
    if failure is not None:
        raise failure
