"""The server of the live page: its address, its token, and its end."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from benchmark_recorder.errors import ConfigurationError, missing
from benchmark_recorder.serve.guard import LOOPBACK, Guard
from benchmark_recorder.serve.pulse import Pulse
from benchmark_recorder.serve.token import kept_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmark_recorder.history import History
    from benchmark_recorder.serve.sections import View

EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - named, not bound


def serve(  # noqa: PLR0913
    history: History, view: View, *, host: str, port: int, folder: Path, say: Callable[[str], None]
) -> None:
    """Serve the live page until SIGINT or SIGTERM.

    Args:
        history: what it shows.
        view: what it shows unless an address says otherwise.
        host: the address or name to listen on.
        port: 0 for any that is free.
        folder: where the user's token is kept.
        say: is given the address to open, and what else the user should know.

    Raises:
        ConfigurationError: the address cannot be listened on.
        MissingDependencyError: the extra ``serve`` is not installed.
    """
    try:
        import jinja2  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise missing("the live page needs starlette, uvicorn and jinja2", "serve") from error
    from benchmark_recorder.serve.web import Web

    listening = _listening(host, port)
    port = listening.getsockname()[1]
    token, pulse = kept_token(folder), Pulse(history)
    guarded = Guard(
        Web(pulse, view).application, token, port, {host, socket.gethostname()}, any_address=host in EVERY_ADDRESS
    )

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ANN401 - as the base has it
            pulse.end()  # else the streams would have to be cancelled
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        guarded, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1, lifespan="off"
    )
    if host not in LOOPBACK:
        say(f"listening on {host}: whoever has the address below can read these records, over a connection that is not "
            "encrypted")  # fmt: skip
    shown = f"[{host}]" if ":" in host else host
    say(f"live page: http://{socket.gethostname() if host in EVERY_ADDRESS else shown}:{port}/?token={token}")
    with listening, suppress(KeyboardInterrupt):  # the server raises the signal anew when it has ended
        Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"port: {port} is taken by another program; try --port {port + 1}, or --port 0 for any that is free"
            ) from error
        raise ConfigurationError(f"host: cannot listen on {host}, port {port}: {error}") from error
    return listening
