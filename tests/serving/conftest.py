"""A service on this machine, and a plain client of it."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager

import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.serving import Limits, make_app
from nlptl.serving.server import listen, make_server


class Service:
    """What is running, and how to ask it."""

    def __init__(self, port, server):
        self.port, self.server = port, server

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, **headers):
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        line.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        reply = line.getresponse()
        found = reply.status, reply.read().decode(), dict(reply.getheaders())
        line.close()
        return found

    def post(self, payload):
        """Give the status, and the answers or the reason."""
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
        self.free.wait(20)
        if any("bad" in text for text in texts):
            raise RuntimeError(f"cannot read {texts}")
        return [len(text) for text in texts]


@pytest.fixture
def serve():
    """Serve a model until the test ends."""

    @contextmanager
    def running(model, **limits):
        known = Limits(**limits)
        app = make_app(model, name="tried", limits=known)
        with listen("127.0.0.1", 0) as listening:
            server = make_server(app, known)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                yield Service(listening.getsockname()[1], server)
            finally:
                server.should_exit = True
                thread.join(20)
        assert not thread.is_alive()

    return running


@pytest.fixture
def scripted():
    return Scripted()


@pytest.fixture(scope="session")
def classifier(support):
    texts, labels = support
    return TextClassifier(TfidfEncoder()).fit(texts, labels)
