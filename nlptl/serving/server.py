"""Running the application under uvicorn: an address, slow heads, and a quiet end."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nlptl.base.errors import ConfigError
from nlptl.serving.limits import Limits

_BODY = b'{"detail": "The head of the request did not arrive in time."}'


def listen(host: str, port: int) -> socket.socket:
    """Take an address; port 0 takes any that is free.

    Raises
    ------
    ConfigError
        If it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as problem:
        raise ConfigError(
            f"Cannot listen on {host}:{port}: {problem}. Give another --port (0 is any free one), "
            "or another --host."
        ) from problem
    # asyncio sends small answers at once only where a socket says that it is TCP.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=made.detach())


def url_of(listening: socket.socket) -> str:
    """Give the address of a service, as browsers write it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: Any, limits: Limits) -> uvicorn.Server:
    """Make the server of an application; ``should_exit = True`` ends it."""
    config = uvicorn.Config(
        app,
        http=_protocol(limits.read_seconds),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,  # a path may hold a text
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.max_connections,
        timeout_graceful_shutdown=math.ceil(limits.read_seconds + limits.answer_seconds),
    )
    return uvicorn.Server(config)


def run_server(app: Any, listening: socket.socket, limits: Limits) -> None:
    """Answer until SIGTERM or SIGINT comes; then finish what has been asked, and return."""
    server = make_server(app, limits)
    with _ending_quietly(server):
        server.run(sockets=[listening])


@contextmanager
def _ending_quietly(server: uvicorn.Server) -> Iterator[None]:
    """Let a signal end the server, and not the process: uvicorn raises it once more at the end."""

    def end(*_: Any) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, end) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _protocol(seconds: float) -> type[asyncio.Protocol]:
    class Protocol(PatientProtocol):
        head_seconds = seconds

    return Protocol


class PatientProtocol(H11Protocol):
    """HTTP that waits so long, and no longer, for the head of a request.

    uvicorn ends connections that say nothing between two requests, and none that send a head
    byte by byte, or never begin.
    """

    head_seconds = 10.0
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head, or no more where it is whole."""
        if self._due is None and self._in_head():
            self._wait()
        super().data_received(data)
        if not self._in_head():
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _in_head(self) -> bool:
        return bool(self.conn.their_state is h11.IDLE)

    def _wait(self) -> None:
        self._due = self.loop.call_later(self.head_seconds, self._too_slow)

    def _stop(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_slow(self) -> None:
        if self.transport.is_closing():
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(_BODY)).encode()),
            (b"connection", b"close"),
        ]
        answer = h11.Response(status_code=408, headers=headers, reason=b"Request Timeout")
        for event in (answer, h11.Data(data=_BODY), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
