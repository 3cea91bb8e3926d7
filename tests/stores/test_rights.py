"""A real server that asks who one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from benchmark_recorder import get_benchmark_recorder
from benchmark_recorder.cli import app
from tests.stores.mongod import Mongod

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def guarded(mongod_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A server that asks who one is: a reader, and a writer who may not make indexes."""
    with Mongod(mongod_path, tmp_path_factory.mktemp("mongod")) as server:
        guard(server)
        yield server


def guard(server: Mongod) -> None:
    with server.client() as client:
        client.admin.command("createUser", "root", pwd="rootpw", roles=["root"])
        client["bench"]["executions"].insert_one({"_id": "keeps the database there"})
        client["bench"]["executions"].delete_many({})
        resource = {"db": "bench", "collection": "executions"}
        writing = [{"resource": resource, "actions": ["find", "insert"]}]
        client["bench"].command("createRole", "writing", privileges=writing, roles=[])
        client.admin.command("createUser", "reader", pwd="s3cret", roles=[{"role": "read", "db": "bench"}])
        client.admin.command("createUser", "writer", pwd="s3cret", roles=[{"role": "writing", "db": "bench"}])
    server.stop()
    key = server.folder / "key"
    key.write_text("c2VjcmV0c2VjcmV0c2VjcmV0")
    key.chmod(0o400)
    server.start("--auth", "--keyFile", str(key))
    server.await_primary(username="root", password="rootpw")


@pytest.mark.parametrize("user", ["reader:wr0ng", "reader:s3cret", "nobody:s3cret"])
def test_without_the_right_to_write_delivery_waits_and_says_why_without_the_password(
    tmp_path: Path, guarded: Mongod, user: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, password = guarded.url("bench", user), user.partition(":")[2]
    with get_benchmark_recorder(url, journal=tmp_path / "metrics.json", strict=True) as recorder:
        recorder.record_execution("task", 1.0, True, "v1")
        assert not recorder.flush(1)
        health = recorder.health()
        assert health.failing_since is not None
        assert "uthentication failed" in str(health.last_error) or "not authorized" in str(health.last_error)
        assert (health.pending, health.waiting, health.lost, health.quarantined) == (1, 0, 0, 0)
        summary = recorder.get_historical_metrics("v1")
        assert summary.count == 1
        told = f"{health} {recorder!r} {recorder.store!r} {summary.warnings} {recorder.generate_report(['v1'])}"
    monkeypatch.setenv("BENCHMARK_RECORDER_JOURNAL", str(tmp_path / "metrics.json"))
    for command in ("sync", "doctor", "list"):
        told += CliRunner().invoke(app, ["--store", url, command]).output
    assert password not in told + caplog.text
    assert "mongodb://127.0.0.1" in caplog.text


def test_the_right_to_write_and_read_records_is_enough_without_indexes(tmp_path: Path, guarded: Mongod) -> None:
    url = guarded.url("bench", "writer:s3cret")
    with get_benchmark_recorder(url, journal=tmp_path / "metrics.json") as recorder:
        for version in ("v1", "v2"):
            recorder.record_execution("task", 1.0, True, version)
        assert recorder.flush(60)
        assert recorder.health().ok
        summary = recorder.get_historical_metrics("v1")
        assert summary.count == 1
        assert "store_out_of_reach" not in {warning.code for warning in summary.warnings}
    with guarded.client(username="root", password="rootpw") as client:
        assert list(client["bench"]["executions"].index_information()) == ["_id_"]
