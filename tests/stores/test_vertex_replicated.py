"""The Vertex AI store behind a local journal: fed by the same replication as any remote store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tenacity import RetryCallState, Retrying

from benchmark_recorder import get_benchmark_recorder
from benchmark_recorder.errors import StoreSetupError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.quarantine import Quarantine
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.stores.replication.worker import pause_after
from benchmark_recorder.stores.vertex import VertexStore
from benchmark_recorder.testing import StoreContract, make_history
from tests.fakes.bigquery import Fault
from tests.fakes.google_cloud import FakeGoogleCloud, google_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cloud() -> Iterator[FakeGoogleCloud]:
    """A project that is set up."""
    with google_cloud() as cloud:
        cloud.set_up()
        yield cloud


@pytest.fixture
def store(cloud: FakeGoogleCloud, tmp_path: Path) -> Iterator[ReplicatedStore]:
    path = tmp_path / "metrics.json"
    with ReplicatedStore(JSONFileStore(path), cloud.store(deadline=0.5), beside=path) as store:
        yield store


class TestReplicatedVertexStoreContract(StoreContract):
    @pytest.fixture
    def store(self, cloud: FakeGoogleCloud, tmp_path: Path) -> Iterator[ReplicatedStore]:
        path = tmp_path / "metrics.json"
        with ReplicatedStore(JSONFileStore(path), cloud.store(deadline=30.0), beside=path) as store:
            yield store


def ids(store: ReplicatedStore) -> list[str]:
    return sorted(store.scan(Query(), ["record_id"])["record_id"])


def test_records_arrive_and_count_once(cloud: FakeGoogleCloud, store: ReplicatedStore) -> None:
    history = make_history(30)
    for document in history:
        store.append([document], fresh=True)
    assert ids(store) == sorted(document["record_id"] for document in history)
    assert store.flush(30)
    assert len(cloud.rows()) == 30
    assert cloud.bigquery.count("/queries") <= 1  # the one question above: a delivery asks none, for each costs money
    assert ids(store) == sorted(document["record_id"] for document in history)


def test_an_outage_leaves_the_records_pending_and_catching_up_doubles_nothing(
    cloud: FakeGoogleCloud, store: ReplicatedStore
) -> None:
    cloud.bigquery.remembers_insert_ids = False
    history = make_history(30)
    cloud.bigquery.faults = [Fault(status=503)]
    store.append(history[:10], fresh=True)
    assert not store.flush(1.5)
    assert store.condition().pending == 10
    assert ids(store) == sorted(document["record_id"] for document in history[:10])
    cloud.bigquery.faults = [Fault("/insertAll", applied=True, times=1)]
    store.append(history[10:], fresh=True)
    assert store.flush(30)
    assert store.condition().pending == 0
    assert ids(store) == sorted(document["record_id"] for document in history)
    assert sum(cell.n for cell in store.summarize(Query()).cells) == 30


def test_only_refused_records_go_to_quarantine_and_still_count(cloud: FakeGoogleCloud, store: ReplicatedStore) -> None:
    history = make_history(20)
    refused = {document["record_id"] for document in history[::4]}
    cloud.bigquery.refuse = lambda row: "|injected" if row["record_id"] in refused else ""
    store.append(history)
    assert store.flush(30)
    assert Quarantine(store.journal.name).of(store.name).keys() == refused
    assert {row["record_id"] for row in cloud.rows()} == {document["record_id"] for document in history} - refused
    assert sum(cell.n for cell in store.summarize(Query()).cells) == 20


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (403, "Access Denied", "roles/bigquery.dataEditor"),
        (404, "Not found: Table", "vertex setup --project demo-project"),
        (401, "expired", "gcloud auth application-default login"),
    ],
)
def test_trouble_with_the_setup_holds_the_queue_and_says_what_to_do(
    cloud: FakeGoogleCloud, store: ReplicatedStore, status: int, message: str, words: str
) -> None:
    cloud.bigquery.faults = [Fault(status=status, reason="x", message=message)]
    store.append(make_history(5))
    assert not store.flush(1.0)
    condition = store.condition()
    assert (condition.pending, condition.quarantined) == (5, 0)
    assert words in (condition.last_error or "")
    cloud.bigquery.faults = []
    assert store.flush(30)
    assert len(cloud.rows()) == 5


def test_trouble_with_the_setup_is_tried_again_once_a_minute_and_any_other_sooner() -> None:
    def pause(error: Exception) -> float:
        state = RetryCallState(Retrying(), None, (), {})
        state.set_exception((type(error), error, None))
        return pause_after(state)

    assert pause(StoreSetupError("no table")) == 60.0
    assert pause(StoreUnavailableError("away")) <= 30.0


@pytest.fixture
def application_default(cloud: FakeGoogleCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account's key in the environment, whose tokens the fake gives and asks for."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {
        "type": "service_account",
        "client_email": "recorder@demo-project.example",
        "private_key": pem,
        "token_uri": f"{cloud.bigquery.url}/token",
    }
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account), encoding="utf-8")
    cloud.bigquery.token = "t0ken"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", cloud.bigquery.url)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("application_default")
def test_the_guides_snippet_delivers_with_the_credentials_of_the_environment(cloud: FakeGoogleCloud) -> None:
    recorder = get_benchmark_recorder(enable_vertex_ai=True, vertex_project_id="demo-project")
    for version in ("v1.0", "v1.0", "v2.0", "v2.0"):
        recorder.record_execution("Create landing page", 3.4, True, version)
    assert recorder.store.flush(30)
    assert [row["version"] for row in cloud.rows()] == ["v1.0", "v1.0", "v2.0", "v2.0"]
    assert recorder.get_historical_metrics(version="v2.0")["count"] == 2
    assert recorder.compare_versions("v1.0", "v2.0", "execution_time")["v1_value"] == pytest.approx(3.4)
    assert set(cloud.bigquery.authorizations[-3:]) == {"Bearer t0ken"}
    recorder.close()


@pytest.mark.usefixtures("application_default")
def test_a_token_that_never_comes_does_not_hold_the_call(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.faults = [Fault("/token", silent=True)]
    with (
        VertexStore("demo-project", timeout=0.2, deadline=0.3) as store,
        pytest.raises(StoreUnavailableError, match="does not answer"),
    ):
        store.append(make_history(1), fresh=True)
