import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nlptl.base.errors import ConfigError
from nlptl.serving.server import listen, url_of

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def connect(service):
    return socket.create_connection(("127.0.0.1", service.port), timeout=300)


def read_all(line, *, until=None):
    """Read to the end, or to some bytes."""
    found = b""
    while (until is None or until not in found) and (piece := line.recv(65_536)):
        found += piece
    return found


def wait_for_connections(service, number):
    while len(service.server.server_state.connections) < number:
        time.sleep(0.005)


@pytest.mark.parametrize(
    "sent", [b"", b"POST /pre", HEAD, HEAD + b'Content-Length: 20\r\n\r\n{"te'], ids=len
)
def test_a_client_that_comes_to_a_halt_is_told_so(serve, scripted, sent):
    with serve(scripted, read_seconds=500.0) as service, connect(service) as line:
        line.sendall(sent)
        wait_for_connections(service, 1)
        service.pass_time(501.0)
        answer = read_all(line)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]


@pytest.mark.parametrize("begun", [b"", HEAD + b"Content-Length: 99\r\n\r\n"], ids=["head", "body"])
def test_byte_by_byte_is_no_way_to_stay(serve, scripted, begun):
    with serve(scripted, read_seconds=500.0) as service, connect(service) as line:
        line.sendall(begun)
        wait_for_connections(service, 1)
        for _ in range(3):  # which are 600 seconds, and never more than 200 without a byte
            line.sendall(b"G")
            service.pass_time(200.0)
        assert read_all(line).startswith(b"HTTP/1.1 408 ")


def test_a_second_head_on_the_same_connection_has_to_come_in_time_too(serve, scripted):
    body = b'{"text": "ab"}'
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with serve(scripted, read_seconds=500.0) as service:
        service.server.config.timeout_keep_alive = 5_000  # uvicorn's own end of idle clients
        with connect(service) as line:
            for _ in range(3):
                line.sendall(whole)
                assert b" 200 " in read_all(line, until=b'{"number":2.0}]}')
                service.pass_time(501.0)  # nothing is due between two requests
            line.sendall(HEAD)
            service.pass_time(501.0)
            assert read_all(line).startswith(b"HTTP/1.1 408 ")


def test_what_is_asked_is_answered_before_the_end(serve, scripted):
    with ThreadPoolExecutor(3) as clients:
        with serve(scripted) as service:
            scripted.hold()
            said = [clients.submit(service.post, {"text": "first"})]
            assert scripted.began.wait(300)
            said += [clients.submit(service.post, {"text": "ab"}) for _ in range(2)]
            while json.loads(service.ask("GET", "/health")[1])["waiting"] < 2:
                time.sleep(0.005)
            service.server.should_exit = True
            with pytest.raises(ConnectionRefusedError):
                while True:  # until it listens no more
                    connect(service).close()
                    time.sleep(0.01)
            scripted.free.set()
        assert [one.result()[0] for one in said] == [200, 200, 200]


def test_so_many_connections_and_no_more(serve, scripted):
    with serve(scripted, max_connections=3) as service:
        lines = [connect(service) for _ in range(3)]
        assert service.ask("GET", "/health")[0] == 503
        for line in lines:
            line.close()


def test_answers_leave_at_once(serve, scripted):
    with serve(scripted) as service, connect(service) as line:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        read_all(line, until=b"}")
        (connection,) = service.server.server_state.connections
        own = connection.transport.get_extra_info("socket")
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken_is_named():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert url_of(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(ConfigError, match=rf"Cannot listen on 127.0.0.1:{port}.*--port"):
            listen("127.0.0.1", port)
    with pytest.raises(ConfigError, match="Cannot listen on 127.0.0.1:70000"):
        listen("127.0.0.1", 70_000)
