"""A project of Google Cloud on the loopback: BigQuery, the feature registry, and Google's clients for both."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery import Client

from benchmark_recorder.stores.vertex import VertexStore
from tests.fakes.bigquery import FakeBigQuery
from tests.fakes.feature_registry import FakeFeatureRegistry, client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = "demo-project"
TABLE = f"{PROJECT}.benchmarks.benchmark_metrics"


@dataclass
class FakeGoogleCloud:
    """Two services, and two clients on them."""

    bigquery: FakeBigQuery
    registry: FakeFeatureRegistry
    bigquery_client: Client
    registry_client: Any

    def store(self, **arguments: Any) -> VertexStore:
        """A store on these services, quick to give up unless told otherwise."""
        given = {"bigquery_client": self.bigquery_client, "registry_client": self.registry_client}
        return VertexStore(PROJECT, **({"timeout": 5.0, "deadline": 2.0} | given | arguments))

    def set_up(self) -> None:
        """Make the table and its registration."""
        for _ in self.store().set_up():
            pass

    def rows(self) -> list[dict[str, Any]]:
        """All rows of the table, also those that are there twice."""
        return self.bigquery.rows(TABLE)


@contextmanager
def google_cloud() -> Iterator[FakeGoogleCloud]:
    """An empty project."""
    service = FakeBigQuery()
    registry = FakeFeatureRegistry(service)
    client = Client(project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": service.url})
    registry_client = client_of(registry)
    try:
        yield FakeGoogleCloud(service, registry, client, registry_client)
    finally:
        client.close()
        registry_client.transport.close()
        registry.close()
        service.close()
