"""Requests to BigQuery: queries, rows in, and what their errors mean.

``insertAll`` answers with nothing, with an error for each row (of which only ``invalid`` is about the row itself: the
others were ``stopped`` because of it), or refuses the request as a whole.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.cloud import bigquery

from benchmark_recorder.errors import RefusedRecordsError, StoreError, StoreSetupError, StoreUnavailableError
from benchmark_recorder.stores.vertex.rows import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmark_recorder.stores.vertex.place import Place
    from benchmark_recorder.stores.vertex.rows import Column, Row

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


def _is_refusal(error: exceptions.GoogleAPICallError) -> bool:
    """Whether a request was refused for its content (400, 413)."""
    return error.code in {400, 413} and not passes(error)


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


def missing_columns(client: bigquery.Client, place: Place) -> tuple[Column, ...]:
    """The nullable columns that the table, which an older release set up, lacks; errors as in ``answer``."""
    there = {field.name for field in client.get_table(place.table_id, **limits(place)).schema}
    return tuple(column for column in SCHEMA if column.mode == "NULLABLE" and column.name not in there)


def answer(
    client: bigquery.Client, sql: str, values: Mapping[str, tuple[str, Any]], place: Place
) -> Iterable[bigquery.Row]:
    """The rows, fetched page by page as they are read.

    Args:
        client: Google's.
        sql: with parameters as ``@name``.
        values: by the parameter's name: its BigQuery type, and a value or a list.
        place: the project that pays, the dataset's location, and how long to wait.

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


ROWS_PER_REQUEST: Final = 500
"""What BigQuery recommends; its limits are 50,000 rows and 10 MB."""

_ALIKE: Final = 8
"""Rows refused alone, all for one reason and with none taken, after which no more are tried."""

_ABOUT_THE_TABLE: Final = re.compile(
    r"no such field|cannot convert|could not convert|could not parse|missing required field|is not a record|"
    r"array specified|schema",
    re.IGNORECASE,
)
"""What BigQuery says about a row when the table's columns are not ours; one record alone cannot cause it."""


@dataclass(slots=True)
class Stream:
    """Sends one append's rows in requests of 500, and sorts out which are refused.

    Attributes:
        client: Google's.
        place: the table.
        taken: rows that are stored.
        refused: why, by record id.
    """

    client: bigquery.Client
    place: Place
    taken: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)

    def deliver(self, rows: Sequence[Row]) -> None:
        """Store rows.

        Raises:
            RefusedRecordsError: some are refused; all others are stored.
            StoreSetupError: all are refused because of the table, not of their content.
            StoreUnavailableError: not all are stored; to repeat the call is safe.
        """
        for start in range(0, len(rows), ROWS_PER_REQUEST):
            self._request(rows[start : start + ROWS_PER_REQUEST])
        if not self.refused:
            return
        first, why = next(iter(self.refused.items()))
        # A reason may quote the row's value, so the reasons need not be the same text.
        if not self.taken and all(map(self._is_about_the_table, self.refused.values())):
            raise self._setup_error(why)
        raise RefusedRecordsError(
            f"{self.place.name} refuses {len(self.refused):,} of {len(rows):,} records; the first, {first}: {why}",
            reasons=self.refused,
        )

    def _request(self, rows: Sequence[Row]) -> None:
        try:
            errors = self.client.insert_rows_json(
                self.place.table_id, rows, row_ids=[row["record_id"] for row in rows], **limits(self.place)
            )
        except exceptions.GoogleAPICallError as error:
            if not _is_refusal(error):
                raise
            self._halve(rows, error)
            return
        if errors:
            self._sort_out(rows, errors)
        else:
            self.taken += len(rows)

    def _halve(self, rows: Sequence[Row], error: exceptions.GoogleAPICallError) -> None:
        """A request was refused as a whole: find the rows that are the cause."""
        if len(rows) > 1:
            middle = len(rows) // 2
            self._request(rows[:middle])
            self._request(rows[middle:])
            return
        why = f"{error.code}: {error.message}"[:300]
        self.refused[rows[0]["record_id"]] = why
        if error.code != 413:
            self._whole.add(why)
        if not self.taken and len(self.refused) >= _ALIKE and set(self.refused.values()) == {why} == self._whole:
            raise self._setup_error(why) from error

    def _sort_out(self, rows: Sequence[Row], errors: Sequence[Mapping[str, Any]]) -> None:
        """Keep the invalid rows' reasons, and send the stopped ones again without them."""
        invalid: dict[int, str] = {}
        stopped: set[int] = set()
        passing: list[str] = []
        for entry in errors:
            index = int(entry["index"])
            for error in entry["errors"]:
                reason, message = error.get("reason"), error.get("message")
                if reason == "invalid":
                    where = error.get("location")
                    invalid[index] = " ".join(filter(None, (where and f"{where}:", message)))[:300]
                elif reason == "stopped":
                    stopped.add(index)
                else:
                    passing.append(f"{reason}: {message}"[:300])
        if missing := next((why for why in invalid.values() if "no such field" in why.lower()), None):
            raise self._setup_error(missing)  # without that column, its values would be lost
        if passing or not invalid:
            problem = next(iter(passing), "all were stopped")
            raise StoreUnavailableError(f"{self.place.name} did not accept all rows: {problem}")
        self.refused |= {rows[index]["record_id"]: why for index, why in invalid.items()}
        again = [rows[index] for index in sorted(stopped - invalid.keys())]
        self.taken += len(rows) - len(again) - len(invalid)
        if again:
            self._request(again)

    def _is_about_the_table(self, why: str) -> bool:
        return why in self._whole or _ABOUT_THE_TABLE.search(why) is not None

    def _setup_error(self, why: str) -> StoreSetupError:
        return StoreSetupError(
            f"{self.place.name} does not accept records: {why}; `benchmark-recorder vertex check` shows what is "
            "wrong with the table, `vertex setup` adds missing columns"
        )
