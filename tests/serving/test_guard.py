import asyncio
import json
import logging
import shlex

import pytest

from nlptl.serving import Limits
from nlptl.serving.guard import Guard

JSON = (b"content-type", b"application/json; charset=utf-8")


def piece(body, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def echo(scope, receive, send):
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def told(app, messages, *, method="POST", headers=(JSON,), hosts=None, **limits):
    """Return what a client is sent: status and body; nothing more comes after ``messages``."""
    sent, rest = [], list(messages)

    async def receive():
        return rest.pop(0) if rest else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "headers": list(headers)}
    asyncio.run(Guard(app, Limits(**limits), hosts)(scope, receive, send))
    return (sent[0]["status"], sent[1]["body"]) if sent else None


def test_a_body_in_pieces_arrives_whole():
    assert told(echo, [piece(b"a" * 3, more=True), piece(b"b")]) == (200, b"aaab")
    assert told(echo, [piece(b"")], method="GET", headers=()) == (200, b"")


@pytest.mark.parametrize(
    ("messages", "headers", "status"),
    [
        ([], [JSON, (b"content-length", b"11")], 413),
        ([piece(b"a" * 6, more=True), piece(b"a" * 5, more=True)], [JSON], 413),
        ([piece(b"a")], [(b"content-type", b"text/plain")], 415),
        ([piece(b"a")], [], 415),
        ([piece(b"a", more=True)], [JSON], 408),
        ([], [JSON], 408),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_reason(messages, headers, status):
    async def never(scope, receive, send):
        raise AssertionError

    patience = 0.01 if status == 408 else 600.0
    code, body = told(never, messages, headers=headers, max_bytes=10, read_seconds=patience)
    assert code == status
    assert json.loads(body)["detail"]


def test_a_wrong_content_type_is_refused_with_the_command_that_sends_the_right_one():
    headers = [(b"content-type", b"text/plain"), (b"host", b"here.example:80; ls")]
    status, body = told(echo, [], headers=headers)
    reason = json.loads(body)["detail"]
    assert status == 415 and "application/json, got 'text/plain'" in reason
    assert shlex.split(reason)[-5:] == [
        "http://here.example:80; ls/predict",
        "-H",
        "Content-Type: application/json",
        "-d",
        "BODY",
    ]


def test_work_for_a_client_that_went_away_is_cancelled():
    log = []

    async def long(scope, receive, send):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    gone = {"type": "http.disconnect"}
    assert told(long, [piece(b"{}"), gone]) is None
    assert told(long, [piece(b"{", more=True), gone]) is None
    assert log == ["cancelled"]


def test_an_application_that_failed_is_logged_without_its_words(caplog):
    async def fails(scope, receive, send):
        raise ValueError("a secret text")

    with caplog.at_level(logging.DEBUG):
        told(fails, [piece(b"{}")])
    assert "ValueError at test_guard.py:" in caplog.text
    assert "secret" not in caplog.text


def test_what_is_left_to_do_after_the_answer_is_done():
    """Servers say that a client is gone as soon as its answer is out."""
    log, out = [], asyncio.Event()

    async def tidies(scope, receive, send):
        await echo(scope, receive, send)
        out.set()
        for _ in range(5):
            await asyncio.sleep(0)
        log.append("tidied")

    async def story():
        messages = [piece(b"{}")]

        async def receive():
            if not messages:
                await out.wait()
                return {"type": "http.disconnect"}
            return messages.pop()

        async def send(message):
            log.append(message["type"])

        scope = {"type": "http", "method": "POST", "headers": [JSON]}
        await Guard(tidies, Limits())(scope, receive, send)

    asyncio.run(story())
    assert log == ["http.response.start", "http.response.body", "tidied"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("", 421),
    ],
)
def test_only_known_names_are_answered_where_some_are_known(host, status):
    headers = [JSON, (b"host", host.encode())]
    found = told(echo, [piece(b"a")], headers=headers, hosts={"localhost", "::1"})
    assert found[0] == status
