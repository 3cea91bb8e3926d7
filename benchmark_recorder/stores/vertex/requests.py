"""What Google's clients raise: which of it passes, and in whose words we say the rest."""

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

RAISED: Final = (
    exceptions.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    TimeoutError,
    ConnectionError,
)
"""All that the clients raise when a call fails."""

_PASSING_REASONS: Final = frozenset(
    {"rateLimitExceeded", "quotaExceeded", "jobRateLimitExceeded", "backendError", "internalError", "badGateway"}
)
"""What BigQuery says under 400 and 403 where others say 429 and 503."""

LOGIN: Final = (
    "run `gcloud auth application-default login`, or name a service account's key in GOOGLE_APPLICATION_CREDENTIALS"
)


def patience(deadline: float) -> Retry:
    """The retry of every call: what passes is tried again with growing, random pauses.

    Args:
        deadline: seconds after which the last error is raised.
    """
    return Retry(predicate=passes, initial=0.1, maximum=5.0, multiplier=2.0, timeout=deadline)


def passes(error: BaseException) -> bool:
    """Whether the same call may well succeed a little later."""
    if isinstance(error, exceptions.RetryError):
        return True
    if isinstance(error, exceptions.GoogleAPICallError):
        if is_about_credentials(error) or isinstance(error, exceptions.MethodNotImplemented):
            return False
        passing = (exceptions.TooManyRequests, exceptions.ServerError, exceptions.Aborted)
        return isinstance(error, passing) or _reason(error) in _PASSING_REASONS
    if isinstance(error, auth.RefreshError):
        return bool(error.retryable)
    if isinstance(error, requests.RequestException):
        lasting = (requests.exceptions.SSLError, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
        return not isinstance(error, lasting)
    return isinstance(error, auth.TransportError | TimeoutError | ConnectionError)


def is_about_credentials(error: BaseException) -> bool:
    """Whether nobody would be served under these credentials; gRPC says so as UNAVAILABLE."""
    return isinstance(error, exceptions.Unauthorized | auth.GoogleAuthError) or (
        isinstance(error, exceptions.ServiceUnavailable) and "metadata from plugin failed" in str(error)
    )


def is_refusal(error: exceptions.GoogleAPICallError) -> bool:
    """Whether a request was refused for what is in it (400, 413)."""
    return error.code in {400, 413} and not passes(error)


def _reason(error: exceptions.GoogleAPICallError) -> str:
    first = next(iter(error.errors or ()), None)
    return str(first.get("reason", "")) if isinstance(first, dict) else ""


@contextmanager
def translated(place: str, project: str) -> Iterator[None]:
    """Google's errors as ours.

    Args:
        place: the store's name.
        project: the Google Cloud project, for the commands that messages name.
    """
    try:
        yield
    except StoreError:
        raise
    except RAISED as error:
        raise ours(error, place, project) from error


def ours(error: BaseException, place: str, project: str) -> StoreUnavailableError:
    """One of Google's errors as the one of ours that says what to do."""
    if isinstance(error, exceptions.RetryError) and error.cause is not None:
        return StoreUnavailableError(f"{place} does not answer as it should: {_words(error.cause)}")
    if passes(error):
        return StoreUnavailableError(f"{place} does not answer as it should: {_words(error)}")
    return StoreSetupError(f"{place}: {_words(error)}; {remedy(error, project)}")


def _words(error: BaseException) -> str:
    text = str(getattr(error, "message", None) or error) or type(error).__name__
    return " ".join(text.split())[:300]


def remedy(error: BaseException, project: str) -> str:
    """What a person can do about an error that does not pass."""
    check = f"`benchmark-recorder vertex check --project {project}`"
    if isinstance(error, auth.DefaultCredentialsError):
        return f"there are no Google credentials: {LOGIN}"
    if is_about_credentials(error):
        return f"the credentials are expired, revoked or not known: {LOGIN}"
    if isinstance(error, exceptions.Forbidden):
        return _remedy_of_forbidden(str(error), project)
    if isinstance(error, exceptions.NotFound):
        return (
            f"run `benchmark-recorder vertex setup --project {project}`; where all is there, it may be in another "
            f"location: {check} tells"
        )
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate is not trusted: look for a proxy, and at REQUESTS_CA_BUNDLE"
    return f"{check} tells what is missing"


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
