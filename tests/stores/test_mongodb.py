from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.testing import StoreContract

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestMongoDBStoreContract(StoreContract):
    @pytest.fixture
    def store(self, mongodb_uri: str, database: str) -> Iterator[MongoDBStore]:
        with MongoDBStore(mongodb_uri, database=database) as store:
            yield store
