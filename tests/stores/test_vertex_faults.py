"""What becomes of records when Google's side is away, slow, refuses, or forgets to answer: each counts once."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery import Client
from google.oauth2.credentials import Credentials

from benchmark_recorder.errors import RefusedRecordsError, StoreError, StoreSetupError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.testing import make_document, make_history
from tests.fakes.bigquery import FakeBigQuery, Fault
from tests.fakes.google_cloud import PROJECT, TABLE, FakeGoogleCloud, google_cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.vertex import VertexStore


@pytest.fixture
def cloud() -> Iterator[FakeGoogleCloud]:
    """A project that is set up."""
    with google_cloud() as cloud:
        cloud.set_up()
        yield cloud


def ids(documents: Sequence[Document]) -> list[str]:
    return [document["record_id"] for document in documents]


def assert_counted_once(store: VertexStore, documents: Sequence[Document]) -> None:
    assert store.scan(Query(), ["record_id"])["record_id"].tolist() == ids(documents)
    assert sum(cell.n for cell in store.summarize(Query()).cells) == len(documents)


# Away, slow, silent ---------------------------------------------------------------------------------------------------


def test_where_nothing_listens_the_store_is_unavailable(cloud: FakeGoogleCloud) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        client = Client(PROJECT, AnonymousCredentials(), client_options={"api_endpoint": address})
        store = cloud.store(bigquery_client=client, deadline=0.3)
        for call in (lambda: store.append([make_document()], fresh=True), lambda: store.summarize(Query())):
            with pytest.raises(StoreUnavailableError, match="does not answer") as caught:
                call()
            assert not isinstance(caught.value, StoreSetupError)
        client.close()


@pytest.mark.parametrize(
    ("status", "reason"),
    [(503, "backendError"), (500, "internalError"), (502, "badGateway"), (429, "rateLimitExceeded"),
     (403, "rateLimitExceeded"), (403, "quotaExceeded")],
)  # fmt: skip
def test_a_passing_error_is_tried_again_and_each_record_counts_once(
    cloud: FakeGoogleCloud, status: int, reason: str
) -> None:
    history = make_history(20)
    store = cloud.store(deadline=30.0)
    cloud.bigquery.faults = [Fault("/insertAll", status, reason, times=2), Fault("/queries", status, reason, times=1)]
    assert store.append(history, fresh=True) == 20
    assert_counted_once(store, history)
    assert cloud.bigquery.count("/insertAll") == 3


@pytest.mark.parametrize(("status", "reason"), [(503, "backendError"), (403, "quotaExceeded"), (429, "quotaExceeded")])
def test_an_outage_that_lasts_is_an_error_and_loses_nothing(cloud: FakeGoogleCloud, status: int, reason: str) -> None:
    history = make_history(20)
    store = cloud.store(deadline=0.3)
    cloud.bigquery.faults = [Fault(status=status, reason=reason)]
    for call in (lambda: store.append(history, fresh=True), lambda: store.scan(Query(), ["time"])):
        with pytest.raises(StoreUnavailableError) as caught:
            call()
        assert not isinstance(caught.value, StoreSetupError)
    cloud.bigquery.faults = []
    store.append(history, fresh=True)
    assert_counted_once(store, history)


def test_a_slow_answer_is_waited_for(cloud: FakeGoogleCloud) -> None:
    history = make_history(5)
    store = cloud.store(timeout=20.0, deadline=30.0)
    cloud.bigquery.faults = [Fault("/insertAll", delay=0.5), Fault("/queries", delay=0.5)]
    store.append(history, fresh=True)
    assert cloud.bigquery.count("/insertAll") == 1
    assert_counted_once(store, history)


@pytest.mark.parametrize("path", ["/insertAll", "/queries"])
def test_a_service_that_is_silent_for_ever_does_not_hold_the_call(cloud: FakeGoogleCloud, path: str) -> None:
    store = cloud.store(timeout=0.2, deadline=0.3)
    cloud.bigquery.faults = [Fault(path, silent=True)]
    call: dict[str, Callable[[], object]] = {
        "/insertAll": lambda: store.append([make_document()], fresh=True),
        "/queries": lambda: store.summarize(Query()),
    }
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        call[path]()


def test_a_job_whose_state_is_never_reported_does_not_block_the_call(cloud: FakeGoogleCloud) -> None:
    store = cloud.store(timeout=0.2, deadline=0.3)
    store.append([make_document()], fresh=True)
    cloud.bigquery.slow_polls = 1
    cloud.bigquery.faults = [Fault("/jobs/job_0", silent=True), Fault("/tables/job_1", silent=True)]
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            store.summarize(Query())


@pytest.mark.parametrize("remembers", [True, False], ids=["insert ids help", "insert ids are forgotten"])
@pytest.mark.parametrize("status", [0, 503], ids=["the connection breaks", "an error is told"])
def test_a_reply_that_is_lost_after_applying_doubles_nothing(
    cloud: FakeGoogleCloud, status: int, remembers: bool
) -> None:
    history = make_history(20)
    store = cloud.store(deadline=30.0)
    cloud.bigquery.remembers_insert_ids = remembers
    cloud.bigquery.faults = [Fault("/insertAll", status, applied=True, times=2)]
    assert store.append(history, fresh=True) == 20
    assert len(cloud.rows()) == (20 if remembers else 60)
    assert_counted_once(store, history)


def test_a_batch_that_is_delivered_again_after_a_crash_doubles_nothing(cloud: FakeGoogleCloud) -> None:
    history = make_history(20)
    cloud.bigquery.remembers_insert_ids = False
    cloud.store().append(history[:15], fresh=True)
    again = cloud.store()
    again.append(history, fresh=True)
    assert len(cloud.rows()) == 35
    assert_counted_once(again, history)


# Refused --------------------------------------------------------------------------------------------------------------


def test_half_of_the_rows_refused_leaves_the_other_half_stored(cloud: FakeGoogleCloud) -> None:
    history = make_history(40)
    bad = set(ids(history[::2]))
    cloud.bigquery.refuse = lambda row: "|injected" if row["record_id"] in bad else ""
    store = cloud.store()
    with pytest.raises(RefusedRecordsError) as caught:
        store.append(history, fresh=True)
    assert caught.value.reasons == dict.fromkeys(ids(history[::2]), "injected")
    assert cloud.bigquery.count("/insertAll") == 2  # once with all, once with those that were stopped
    assert_counted_once(store, history[1::2])


def test_all_rows_refused_for_their_content_are_named(cloud: FakeGoogleCloud) -> None:
    history = make_history(4)
    cloud.bigquery.refuse = lambda _: "|injected"
    with pytest.raises(RefusedRecordsError) as caught:
        cloud.store().append(history, fresh=True)
    assert list(caught.value.reasons) == ids(history)


@pytest.mark.parametrize("count", [8, 30, 700])
@pytest.mark.parametrize("why", ["|injected", "version|{} is not what this table takes", "|Row '{}' is refused (9:{})"])
def test_many_rows_refused_alike_with_none_taken_are_the_tables_doing_whatever_the_words(
    cloud: FakeGoogleCloud, count: int, why: str
) -> None:
    history = make_history(count)
    cloud.bigquery.refuse = lambda row: why.format(row["stored_order"], row["stored_order"])
    store = cloud.store()
    with pytest.raises(StoreSetupError, match=r"vertex check"):
        store.append(history, fresh=True)
    cloud.bigquery.refuse = lambda _: ""
    store.append(history, fresh=True)
    assert_counted_once(store, history)


def test_rows_refused_for_several_reasons_are_named_however_many(cloud: FakeGoogleCloud) -> None:
    history = make_history(40)
    bad = set(ids(history[::2]))
    cloud.bigquery.refuse = lambda row: "|injected" if row["record_id"] in bad else "|and another"
    with pytest.raises(RefusedRecordsError) as caught:
        cloud.store().append(history, fresh=True)
    assert caught.value.reasons.keys() == set(ids(history))


@pytest.mark.parametrize("count", [1, 30])
def test_a_small_row_is_never_the_cause_of_a_413(cloud: FakeGoogleCloud, count: int) -> None:
    history = make_history(count)
    cloud.bigquery.faults = [Fault("/insertAll", status=413, reason="", message="Request Entity Too Large")]
    store = cloud.store()
    with pytest.raises(StoreSetupError, match="does not take a row under 1 MB"):
        store.append(history, fresh=True)
    cloud.bigquery.faults = []
    store.append(history, fresh=True)
    assert_counted_once(store, history)


@pytest.mark.parametrize("count", [1, 30])
def test_records_too_old_to_be_streamed_are_refused_however_many(cloud: FakeGoogleCloud, count: int) -> None:
    old = (datetime.now(UTC) - timedelta(days=2000)).isoformat(timespec="microseconds")
    with pytest.raises(RefusedRecordsError, match="1825 days") as caught:
        cloud.store().append([make_document(timestamp=old) for _ in range(count)], fresh=True)
    assert len(caught.value.reasons) == count


def test_a_record_too_old_to_be_streamed_is_refused_alone(cloud: FakeGoogleCloud) -> None:
    now = datetime.now(UTC)
    old = make_document(timestamp=(now - timedelta(days=2000)).isoformat(timespec="microseconds"))
    new = make_document(timestamp=now.isoformat(timespec="microseconds"))
    store = cloud.store()
    with pytest.raises(RefusedRecordsError, match="1825 days") as caught:
        store.append([old, new], fresh=True)
    assert list(caught.value.reasons) == [old["record_id"]]
    assert_counted_once(store, [new])


def test_rows_that_were_not_taken_for_another_reason_are_tried_again_later(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.row_problem = "timeout"
    with pytest.raises(StoreUnavailableError, match="timeout"):
        cloud.store().append(make_history(3), fresh=True)
    cloud.bigquery.row_problem = "stopped"
    with pytest.raises(StoreUnavailableError, match="all were stopped"):
        cloud.store().append(make_history(3), fresh=True)


def test_a_request_that_is_too_large_is_halved_until_it_fits(cloud: FakeGoogleCloud) -> None:
    text = "日" * 4000
    history = [make_document(task_description=text, task_id=text, metadata={"x": "y" * 16_000}) for _ in range(400)]
    store = cloud.store(timeout=30.0, deadline=30.0)
    assert store.append(history, fresh=True) == 400
    assert cloud.bigquery.count("/insertAll") == 7  # refused whole, and as halves; then four quarters
    assert store.summarize(Query()).cells[0].n == 400


def test_a_request_refused_for_one_record_is_halved_down_to_it(cloud: FakeGoogleCloud) -> None:
    history = make_history(100)
    bad = history[37]["record_id"]
    cloud.bigquery.refuse_request = lambda rows: "bad byte" if bad in [row["record_id"] for row in rows] else ""
    store = cloud.store()
    with pytest.raises(RefusedRecordsError) as caught:
        store.append(history, fresh=True)
    assert caught.value.reasons.keys() == {bad}
    assert "bad byte" in caught.value.reasons[bad]
    assert_counted_once(store, history[:37] + history[38:])


# The set-up -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 500])
def test_a_request_refused_whatever_is_in_it_is_the_setup(cloud: FakeGoogleCloud, count: int) -> None:
    cloud.bigquery.refuse_request = lambda _: "something about the table"
    with pytest.raises(StoreSetupError, match="something about the table"):
        cloud.store().append(make_history(count), fresh=True)
    assert cloud.bigquery.count("/insertAll") < 40


@pytest.mark.parametrize("count", [1, 5])
def test_a_required_column_that_is_missing_is_the_setup(cloud: FakeGoogleCloud, count: int) -> None:
    cloud.bigquery.drop_columns(TABLE, "task_id")
    with pytest.raises(StoreSetupError, match="no such field.*vertex check.*vertex setup"):
        cloud.store().append(make_history(count), fresh=True)


@pytest.mark.parametrize("count", [1, 5])
def test_a_column_of_another_type_is_the_setup(cloud: FakeGoogleCloud, count: int) -> None:
    for column in cloud.bigquery.tables[TABLE].resource["schema"]["fields"]:
        if column["name"] == "version":
            column["type"] = "INTEGER"
    with pytest.raises(StoreSetupError, match="version: Cannot convert value to integer .*: v0"):
        cloud.store().append([make_document(version=f"v{number}") for number in range(count)], fresh=True)


@pytest.mark.parametrize(
    ("status", "reason", "message", "words"),
    [
        (403, "accessDenied", "Access Denied: Table t", "roles/bigquery.dataEditor"),
        (403, "accessNotConfigured", "BigQuery API has not been used in project 1 before", "gcloud services enable"),
        (403, "accessDenied", "Streaming insert is not allowed in the free tier", "needs billing"),
        (401, "authError", "Request had invalid authentication credentials", "gcloud auth application-default login"),
        (404, "notFound", "Not found: Table t", "vertex setup --project demo-project"),
    ],
)
def test_a_lasting_error_keeps_the_records_and_says_what_to_do(
    cloud: FakeGoogleCloud, status: int, reason: str, message: str, words: str
) -> None:
    history = make_history(5)
    store = cloud.store()
    cloud.bigquery.faults = [Fault(status=status, reason=reason, message=message)]
    for call in (lambda: store.append(history, fresh=True), lambda: store.summarize(Query())):
        with pytest.raises(StoreSetupError) as caught:
            call()
        assert words in str(caught.value)
        assert caught.value.__cause__ is not None
    assert cloud.bigquery.count("/insertAll") == cloud.bigquery.count("/queries") == 1  # nothing was tried twice
    cloud.bigquery.faults = []
    store.append(history, fresh=True)
    assert_counted_once(store, history)


def test_a_missing_table_says_how_to_make_it() -> None:
    with google_cloud() as empty:
        for call in (
            lambda: empty.store().append([make_document()], fresh=True),
            lambda: empty.store().scan(Query(), ["time"]),
        ):
            with pytest.raises(StoreSetupError, match="Not found.*vertex setup --project demo-project"):
                call()


def test_another_location_is_named_in_the_error(cloud: FakeGoogleCloud) -> None:
    with pytest.raises(StoreSetupError, match="was not found in location europe-west4.*vertex check"):
        cloud.store(location="europe-west4").summarize(Query())


def test_without_credentials_the_message_says_how_to_get_them(
    cloud: FakeGoogleCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name, value in {"NO_GCE_CHECK": "true", "HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(StoreSetupError, match="gcloud auth application-default login"):
        cloud.store(bigquery_client=None).append([make_document()], fresh=True)


# Credentials, over TLS ------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[FakeBigQuery]:
    """A BigQuery behind TLS that knows one token, its certificate trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    service = FakeBigQuery(context)
    service.token = "t0ken"
    yield service
    service.close()


def test_a_bearer_token_goes_with_each_request_over_tls(cloud: FakeGoogleCloud, secure: FakeBigQuery) -> None:
    secure.datasets, secure.tables, secure.db, mine = (
        cloud.bigquery.datasets,
        cloud.bigquery.tables,
        cloud.bigquery.db,
        secure.db,
    )
    client = Client(PROJECT, Credentials("t0ken"), client_options={"api_endpoint": secure.url})
    store = cloud.store(bigquery_client=client)
    store.append([make_document()], fresh=True)
    assert store.summarize(Query()).cells[0].n == 1
    assert set(secure.authorizations) == {"Bearer t0ken"}
    client.close()
    secure.db = mine


@pytest.mark.parametrize(
    "credentials",
    [Credentials("wr0ng"), Credentials("t0ken", expiry=datetime(2020, 1, 1))],  # noqa: DTZ001 - Google's form
    ids=["a wrong token", "an expired token"],
)
def test_credentials_that_are_not_taken_hold_the_records(
    cloud: FakeGoogleCloud, secure: FakeBigQuery, credentials: Credentials
) -> None:
    client = Client(PROJECT, credentials, client_options={"api_endpoint": secure.url})
    with pytest.raises(StoreSetupError, match="gcloud auth application-default login"):
        cloud.store(bigquery_client=client).append([make_document()], fresh=True)
    client.close()


def test_a_certificate_that_is_not_trusted_is_an_error_at_once(
    cloud: FakeGoogleCloud, secure: FakeBigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    client = Client(PROJECT, Credentials("t0ken"), client_options={"api_endpoint": secure.url})
    with pytest.raises(StoreError, match="certificate is not trusted"):
        cloud.store(bigquery_client=client).append([make_document()], fresh=True)
    client.close()
