"""The scheduled example, against a real SMTP server on this machine."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.reporting import FORMATS
from examples.weekly_report import main
from tests.alerts.servers import PASSWORD, Inbox, MailServer, secured
from tests.hostile import HOSTILE
from tests.runs import record_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

ASKED = ["v1.0", "v2.0", "--from", "benchmarks@example.com", "--to", "team@example.com", "--to", "lead@example.com"]


@pytest.fixture(autouse=True)
def _with_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with BenchmarkRecorder(tmp_path / "benchmarks" / "metrics.json") as recorder:
        record_runs(recorder)
    monkeypatch.setenv("SMTP_HOST", "localhost")


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def plain_server(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    controller = MailServer(inbox, hostname="127.0.0.1", port=0)
    yield from running(controller, monkeypatch)


@pytest.fixture
def secure_server(inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that wants STARTTLS and a login, and has a certificate of an authority that the machine trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    controller = secured(inbox, context)
    monkeypatch.setenv("SMTP_USER", "benchmarks")
    yield from running(controller, monkeypatch)


def running(controller: MailServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    controller.start()
    try:
        monkeypatch.setenv("SMTP_PORT", str(controller.port))
        yield
    finally:
        controller.stop()


def only(inbox: Inbox) -> EmailMessage:
    """The letter, which is the only one; methods of the inbox itself are the server's to find."""
    [(recipients, letter)] = inbox.letters
    assert recipients == ["team@example.com", "lead@example.com"]
    return letter


def body(letter: EmailMessage, kind: str) -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.usefixtures("plain_server")
@pytest.mark.parametrize("form", ["text", "markdown"])
def test_the_weeks_report_is_sent_as_text(form: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_SECURITY", "none")
    assert main([*ASKED, "--format", form]) == 0
    assert only(inbox)["Subject"] == "Benchmarks of the last 7 days: v1.0, v2.0"
    assert only(inbox)["From"] == "benchmarks@example.com"
    assert only(inbox)["Date"]
    assert only(inbox)["Message-ID"].endswith("@example.com>")
    text = body(only(inbox), "plain")
    assert "Execution time" in text
    assert text.startswith("# " if form == "markdown" else "Benchmark report")


@pytest.mark.skipif("html" not in FORMATS, reason="this release has no HTML report")
@pytest.mark.usefixtures("plain_server")
def test_html_stands_beside_the_text(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_SECURITY", "none")
    assert main(ASKED) == 0
    assert only(inbox).get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in only(inbox).iter_parts()] == ["text/plain", "text/html"]
    assert body(only(inbox), "plain").startswith("Benchmark report")
    assert "<html" in body(only(inbox), "html")


@pytest.mark.usefixtures("secure_server")
def test_over_tls_with_a_login_and_the_password_is_told_to_nobody_else(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    assert main([*ASKED, "--format", "text"]) == 0
    assert inbox.logins == [(b"benchmarks", PASSWORD.encode())]
    assert PASSWORD not in only(inbox).as_string()
    out, err = capsys.readouterr()
    assert out == "sent to team@example.com, lead@example.com\n"
    assert err == ""


@pytest.mark.usefixtures("secure_server")
def test_a_wrong_password_is_an_error_that_does_not_tell_it(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2")
    assert main([*ASKED, "--format", "text"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("not sent: (535")
    assert "hunter2" not in err
    assert inbox.letters == []


@pytest.mark.usefixtures("secure_server")
def test_a_server_that_nobody_vouches_for_gets_no_password(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    assert main([*ASKED, "--format", "text"]) == 1
    assert "certificate verify failed" in capsys.readouterr().err
    assert inbox.logins == []


def test_a_server_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("SMTP_PORT", "9")
    assert main([*ASKED, "--format", "text"]) == 1
    assert capsys.readouterr().err.startswith("not sent: 127.0.0.1:9 (SMTP_HOST, SMTP_PORT): ")


@pytest.mark.usefixtures("plain_server")
def test_a_password_is_not_sent_in_the_clear(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMTP_USER", "benchmarks")
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    for security in ("none", "starttls"):  # the server has no TLS
        monkeypatch.setenv("SMTP_SECURITY", security)
        assert main([*ASKED, "--format", "text"]) == 1
        err = capsys.readouterr().err
        assert err.startswith("not sent: ")
        assert PASSWORD not in err
    assert inbox.letters == []


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SMTP_SECURITY", "ssl", "SMTP_SECURITY: expected starttls, tls, none, got 'ssl'"),
        ("SMTP_PORT", "1", "Connection refused"),
        ("BENCHMARK_RECORDER_STORE", "redis://host", "no store for redis://"),
    ],
)
def test_what_keeps_it_from_being_sent_is_told(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert main([*ASKED, "--format", "text"]) == 1
    assert message in capsys.readouterr().err


def test_a_line_break_in_a_version_cannot_make_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    with BenchmarkRecorder("benchmarks/metrics.json") as recorder:
        recorder.record_execution("x", 1.0, True, "v1.0\nBcc: all@example.com")
    assert main(["v1.0\nBcc: all@example.com", *ASKED[2:], "--print", "--format", "text"]) == 1
    assert "Bcc" not in capsys.readouterr().out


@pytest.mark.usefixtures("plain_server")
def test_what_was_recorded_stays_in_the_body(inbox: Inbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SMTP_SECURITY", "none")
    monkeypatch.setenv("BENCHMARK_RECORDER_STORE", str(tmp_path / "hostile.json"))
    with BenchmarkRecorder(tmp_path / "hostile.json") as recorder:
        for number, text in enumerate(HOSTILE.values()):
            for version, seconds in (("v1.0", 1.0), ("v2.0", 100.0)):
                for _ in range(2):
                    recorder.record_execution(text, seconds + number / 7, True, version, agent_selected=text[:200])
    assert main([*ASKED, "--format", "text"]) == 0
    assert len(inbox.letters) == 1
    assert not only(inbox).defects
    headers = {"Subject", "From", "To", "Date", "Message-ID"}
    assert set(only(inbox).keys()) == headers | {"MIME-Version", "Content-Type", "Content-Transfer-Encoding"}


@pytest.mark.usefixtures("plain_server")
def test_an_empty_week_says_so_in_its_subject_or_is_not_sent(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMTP_SECURITY", "none")
    Path("benchmarks/metrics.json").unlink()
    addresses = ASKED[2:]
    assert main([*addresses, "--skip-empty"]) == 4
    assert capsys.readouterr().out == "not sent: there are no runs\n"
    assert not inbox.letters
    assert main(["v1.0", "v2.0", *addresses, "--days", "3"]) == 4
    letter = only(inbox)
    assert letter["Subject"] == "Benchmarks: no runs in the last 3 days"
    assert letter.get_content().strip() == "There are no runs in the last 3 days."


def test_without_names_the_report_is_about_the_latest_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED[2:], "--print", "--format", "text", "--skip-empty"]) == 0
    assert "Subject: Benchmarks of the last 7 days: v1.0, v2.0\n" in capsys.readouterr().out
