"""The columns that a table of an older release lacks: they are added, or their values go to ``other_fields``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.api_core import exceptions
from google.cloud import bigquery

from benchmark_recorder.log import logger
from benchmark_recorder.stores.vertex.requests import limits, passes
from benchmark_recorder.stores.vertex.rows import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Collection

    from benchmark_recorder.stores.vertex.place import Place
    from benchmark_recorder.stores.vertex.rows import Column


def missing_columns(client: bigquery.Client, place: Place) -> tuple[Column, ...]:
    """The nullable columns that the table lacks.

    Raises:
        google.api_core.exceptions.GoogleAPIError: and all others of ``requests.RAISED``.
    """
    there = {field.name for field in client.get_table(place.table_id, **limits(place)).schema}
    return tuple(column for column in SCHEMA if column.mode == "NULLABLE" and column.name not in there)


def add_columns(client: bigquery.Client, place: Place, wanted: Collection[str]) -> None:
    """Add those of the columns that the table lacks; others may alter it at the same time.

    Raises:
        google.api_core.exceptions.GoogleAPIError: and all others of ``requests.RAISED``.
    """
    while True:
        table = client.get_table(place.table_id, **limits(place))
        there = {field.name for field in table.schema}
        # BigQuery adds no REQUIRED column to an existing table.
        added = [field_of(c, "NULLABLE") for c in SCHEMA if c.name in wanted and c.name not in there]
        if not added:
            return
        table.schema = [*table.schema, *added]
        try:
            client.update_table(table, ["schema"], **limits(place))
        except exceptions.PreconditionFailed:  # someone was faster, and may have added the same
            continue
        return


def field_of(column: Column, mode: str) -> bigquery.SchemaField:
    """A column as Google's client has it."""
    return bigquery.SchemaField(column.name, column.kind, mode=mode, description=column.description)


def make_room(client: bigquery.Client, place: Place, needed: frozenset[str]) -> frozenset[str]:
    """Add the nullable columns that the table lacks, ``needed`` ones among them; those that may not be added.

    Raises:
        google.api_core.exceptions.GoogleAPIError: and all others of ``requests.RAISED``.
    """
    lacking = needed
    try:
        lacking = frozenset(column.name for column in missing_columns(client, place))
        if not lacking.isdisjoint(needed):
            add_columns(client, place, lacking)
            logger.info("%s has new columns: %s", place.name, ", ".join(sorted(lacking)))
    except (exceptions.Forbidden, exceptions.BadRequest) as error:
        if passes(error):
            raise
        logger.warning(
            "%s lacks columns that this account may not add (%s): their values are kept in the column other_fields, "
            "where questions find them; run `benchmark-recorder vertex setup --project %s` with an account that may "
            "alter the table: %s",
            *(place.name, ", ".join(sorted(lacking)), place.project, error.message),
        )
        return lacking
    return frozenset()
