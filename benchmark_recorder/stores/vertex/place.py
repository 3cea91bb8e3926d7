"""A table in Google Cloud, and Google's clients for it: what the store and its set-up both need."""

from __future__ import annotations

import re
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import ConfigurationError, missing, preview, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.auth.credentials import Credentials
    from google.cloud import aiplatform_v1, bigquery

LOCATION: Final = "us-central1"
DATASET: Final = "benchmarks"
TABLE: Final = "benchmark_metrics"

_IDS: Final = {
    "project": (r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "6 to 30 lower-case letters, digits and hyphens"),
    "location": (r"[a-z]+(-[a-z]+)+[0-9]+", "a region such as us-central1"),
    "dataset": (r"[A-Za-z0-9_]{1,1024}", "letters, digits and underscores"),
    "table": (r"[a-z_][a-z0-9_]{0,127}", "lower-case letters, digits and underscores (the feature group's id)"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A table in Google Cloud, and how long to wait for an answer about it, as ``VertexStore`` has them.

    Raises:
        ConfigurationError: Google would refuse a name; says what it accepts.
    """

    project: str
    location: str = LOCATION
    dataset: str = DATASET
    table: str = TABLE
    timeout: float = 10.0
    deadline: float = 30.0

    def __post_init__(self) -> None:
        for name in _IDS:
            _check_id(name, getattr(self, name))

    @property
    def name(self) -> str:
        """The URL; holds no secret."""
        table = "" if self.table == TABLE else f"/{self.table}"
        return f"vertex://{self.project}/{self.location}/{self.dataset}{table}"

    @property
    def table_id(self) -> str:
        """The table as BigQuery names it: ``project.dataset.table``."""
        return f"{self.project}.{self.dataset}.{self.table}"


def names_in(url: str) -> list[str]:
    """The names in ``vertex://project/location/dataset/table``, of which all but the first may be left out.

    Raises:
        ConfigurationError: it is not such a URL.
    """
    parts = urlsplit(url)
    names = [unquote(name) for name in (parts.netloc, *parts.path.strip("/").split("/")) if name]
    if parts.scheme != "vertex" or not 1 <= len(names) <= 4 or parts.query or parts.fragment:
        raise ConfigurationError(f"store: expected vertex://project/location/dataset, got {without_secrets(url)!r}")
    return names


def _check_id(name: str, value: object) -> None:
    pattern, expected = _IDS[name]
    text = value if isinstance(value, str) else ""
    if re.fullmatch(pattern, text):
        return
    fixed = text.replace("-", "_")
    hint = f"; Google accepts no hyphens there: use {fixed!r}" if re.fullmatch(pattern, fixed) else ""
    raise ConfigurationError(f"{name}: expected {expected}, got {value!r}{hint}")


def _check_client(argument: str, client: object, module: str, kind: str) -> None:
    """Check that a client is Google's own and synchronous: the answers of any other acknowledge nothing.

    Raises:
        ConfigurationError: it is not.
    """
    # Whoever made such a client has imported its module; to import it for others would take seconds.
    expected = getattr(sys.modules.get(module), kind, None)
    if client is not None and (expected is None or not isinstance(client, expected)):
        raise ConfigurationError(f"{argument}: expected a {module}.{kind}, got {preview(client)}")


class Clients:
    """Google's clients, made on first use; those that were given belong to the caller and are never closed.

    The credentials are those of the environment unless given.
    """

    def __init__(
        self,
        place: Place,
        credentials: Credentials | None,
        bigquery_client: bigquery.Client | None,
        registry_client: aiplatform_v1.FeatureRegistryServiceClient | None,
    ) -> None:
        _check_client("bigquery_client", bigquery_client, "google.cloud.bigquery", "Client")
        registry = "FeatureRegistryServiceClient"
        _check_client("registry_client", registry_client, "google.cloud.aiplatform_v1", registry)
        self._place, self._credentials = place, credentials
        self._given_bigquery, self._given_registry = bigquery_client, registry_client
        self._forget_parent()
        in_child(self._forget_parent)

    def _forget_parent(self) -> None:
        """In a forked child: a lock of its own, and no clients, as their connections are shared."""
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    def bigquery(self) -> bigquery.Client:
        """See ``VertexStore.bigquery_client``."""
        with google():
            from google.cloud import bigquery

        place = self._place
        return self._given_bigquery or self._client(
            "bigquery",
            lambda: bigquery.Client(project=place.project, credentials=self._credentials, location=place.location),
        )

    def registry(self) -> aiplatform_v1.FeatureRegistryServiceClient:
        """See ``VertexStore.registry_client``."""
        with google():
            from google.cloud import aiplatform_v1

        endpoint = {"api_endpoint": f"{self._place.location}-aiplatform.googleapis.com"}
        return self._given_registry or self._client(
            "registry",
            lambda: aiplatform_v1.FeatureRegistryServiceClient(credentials=self._credentials, client_options=endpoint),
        )

    def _client(self, kind: str, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - one of two classes
        with self._lock:
            if kind not in self._made:
                self._made[kind] = make()
            return self._made[kind]

    def close(self) -> None:
        """Close the clients that were made here; a later call makes new ones."""
        with self._lock:
            made, self._made = self._made, {}
        if client := made.get("bigquery"):
            client.close()
        if client := made.get("registry"):
            client.transport.close()


def require_google() -> None:
    """Check that Google's packages are installed, without importing them.

    Raises:
        MissingDependencyError: they are not.
    """
    with google():
        for package in ("google.cloud.bigquery", "google.cloud.aiplatform_v1"):
            if find_spec(package) is None:
                raise ImportError(package)


@contextmanager
def google() -> Iterator[None]:
    """Around each import of Google's packages.

    Raises:
        MissingDependencyError: they are not installed.
    """
    try:
        yield
    except ImportError as error:
        raise missing("the Vertex AI store needs Google's packages", "vertex") from error
