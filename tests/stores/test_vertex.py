"""The Vertex AI store against Google's own clients, and fakes of the two services behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.testing import StoreContract
from tests.fakes.google_cloud import FakeGoogleCloud, google_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.stores.vertex import VertexStore


@pytest.fixture
def cloud() -> Iterator[FakeGoogleCloud]:
    """A project that is set up."""
    with google_cloud() as cloud:
        cloud.set_up()
        yield cloud


class TestVertexStoreContract(StoreContract):
    @pytest.fixture
    def store(self, cloud: FakeGoogleCloud) -> Iterator[VertexStore]:
        with cloud.store(deadline=30.0) as store:
            yield store
