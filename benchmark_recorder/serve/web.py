"""The routes of the live page: the page, and the stream that keeps it up to date."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.reporting.html import environment
from benchmark_recorder.reporting.page import Untrusted
from benchmark_recorder.serve.sections import TEMPLATES, View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from benchmark_recorder.serve.pulse import Pulse

GROUPED_BY: Final = {"": "all runs", "model": "by model", "agent": "by agent", "metadata.region": "by region"}
"""Links at the top of the page; an address may name any other key."""
MOST_STREAMS: Final = 200


def application(pulse: Pulse, view: View) -> Starlette:
    """The application, unguarded.

    Args:
        pulse: what is shown.
        view: what an address without arguments shows.
    """
    from markupsafe import Markup
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    streams = 0

    def asked(request: Request) -> View:
        given = request.query_params
        return View.of(
            [name for name in given.getlist("version") if name] or view.versions,
            given.get("last_days", view.last_days),
            given.get("by", view.by),
        )

    async def page(request: Request) -> Response:
        shown, nonce = asked(request), secrets.token_urlsafe(16)
        board = await pulse.opened(shown)
        sections = {"trouble": board.trouble, **board.sections}
        versions = [(Untrusted(name), ", ") for name in shown.versions]
        text = (
            environment(TEMPLATES)
            .get_template("live.html.jinja")
            .render(
                title=("Live", *((": ", *sum(versions, ())[:-1]) if versions else ())),
                time=_time(),
                nonce=nonce,
                views=_views(shown),
                # Each was escaped by the templates of the report.
                sections=[(name, Markup(fragment.html)) for name, fragment in sections.items()],  # noqa: S704
            )
        )
        return HTMLResponse(text, headers={"Content-Security-Policy": _policy(nonce)})

    async def stream(request: Request) -> Response:
        nonlocal streams
        if streams >= MOST_STREAMS:
            return PlainTextResponse("Too many pages are open.", 503)
        shown = asked(request)

        async def events() -> AsyncIterator[str]:
            nonlocal streams
            streams += 1
            try:
                yield "retry: 1000\n\n"
                async for changed in pulse.changes(shown):
                    if changed is None:
                        yield f"event: time\ndata: {_time()}\n\n"
                    for name, html in changed or ():
                        yield f"event: section\ndata: {json.dumps({'id': name, 'html': html})}\n\n"
            finally:
                streams -= 1

        return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def wrong(_: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), 400)

    return Starlette(routes=[Route("/", page), Route("/stream", stream)], exception_handlers={InvalidQueryError: wrong})


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
