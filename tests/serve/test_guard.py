from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import BenchmarkRecorder
from tests.serve.served import Served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with BenchmarkRecorder(folder / "metrics.json") as recorder:
        recorder.record_execution("a task", 1.0, True, "v1")
    with Served(folder, folder / "metrics.json") as server:
        yield server


PATHS = ("/", "/stream", "/?by=model", "/nowhere", "/metrics")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_answered_without_the_token(served: Served, path: str) -> None:
    for headers in ({}, {"Cookie": f"benchmark_recorder_{served.port}=guess"}, {"Authorization": "Bearer guess"}):
        answer = served.ask(path, **headers)
        assert answer.status == 403
        assert "a task" not in answer.body
        assert served.token not in str(answer)


def test_the_token_in_the_address_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(served: Served) -> None:
    answer = served.ask(f"/?token={served.token}&by=model&last_days=3")
    assert answer.status == 303
    assert answer.headers["location"] == "/?by=model&last_days=3"
    assert answer.headers["set-cookie"] == f"{served.cookie}; HttpOnly; Path=/; SameSite=Strict"


@pytest.mark.parametrize("given", ["guess", "", "%00", "%ff%fe", "é", "a" * 5000])
def test_a_wrong_token_opens_nothing(served: Served, given: str) -> None:
    assert served.ask(f"/?token={given}").status in {400, 403}


def test_a_token_in_the_address_opens_the_page_alone(served: Served) -> None:
    assert served.ask(f"/stream?token={served.token}").status == 403


def test_the_cookie_and_the_header_open_the_page(served: Served) -> None:
    for headers in ({"Cookie": f"other=1; {served.cookie}"}, {"Authorization": f"Bearer {served.token}"}):
        answer = served.ask("/", **headers)
        assert answer.status == 200
        assert "a task" in answer.body


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_names_of_the_loopback_are_known(served: Served, name: str) -> None:
    assert served.ask("/", Host=f"{name}:{served.port}", Cookie=served.cookie).status == 200


@pytest.mark.parametrize(
    "name", ["rebound.example", "127.0.0.1.rebound.example", "", "[", "192.0.2.1", "localhost@rebound.example", "[::2]"]
)
def test_a_name_that_the_server_does_not_have_is_refused_though_the_token_is_right(served: Served, name: str) -> None:
    assert served.ask("/", Host=f"{name}:{served.port}", Cookie=served.cookie).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get"])
@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_reading_is_allowed(served: Served, method: str, path: str) -> None:
    answer = served.ask(path, method=method, Cookie=served.cookie)
    assert answer.status in {400, 405}


@pytest.mark.parametrize("path", ["/", "/stream"])
@pytest.mark.parametrize("origin", ["http://rebound.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"])
def test_another_sites_page_gets_nothing(served: Served, path: str, origin: str) -> None:
    assert served.ask(path, Origin=origin, Cookie=served.cookie).status == 403


def test_the_page_itself_may_open_its_stream(served: Served) -> None:
    answer = served.ask("/stream", Origin=f"http://127.0.0.1:{served.port}", Cookie=served.cookie)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "a task" in answer.body


@pytest.mark.parametrize("path", ["/", "/stream", "/nowhere", "/?by=no+such+key", "/?last_days=x", "/?last_days=-1"])
@pytest.mark.parametrize("known", [True, False])
def test_every_answer_forbids_scripts_frames_caches_and_referrers(served: Served, path: str, *, known: bool) -> None:
    answer = served.ask(path, **({"Cookie": served.cookie} if known else {}))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_each_page_has_a_nonce_of_its_own(served: Served) -> None:
    pages = [served.ask("/", Cookie=served.cookie).headers["content-security-policy"] for _ in range(2)]
    assert pages[0] != pages[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [("by=no+such+key", "by"), ("last_days=x", "last_days"), ("last_days=-1", "last_days")],
)
def test_a_wrong_argument_is_named(served: Served, arguments: str, said: str) -> None:
    for path in ("/", "/stream"):
        answer = served.ask(f"{path}?{arguments}", Cookie=served.cookie)
        assert answer.status == 400
        assert said in answer.body


def test_the_token_is_the_users_alone_and_outlives_the_server(served: Served) -> None:
    (path,) = served.home.rglob("page-token")
    assert path.read_text().strip() == served.token
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(served.token) >= 22


def test_a_token_that_others_could_read_is_made_anew(tmp_path: Path) -> None:
    with Served(tmp_path, tmp_path / "metrics.json") as first:
        first.end()
    (path,) = tmp_path.rglob("page-token")
    for spoil in (lambda: path.chmod(0o644), lambda: path.write_text("short")):
        before = path.read_text().strip()
        spoil()
        with Served(tmp_path, tmp_path / "metrics.json") as again:
            again.end()
        assert again.token != before
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_home_that_cannot_be_written_gives_a_page_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with Served(tmp_path / "file", tmp_path / "metrics.json") as server:
        assert server.ask("/", Cookie=server.cookie).status == 200


def test_prometheus_gets_its_figures_with_the_token_in_a_header(served: Served) -> None:
    answer = served.ask("/metrics", Authorization=f"Bearer {served.token}")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'benchmark_executions{version="v1",' in answer.body
