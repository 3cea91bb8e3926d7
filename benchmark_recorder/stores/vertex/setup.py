"""The one-time set-up of a Vertex AI store, and the check of whether it is as it should be.

Dataset, table, feature group, features: what is missing is created; what exists is never changed, except that missing
columns are added to the table. Running it again does nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from google.api_core import exceptions
from google.cloud import aiplatform_v1, bigquery

from benchmark_recorder.errors import StoreSetupError, StoreUnavailableError
from benchmark_recorder.stores.vertex.columns import add_columns, field_of
from benchmark_recorder.stores.vertex.requests import RAISED, limits, ours, passes, translated
from benchmark_recorder.stores.vertex.rows import (
    CLUSTERED_BY,
    ENTITY,
    FEATURES,
    OPTIONAL,
    OTHER_FIELDS,
    PARTITIONED_BY,
    SCHEMA,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from google.api_core.operation import Operation

    from benchmark_recorder.stores.vertex.place import Clients, Place

T = TypeVar("T")

_SAME_TYPE: Final = {"FLOAT64": "FLOAT", "INT64": "INTEGER", "BOOL": "BOOLEAN"}
"""BigQuery's two names for a type."""

_CREATION_SECONDS: Final = 300.0
"""How long the registry may take to create a group or its features; usually a minute."""

_RIGHTS: Final = ("bigquery.tables.getData", "bigquery.tables.updateData")

_OTHER_TABLE: Final = "give --table another name; columns of a table that has rows are never changed"


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
    """The result of one check.

    Attributes:
        part: what it is about, with its name.
        problem: what is wrong; empty if nothing is.
        fix: what to do about it.
    """

    part: str
    problem: str = ""
    fix: str = ""


class _Problem(NamedTuple):
    """What is wrong with a part.

    Attributes:
        what: in words.
        fix: what to do about it.
        missing: what the set-up would create in the part: names, or ``_ALL`` of it; nothing where a person must act.
    """

    what: str
    fix: str
    missing: tuple[str, ...] = ()


_ALL: Final = ("all",)

_Look: TypeAlias = "Callable[[], _Problem | None]"


class Setup:
    """Looks at a store's parts in Google Cloud, and creates those that are missing."""

    def __init__(self, place: Place, clients: Clients) -> None:
        self._place, self._clients = place, clients
        self._limits = limits(place)
        self._setup_line = f"run `benchmark-recorder vertex setup --project {place.project}`"
        self._dataset_id = f"{place.project}.{place.dataset}"
        self._registry = f"projects/{place.project}/locations/{place.location}"
        self._group_id = f"{self._registry}/featureGroups/{place.table}"
        self._dataset = f"dataset {self._dataset_id}"
        self._table = f"table {place.table_id}"
        self._group = f"feature group {place.table}"

    def run(self, *, dry_run: bool = False) -> Iterator[Step]:
        """See ``VertexStore.set_up``."""
        parts: tuple[tuple[str, _Look, Callable[[tuple[str, ...]], None]], ...] = (
            (self._dataset, self._look_at_dataset, self._create_dataset),
            (self._table, self._look_at_table, self._create_table),
            (f"columns of {self._table}", self._look_at_columns, self._add_columns),
            (self._group, self._look_at_group, self._create_group),
            (f"features of {self._group}", self._look_at_features, self._create_features),
        )
        for part, look, create in parts:
            with translated(self._place):
                problem = look()
                if problem and not problem.missing:
                    raise StoreSetupError(f"{part.removeprefix('columns of ')}: {problem.what}; {problem.fix}")
                if problem and not dry_run:
                    create(problem.missing)
            done = "is there" if not problem else "would be created" if dry_run else "created"
            yield Step(
                part, done if not problem or problem.missing == _ALL else f"{done}: {', '.join(problem.missing)}"
            )

    def check(self) -> Iterator[Finding]:
        """Check every part, and describe each problem together with its fix; nothing is changed.

        What cannot be checked because an earlier part is missing is left out.
        """
        if not (yield from self._check(self._dataset, self._look_at_dataset)):
            return
        if (yield from self._check(self._table, self._look_at_table, self._look_at_columns, self._look_at_partitions)):
            yield from self._check(f"right to write to {self._table}", self._look_at_rights)
            yield from self._check(f"queries of {self._table}", self._look_at_queries)
        if (yield from self._check(self._group, self._look_at_group)):
            yield from self._check(f"features of {self._group}", self._look_at_features)

    def _check(self, part: str, *looks: _Look) -> Generator[Finding, None, bool]:
        """One finding about a part: its first problem; whether there is none."""
        name = self._place.name
        try:
            problem = next(filter(None, (look() for look in looks)), None)
        except RAISED as error:
            text = str(ours(error, self._place))
            if isinstance(error, exceptions.RetryError) or passes(error):
                problem = _Problem(text, "try again later")
            else:
                what, _, fix = text.removeprefix(f"{name}: ").rpartition("; ")
                problem = _Problem(what, fix)
        yield Finding(part) if problem is None else Finding(part, problem.what, problem.fix)
        return problem is None

    # Dataset ----------------------------------------------------------------------------------------------------------

    def _look_at_dataset(self) -> _Problem | None:
        dataset = _existing(lambda: self._clients.bigquery().get_dataset(self._dataset_id, **self._limits))
        if dataset is None:
            return self._absent()
        location = str(dataset.location).lower()
        if location == self._place.location:
            return None
        return _Problem(
            f"is in {location}, not in {self._place.location}",
            f"give --location {location} (the store's location=), or --dataset for another one"
            if "-" in location
            else "a multi-region is not supported: give --dataset for another one",
        )

    def _absent(self) -> _Problem:
        return _Problem("does not exist", self._setup_line, _ALL)

    def _create_dataset(self, _: tuple[str, ...]) -> None:
        dataset = bigquery.Dataset(self._dataset_id)
        dataset.location = self._place.location
        self._clients.bigquery().create_dataset(dataset, exists_ok=True, **self._limits)

    # Table ------------------------------------------------------------------------------------------------------------

    def _get_table(self) -> bigquery.Table | None:
        return _existing(lambda: self._clients.bigquery().get_table(self._place.table_id, **self._limits))

    def _look_at_table(self) -> _Problem | None:
        return None if self._get_table() else self._absent()

    def _create_table(self, _: tuple[str, ...]) -> None:
        table = bigquery.Table(self._place.table_id, [field_of(column, column.mode) for column in SCHEMA])
        table.time_partitioning = bigquery.TimePartitioning(
            type_=bigquery.TimePartitioningType.DAY, field=PARTITIONED_BY
        )
        table.clustering_fields = list(CLUSTERED_BY)
        table.description = "Task executions, one a row; read each record_id once. Written by benchmark-recorder."
        self._clients.bigquery().create_table(table, exists_ok=True, **self._limits)

    def _look_at_columns(self) -> _Problem | None:
        table = self._get_table()
        if table is None:
            return None
        there = {field.name: _SAME_TYPE.get(field.field_type, field.field_type) for field in table.schema}
        wrong = [f"{c.name} is {there[c.name]}, not {c.kind}" for c in SCHEMA if there.get(c.name, c.kind) != c.kind]
        if wrong:
            return _Problem(f"has columns of other types: {', '.join(wrong)}", _OTHER_TABLE)
        missing = tuple(column.name for column in SCHEMA if column.name not in there)
        if not missing:
            return None
        what = f"has no column {', '.join(missing)}"
        if OPTIONAL.issuperset(missing) and OTHER_FIELDS not in missing:
            what += f"; where recording may not add it, the values are in {OTHER_FIELDS}"
        return _Problem(what, self._setup_line, missing)

    def _add_columns(self, missing: tuple[str, ...]) -> None:
        add_columns(self._clients.bigquery(), self._place, missing)

    def _look_at_partitions(self) -> _Problem | None:
        table = self._get_table()
        partitioning = table and table.time_partitioning
        if partitioning and partitioning.field == PARTITIONED_BY:
            return None
        return _Problem(
            f"is not partitioned by {PARTITIONED_BY}, so each question reads all of it",
            "create a new table with `vertex setup --table`, and copy the rows",
        )

    def _look_at_rights(self) -> _Problem | None:
        answer = self._clients.bigquery().test_iam_permissions(self._place.table_id, list(_RIGHTS), **self._limits)
        lacking = sorted(set(_RIGHTS).difference(answer.get("permissions", ())))
        if not lacking:
            return None
        return _Problem(
            f"the account lacks {', '.join(lacking)}",
            f"grant it roles/bigquery.dataEditor on the dataset {self._place.dataset}",
        )

    def _look_at_queries(self) -> None:
        """Ask for a query that is not even run: it needs the right to run jobs, and the location."""
        self._clients.bigquery().query(
            f"SELECT record_id FROM `{self._place.table_id}` "  # noqa: S608 - checked by Place
            "WHERE feature_timestamp >= TIMESTAMP '0001-01-01' LIMIT 0",
            job_config=bigquery.QueryJobConfig(dry_run=True),
            location=self._place.location,
            job_retry=None,
            api_method="QUERY",
            **self._limits,
        )

    # Feature group ----------------------------------------------------------------------------------------------------

    def _look_at_group(self) -> _Problem | None:
        group = _existing(lambda: self._clients.registry().get_feature_group(name=self._group_id, **self._limits))
        if group is None:
            return self._absent()
        uri, wanted = group.big_query.big_query_source.input_uri, f"bq://{self._place.table_id}"
        if uri != wanted:
            return _Problem(
                f"is registered for {uri}, not for {wanted}", "give --table another name, which also names the group"
            )
        keys = list(group.big_query.entity_id_columns)
        if keys != [ENTITY]:
            return _Problem(
                f"is keyed by {', '.join(keys)}, not by {ENTITY}",
                "delete the feature group (the table keeps its rows), and run `vertex setup` again",
            )
        return None

    def _create_group(self, _: tuple[str, ...]) -> None:
        source = aiplatform_v1.BigQuerySource(input_uri=f"bq://{self._place.table_id}")
        group = aiplatform_v1.FeatureGroup(
            big_query=aiplatform_v1.FeatureGroup.BigQuery(
                big_query_source=source, entity_id_columns=[ENTITY], dense=True
            ),
            description="Task executions recorded by benchmark-recorder.",
        )
        self._finish(
            lambda: self._clients.registry().create_feature_group(
                parent=self._registry, feature_group_id=self._place.table, feature_group=group, **self._limits
            )
        )

    def _look_at_features(self) -> _Problem | None:
        features = _existing(lambda: self._clients.registry().list_features(parent=self._group_id, **self._limits))
        there = {feature.name.rpartition("/")[2] for feature in features or ()}
        missing = tuple(feature for feature in FEATURES if feature not in there)
        return _Problem(f"has no feature {', '.join(missing)}", self._setup_line, missing) if missing else None

    def _create_features(self, missing: tuple[str, ...]) -> None:
        parent = self._group_id
        requests = [
            aiplatform_v1.CreateFeatureRequest(
                parent=parent, feature_id=feature, feature=aiplatform_v1.Feature(version_column_name=feature)
            )
            for feature in missing
        ]
        self._finish(
            lambda: self._clients.registry().batch_create_features(parent=parent, requests=requests, **self._limits)
        )

    def _finish(self, start: Callable[[], Operation]) -> None:
        """Run a long operation to its end; if another process has created the same first, that is as good."""
        try:
            state = start().operation
            end = time.monotonic() + _CREATION_SECONDS
            while not state.done:
                if time.monotonic() > end:
                    raise StoreUnavailableError(
                        f"{self._place.name}: {state.name} takes more than {_CREATION_SECONDS:g} s; run it again later"
                    )
                time.sleep(0.5)
                # Not operation.result(), whose polls have no timeout of ours.
                state = self._clients.registry().get_operation({"name": state.name}, **self._limits)
            if state.HasField("error"):
                raise exceptions.from_grpc_status(state.error.code, state.error.message)
        except exceptions.AlreadyExists:
            return


def _existing(get: Callable[[], T]) -> T | None:
    """What a call gets; ``None`` if it does not exist."""
    try:
        return get()
    except exceptions.NotFound:
        return None
