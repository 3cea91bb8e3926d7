"""The picture of the live page that the documentation shows, made when the documentation is built."""

from __future__ import annotations

import os
import random
import shutil
import struct
import sys
import tempfile
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmark_recorder import BenchmarkMetric, BenchmarkRecorder
from benchmark_recorder.records import task_id_of
from tests.reporting.browser import NAMES, QUIET
from tests.serve.served import Served

PICTURE: Final = Path(__file__).resolve().parents[1] / "docs" / "live-page.png"
TASKS: Final = ("Create landing page", "Write blog post", "Fix CSS", "Answer a ticket")


def take() -> None:
    """Take it; where there is no browser, and none is needed for CI, leave an empty picture in its place."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        if os.environ.get("CI") == "true":
            sys.exit(f"CI needs a browser: none of {', '.join(NAMES)} is on the path (apt-get install chromium)")
        PICTURE.write_bytes(_empty())
        return
    from playwright.sync_api import sync_playwright

    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        store = Path(folder) / "metrics.json"
        _record(store)
        with Served(Path(folder), store) as server:
            chromium = driver.chromium.launch(executable_path=path, args=[*QUIET, *sandbox])
            page = server.open(chromium.new_page(viewport={"width": 1100, "height": 1150}, device_scale_factor=1))
            page.screenshot(path=PICTURE)
            chromium.close()


def _record(store: Path) -> None:
    chance, now = random.Random(1), datetime.now(UTC)
    with BenchmarkRecorder(store) as recorder:
        for minute in range(0, 24 * 60, 6):
            for version, factor in (("v1.0", 1.0), ("v2.0", 0.7)):
                task = chance.choice(TASKS)
                seconds = (1 + TASKS.index(task)) * factor * chance.lognormvariate(0, 0.3)
                recorder.record(
                    BenchmarkMetric(
                        timestamp=(now - timedelta(minutes=24 * 60 - minute)).isoformat(),
                        version=version,
                        git_commit=None,
                        task_id=task_id_of(task),
                        task_description=task,
                        execution_time=seconds,
                        success=chance.random() > 0.04,
                        agent_selected=chance.choice(("builder", "writer")),
                        cost_estimated=0.001 * seconds,
                    )
                )


def _empty() -> bytes:
    """A picture of one transparent point."""
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(5))),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


if __name__ == "__main__":
    take()
