"""The routes of the live page: the page, the stream that keeps it up to date, and the figures for Prometheus."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmark_recorder.errors import InvalidQueryError, StoreError
from benchmark_recorder.exchange.prometheus import prometheus_text
from benchmark_recorder.reporting.html import environment
from benchmark_recorder.reporting.page import Untrusted, joined
from benchmark_recorder.serve.sections import TEMPLATES, View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from benchmark_recorder.serve.pulse import Pulse

GROUPED_BY: Final = {"": "all runs", "model": "by model", "agent": "by agent", "metadata.region": "by region"}
"""Links at the top of the page; an address may name any other key."""
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The type of its text format."""
MOST_STREAMS: Final = 200


class Web:
    """Answers requests that a guard has let pass.

    Args:
        pulse: what is shown.
        view: what an address without arguments shows.
    """

    def __init__(self, pulse: Pulse, view: View) -> None:
        self._pulse = pulse
        self._view = view
        self._streams = 0
        routes = [Route("/", self.page), Route("/stream", self.stream), Route("/metrics", self.metrics)]
        self.application = Starlette(routes=routes, exception_handlers={InvalidQueryError: _wrong})

    def _asked(self, request: Request) -> View:
        given, own = request.query_params, self._view
        versions = [name for name in given.getlist("version") if name]
        return View.of(versions or own.versions, given.get("last_days", own.last_days), given.get("by", own.by))

    async def page(self, request: Request) -> Response:
        """The page as it is now."""
        shown, nonce = self._asked(request), secrets.token_urlsafe(16)
        board = await self._pulse.opened(shown)
        names = joined((Untrusted(name),) for name in shown.versions)
        page = environment(TEMPLATES).get_template("live.html.jinja")
        text = page.render(
            title=("Live: ", *names) if names else ("Live",),
            time=_time(),
            nonce=nonce,
            views=_views(shown),
            # Each was escaped by the templates of the report.
            sections=[(name, Markup(html)) for name, html in board.shown().items()],  # noqa: S704
        )
        return HTMLResponse(text, headers={"Content-Security-Policy": _policy(nonce)})

    async def stream(self, request: Request) -> Response:
        """What changes, for as long as somebody listens."""
        if self._streams >= MOST_STREAMS:
            return PlainTextResponse("Too many pages are open.", 503)
        events = self._events(self._asked(request))
        return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _events(self, shown: View) -> AsyncIterator[str]:
        self._streams += 1
        try:
            yield "retry: 1000\n\n"
            async for changed in self._pulse.changes(shown):
                if changed is None:
                    yield f"event: time\ndata: {_time()}\n\n"
                for name, html in changed or ():
                    yield f"event: section\ndata: {json.dumps({'id': name, 'html': html})}\n\n"
        finally:
            self._streams -= 1

    async def metrics(self, _: Request) -> Response:
        """All figures in Prometheus' text format."""
        try:
            text = await self._pulse.computed(lambda: prometheus_text(self._pulse.history.store))
        except StoreError as error:
            return PlainTextResponse(str(error), 503)
        return Response(text, headers={"Content-Type": PROMETHEUS})


async def _wrong(_: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), 400)


def _views(shown: View) -> list[tuple[str, str, bool]]:
    """What a reader can group by: the label, the address, and whether it is shown now."""
    labels = {**GROUPED_BY, **({} if shown.by in GROUPED_BY else {shown.by: f"by {shown.by}"})}
    versions = [("version", name) for name in shown.versions]
    days = [("last_days", f"{shown.last_days:g}")]
    return [
        (label, "/?" + urlencode([*versions, *days, *([("by", key)] if key else [])]), key == shown.by)
        for key, label in labels.items()
    ]


def _policy(nonce: str) -> str:
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _time() -> str:
    return f"{datetime.now(UTC):%H:%M:%S} UTC"
