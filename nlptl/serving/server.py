"""Run the application under uvicorn, with a time limit for headers and a clean shutdown."""

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
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from nlptl.base.errors import ConfigError
from nlptl.serving.limits import Limits

_BODY = b'{"detail": "The headers of the request did not arrive in time."}'


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes any free port.

    Raises
    ------
    ConfigError
        If the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as problem:
        raise ConfigError(
            f"Cannot listen on {host}:{port}: {problem}. Choose another --port (0 takes any free "
            "port) or another --host."
        ) from problem
    # asyncio sends small answers without delay only if the socket is declared as TCP.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=server.detach())


def url_of(listening: socket.socket) -> str:
    """Return the URL of a service."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """Build the server of an application. Set ``should_exit = True`` to stop it."""
    config = uvicorn.Config(
        app,
        http=_protocol(limits.read_seconds),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,  # a path may contain a text
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.max_connections,
        timeout_graceful_shutdown=math.ceil(limits.read_seconds + limits.answer_seconds),
    )
    return uvicorn.Server(config)


def run_server(app: ASGIApp, listening: socket.socket, limits: Limits) -> None:
    """Answer requests until SIGTERM or SIGINT; then finish the open requests and return."""
    server = make_server(app, limits)
    with _ending_quietly(server):
        server.run(sockets=[listening])


@contextmanager
def _ending_quietly(server: uvicorn.Server) -> Iterator[None]:
    """Let a signal stop the server, not the process; uvicorn would raise the signal again."""

    def end(*_: object) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _protocol(seconds: float) -> type[asyncio.Protocol]:
    class Protocol(PatientProtocol):
        head_seconds = seconds

    return Protocol


class PatientProtocol(H11Protocol):
    """HTTP protocol with a time limit for the headers of a request.

    uvicorn closes connections that are idle between two requests. It does not close connections
    that send their headers byte by byte, or that never send any.
    """

    head_seconds = 10.0
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the time limit for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Keep the time limit while headers are incomplete; stop it once they are complete."""
        if self._due is None and self._in_head():
            self._wait()
        super().data_received(data)
        if not self._in_head():
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
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
