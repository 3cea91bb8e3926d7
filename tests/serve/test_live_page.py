"""The live page in a real browser."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from benchmark_recorder import BenchmarkRecorder, JSONFileStore
from tests.hostile import HOSTILE
from tests.runs import record_runs
from tests.serve.served import Served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

expect.set_options(timeout=60_000)  # a shared machine is slow at times

ANOTHER = """
import sys
from benchmark_recorder import BenchmarkRecorder
with BenchmarkRecorder(sys.argv[1]) as recorder:
    recorder.record_execution(sys.argv[2], 1.0, True, "v2.0")
"""


def a_store(folder: Path) -> Path:
    with BenchmarkRecorder(folder / "metrics.json") as recorder:
        record_runs(recorder, tasks=6, repeats=5)
    return folder / "metrics.json"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with Served(folder, a_store(folder)) as server:
        yield server


def record_elsewhere(store: Path, task: str) -> None:
    subprocess.run([sys.executable, "-c", ANOTHER, str(store), task], check=True)


def test_the_page_follows_the_store_through_a_kill_of_the_server_and_a_file_that_is_emptied_and_spoilt(
    browser: Browser, tmp_path: Path
) -> None:
    with Served(tmp_path, a_store(tmp_path)) as server:
        page = server.open(browser.new_page())
        expect(page.locator("#verdict")).to_contain_text("v2.0 against v1.0")
        expect(page.locator("#hours svg")).to_be_visible()
        record_elsewhere(server.store, "a task of another process")
        expect(page.locator("#runs")).to_contain_text("a task of another process")
        expect(page.locator("#versions")).to_contain_text("31")

        server.end(signal.SIGKILL)
        expect(page.get_by_text("disconnected")).to_be_visible()
        record_elsewhere(server.store, "a task of the outage")
        server.start()
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        expect(page.locator("#runs")).to_contain_text("a task of the outage")

        JSONFileStore(server.store).clear()
        expect(page.locator("#runs")).to_contain_text("None in the last 7 days")
        expect(page.locator("#verdict")).to_contain_text("Nothing ran")
        server.store.write_text("not ours")
        expect(page.locator("#trouble")).to_contain_text("not up to date")
        server.store.unlink()
        record_elsewhere(server.store, "a task after all")
        expect(page.locator("#runs")).to_contain_text("a task after all")
        expect(page.locator("#trouble")).to_be_hidden()


@pytest.mark.parametrize("name", ["html", "link", "control bytes", "right to left", "lone surrogates"])
def test_hostile_texts_do_nothing(browser: Browser, tmp_path: Path, name: str) -> None:
    text = HOSTILE[name]
    with BenchmarkRecorder(tmp_path / "metrics.json") as recorder:
        for version in (text, f"{text}2"):
            for _ in range(3):
                recorder.record_execution(text, 1.0, False, version, agent_selected=text, error_type=text, model=text)
    with Served(tmp_path, tmp_path / "metrics.json") as server:
        page, said, asked = browser.new_page(), [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url.split("?")[0]))
        server.open(page, "by=model")
        expect(page.locator("#runs tbody tr")).to_have_count(6)
        assert page.locator("main img, main script, main iframe, #runs a").count() == 0
        assert not said
        assert set(asked) <= {f"{server.address}/", f"{server.address}/stream", "data:,"}


def test_rules_of_the_settings_and_changes_are_shown_where_there_are_any(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.toml"
    rule = 'name = "slower"\nversion = "v2.0"\nmetric = "time"\nmargin = 0.1\nbaseline = "v1.0"'
    settings.write_text(f"[tool.benchmark_recorder]\n[[tool.benchmark_recorder.alerts.rules]]\n{rule}\nsend = []\n")
    monkeypatch.setenv("BENCHMARK_RECORDER_CONFIG", str(settings))
    now = datetime.now(UTC)
    with BenchmarkRecorder(tmp_path / "metrics.json") as recorder:
        for day in range(30):
            for _ in range(10):
                seconds = 1.0 if day < 20 else 2.0
                when = now - timedelta(days=29 - day, hours=1)
                recorder.record_execution("a task", seconds, True, "v2.0", timestamp=when)
    with Served(tmp_path, tmp_path / "metrics.json") as server:
        page = server.open(browser.new_page())
        expect(page.locator("#alerts")).to_contain_text("slower")
        expect(page.locator("#changes")).to_contain_text("100")


def test_groups_and_versions_are_links_whose_address_says_them(browser: Browser, served: Served) -> None:
    page = served.open(browser.new_page(), "version=v1.0&version=v2.0&last_days=3")
    page.get_by_role("link", name="by agent").click()
    expect(page.locator("#slices")).to_contain_text("builder")
    assert page.url == f"{served.address}/?version=v1.0&version=v2.0&last_days=3&by=agent"
    page.reload()
    expect(page.locator("#slices")).to_contain_text("builder")
    expect(page.locator("[aria-current]")).to_have_text("by agent")


def test_what_a_reader_does_survives_an_update(browser: Browser, served: Served) -> None:
    page = served.open(browser.new_page())
    page.locator("#hours summary").click()
    page.get_by_role("searchbox").fill("number 3")
    expect(page.locator("#runs tbody tr:visible")).not_to_have_count(20)
    record_elsewhere(served.store, "Task number 3, and a new one")
    expect(page.locator("#runs")).to_contain_text("and a new one")
    expect(page.locator("#hours details")).to_have_attribute("open", "")
    for text in page.locator("#runs tbody tr:visible").all_inner_texts():
        assert "number 3" in text


def test_the_keyboard_alone_reaches_groups_filter_and_tables(browser: Browser, served: Served) -> None:
    page = served.open(browser.new_page())
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName"))
    assert {"A", "SUMMARY", "INPUT", "DIV"} <= set(reached)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_nothing_is_wider_than_the_window_and_nothing_moves_where_that_is_unwanted(
    browser: Browser, served: Served, width: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = served.open(context.new_page(), "by=agent")
    record_elsewhere(served.store, "a task that changes the page")
    expect(page.locator("#runs")).to_contain_text("a task that changes the page")
    assert page.locator("html").evaluate("each => each.scrollWidth") <= width
    assert page.locator("#runs").evaluate("each => getComputedStyle(each).animationName") == "none"
    context.close()


def test_the_page_is_small(served: Served) -> None:
    assert len(served.ask("/", Cookie=served.cookie).body.encode()) < 150_000
