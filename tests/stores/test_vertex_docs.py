"""What ``docs/vertex.md`` shows is what the set-up makes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import sqlglot
from google.cloud import aiplatform_v1
from sqlglot.optimizer.qualify import qualify

from benchmark_recorder.stores.vertex.rows import CLUSTERED_BY, ENTITY, FEATURES, PARTITIONED_BY, SCHEMA

PAGE = (Path(__file__).parents[2] / "docs" / "vertex.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_schema_is_the_tables() -> None:
    [schema] = blocks("json")
    assert json.loads(schema) == [{"name": c.name, "type": c.kind, "mode": c.mode} for c in SCHEMA]


def test_terraform_names_the_same_partition_clusters_key_and_features() -> None:
    [terraform] = blocks("hcl")
    listed = [json.loads(names) for names in re.findall(r"\[\"[^\]]*\]", terraform)]
    assert listed == [list(CLUSTERED_BY), [ENTITY], list(FEATURES)]
    assert f'field = "{PARTITIONED_BY}"' in terraform


def test_rest_names_fields_that_the_service_knows() -> None:
    rest = blocks("sh")[1]
    dataset, group = re.findall(r"<<'JSON'\n(.*?)\nJSON$", rest, re.MULTILINE | re.DOTALL)
    assert json.loads(dataset)["location"] == "us-central1"
    parsed = aiplatform_v1.FeatureGroup.from_json(group, ignore_unknown_fields=False)
    assert list(parsed.big_query.entity_id_columns) == [ENTITY]
    assert parsed.big_query.dense
    assert f"for feature in {' '.join(FEATURES)};" in rest


def test_the_shown_sql_names_columns_that_are_there() -> None:
    [sql] = blocks("sql")
    columns: dict[str, object] = {column.name: column.kind for column in SCHEMA}
    schema: dict[str, object] = {"my-project": {"benchmarks": {"benchmark_metrics": columns}}}
    qualify(sqlglot.parse_one(sql, dialect="bigquery"), schema=schema, dialect="bigquery")
