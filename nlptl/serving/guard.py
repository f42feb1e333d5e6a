"""Check requests before the application: host name, size, slow and disconnected clients."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from pathlib import Path
from shlex import quote
from traceback import extract_tb
from typing import Any

from nlptl.serving.limits import Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

logger = logging.getLogger("nlptl.serving")


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class _GoneError(Exception):
    """Raised if the client disconnected."""


class Guard:
    """Read the body of each request within limits, then pass it to the application.

    A body of the wrong content type gets status 415, a body that is too large gets 413, and a
    body that arrives too slowly gets 408. Each response has the body ``{"detail": reason}``. If
    the client disconnects, the work on its request is cancelled.

    Parameters
    ----------
    app : ASGI application
    limits : Limits
    hosts : collection of str, optional
        Names that are accepted in the Host header; other names get status 421. None accepts any
        name. The check stops web pages that reach this machine by DNS rebinding.
    """

    def __init__(self, app: App, limits: Limits, hosts: Collection[str] | None = None) -> None:
        self.app = app
        self.limits = limits
        self.hosts = hosts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seconds = self.limits.read_seconds
        try:
            self._check(scope)
            body = await asyncio.wait_for(self._body(receive), seconds)
        except _RefusedError as refused:
            await _refuse(send, refused.status, refused.reason)
        except asyncio.TimeoutError:
            await _refuse(send, 408, f"The body did not arrive within {seconds:g} seconds.")
        except _GoneError:
            return
        else:
            await self._answer(scope, body, receive, send)

    def _check(self, scope: Message) -> None:
        """Check the headers of a request: host name, content type and length."""
        headers = dict(scope["headers"])
        host = _host(headers.get(b"host", b"").decode("latin-1"))
        if self.hosts is not None and host not in self.hosts:
            raise _RefusedError(
                421, f"Host name {host[:100]!r} is not accepted. Allow it with --allow-host."
            )
        if scope["method"] == "POST":
            kind = headers.get(b"content-type", b"").decode("latin-1")
            if kind.partition(";")[0].strip().lower() != "application/json":
                raise _RefusedError(415, _wrong_type(scope, kind[:100]))
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.limits.max_bytes:
            raise self._too_large()

    async def _body(self, receive: Receive) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            body += message.get("body", b"")
            if len(body) > self.limits.max_bytes:
                raise self._too_large()
            more = message.get("more_body", False)
        return bytes(body)

    def _too_large(self) -> _RefusedError:
        return _RefusedError(413, f"A body may have at most {self.limits.max_bytes:,} bytes.")

    async def _answer(self, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        """Let the application answer, unless the client disconnects first."""
        disconnect = asyncio.ensure_future(_until_gone(receive))
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        answered = False

        async def replay() -> Message:
            return unread.pop() if unread else await asyncio.shield(disconnect)

        async def track(message: Message) -> None:
            nonlocal answered
            complete = not message.get("more_body", False)
            answered = message["type"] == "http.response.body" and complete
            await send(message)

        work = asyncio.ensure_future(self._run(scope, replay, track))
        try:
            await asyncio.wait({disconnect, work}, return_when=asyncio.FIRST_COMPLETED)
            if answered:
                await work
        finally:
            disconnect.cancel()
            work.cancel()
            await asyncio.wait({disconnect, work})

    async def _run(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as problem:  # the client got status 500; the message may quote a text
            log_failure(problem)


def _wrong_type(scope: Message, kind: str) -> str:
    """Return why a content type is refused, and a command that sends the accepted one.

    A page of another site can send other content types without asking the browser, so only JSON is
    accepted.
    """
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")[:100] or "127.0.0.1:8000"
    url = quote(f"{scope.get('scheme', 'http')}://{host}/predict")
    return (
        f"Expected the content type application/json, got {kind!r}. Send it as a header: "
        f"curl {url} -H 'Content-Type: application/json' -d BODY"
    )


def _host(header: str) -> str:
    """Return the name in a Host header, without the port."""
    name, bracket, _ = header.lower().partition("]")
    return name.lstrip("[") if bracket else name.partition(":")[0]


def log_failure(problem: BaseException) -> None:
    """Log the type and the place of an error.

    The message is left out, because it may quote texts of a user.
    """
    frames = extract_tb(problem.__traceback__)[-3:]
    trace = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    logger.error("%s at %s", type(problem).__name__, trace)


async def _until_gone(receive: Receive) -> Message:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return message


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"detail": reason}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # the rest of the body is not read
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
