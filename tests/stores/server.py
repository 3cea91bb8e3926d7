"""A real MongoDB server: started by the first test that asks for it, a replica set of one, ended with the session."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from tests.stores.mongod import Mongod, find_mongod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo import MongoClient

URI_VARIABLE = "BENCHMARK_RECORDER_TEST_MONGODB_URI"


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI needs a MongoDB server: {reason}")
    pytest.skip(f"no MongoDB server: {reason}; or name one in {URI_VARIABLE}")


@pytest.fixture(scope="session")
def mongod_path() -> str:
    """The path of a mongod that starts here."""
    path, reason = find_mongod()
    if path is None:
        _missing(reason)
    assert path is not None
    return path


@pytest.fixture(scope="session")
def mongodb_uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a server that tests share, each with a database of its own."""
    if given := os.environ.get(URI_VARIABLE):
        yield given
        return
    path = request.getfixturevalue("mongod_path")
    with Mongod(path, tmp_path_factory.mktemp("mongod")) as server:
        yield server.uri


@pytest.fixture(scope="session")
def mongodb_client(mongodb_uri: str) -> Iterator[MongoClient[Any]]:
    from pymongo import MongoClient

    client: MongoClient[Any] = MongoClient(mongodb_uri, serverSelectionTimeoutMS=10_000)
    with client:
        yield client


@pytest.fixture
def database(mongodb_client: MongoClient[Any]) -> Iterator[str]:
    """The name of a database that is dropped after the test."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    mongodb_client.drop_database(name)


@pytest.fixture
def server(mongod_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A server of the test's own, to be broken."""
    with Mongod(mongod_path, tmp_path_factory.mktemp("mongod")) as server:
        yield server
