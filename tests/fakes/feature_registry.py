"""A Vertex AI feature registry on the loopback: the five calls that we make over gRPC, and the documented limits.

The client, its protocol buffers, its channel and its retries are Google's own; only the service is not.
"""

from __future__ import annotations

import itertools
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.cloud import aiplatform_v1 as vertex
from google.longrunning import operations_pb2
from google.protobuf import any_pb2
from google.rpc import status_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.bigquery import FakeBigQuery

SERVICE: Final = "/google.cloud.aiplatform.v1.FeatureRegistryService/"
GROUP_ID: Final = re.compile(r"[a-z_][a-z0-9_]{0,127}")
FEATURE_ID: Final = re.compile(r"[a-z_][a-z0-9_]{0,59}")
RESERVED: Final = {"entity_id", "feature_timestamp", "arrival_timestamp"}
FEATURE_TYPES: Final = {"FLOAT", "FLOAT64", "BOOLEAN", "BOOL", "STRING", "INTEGER", "INT64", "BYTES"}
KEY_TYPES: Final = {"STRING", "INTEGER", "INT64"}


class RefusalError(Exception):
    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Fault:
    """What calls of one name meet, ``times`` times (below 0: always); without a code they are never answered."""

    code: grpc.StatusCode | None = None
    message: str = "injected"
    times: int = -1


class FakeFeatureRegistry(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """Feature groups over the tables of a fake BigQuery."""

    def __init__(self, bigquery: FakeBigQuery, tls: grpc.ServerCredentials | None = None) -> None:
        self.bigquery = bigquery
        self.groups: dict[str, Any] = {}
        self.features: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self.polls = 0
        self.failure: status_pb2.Status | None = None
        self.faults: dict[str, Fault] = {}
        self.calls: list[str] = []
        self.authorizations: list[str | None] = []
        self.over = threading.Event()
        self.numbers = itertools.count(1)
        operation = operations_pb2.Operation
        self.methods: dict[str, tuple[Any, Any, Callable[[Any], Any]]] = {
            SERVICE + "GetFeatureGroup": (vertex.GetFeatureGroupRequest, vertex.FeatureGroup, self.get_group),
            SERVICE + "CreateFeatureGroup": (vertex.CreateFeatureGroupRequest, operation, self.create_group),
            SERVICE + "ListFeatures": (vertex.ListFeaturesRequest, vertex.ListFeaturesResponse, self.list_features),
            SERVICE + "BatchCreateFeatures": (vertex.BatchCreateFeaturesRequest, operation, self.create_features),
            "/google.longrunning.Operations/GetOperation": (
                operations_pb2.GetOperationRequest,
                operation,
                self.get_operation,
            ),
        }
        self.server = grpc.server(ThreadPoolExecutor(4), handlers=(self,))
        address = "127.0.0.1:0"
        self.port = self.server.add_secure_port(address, tls) if tls else self.server.add_insecure_port(address)
        self.server.start()

    def close(self) -> None:
        self.over.set()
        self.server.stop(0).wait()

    def service(self, details: Any) -> Any:
        """See ``grpc.GenericRpcHandler``."""
        if details.method not in self.methods:
            return None  # UNIMPLEMENTED
        request, answer, handle = self.methods[details.method]
        name = details.method.rpartition("/")[2]

        def serve(content: Any, context: Any) -> Any:
            self.calls.append(name)
            self.authorizations.append(dict(context.invocation_metadata()).get("authorization"))
            fault = self.faults.get(name)
            if fault is not None and fault.times:
                fault.times -= 1
                if fault.code is None:
                    self.over.wait()
                context.abort(fault.code or grpc.StatusCode.UNAVAILABLE, fault.message)
            try:
                return handle(content)
            except RefusalError as refusal:
                context.abort(refusal.code, str(refusal))

        return grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=getattr(request, "deserialize", None) or request.FromString,
            response_serializer=getattr(answer, "serialize", None) or answer.SerializeToString,
        )

    # The service ------------------------------------------------------------------------------------------------------

    def get_group(self, request: Any) -> Any:
        if request.name not in self.groups:
            raise RefusalError(grpc.StatusCode.NOT_FOUND, f"The FeatureGroup does not exist: {request.name}")
        return self.groups[request.name]

    def create_group(self, request: Any) -> Any:
        if not GROUP_ID.fullmatch(request.feature_group_id):
            raise RefusalError(
                grpc.StatusCode.INVALID_ARGUMENT, f"invalid FeatureGroup id {request.feature_group_id!r}"
            )
        columns = self.columns(request.feature_group)
        for key in request.feature_group.big_query.entity_id_columns or ["entity_id"]:
            if columns.get(key) not in KEY_TYPES:
                raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, f"entity id column {key}: not a STRING or INT64")
        if columns.get("feature_timestamp") != "TIMESTAMP":
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "the source has no TIMESTAMP feature_timestamp")
        name = f"{request.parent}/featureGroups/{request.feature_group_id}"
        if name in self.groups:
            raise RefusalError(grpc.StatusCode.ALREADY_EXISTS, f"{name} already exists")
        request.feature_group.name = name
        self.groups[name] = request.feature_group
        return self.operation(request.feature_group)

    def columns(self, group: Any) -> dict[str, str]:
        table = self.bigquery.tables.get(group.big_query.big_query_source.input_uri.removeprefix("bq://"))
        if table is None:
            raise RefusalError(grpc.StatusCode.NOT_FOUND, "the BigQuery source does not exist")
        return {name: column["type"] for name, column in table.fields.items()}

    def list_features(self, request: Any) -> Any:
        prefix = f"{request.parent}/features/"
        return vertex.ListFeaturesResponse(
            features=[feature for name, feature in self.features.items() if name.startswith(prefix)]
        )

    def create_features(self, request: Any) -> Any:
        group = self.get_group(vertex.GetFeatureGroupRequest(name=request.parent))
        columns = self.columns(group)
        made = {}
        for item in request.requests:
            column = item.feature.version_column_name or item.feature_id
            if not FEATURE_ID.fullmatch(item.feature_id) or item.feature_id in RESERVED:
                raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, f"invalid Feature id {item.feature_id!r}")
            if column in group.big_query.entity_id_columns or columns.get(column) not in FEATURE_TYPES:
                raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, f"column {column}: invalid schema for a Feature")
            name = f"{request.parent}/features/{item.feature_id}"
            if name in self.features:
                raise RefusalError(grpc.StatusCode.ALREADY_EXISTS, f"{name} already exists")
            item.feature.name = name
            made[name] = item.feature
        self.features |= made
        return self.operation(vertex.BatchCreateFeaturesResponse(features=[*made.values()]))

    def operation(self, result: Any) -> Any:
        packed = any_pb2.Any()
        packed.Pack(type(result).pb(result))
        name = f"projects/any/locations/any/operations/{next(self.numbers)}"
        done = operations_pb2.Operation(name=name, done=True, response=packed)
        if self.failure is not None:
            done = operations_pb2.Operation(name=name, done=True, error=self.failure)
        self.operations[name] = [operations_pb2.Operation(name=name)] * self.polls + [done]
        return self.get_operation(operations_pb2.GetOperationRequest(name=name))

    def get_operation(self, request: Any) -> Any:
        states = self.operations[request.name]
        return states.pop(0) if len(states) > 1 else states[0]


def client_of(registry: FakeFeatureRegistry) -> Any:
    """Google's client on a plain loopback channel."""
    channel = grpc.insecure_channel(f"127.0.0.1:{registry.port}", options=[("grpc.enable_http_proxy", 0)])
    transport = vertex.FeatureRegistryServiceClient.get_transport_class("grpc")(channel=channel)
    return vertex.FeatureRegistryServiceClient(transport=transport)
