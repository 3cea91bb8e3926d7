"""A BigQuery on the loopback: the parts of its REST API that we use, rows in sqlite, and what the service refuses.

The client, its HTTP and its retries are Google's own; only the service behind the socket is not.
"""

from __future__ import annotations

import gzip
import http.server
import json
import math
import re
import sqlite3
import ssl
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

ID: Final = re.compile(r"[A-Za-z0-9_]{1,1024}")
MAX_REQUEST: Final = 10_000_000
if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
STREAMED_DAYS: Final = (-1825, 366)
AFFINITY: Final = {
    "FLOAT": "REAL",
    "INTEGER": "INTEGER",
    "BOOLEAN": "INTEGER",
    "TIMESTAMP": "INTEGER",
    "STRING": "TEXT",
}


class RefusalError(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


@dataclass
class Fault:
    """What happens to requests whose path ends so (of one method, if given), ``times`` times (below 0: always).

    ``status`` answers with an error; ``silent`` never answers; ``applied`` does it after the request took effect,
    and closes the connection without a word where there is no status.
    """

    ending: str = ""
    status: int = 0
    reason: str = "backendError"
    message: str = "injected"
    silent: bool = False
    applied: bool = False
    delay: float = 0.0
    times: int = -1
    method: str = ""

    def strike(self) -> None:
        if self.status:
            raise RefusalError(self.status, self.reason, self.message)


@dataclass
class Table:
    resource: dict[str, Any]
    insert_ids: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)

    @property
    def fields(self) -> dict[str, dict[str, Any]]:
        return {column["name"]: column for column in self.resource["schema"]["fields"]}


class FakeBigQuery:
    """Datasets, tables, rows, queries; ``faults`` break it, ``refuse`` says why a row is invalid.

    So many ``late_inserts`` do not know the columns that were added before.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        self.db.create_function("UNIX_MICROS", 1, lambda micros: micros, deterministic=True)
        self.db.create_function("LN", 1, lambda x: None if x is None else math.log(x), deterministic=True)
        # sqlite's own calculates with doubles.
        self.db.create_function("JSON_VALUE", 2, _json_value, deterministic=True)
        self.db.create_function("JSON_QUERY", 2, _json_query, deterministic=True)
        self.db.create_function("MOD", 2, _remainder, deterministic=True)
        self.lock = threading.RLock()
        self.datasets: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, Table] = {}
        self.types: dict[str, str] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.authorizations: list[str | None] = []
        self.faults: list[Fault] = []
        self.token: str | None = None
        self.permissions = {"bigquery.tables.updateData", "bigquery.tables.getData"}
        self.refuse: Callable[[dict[str, Any]], str] = lambda _: ""
        self.refuse_request: Callable[[list[dict[str, Any]]], str] = lambda _: ""
        self.row_problem = ""
        self.remembers_insert_ids = True
        self.late_inserts = 0
        self.page_rows = 10_000
        self.slow_polls = 0
        self.over = threading.Event()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"fake": self}))
        self.http.daemon_threads = True
        self.crashes: list[BaseException | None] = []
        self.http.handle_error = self.note  # type: ignore[method-assign,assignment]
        if tls is not None:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        host = "https://localhost" if tls else "http://127.0.0.1"
        self.url = f"{host}:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.over.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
        self.db.close()
        assert not self.crashes

    def note(self, *_: object) -> None:
        """An error of a handler: a client that gave up is none, any other is the fake's own."""
        if not isinstance(sys.exception(), OSError):
            self.crashes.append(sys.exception())

    # For tests --------------------------------------------------------------------------------------------------------

    def rows(self, table: str) -> list[dict[str, Any]]:
        with self.lock:
            return [dict(row) for row in self.db.execute(f'SELECT * FROM "{table}"')]

    def drop_columns(self, table: str, *columns: str) -> None:
        """Make it a table of an older release."""
        with self.lock:
            for column in columns:
                self.db.execute(f'ALTER TABLE "{table}" DROP COLUMN {column}')
            schema = self.tables[table].resource["schema"]
            schema["fields"] = [field for field in schema["fields"] if field["name"] not in columns]

    def count(self, ending: str) -> int:
        return sum(path.endswith(ending) for _, path in self.requests)

    # The service ------------------------------------------------------------------------------------------------------

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.lock:
            hit = (f for f in self.faults if path.endswith(f.ending) and f.method in {"", method} and f.times)
            fault = next(hit, None)
            if fault is not None:
                fault.times -= 1
            return fault

    def serve(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any], etag: str | None
    ) -> dict[str, Any]:
        route = path.removeprefix("/bigquery/v2/projects/")
        routes = (
            ("POST", r"[^/]+/datasets", lambda: self.create_dataset(body)),
            ("GET", r"[^/]+/datasets/([^/]+)", self.get_dataset),
            ("POST", r"[^/]+/datasets/([^/]+)/tables", lambda dataset: self.create_table(dataset, body)),
            ("GET", r"([^/]+)/datasets/([^/]+)/tables/([^/:]+)", self.get_table),
            ("PATCH", r"([^/]+)/datasets/([^/]+)/tables/([^/:]+)", lambda *name: self.patch_table(name, body, etag)),
            ("POST", r"([^/]+)/datasets/([^/]+)/tables/([^/:]+)/insertAll", lambda *name: self.insert_all(name, body)),
            ("POST", r"[^/]+/datasets/[^/]+/tables/[^/:]+:testIamPermissions", lambda: self.test_permissions(body)),
            ("GET", r"[^/]+/datasets/_results/tables/([^/]+)/data", lambda job: self.page(job, query)),
            ("POST", r"([^/]+)/queries", lambda project: self.query(project, body)),
            ("GET", r"[^/]+/queries/([^/]+)", lambda job: self.page(job, query)),
            ("GET", r"[^/]+/jobs/([^/]+)", self.get_job),
            ("POST", r"[^/]+/jobs/([^/]+)/cancel", lambda job: {"job": self.get_job(job)}),
        )
        for verb, pattern, handle in routes:
            if verb == method and (match := re.fullmatch(pattern, route)):
                with self.lock:
                    return handle(*match.groups())
        raise RefusalError(404, "notFound", f"no such route: {method} {path}")

    def create_dataset(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["datasetReference"]["datasetId"]
        if not ID.fullmatch(name):
            raise RefusalError(400, "invalid", f'Invalid dataset ID "{name}": letters, digits and underscores only')
        if name in self.datasets:
            raise RefusalError(409, "duplicate", f"Already Exists: Dataset {name}")
        self.datasets[name] = {"location": "US"} | body
        return self.datasets[name]

    def get_dataset(self, name: str) -> dict[str, Any]:
        if name not in self.datasets:
            raise RefusalError(404, "notFound", f"Not found: Dataset {name}")
        return self.datasets[name]

    def create_table(self, dataset: str, body: dict[str, Any]) -> dict[str, Any]:
        self.get_dataset(dataset)
        name = ".".join(body["tableReference"][key] for key in ("projectId", "datasetId", "tableId"))
        if name in self.tables:
            raise RefusalError(409, "duplicate", f"Already Exists: Table {name}")
        table = self.tables[name] = Table(body | {"etag": "1"})
        self.types |= {column: f["type"] for column, f in table.fields.items()}
        columns = ", ".join(f"{column} {AFFINITY[f['type']]}" for column, f in table.fields.items())
        self.db.execute(f'CREATE TABLE "{name}" ({columns})')
        return table.resource

    def get_table(self, *parts: str) -> dict[str, Any]:
        if parts[1] == "_results":
            return self.results[parts[2]]["table"]  # type: ignore[no-any-return]
        return self.table(parts).resource

    def table(self, parts: tuple[str, ...]) -> Table:
        name = ".".join(parts)
        if name not in self.tables:
            raise RefusalError(404, "notFound", f"Not found: Table {name}")
        return self.tables[name]

    def patch_table(self, parts: tuple[str, ...], body: dict[str, Any], etag: str | None) -> dict[str, Any]:
        table = self.table(parts)
        if etag not in {None, table.resource["etag"]}:
            raise RefusalError(412, "conditionNotMet", "Precondition Failed")
        wanted = {column["name"]: column for column in body["schema"]["fields"]}
        if any(wanted.get(name, {}).get("type") != f["type"] for name, f in table.fields.items()):
            raise RefusalError(400, "invalid", "Provided Schema does not match: a column is gone or has another type")
        added = [column for name, column in wanted.items() if name not in table.fields]
        if any(column.get("mode") == "REQUIRED" for column in added):
            raise RefusalError(400, "invalid", "Cannot add required fields to an existing schema")
        for column in added:
            self.db.execute(f'ALTER TABLE "{".".join(parts)}" ADD COLUMN {column["name"]} {AFFINITY[column["type"]]}')
            table.unseen.add(column["name"])
        table.resource |= body | {"etag": str(int(table.resource["etag"]) + 1)}
        return table.resource

    def test_permissions(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"permissions": [p for p in body["permissions"] if p in self.permissions]}

    def insert_all(self, parts: tuple[str, ...], body: dict[str, Any]) -> dict[str, Any]:
        table = self.table(parts)
        self.settle(table)
        if len(body["rows"]) > 50_000:
            raise RefusalError(400, "invalid", "too many rows present in the request, limit: 50000")
        rows = [entry["json"] for entry in body["rows"]]
        if why := self.refuse_request(rows):
            raise RefusalError(400, "invalid", why)
        errors, values = {}, []
        for index, entry in enumerate(body["rows"]):
            try:
                values.append(self.checked(table, entry["json"]))
            except ValueError as error:
                location, _, message = str(error).rpartition("|")
                errors[index] = {"reason": "invalid", "location": location, "debugInfo": "", "message": message}
        if self.row_problem:
            problem = {"reason": self.row_problem, "message": "injected"}
            return {"insertErrors": [{"index": index, "errors": [problem]} for index in range(len(rows))]}
        if errors:
            stopped = {"reason": "stopped", "location": "", "debugInfo": "", "message": ""}
            return {
                "insertErrors": [{"index": i, "errors": [errors.get(i, stopped)]} for i in range(len(body["rows"]))]
            }
        for entry, row in zip(body["rows"], values, strict=True):
            if entry.get("insertId") in table.insert_ids:
                continue
            if self.remembers_insert_ids and entry.get("insertId"):
                table.insert_ids.add(entry["insertId"])
            marks = ", ".join("?" * len(row))
            self.db.execute(f'INSERT INTO "{".".join(parts)}" ({", ".join(row)}) VALUES ({marks})', [*row.values()])
        return {"kind": "bigquery#tableDataInsertAllResponse"}

    def settle(self, table: Table) -> None:
        """Let the columns that were added be known, unless this insert is a late one."""
        if self.late_inserts:
            self.late_inserts -= 1
        else:
            table.unseen.clear()

    def checked(self, table: Table, row: dict[str, Any]) -> dict[str, object]:
        """A row as it is stored; a ``ValueError`` says why it is invalid, as ``location|message``."""
        if unknown := sorted(set(row) - (set(table.fields) - table.unseen)):
            raise ValueError(f"{unknown[0]}|no such field: {unknown[0]}.")
        if why := self.refuse(row):
            raise ValueError(why)
        return {name: _stored(column, row.get(name)) for name, column in table.fields.items()}

    # Queries ----------------------------------------------------------------------------------------------------------

    def query(self, project: str, body: dict[str, Any]) -> dict[str, Any]:
        assert body.get("useLegacySql") is False
        sql = body["query"]
        for name in set(re.findall(r"`([^`]+)`", sql)):
            dataset = self.get_dataset(name.split(".")[1])
            if dataset["location"].lower() != str(body.get("location", "US")).lower():
                raise RefusalError(
                    404, "notFound", f"Not found: Dataset {name} was not found in location {body['location']}"
                )
            partitioning = self.table(tuple(name.split("."))).resource.get("timePartitioning", {})
            if partitioning.get("requirePartitionFilter") and not re.search(r"feature_timestamp (?:[<>]|BETWEEN)", sql):
                raise RefusalError(
                    400,
                    "invalidQuery",
                    f"Cannot query over table '{name}' without a filter over column(s) 'feature_timestamp' that can be "
                    "used for partition elimination",
                )
        values: dict[str, object] = {}
        for parameter in body.get("queryParameters", ()):
            name, value = parameter["name"], _parameter(parameter)
            if isinstance(value, list):  # sqlite has no arrays
                items = {f"{name}_{number}": item for number, item in enumerate(value)}
                sql = sql.replace(f"UNNEST(@{name})", f"({', '.join(f'@{item}' for item in items)})")
                values |= items
            else:
                values[name] = value
        try:
            rows = self.db.execute(sql, values).fetchall() if not body.get("dryRun") else []
        except sqlite3.Error as error:
            raise RefusalError(400, "invalidQuery", str(error)) from error
        job = f"job_{len(self.results)}"
        schema = {"fields": self.schema_of(rows)}
        self.results[job] = {
            "rows": [
                {"f": [{"v": _shown(f["type"], v)} for f, v in zip(schema["fields"], row, strict=True)]} for row in rows
            ],
            "polls": self.slow_polls,
            "table": {
                "tableReference": {"projectId": project, "datasetId": "_results", "tableId": job},
                "schema": schema,
            },
        }
        reference = {"projectId": project, "jobId": job, "location": body.get("location", "US")}
        if self.slow_polls:
            return {"jobComplete": False, "jobReference": reference}
        return {"jobReference": reference, "schema": schema, **self.page(job, {})}

    def schema_of(self, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
        """A column's type by its name in a table, also one that was dropped, or by its values: sqlite has none."""
        kinds = {str: "STRING", int: "INTEGER", float: "FLOAT"}
        fields = []
        for name in rows[0].keys() if rows else ():
            value = next((row[name] for row in rows if row[name] is not None), "")
            fields.append({"name": name, "type": self.types.get(name, kinds[type(value)]), "mode": "NULLABLE"})
        return fields

    def page(self, job: str, query: dict[str, str]) -> dict[str, Any]:
        rows = self.results[job]["rows"]
        start = int(query.get("pageToken", query.get("startIndex", 0)))
        end = start + min(int(query.get("maxResults", self.page_rows)), self.page_rows)
        return {
            "jobComplete": True,
            "jobReference": {"projectId": "any", "jobId": job, "location": "any"},
            "schema": self.results[job]["table"]["schema"],
            "totalRows": str(len(rows)),
            "rows": rows[start:end],
            **({"pageToken": str(end)} if end < len(rows) else {}),
        }

    def get_job(self, job: str) -> dict[str, Any]:
        result = self.results[job]
        result["polls"] -= 1
        return {
            "jobReference": {"projectId": "any", "jobId": job, "location": "any"},
            "configuration": {"query": {"destinationTable": result["table"]["tableReference"]}},
            "status": {"state": "DONE" if result["polls"] <= 0 else "RUNNING"},
        }


def _json_at(text: str | None, path: str) -> object:
    return None if text is None else json.loads(text).get(path.removeprefix("$."))


def _json_value(text: str | None, path: str) -> str | None:
    """As BigQuery has it: a scalar as text."""
    value = _json_at(text, path)
    return value if isinstance(value, str) else None if isinstance(value, list | dict | None) else json.dumps(value)


def _json_query(text: str | None, path: str) -> str | None:
    value = _json_at(text, path)
    return None if value is None else json.dumps(value)


def _remainder(number: int | None, of: int) -> int | None:
    """As BigQuery has it: with the sign of the number."""
    return None if number is None else abs(number) % of * (1 if number >= 0 else -1)


def _stored(column: dict[str, Any], value: object) -> object:
    """A value as sqlite has it; what BigQuery cannot convert is refused, as ``location|message``."""
    name, kind = column["name"], column["type"]
    if value is None:
        if column.get("mode") == "REQUIRED":
            raise ValueError(f"{name}|Missing required field: {name}.")
        return None
    if kind == "TIMESTAMP":
        return _streamed_moment(str(value))
    plain = {"BOOLEAN": bool, "STRING": str, "FLOAT": float, "INTEGER": str}[kind]
    whole = re.fullmatch(r"-?\d{1,19}", str(value)) and -(2**63) <= int(str(value)) < 2**63
    if not isinstance(value, plain) or (kind == "INTEGER" and not whole):
        raise ValueError(f"{name}|Cannot convert value to {kind.lower()} (bad value): {value}")
    return int(str(value)) if kind == "INTEGER" else value


def _streamed_moment(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if not STREAMED_DAYS[0] <= (moment - datetime.now(UTC)) / timedelta(days=1) <= STREAMED_DAYS[1]:
        raise ValueError(
            f"|You can only stream to date range within {-STREAMED_DAYS[0]} days in the past and {STREAMED_DAYS[1]} "
            "days in the future relative to the current date."
        )
    return (moment - EPOCH) // timedelta(microseconds=1)


def _parameter(parameter: dict[str, Any]) -> object:
    kind, value = parameter["parameterType"], parameter["parameterValue"]
    if kind["type"] == "ARRAY":
        return [item["value"] for item in value.get("arrayValues", ())]
    if kind["type"] == "BOOL":
        return {"true": 1, "false": 0}[str(value["value"]).lower()]
    if kind["type"] == "TIMESTAMP":
        moment = datetime.fromisoformat(value["value"])
        return (moment - EPOCH) // timedelta(microseconds=1)
    assert kind["type"] == "STRING", kind
    return value["value"]


def _shown(kind: str, value: object) -> object:
    if value is None:
        return None
    return ("true" if value else "false") if kind == "BOOLEAN" else value if kind == "STRING" else repr(value)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection's requests, for the service that ``fake`` names."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    fake: FakeBigQuery

    def respond(self) -> None:
        parts = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        self.fake.requests.append((self.command, parts.path))
        self.fake.authorizations.append(self.headers.get("Authorization"))
        fault = self.fake.fault_for(self.command, parts.path) or Fault()
        if fault.silent:
            self.fake.over.wait()
            return
        self.fake.over.wait(fault.delay)
        if parts.path == "/token":  # where Google's clients fetch the token of a service account
            self.send(200, {"access_token": self.fake.token, "expires_in": 3600, "token_type": "Bearer"})
            return
        try:
            if fault.status and not fault.applied:
                fault.strike()
            answer = self.answer_to(parts, content)
            if fault.applied:
                self.close_connection = True
                fault.strike()
                return
        except RefusalError as refusal:
            error = {"reason": refusal.reason, "message": str(refusal)}
            self.send(refusal.status, {"error": {"code": refusal.status, "message": str(refusal), "errors": [error]}})
        else:
            self.send(200, answer)

    do_GET = do_POST = do_PATCH = respond  # noqa: N815 - the base class's names

    def answer_to(self, parts: SplitResult, content: bytes) -> dict[str, Any]:
        if self.fake.token is not None and self.headers.get("Authorization") != f"Bearer {self.fake.token}":
            raise RefusalError(401, "authError", "Request had invalid authentication credentials.")
        if len(content) > MAX_REQUEST:
            raise RefusalError(413, "uploadTooLarge", "Request payload size exceeds the limit: 10485760 bytes.")
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        return self.fake.serve(
            self.command, parts.path, query, json.loads(content or b"{}"), self.headers.get("If-Match")
        )

    def send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
