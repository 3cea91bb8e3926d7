"""Names, settings and connections: mostly without a server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock
from urllib.parse import unquote

import dns.resolver
import pytest

from benchmark_recorder import get_benchmark_recorder
from benchmark_recorder.errors import ConfigurationError, StoreSetupError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pymongo import MongoClient


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[MongoDBStore]:
    with MongoDBStore(mongodb_uri, database=database) as store:
        yield store


@pytest.fixture
def collection(mongodb_client: MongoClient[Any], database: str) -> Any:
    return mongodb_client[database]["executions"]


def test_its_name_holds_neither_user_nor_password_nor_options() -> None:
    store = MongoDBStore("mongodb://alice:s3cret@one.invalid:27017,two.invalid/bench?authSource=admin")
    assert store.name == "mongodb://one.invalid:27017,two.invalid/bench.executions"
    assert "s3cret" not in repr(store)


@pytest.mark.parametrize("secret", ["s3/cr3t", "s3?cr3t", "s3#cr3t", "12/cr3t", "12?cr3t", "12#cr3t", "s3:cr3t/1"])
def test_a_password_that_was_not_quoted_is_an_error_that_does_not_show_it(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="as urllib.parse.quote_plus does") as refused:
        MongoDBStore(f"mongodb://alice:{secret}@one.invalid/bench")
    assert "cr3t" not in str(refused.value)
    assert "alice" not in str(refused.value)


@pytest.mark.parametrize(
    "hosts",
    ["localhost", "localhost:1", "[::1]:27017", "[::1]", "a.invalid:1,b.invalid", "10.0.0.1:27017", "%2Ftmp%2Fm.sock"],
)
def test_a_host_is_whatever_the_driver_takes_for_one(hosts: str) -> None:
    store = MongoDBStore(f"mongodb://alice:p%40ss%2Fword@{hosts}/bench?appName=a@b")
    assert store.name == f"mongodb://{unquote(hosts)}/bench.executions"
    with store:
        assert store._connected() is store._connected()


def test_a_url_without_a_database_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="name one, in the URL"):
        MongoDBStore("mongodb://localhost")


@pytest.mark.parametrize(("database", "collection"), [("a.b", "executions"), ("b", "$where"), ("b", "system.users")])
def test_a_name_that_the_server_would_refuse_is_a_configuration_error(database: str, collection: str) -> None:
    with pytest.raises(ConfigurationError):
        MongoDBStore("mongodb://localhost", database, collection)


def test_a_missing_driver_is_an_error_with_the_line_that_installs_it() -> None:
    program = (
        "import sys; sys.modules['pymongo'] = None\n"
        "from benchmark_recorder import get_benchmark_recorder, MissingDependencyError\n"
        "try: get_benchmark_recorder('mongodb://localhost/bench')\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == 'the MongoDB store needs pymongo: pip install "pymongo>=4.13"\n'


def test_nothing_is_sent_by_the_constructor_and_an_unreachable_server_is_an_error_of_the_first_question() -> None:
    with MongoDBStore("mongodb://127.0.0.1:9/bench?serverSelectionTimeoutMS=100") as store:
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="mongodb://127.0.0.1:9/bench.executions cannot be reached"):
                store.scan(Query(), ["time"])


SRV = "mongodb+srv://alice:s3cret@cluster.invalid/bench?authSource=admin"


def test_a_cluster_found_by_dns_is_named_without_asking_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the constructor asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "sendto", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    store = MongoDBStore(SRV)
    assert store.name == "mongodb://cluster.invalid/bench.executions"
    assert "s3cret" not in repr(store)


def test_a_cluster_that_dns_does_not_find_is_behind_and_raises_nothing_to_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # A name server that is not there, instead of whichever this machine asks.
    nobody = dns.resolver.Resolver(configure=False)
    nobody.nameservers, nobody.port, nobody.lifetime = ["127.0.0.1"], 9, 0.5
    monkeypatch.setattr(dns.resolver, "default_resolver", nobody)
    with get_benchmark_recorder(SRV, journal=tmp_path / "metrics.json", strict=True) as recorder:
        recorder.record_execution("task", 1.0, True, "v1")
        assert not recorder.flush(5)
        summary = recorder.get_historical_metrics("v1")
        assert summary.count == 1
        assert summary.warnings[0].code == "store_out_of_reach"
        condition = recorder.store.condition()
        assert condition is not None
        assert condition.pending == 1
        assert condition.failing_since is not None
        assert str(condition.last_error).startswith("mongodb://cluster.invalid/bench.executions cannot be")
    assert "s3cret" not in f"{condition} {summary.warnings} {caplog.text}"


def test_the_client_is_patient_for_two_seconds_unless_the_url_says_otherwise() -> None:
    for options, seconds in (("", 2.0), ("?serverselectiontimeoutms=500", 0.5)):
        with MongoDBStore(f"mongodb://127.0.0.1:9/bench{options}") as store:
            given = store._connected().options
            assert given.server_selection_timeout == seconds
            assert given.pool_options.connect_timeout == 2.0
            assert given.retry_writes
            assert given.pool_options.appname == "benchmark-recorder"


def test_a_write_is_confirmed_by_the_majority_whatever_the_url_says() -> None:
    with MongoDBStore("mongodb://127.0.0.1:9/bench?w=1&journal=false") as store:
        assert store._collection().write_concern.document["w"] == "majority"


def test_a_client_that_was_given_is_never_closed(mongodb_client: MongoClient[Any], database: str) -> None:
    with MongoDBStore(mongodb_client, database=database) as store:
        store.append([make_document()])
    assert mongodb_client[database]["executions"].count_documents({}) == 1
    assert store.name.startswith("mongodb://127.0.0.1:")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_a_connection_of_its_own(store: MongoDBStore, collection: Any) -> None:
    store.append([make_document()])
    child = os.fork()
    if child == 0:
        try:
            store.append([make_document()])
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    store.append([make_document()])
    assert collection.count_documents({}) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_closes_neither_its_parents_client_nor_waits_for_a_lock_of_its_parents(
    store: MongoDBStore, collection: Any
) -> None:
    store.append([make_document()])
    parents = store._connected()
    taken, done = threading.Event(), threading.Event()

    def connect_for_long() -> None:
        with store._lock:
            taken.set()
            done.wait(60)

    thread = threading.Thread(target=connect_for_long)
    thread.start()
    assert taken.wait(60)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)  # ends the child if it waits
        store.close()
        os._exit(1 if parents._closed else 0)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    store.append([make_document()])
    assert store._connected() is parents
    assert collection.count_documents({}) == 2


@pytest.mark.parametrize("sign", ["&", ";", "%3F", "%26", "/?x=y?", ","])
@pytest.mark.parametrize("place", ["h/db", "h", "h:27017", "h/"])
@pytest.mark.parametrize("option", ["tlsCertificateKeyFilePassword", "proxyPassword", "authMechanismProperties"])
def test_options_without_their_question_mark_are_an_error_that_shows_no_secret(
    sign: str, place: str, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"mongodb://{place}{sign}{option}=s3cret"
    seen = ""
    try:
        with MongoDBStore(url) as store:
            seen = f"{store.name} {store!r}"
    except ConfigurationError as error:
        seen = str(error)
    assert seen
    assert "s3cret" not in seen + caplog.text


def test_a_forgotten_question_mark_is_said_to_be_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"put a \? before the first option"):
        MongoDBStore("mongodb://h/db&tlsCertificateKeyFilePassword=s3cret")


# Clients that are not what they seem ----------------------------------------------------------------------------------


def test_only_a_synchronous_client_of_the_drivers_own_is_taken(mongodb_client: MongoClient[Any]) -> None:
    from pymongo import AsyncMongoClient

    for client in (AsyncMongoClient("mongodb://h"), mongodb_client["x"], MagicMock(), object(), None):
        with pytest.raises(ConfigurationError, match=r"uri_or_client: expected a URL or a pymongo.MongoClient, got"):
            MongoDBStore(client, database="x")  # type: ignore[arg-type]
    assert MongoDBStore(mongodb_client, database="x").name.endswith("/x.executions")


def test_only_the_drivers_own_result_is_an_acknowledgement(
    store: MongoDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo.collection import Collection
    from pymongo.results import InsertManyResult

    results: list[Any] = [None, [], MagicMock(), InsertManyResult(["a"], acknowledged=False)]
    for result in results:
        with monkeypatch.context() as patch:
            patch.setattr(Collection, "insert_many", lambda *_, result=result, **__: result)
            with pytest.raises(StoreSetupError, match="did not acknowledge: insert_many returned"):
                store.append([make_document()])
    assert store.append([make_document()]) == 1
