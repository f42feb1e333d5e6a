"""A service on this machine whose time a test moves, and a plain client of it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from contextlib import contextmanager

import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.serving import Limits, make_app
from nlptl.serving.server import listen, make_server

PATIENCE = 300.0
"""Seconds until a test that hangs is given up; nothing else depends on it."""


class Service:
    """What is running, and how to ask it."""

    def __init__(self, port, server):
        self.port, self.server, self.loop = port, server, None
        self.later = 0.0

    async def run(self, listening):
        """Serve by a clock that ``pass_time`` moves."""
        self.loop = asyncio.get_running_loop()
        real = self.loop.time
        self.loop.time = lambda: real() + self.later
        await self.server.serve(sockets=[listening])

    def settle(self):
        """Let the service read what has been sent."""
        for _ in range(3):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop).result(PATIENCE)

    def pass_time(self, seconds):
        """Move the clock of the service on, after it has read what has been sent."""
        self.settle()
        self.later += seconds
        self.settle()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, **headers):
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        line.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        reply = line.getresponse()
        found = reply.status, reply.read().decode(), dict(reply.getheaders())
        line.close()
        return found

    def post(self, payload):
        """Return the status, and the answers or the reason."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        status, text, _ = self.ask("POST", "/predict", body, content_type="application/json")
        told = json.loads(text)
        return status, told["predictions"] if status == 200 else told["detail"]


class Scripted:
    """A model that gives the length of a text, when it is told to, and notes its passes."""

    def __init__(self):
        self.passes, self.free, self.began = [], threading.Event(), threading.Event()
        self.free.set()

    def hold(self):
        """Let the next pass begin, and wait."""
        self.free.clear()
        self.began.clear()

    def predict(self, texts):
        self.passes.append(list(texts))
        self.began.set()
        self.free.wait(PATIENCE)
        if any("bad" in text for text in texts):
            raise RuntimeError(f"cannot read {texts}")
        return [len(text) for text in texts]


@pytest.fixture
def serve():
    """Serve a model until the test ends; by default no client is too slow for it."""

    @contextmanager
    def running(model, **limits):
        known = Limits(**{"read_seconds": 2 * PATIENCE, "answer_seconds": 2 * PATIENCE, **limits})
        app = make_app(model, name="tried", limits=known)
        with listen("127.0.0.1", 0) as listening:
            server = make_server(app, known)
            service = Service(listening.getsockname()[1], server)
            thread = threading.Thread(target=lambda: asyncio.run(service.run(listening)))
            thread.start()
            try:
                yield service
            finally:
                server.should_exit = True
                thread.join(PATIENCE)
        assert not thread.is_alive()

    return running


@pytest.fixture
def scripted():
    return Scripted()


@pytest.fixture(scope="session")
def classifier(support):
    texts, labels = support
    return TextClassifier(TfidfEncoder()).fit(texts, labels)
