"""The one-time set-up: idempotent, says what it does, and in words that name the fix what is missing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import trustme
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1 as vertex
from google.cloud.bigquery import Dataset
from google.oauth2.credentials import Credentials
from google.rpc import status_pb2

from benchmark_recorder.errors import StoreSetupError, StoreUnavailableError
from benchmark_recorder.stores.vertex import setup
from benchmark_recorder.testing import make_document
from tests.fakes.bigquery import Fault as RequestFault
from tests.fakes.feature_registry import FakeFeatureRegistry, Fault
from tests.fakes.google_cloud import PROJECT, TABLE, FakeGoogleCloud, google_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = f"projects/{PROJECT}/locations/us-central1/featureGroups/benchmark_metrics"
FEATURES = ["agent_selected", "cost", "difficulty", "execution_time", "success", "version"]


@pytest.fixture
def cloud() -> Iterator[FakeGoogleCloud]:
    """An empty project."""
    with google_cloud() as cloud:
        yield cloud


def steps(cloud: FakeGoogleCloud, **options: bool) -> list[str]:
    return [f"{step.part}: {step.done}" for step in cloud.store().set_up(**options)]


def problems(cloud: FakeGoogleCloud, **arguments: Any) -> dict[str, str]:
    return {
        finding.part: f"{finding.problem} -> {finding.fix}"
        for finding in cloud.store(**arguments).check()
        if finding.problem
    }


def _make_dataset(cloud: FakeGoogleCloud, location: str) -> None:
    dataset = Dataset(f"{PROJECT}.benchmarks")
    dataset.location = location
    cloud.bigquery_client.create_dataset(dataset)


def _drop_last_column(cloud: FakeGoogleCloud) -> None:
    column = cloud.bigquery.tables[TABLE].resource["schema"]["fields"].pop()
    cloud.bigquery.db.execute(f'ALTER TABLE "{TABLE}" DROP COLUMN {column["name"]}')


# Setting up -----------------------------------------------------------------------------------------------------------


def test_an_empty_project_gets_everything_and_a_second_run_changes_nothing(cloud: FakeGoogleCloud) -> None:
    parts = [
        "dataset demo-project.benchmarks",
        f"table {TABLE}",
        "feature group benchmark_metrics",
    ]
    assert [step for step in steps(cloud) if step.removesuffix(": created") in parts] == [
        f"{p}: created" for p in parts
    ]
    assert problems(cloud) == {}
    cloud.bigquery.requests.clear()
    cloud.registry.calls.clear()
    assert all(step.endswith(": is there") for step in steps(cloud))
    assert {method for method, _ in cloud.bigquery.requests} == {"GET"}
    assert set(cloud.registry.calls) == {"GetFeatureGroup", "ListFeatures"}


def test_the_table_is_partitioned_by_day_and_clustered_by_version_and_task(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    table = cloud.bigquery_client.get_table(TABLE)
    assert (table.time_partitioning.type_, table.time_partitioning.field) == ("DAY", "feature_timestamp")
    assert table.clustering_fields == ["version", "task_id"]
    assert cloud.bigquery_client.get_dataset("benchmarks").location == "us-central1"


def test_the_feature_group_is_keyed_by_record_and_has_the_six_features(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    group = cloud.registry.groups[GROUP]
    assert group.big_query.big_query_source.input_uri == f"bq://{TABLE}"
    assert list(group.big_query.entity_id_columns) == ["record_id"]
    assert group.big_query.dense
    assert sorted(cloud.registry.features) == [f"{GROUP}/features/{name}" for name in FEATURES]


def test_a_dry_run_says_what_would_be_created_and_creates_nothing(cloud: FakeGoogleCloud) -> None:
    said = steps(cloud, dry_run=True)
    assert [step.rpartition(": would be created")[0] for step in said if "would be created" in step][:2] == [
        "dataset demo-project.benchmarks",
        f"table {TABLE}",
    ]
    assert "would be created: execution_time, success, cost, difficulty, version, agent_selected" in said[-1]
    assert not cloud.bigquery.datasets
    assert not cloud.registry.groups
    assert {method for method, _ in cloud.bigquery.requests} == {"GET"}


def test_an_incomplete_setup_is_completed(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    del cloud.registry.features[f"{GROUP}/features/cost"]
    _drop_last_column(cloud)
    assert [step for step in steps(cloud) if "created" in step] == [
        f"columns of table {TABLE}: created: other_fields",
        "features of feature group benchmark_metrics: created: cost",
    ]
    assert problems(cloud) == {}


def test_records_fit_into_a_completed_table(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    _drop_last_column(cloud)
    document = make_document() | {"team": "x"}
    cloud.set_up()
    cloud.store().append([document], fresh=True)
    assert cloud.rows()[0]["other_fields"] == '{"team":"x"}'


def test_two_that_set_up_at_once_do_not_get_in_each_others_way(cloud: FakeGoogleCloud) -> None:
    one, other = cloud.store().set_up(), cloud.store().set_up()
    for pair in zip(one, other, strict=True):
        assert pair[0].part == pair[1].part
    assert problems(cloud) == {}
    # What another one makes between the look and the making is as good.
    cloud.registry.features.clear()
    cloud.registry.faults = {"BatchCreateFeatures": Fault(grpc.StatusCode.ALREADY_EXISTS)}
    steps(cloud)


def test_a_long_operation_is_waited_for(cloud: FakeGoogleCloud) -> None:
    cloud.registry.polls = 2
    cloud.set_up()
    assert cloud.registry.calls.count("GetOperation") == 4
    assert problems(cloud) == {}


def test_an_operation_that_fails_says_why(cloud: FakeGoogleCloud) -> None:
    cloud.registry.failure = status_pb2.Status(
        code=grpc.StatusCode.PERMISSION_DENIED.value[0], message="no read access"
    )
    with pytest.raises(StoreSetupError, match="no read access.*roles/"):
        steps(cloud)


def test_a_dataset_elsewhere_is_not_written_to(cloud: FakeGoogleCloud) -> None:
    _make_dataset(cloud, "europe-west4")
    with pytest.raises(StoreSetupError, match="is in europe-west4, not in us-central1; give --location europe-west4"):
        steps(cloud)
    assert not cloud.bigquery.tables


def test_a_column_of_another_type_is_never_changed(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    fields = cloud.bigquery.tables[TABLE].resource["schema"]["fields"]
    next(field for field in fields if field["name"] == "record_id")["type"] = "INTEGER"
    with pytest.raises(StoreSetupError, match="record_id is INTEGER, not STRING; give --table another name"):
        steps(cloud)


def test_a_group_of_another_table_is_left_alone(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    cloud.registry.groups[GROUP].big_query.big_query_source.input_uri = "bq://other.place.benchmark_metrics"
    with pytest.raises(StoreSetupError, match="is registered for bq://other.place.benchmark_metrics"):
        steps(cloud)


@pytest.mark.parametrize("call", ["GetFeatureGroup", "CreateFeatureGroup", "BatchCreateFeatures"])
def test_a_registry_that_is_silent_for_ever_does_not_hold_the_setup(cloud: FakeGoogleCloud, call: str) -> None:
    cloud.registry.faults = {call: Fault()}
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        for _ in cloud.store(timeout=0.2, deadline=0.3).set_up():
            pass


def test_an_operation_that_goes_silent_does_not_hold_the_setup(cloud: FakeGoogleCloud) -> None:
    cloud.registry.polls = 1
    cloud.registry.faults = {"GetOperation": Fault()}
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        for _ in cloud.store(timeout=0.2, deadline=0.3).set_up():
            pass


def test_an_operation_that_does_not_end_is_left(cloud: FakeGoogleCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "_CREATION_SECONDS", 0.1)
    cloud.registry.polls = 10_000
    with pytest.raises(StoreUnavailableError, match="run it again later"):
        steps(cloud)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "DEADLINE_EXCEEDED"])
def test_a_registry_that_is_away_for_a_moment_is_asked_again(cloud: FakeGoogleCloud, code: str) -> None:
    cloud.registry.faults = {"GetFeatureGroup": Fault(grpc.StatusCode[code], times=2)}
    assert steps(cloud)[-1].endswith("agent_selected")
    assert problems(cloud) == {}


# Checking -------------------------------------------------------------------------------------------------------------


def test_a_check_of_an_empty_project_says_to_set_it_up(cloud: FakeGoogleCloud) -> None:
    assert problems(cloud) == {
        "dataset demo-project.benchmarks": (
            "does not exist -> run `benchmark-recorder vertex setup --project demo-project`"
        )
    }


def test_missing_parts_are_named(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    cloud.bigquery.tables[TABLE].resource["schema"]["fields"].pop()
    del cloud.registry.features[f"{GROUP}/features/cost"]
    found = problems(cloud)
    assert found[f"table {TABLE}"].startswith("has no column other_fields -> run `benchmark-recorder vertex setup")
    assert found["features of feature group benchmark_metrics"].startswith("has no feature cost -> run")
    del cloud.registry.groups[GROUP]
    assert problems(cloud)["feature group benchmark_metrics"].startswith("does not exist -> run")
    del cloud.bigquery.tables[TABLE]
    assert problems(cloud)[f"table {TABLE}"].startswith("does not exist -> run")


@pytest.mark.parametrize(("where", "fix"), [("europe-west4", "give --location europe-west4"), ("US", "multi-region")])
def test_another_region_is_named(cloud: FakeGoogleCloud, where: str, fix: str) -> None:
    cloud.set_up()
    cloud.bigquery.datasets["benchmarks"]["location"] = where
    found = problems(cloud)["dataset demo-project.benchmarks"]
    assert found.startswith(f"is in {where.lower()}, not in us-central1 -> ")
    assert fix in found


def test_a_lacking_permission_is_named(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    cloud.bigquery.permissions = {"bigquery.tables.getData"}
    cloud.bigquery.faults = [RequestFault("/queries", 403, "accessDenied", "lacks bigquery.jobs.create")]
    cloud.registry.faults = {"GetFeatureGroup": Fault(grpc.StatusCode.PERMISSION_DENIED, "featureGroups.get denied")}
    found = problems(cloud)
    assert (
        "lacks bigquery.tables.updateData -> grant it roles/bigquery.dataEditor"
        in found[f"right to write to table {TABLE}"]
    )
    assert "bigquery.jobs.create -> the account lacks a permission: grant it" in found[f"queries of table {TABLE}"]
    assert "roles/aiplatform.featurestoreAdmin" in found["feature group benchmark_metrics"]


def test_an_api_that_is_not_enabled_is_named(cloud: FakeGoogleCloud) -> None:
    message = "Vertex AI API has not been used in project 1 before or it is disabled"
    cloud.registry.faults = {"GetFeatureGroup": Fault(grpc.StatusCode.PERMISSION_DENIED, message)}
    _make_dataset(cloud, "us-central1")
    assert (
        "gcloud services enable bigquery.googleapis.com aiplatform.googleapis.com --project demo-project"
        in (problems(cloud)["feature group benchmark_metrics"])
    )
    cloud.bigquery.faults = [
        RequestFault("", 403, "accessNotConfigured", "BigQuery API has not been used in project 1")
    ]
    assert "gcloud services enable" in problems(cloud)["dataset demo-project.benchmarks"]


def test_a_service_that_is_away_is_no_fault_of_the_setup(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.faults = [RequestFault("", 503)]
    assert problems(cloud, deadline=0.2)["dataset demo-project.benchmarks"].endswith("-> try again later")


def test_a_table_without_partitions_and_a_group_with_another_key_are_found(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    del cloud.bigquery.tables[TABLE].resource["timePartitioning"]
    cloud.registry.groups[GROUP].big_query.entity_id_columns = ["task_id"]
    found = problems(cloud)
    assert found[f"table {TABLE}"].startswith("is not partitioned by feature_timestamp")
    assert found["feature group benchmark_metrics"].startswith("is keyed by task_id, not by record_id")


# The fake refuses what the service is documented to refuse ------------------------------------------------------------


def test_the_fakes_refuse_hyphens_reserved_ids_and_the_key_as_a_feature(cloud: FakeGoogleCloud) -> None:
    cloud.set_up()
    client, parent = cloud.registry_client, GROUP.rpartition("/featureGroups/")[0]
    group = cloud.registry.groups[GROUP]
    for call in (
        lambda: client.create_feature_group(parent=parent, feature_group_id="genesis-benchmarks", feature_group=group),
        lambda: _create_feature(client, "feature_timestamp"),
        lambda: _create_feature(client, "record_id"),
        lambda: cloud.bigquery_client.create_dataset("genesis-benchmarks"),
    ):
        with pytest.raises(Exception, match="(?i)invalid"):
            call()


def _create_feature(client: Any, name: str) -> None:
    request = vertex.CreateFeatureRequest(parent=GROUP, feature_id=name, feature=vertex.Feature())
    client.batch_create_features(parent=GROUP, requests=[request])


# Credentials, over TLS ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority; gRPC reads its own list once a process, so each client is told."""
    return trustme.CA()


@pytest.fixture
def secure(cloud: FakeGoogleCloud, authority: trustme.CA) -> Iterator[FakeFeatureRegistry]:
    certificate = authority.issue_cert("localhost")
    chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
    tls = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
    registry = FakeFeatureRegistry(cloud.bigquery, tls)
    yield registry
    registry.close()


def _client(
    registry: FakeFeatureRegistry, credentials: Any, authority: trustme.CA
) -> vertex.FeatureRegistryServiceClient:
    roots = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    transport = vertex.FeatureRegistryServiceClient.get_transport_class("grpc")(
        host=f"localhost:{registry.port}", credentials=credentials, ssl_channel_credentials=roots
    )
    return vertex.FeatureRegistryServiceClient(transport=transport)


def test_a_bearer_token_goes_with_each_call_over_tls(
    cloud: FakeGoogleCloud, secure: FakeFeatureRegistry, authority: trustme.CA
) -> None:
    store = cloud.store(registry_client=_client(secure, Credentials("t0ken"), authority), deadline=10.0)
    done = [step.done for step in store.set_up()]
    assert done[0] == "created"
    assert [finding.problem for finding in store.check() if finding.problem] == []
    assert set(secure.authorizations) == {"Bearer t0ken"}
    store.registry_client().transport.close()


def test_an_expired_token_disguised_as_unavailable_is_named_as_what_it_is(
    cloud: FakeGoogleCloud, secure: FakeFeatureRegistry, authority: trustme.CA
) -> None:
    expired = Credentials("t0ken", expiry=datetime(2020, 1, 1))  # noqa: DTZ001 - Google's form
    client = _client(secure, expired, authority)
    with pytest.raises(StoreSetupError, match="credentials are expired.*gcloud auth application-default login"):
        list(cloud.store(registry_client=client).set_up())
    assert secure.calls == []
    client.transport.close()


def test_the_registry_of_the_stores_own_region_is_asked(cloud: FakeGoogleCloud) -> None:
    store = cloud.store(location="europe-west4", registry_client=None, credentials=AnonymousCredentials())
    with store:
        assert store.registry_client().api_endpoint == "europe-west4-aiplatform.googleapis.com"
