"""What stands before the application: sizes, slow clients, and clients that went away."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from pathlib import Path
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
    """The client went away."""


class Guard:
    """Reads the body of each request within bounds, and then lets the application answer.

    A body of the wrong kind is refused with 415, one that is too large with 413, one that comes
    too slowly with 408, each with ``{"detail": reason}``. Where the client goes away, what works
    on its request is cancelled.

    Parameters
    ----------
    app : ASGI application
    limits : Limits
    hosts : collection of str, optional
        Names by which the service may be asked for, others get 421; None takes any. A page of
        elsewhere whose name was turned to this machine could otherwise ask it (DNS rebinding).
    """

    def __init__(self, app: App, limits: Limits, hosts: Collection[str] | None = None) -> None:
        self.app = app
        self.limits = limits
        self.hosts = hosts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Take one request."""
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
        """Refuse what the head of a request says already."""
        headers = dict(scope["headers"])
        asked = _host(headers.get(b"host", b"").decode("latin-1"))
        if self.hosts is not None and asked not in self.hosts:
            raise _RefusedError(421, f"This is not {asked[:100]!r}. Allow it with --allow-host.")
        if scope["method"] == "POST":
            kind = headers.get(b"content-type", b"").decode("latin-1")
            if kind.partition(";")[0].strip().lower() != "application/json":
                raise _RefusedError(415, f"Send application/json, not {kind[:100]!r}.")
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
        return _RefusedError(413, f"A body may have {self.limits.max_bytes:,} bytes at most.")

    async def _answer(self, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        """Let the application answer, unless the client goes away before."""
        gone = asyncio.ensure_future(_until_gone(receive))
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        answered = False

        async def again() -> Message:
            return unread.pop() if unread else await asyncio.shield(gone)

        async def last(message: Message) -> None:
            nonlocal answered
            whole = not message.get("more_body", False)
            answered = message["type"] == "http.response.body" and whole
            await send(message)

        work = asyncio.ensure_future(self._run(scope, again, last))
        try:
            await asyncio.wait({gone, work}, return_when=asyncio.FIRST_COMPLETED)
            if answered:
                await work
        finally:
            gone.cancel()
            work.cancel()
            await asyncio.wait({gone, work})

    async def _run(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as problem:  # answered with 500 already; its words may hold a text
            log_failure(problem)


def _host(given: str) -> str:
    """Give the name in a Host header, without the port."""
    name, bracket, _ = given.lower().partition("]")
    return name.lstrip("[") if bracket else name.partition(":")[0]


def log_failure(problem: BaseException) -> None:
    """Log what failed and where, but not what it says: that may hold texts of a user."""
    places = extract_tb(problem.__traceback__)[-3:]
    where = " < ".join(f"{Path(at.filename).name}:{at.lineno}" for at in reversed(places))
    logger.error("%s at %s", type(problem).__name__, where)


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
        (b"connection", b"close"),  # the rest of the body is not waited for
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
