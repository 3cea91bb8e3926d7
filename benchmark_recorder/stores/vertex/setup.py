"""The one-time set-up of a Vertex AI store, and the look at whether it is as it should be.

Dataset, table, feature group, features: each is looked for, made where it is missing, and never changed otherwise but
for columns that are added to the table. To run it again does nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.api_core import exceptions
from google.cloud import aiplatform_v1, bigquery

from benchmark_recorder.errors import StoreSetupError, StoreUnavailableError
from benchmark_recorder.stores.vertex.requests import RAISED, ours, passes, patience, translated
from benchmark_recorder.stores.vertex.rows import CLUSTERED_BY, ENTITY, FEATURES, PARTITIONED_BY, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from google.api_core.operation import Operation

    from benchmark_recorder.stores.vertex.store import VertexStore

_SAME_TYPE: Final = {"FLOAT64": "FLOAT", "INT64": "INTEGER", "BOOL": "BOOLEAN"}
"""BigQuery's two names for a type."""

_CREATION_SECONDS: Final = 300.0
"""How long the registry may take to make a group or its features; it says a minute."""

_WRITING: Final = "bigquery.tables.updateData"
_READING: Final = "bigquery.tables.getData"


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the set-up.

    Attributes:
        part: what it is about, with its name.
        done: ``"is there"``, ``"created"``, ``"would be created"``, ...
    """

    part: str
    done: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        part: what it is about, with its name.
        problem: what is wrong; empty where nothing is.
        fix: what to do about it.
    """

    part: str
    problem: str = ""
    fix: str = ""


class Setup:
    """Looks at a store's parts in Google Cloud, and makes those that are missing.

    Args:
        store: which project, location, dataset and table, and the clients.
    """

    def __init__(self, store: VertexStore) -> None:
        self._store = store
        self._retry = patience(store.deadline)
        self._calls: dict[str, Any] = {"retry": self._retry, "timeout": store.timeout}
        self._setup_line = f"run `benchmark-recorder vertex setup --project {store.project}`"

    # Making -----------------------------------------------------------------------------------------------------------

    def run(self, *, dry_run: bool = False) -> Iterator[Step]:
        """Make what is missing, one step after the other.

        Args:
            dry_run: look, and change nothing.

        Raises:
            StoreSetupError: something stands in the way; says what to do.
            StoreUnavailableError: a call failed for now; run it again.
        """
        for part, is_missing, make in (
            (self._dataset_name, self._dataset_is_missing, self._create_dataset),
            (self._table_name, self._table_is_missing, self._create_table),
            (f"columns of {self._table_name}", self._columns_are_missing, self._add_columns),
            (self._group_name, self._group_is_missing, self._create_group),
            (f"features of {self._group_name}", self._features_are_missing, self._create_features),
        ):
            with translated(self._store.name, self._store.project):
                missing = is_missing()
                if missing and not dry_run:
                    make()
            done = "is there" if not missing else "would be created" if dry_run else "created"
            yield Step(part, done if missing in {"", "all"} else f"{done}: {missing}")

    @property
    def _dataset_name(self) -> str:
        return f"dataset {self._store.project}.{self._store.dataset}"

    @property
    def _table_name(self) -> str:
        return f"table {self._store.table_id}"

    @property
    def _group_name(self) -> str:
        return f"feature group {self._store.table}"

    def _dataset_is_missing(self) -> str:
        dataset = self._dataset()
        if dataset is not None and (problem := self._wrong_location(dataset)):
            raise StoreSetupError(f"{self._dataset_name}: {problem[0]}; {problem[1]}")
        return "" if dataset else "all"

    def _create_dataset(self) -> None:
        dataset = bigquery.Dataset(f"{self._store.project}.{self._store.dataset}")
        dataset.location = self._store.location
        self._store.bigquery_client().create_dataset(dataset, exists_ok=True, **self._calls)

    def _table_is_missing(self) -> str:
        return "" if self._table() else "all"

    def _create_table(self) -> None:
        table = bigquery.Table(self._store.table_id, [_field(*column) for column in SCHEMA])
        table.time_partitioning = bigquery.TimePartitioning(
            type_=bigquery.TimePartitioningType.DAY, field=PARTITIONED_BY
        )
        table.clustering_fields = list(CLUSTERED_BY)
        table.description = "Task executions, one a row; read each record_id once. Written by benchmark-recorder."
        self._store.bigquery_client().create_table(table, exists_ok=True, **self._calls)

    def _columns_are_missing(self) -> str:
        table = self._table()
        if table is None:
            return ""
        if wrong := _wrong_columns(table):
            raise StoreSetupError(f"{self._table_name}: {wrong}; {_OTHER_TABLE}")
        return ", ".join(_missing_columns(table))

    def _add_columns(self) -> None:
        table = self._table()
        assert table is not None
        missing = _missing_columns(table)
        # BigQuery adds no REQUIRED column to a table that is there.
        added = [_field(name, kind, "NULLABLE", text) for name, kind, _, text in SCHEMA if name in missing]
        table.schema = [*table.schema, *added]
        self._store.bigquery_client().update_table(table, ["schema"], **self._calls)

    def _group_is_missing(self) -> str:
        group = self._group()
        if group is not None and (problem := self._wrong_source(group)):
            raise StoreSetupError(f"{self._group_name}: {problem[0]}; {problem[1]}")
        return "" if group else "all"

    def _create_group(self) -> None:
        source = aiplatform_v1.BigQuerySource(input_uri=f"bq://{self._store.table_id}")
        group = aiplatform_v1.FeatureGroup(
            big_query=aiplatform_v1.FeatureGroup.BigQuery(
                big_query_source=source, entity_id_columns=[ENTITY], dense=True
            ),
            description="Task executions recorded by benchmark-recorder.",
        )
        self._finish(
            lambda: self._store.registry_client().create_feature_group(
                parent=self._parent, feature_group_id=self._store.table, feature_group=group, **self._calls
            )
        )

    def _features_are_missing(self) -> str:
        return ", ".join(self._missing_features())

    def _create_features(self) -> None:
        requests = [
            aiplatform_v1.CreateFeatureRequest(
                parent=self._group_path, feature_id=feature, feature=aiplatform_v1.Feature(version_column_name=feature)
            )
            for feature in self._missing_features()
        ]
        self._finish(
            lambda: self._store.registry_client().batch_create_features(
                parent=self._group_path, requests=requests, **self._calls
            )
        )

    def _finish(self, start: Callable[[], Operation]) -> None:
        """Run a long operation to its end; another one that made the same first is as good."""
        try:
            state = start().operation
            end = time.monotonic() + _CREATION_SECONDS
            while not state.done:
                if time.monotonic() > end:
                    raise StoreUnavailableError(
                        f"{self._store.name}: {state.name} goes on after {_CREATION_SECONDS:g} s; run it again later"
                    )
                time.sleep(0.5)
                # Not operation.result(), whose polls have no timeout of ours.
                state = self._store.registry_client().get_operation({"name": state.name}, **self._calls)
            if state.HasField("error"):
                raise exceptions.from_grpc_status(state.error.code, state.error.message)
        except exceptions.AlreadyExists:
            return

    # Looking ----------------------------------------------------------------------------------------------------------

    def check(self) -> Iterator[Finding]:
        """Look at every part, and say what is missing in words that name the fix; nothing is changed.

        What cannot be looked at because an earlier part is missing is left out.
        """
        found = yield from self._look(self._dataset_name, self._check_dataset)
        if not found:
            return
        found = yield from self._look(self._table_name, self._check_table)
        if found:
            yield from self._look(f"right to write to {self._table_name}", self._check_rights)
            yield from self._look(f"queries of {self._table_name}", self._check_query)
        if (yield from self._look(self._group_name, self._check_group)):
            yield from self._look(f"features of {self._group_name}", self._check_features)

    def _look(self, part: str, look: Callable[[], tuple[str, str] | None]) -> Generator[Finding, None, bool]:
        try:
            problem = look()
        except RAISED as error:
            if isinstance(error, exceptions.RetryError) or passes(error):
                problem = (str(ours(error, self._store.name, self._store.project)), "try again later")
            else:
                said = str(ours(error, self._store.name, self._store.project)).removeprefix(f"{self._store.name}: ")
                what, _, fix = said.rpartition("; ")
                problem = (what, fix)
        yield Finding(part, *(problem or ()))
        return problem is None

    def _check_dataset(self) -> tuple[str, str] | None:
        dataset = self._dataset()
        return ("is not there", self._setup_line) if dataset is None else self._wrong_location(dataset)

    def _check_table(self) -> tuple[str, str] | None:
        table = self._table()
        if table is None:
            return "is not there", self._setup_line
        if wrong := _wrong_columns(table):
            return wrong, _OTHER_TABLE
        if missing := _missing_columns(table):
            return f"has no column {', '.join(missing)}", self._setup_line
        partitioning = table.time_partitioning
        if partitioning is None or partitioning.field != PARTITIONED_BY:
            return (
                f"is not partitioned by {PARTITIONED_BY}, so each question reads all of it",
                "make a new table with `vertex setup --table`, and copy the rows",
            )
        return None

    def _check_rights(self) -> tuple[str, str] | None:
        answer = self._store.bigquery_client().test_iam_permissions(
            self._store.table_id, [_WRITING, _READING], **self._calls
        )
        lacking = {_WRITING, _READING} - set(answer.get("permissions", ()))
        if lacking:
            return (
                f"the account lacks {', '.join(sorted(lacking))}",
                f"grant it roles/bigquery.dataEditor on the dataset {self._store.dataset}",
            )
        return None

    def _check_query(self) -> tuple[str, str] | None:
        """A query that reads nothing, and is not even run: it needs the right to run jobs, and the location."""
        self._store.bigquery_client().query(
            f"SELECT record_id FROM `{self._store.table_id}` LIMIT 0",  # noqa: S608 - checked by the constructor
            job_config=bigquery.QueryJobConfig(dry_run=True),
            location=self._store.location,
            job_retry=None,
            api_method="QUERY",
            **self._calls,
        )
        return None

    def _check_group(self) -> tuple[str, str] | None:
        group = self._group()
        return ("is not there", self._setup_line) if group is None else self._wrong_source(group)

    def _check_features(self) -> tuple[str, str] | None:
        missing = self._missing_features()
        return (f"has no feature {', '.join(missing)}", self._setup_line) if missing else None

    # Google's side ----------------------------------------------------------------------------------------------------

    @property
    def _parent(self) -> str:
        return f"projects/{self._store.project}/locations/{self._store.location}"

    @property
    def _group_path(self) -> str:
        return f"{self._parent}/featureGroups/{self._store.table}"

    def _dataset(self) -> bigquery.Dataset | None:
        try:
            return self._store.bigquery_client().get_dataset(
                f"{self._store.project}.{self._store.dataset}", **self._calls
            )
        except exceptions.NotFound:
            return None

    def _table(self) -> bigquery.Table | None:
        try:
            return self._store.bigquery_client().get_table(self._store.table_id, **self._calls)
        except exceptions.NotFound:
            return None

    def _group(self) -> aiplatform_v1.FeatureGroup | None:
        try:
            return self._store.registry_client().get_feature_group(name=self._group_path, **self._calls)
        except exceptions.NotFound:
            return None

    def _missing_features(self) -> list[str]:
        try:
            there = {
                feature.name.rpartition("/")[2]
                for feature in self._store.registry_client().list_features(parent=self._group_path, **self._calls)
            }
        except exceptions.NotFound:
            there = set()
        return [feature for feature in FEATURES if feature not in there]

    def _wrong_location(self, dataset: bigquery.Dataset) -> tuple[str, str] | None:
        where = str(dataset.location).lower()
        if where == self._store.location:
            return None
        return (
            f"is in {where}, not in {self._store.location}",
            f"give --location {where} (the store's location=), or --dataset for another one"
            if "-" in where
            else "a multi-region will not do: give --dataset for another one",
        )

    def _wrong_source(self, group: aiplatform_v1.FeatureGroup) -> tuple[str, str] | None:
        uri, wanted = group.big_query.big_query_source.input_uri, f"bq://{self._store.table_id}"
        if uri != wanted:
            return f"is registered for {uri}, not for {wanted}", "give --table another name, which is the group's too"
        if list(group.big_query.entity_id_columns) != [ENTITY]:
            return (
                f"is keyed by {', '.join(group.big_query.entity_id_columns)}, not by {ENTITY}",
                "delete the feature group (the table keeps its rows), and run `vertex setup` again",
            )
        return None


_OTHER_TABLE: Final = "give --table another name; a table with rows in it is never changed so"


def _field(name: str, kind: str, mode: str, description: str) -> bigquery.SchemaField:
    return bigquery.SchemaField(name, kind, mode=mode, description=description)


def _missing_columns(table: bigquery.Table) -> list[str]:
    there = {field.name for field in table.schema}
    return [column.name for column in SCHEMA if column.name not in there]


def _wrong_columns(table: bigquery.Table) -> str:
    """Columns of another type than ours."""
    there = {field.name: _SAME_TYPE.get(field.field_type, field.field_type) for field in table.schema}
    wrong = [f"{c.name} is {there[c.name]}, not {c.kind}" for c in SCHEMA if there.get(c.name, c.kind) != c.kind]
    return f"has columns of other types: {', '.join(wrong)}" if wrong else ""
