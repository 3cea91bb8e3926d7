"""Channels against real servers on this machine: what they send, how they fail, and that no failure tells a secret."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import tomllib
import traceback
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from benchmark_recorder import BenchmarkRecorderError, ConfigurationError
from benchmark_recorder.alerts import ChannelError, Mail, Message, channels, open_channel
from benchmark_recorder.alerts.delivery import send
from tests.alerts.servers import PASSWORD, HookServer, Inbox, MailServer, hooks, secured
from tests.hostile import HOSTILE
from tests.pages import ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "T0TOKEN/B0TOKEN/xoxb-t0ken"
MESSAGE = Message("0" * 32, "Alert firing: slow", "It is slow.\n", "<p>It is slow.</p>", "1" * 32, {"kind": "alert"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HookServer]:
    with hooks() as server:
        monkeypatch.setenv("HOOK", server.url(f"/services/{TOKEN}"))
        yield server


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def secure_mail(inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SMTP_USER", "benchmarks")
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    controller = secured(inbox, context)
    controller.start()
    monkeypatch.setenv("SMTP_PORT", str(controller.port))
    yield
    controller.stop()


def test_slack_takes_a_message(server: HookServer) -> None:
    open_channel("slack:HOOK").send(MESSAGE)
    [(path, document)] = server.taken
    assert path == f"/services/{TOKEN}"
    assert [block["text"]["text"] for block in document["blocks"]] == ["Alert firing: slow", "It is slow."]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_slack_takes_any_text_as_plain_text(text: str, server: HookServer) -> None:
    open_channel("slack:HOOK").send(Message("0" * 32, text, f"<!channel> {text}"))
    [(path, document)] = server.taken
    assert path != "refused", document
    assert "<" not in document["text"]
    assert {block["text"]["type"] for block in document["blocks"]} == {"plain_text"}


def test_a_webhook_takes_the_message_and_what_it_has_for_programs(
    server: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", server.url("/json"))
    open_channel("webhook:HOOK").send(MESSAGE)
    assert server.taken == [
        (
            "/json",
            {
                "schema_version": 1,
                "id": "0" * 32,
                "thread": "1" * 32,
                "title": "Alert firing: slow",
                "text": "It is slow.\n",
                "kind": "alert",
            },
        )
    ]


@pytest.mark.usefixtures("secure_mail")
def test_mail_goes_over_tls_with_a_login_and_belongs_to_its_thread(inbox: Inbox) -> None:
    open_channel("mailto:team@example.org,lead@example.org").send(MESSAGE)
    [(recipients, letter)] = inbox.letters
    assert recipients == ["team@example.org", "lead@example.org"]
    assert letter["Message-ID"] == f"<{'0' * 32}@example.org>"
    assert letter["References"] == f"<{'1' * 32}@example.org>"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    assert inbox.logins == [(b"benchmarks", PASSWORD.encode())]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_makes_no_header(text: str) -> None:
    try:
        letter = Mail(["a@example.org"]).compose(Message("0" * 32, text, "body"))
    except ValueError:
        return
    assert set(letter.keys()) == {
        *("Subject", "From", "To", "Date", "Message-ID"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    }


@pytest.mark.parametrize("url", ["", "http://example.org/x", "ftp://127.0.0.1/x", "https://user:pw@example.org/x",
                                 "https://", "https://example.org:x/", "https://example.org/a b", "file:///etc/passwd",
                                 "https://example.org/\x00", "https://ex\u00e4mple.org/"])  # fmt: skip
@pytest.mark.parametrize("kind", ["slack", "webhook"])
def test_a_hook_goes_to_no_other_place_than_https_or_this_machine(
    kind: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "\x00" in url:
        url = url.replace("\x00", "\x07")
    monkeypatch.setenv("HOOK", url)
    with pytest.raises(ConfigurationError, match="^HOOK: ") as caught:
        open_channel(f"{kind}:HOOK")
    assert "example" not in str(caught.value)


def _unused_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("kind", ["slack", "webhook"])
@pytest.mark.parametrize(
    "failure",
    [
        302,
        400,
        403,
        404,
        410,
        429,
        (429, "0"),
        (429, "soon"),
        500,
        503,
        "stall",
        "cut",
        "refused",
        "tls",
        "dns",
        "unset",
        "ill-formed",
    ],
    ids=str,
)
def test_no_failure_of_a_hook_tells_its_secret(  # noqa: PLR0917
    failure: Any,
    kind: str,
    server: HookServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("http.client", "urllib3", "asyncio", "benchmark_recorder"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    monkeypatch.setattr(channels, "TIMEOUT", 0.2)
    monkeypatch.setattr("benchmark_recorder.alerts.delivery._pause", lambda _: 0.0)
    path = f"/services/{TOKEN}?token={TOKEN}"
    urls = {
        "refused": f"http://127.0.0.1:{_unused_port()}{path}",
        "tls": server.url(path).replace("http:", "https:"),
        "dns": f"https://no-such-host.invalid{path}",
        "unset": "",
        "ill-formed": f"hooks.slack.com{path}",
    }
    monkeypatch.setenv("HOOK", urls.get(failure, server.url(path)) if isinstance(failure, str) else server.url(path))
    server.answers = [failure] * 3 if failure not in urls else []
    with pytest.raises(BenchmarkRecorderError) as caught:
        send(f"{kind}:HOOK", MESSAGE)
    out, err = capfd.readouterr()
    everything = "".join(
        (out, err, caplog.text, str(caught.value), repr(caught.value), *traceback.format_exception(caught.value))
    )
    assert "t0ken" not in everything
    assert "TOKEN" not in everything
    assert "HOOK" in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("failure", "attempts"), [(302, 1), (403, 1), (404, 1), (429, 3), ((429, "30"), 1), (500, 3), ("cut", 3)], ids=str
)
def test_only_what_may_pass_in_a_moment_is_tried_again_at_once(
    failure: Any, attempts: int, server: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_recorder.alerts.delivery._pause", lambda _: 0.0)
    server.answers = [failure] * 9
    with pytest.raises(ChannelError) as caught:
        send("slack:HOOK", MESSAGE)
    assert server.asked == attempts
    assert caught.value.temporary == (failure not in {302, 403, 404})


def test_a_failure_that_passes_is_no_failure(server: HookServer) -> None:
    server.answers = [500, (429, "0")]
    send("slack:HOOK", MESSAGE)
    assert [path for path, _ in server.taken] == [f"/services/{TOKEN}"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", (30, 30)),
        ("86400", (3600, 3600)),
        ("-5", (None, None)),
        ("soon", (None, None)),
        (format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True), (500, 600)),
        (format_datetime(datetime.now(UTC) - timedelta(minutes=10), usegmt=True), (0, 0)),
    ],
    ids=["seconds", "a day", "negative", "a word", "a date", "a date that is past"],
)
def test_retry_after_is_read_as_seconds_or_a_date(header: str, seconds: tuple[Any, Any], server: HookServer) -> None:
    server.answers = [(429, header)]
    with pytest.raises(ChannelError) as caught:
        open_channel("slack:HOOK").send(MESSAGE)
    low, high = seconds
    found = caught.value.retry_after
    assert found is None if low is None else found is not None and low <= found <= high


@pytest.mark.parametrize("failure", ["password", "certificate", "refused", "clear", "dns", "port", "security"])
@pytest.mark.usefixtures("secure_mail")
def test_no_failure_of_mail_tells_the_password(
    failure: str,
    inbox: Inbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("benchmark_recorder.alerts.delivery._pause", lambda _: 0.0)
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    wrong = {
        "certificate": ("SSL_CERT_FILE", str(tmp_path / "other.pem")),
        "refused": ("SMTP_PORT", str(_unused_port())),
        "clear": ("SMTP_SECURITY", "none"),
        "dns": ("SMTP_HOST", "no-such-host.invalid"),
        "port": ("SMTP_PORT", "smtp"),
        "security": ("SMTP_SECURITY", "ssl"),
    }
    if failure in wrong:
        monkeypatch.setenv(*wrong[failure])
    with pytest.raises(BenchmarkRecorderError, match="SMTP_") as caught:
        send("mailto:team@example.org", MESSAGE)
    everything = "".join((caplog.text, str(caught.value), *traceback.format_exception(caught.value)))
    assert "hunter2" not in everything
    assert "aHVudGVyMg" not in everything  # base64
    assert inbox.letters == []


def test_a_mail_server_without_tls_gets_no_letter(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = MailServer(inbox, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        monkeypatch.setenv("SMTP_PORT", str(controller.port))
        with pytest.raises(ChannelError, match="SMTPNotSupportedError"):
            send("mailto:team@example.org", MESSAGE)
        monkeypatch.setenv("SMTP_SECURITY", "none")
        send("mailto:team@example.org", MESSAGE)
    finally:
        controller.stop()
    assert len(inbox.letters) == 1


def test_an_error_of_another_packages_channel_is_shown_by_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        def load(self) -> Any:
            return lambda address: self

        def send(self, message: Message) -> None:
            raise RuntimeError(TOKEN)

    monkeypatch.setattr(channels, "_others", lambda: {"pager": Point()})
    with pytest.raises(ChannelError, match="^pager: RuntimeError$") as caught:
        send("pager:team", MESSAGE)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_what_is_sent_is_json_in_ascii(server: HookServer) -> None:
    open_channel("slack:HOOK").send(Message("0" * 32, "\ud800", "\ud800"))
    assert json.dumps(server.taken[0][1])


def test_the_channel_that_the_documentation_shows_is_found_by_its_entry_point(
    server: HookServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / "alerts.md"
    [shown] = [block.text for block in blocks(page, "python") if block.text.startswith("# pager.py")]
    assert len(shown.splitlines()) <= 20
    [points] = [block.text for block in blocks(page, "toml") if "entry-points" in block.text]
    (tmp_path / "pager.py").write_text(shown)
    package = tmp_path / "pager-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: pager\nVersion: 1.0\n")
    [name] = tomllib.loads(points)["project"]["entry-points"]["benchmark_recorder.channels"].items()
    (package / "entry_points.txt").write_text("[benchmark_recorder.channels]\n" + " = ".join(name) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PAGER_URL", server.url("/page"))
    server.answers = [200, 404]
    open_channel("pager:on-call").send(MESSAGE)
    assert server.taken == [("/page/on-call", {"body": MESSAGE.text, "title": MESSAGE.title})]
    with pytest.raises(ChannelError, match="the pager failed: HTTPError"):
        open_channel("pager:on-call").send(MESSAGE)
    with pytest.raises(ConfigurationError, match=r"mailto:ADDRESS, pager:\.\.\."):
        open_channel("page:on-call")
