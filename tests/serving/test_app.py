import http.client
import json
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.encoders.contextual.onnx import backend
from nlptl.serving.answers import answers
from nlptl.serving.app import app_of
from nlptl.serving.limits import Limits


@pytest.fixture(scope="module")
def pairs():
    texts = [("good", "tea"), ("great", "day"), ("bad", "tea"), ("broken", "day")] * 3
    return TextClassifier(TfidfEncoder()).fit(texts, ["yes", "yes", "no", "no"] * 3)


def until(true):
    """Wait for something that another thread brings about."""
    for _ in range(60_000):
        if true():
            return
        time.sleep(0.005)
    raise AssertionError


def test_each_of_a_hundred_clients_at_a_time_gets_the_answers_to_its_own_texts(
    serve, classifier, support
):
    texts = support[0][:300]
    known = [answers(classifier, [text])[0] for text in texts]
    assert len({json.dumps(one) for one in known}) > 290

    def one(place):
        mine = range(place, 300, 100) if place % 3 else [place]
        status, found = service.post({"texts": [texts[i] for i in mine]})
        wanted = [known[i] for i in mine]
        assert status == 200 and len(found) == len(wanted)
        for said, right in zip(found, wanted, strict=True):
            assert said["label"] == right["label"]
            assert said["probabilities"] == pytest.approx(right["probabilities"], abs=1e-5)
        return len(wanted)

    with serve(classifier, max_batch=16) as service, ThreadPoolExecutor(100) as clients:
        assert sum(clients.map(one, range(100))) == 34 + 66 * 3


def test_a_service_chooses_the_backend_when_it_starts(classifier, monkeypatch):
    seen = []
    predict = type(classifier).predict_proba

    def watched(model, *args, **options):
        seen.append(backend._LONG_RUN.get())
        return predict(model, *args, **options)

    monkeypatch.setattr(type(classifier), "predict_proba", watched)
    app_of(classifier, name="requests", limits=Limits())
    classifier.predict_proba(["Hi."])
    assert len(seen) > 1 and all(seen[:-1]) and not seen[-1]


def test_one_text_may_come_without_a_list(serve, classifier):
    with serve(classifier) as service:
        alone, listed = service.post({"text": "Hi."}), service.post({"texts": ["Hi."]})
    assert alone == listed == (200, answers(classifier, ["Hi."]))


@pytest.mark.parametrize(
    ("payload", "status", "said"),
    [
        (b"{nothing", 400, "The body is not JSON."),
        (b"[" * 5_000, 400, "parsing the body"),
        (b"\xff\xfe{", 400, "parsing the body"),
        (b"", 422, "Expected an object such as"),
        ([], 422, "Expected an object such as"),
        ({}, 422, 'Expected either "text" or "texts", got neither'),
        ({"text": "a", "texts": ["a"]}, 422, 'Expected either "text" or "texts", got both'),
        ({"texts": []}, 422, "at least one text"),
        ({"texts": "a"}, 422, "'texts': Input should be a valid list"),
        ({"texts": ["a", 3]}, 422, "texts[1]: Expected a string"),
        ({"texts": ["a", None]}, 422, "texts[1]: Expected a string"),
        ({"texts": ["a", ["b"]]}, 422, "texts[1]: Expected a string"),
        ({"texts": ["a", ["b", "c"]]}, 422, "index 1"),
        ({"text": ["b", "c"]}, 422, "This model takes texts, got pairs of texts."),
        ({"text": "  "}, 422, "empty"),
        ({"text": "\ud800"}, 422, "half of a character"),
        ({"text": "a", "more": 1}, 422, "Expected an object such as"),
        ({"text": "a", "\ud800": 1}, 422, "Expected an object such as"),
        ({"texts": ["a"] * 4}, 422, "A request may have at most 3 texts, got 4."),
        ({"texts": ["a", "b" * 51]}, 422, "texts[1] may have at most 50 characters, got 51."),
        (b" " * 6_000, 413, "A body may have at most 5,500 bytes."),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(strict, payload, status, said):
    code, reason = strict.post(payload)
    assert code == status
    assert said in reason and "\n" not in reason
    assert strict.post({"text": "Hi."})[0] == 200


@pytest.fixture
def strict(serve, scripted):
    with serve(scripted_singles(scripted), max_texts=3, max_characters=50, max_bytes=5_500) as one:
        yield one


def scripted_singles(scripted):
    plain = scripted.predict

    def predict(texts):
        if not isinstance(texts[0], str):
            raise TypeError("pairs")
        return plain(texts)

    scripted.predict = predict
    return scripted


def test_other_ways_of_asking_are_refused(serve, scripted):
    with serve(scripted) as service:
        status, text, _ = service.ask("POST", "/predict", b"text=a", content_type="text/plain")
        assert status == 415 and "application/json" in json.loads(text)["detail"]
        assert service.ask("GET", "/predict")[0] == 405
        status, text, _ = service.ask("GET", "/docs")
        assert status == 404 and "POST /predict" in json.loads(text)["detail"]
        other = service.ask("GET", "/health", origin="http://elsewhere.example")
        assert not [name for name in other[2] if name.lower().startswith("access-control")]


def test_a_body_whose_length_is_not_told_is_counted(serve, scripted):
    def pieces():
        yield from [b"x" * 1_000] * 6

    with serve(scripted, max_bytes=5_000) as service:
        line = http.client.HTTPConnection("127.0.0.1", service.port, timeout=300)
        headers = {"Content-Type": "application/json"}
        line.request("POST", "/predict", pieces(), headers, encode_chunked=True)
        assert line.getresponse().status == 413
        line.close()


def test_pairs_are_lists_of_two(serve, pairs):
    with serve(pairs) as service:
        asked = [["great", "tea"], ["broken", "tea"]]
        status, found = service.post({"texts": asked})
        assert status == 200 and [one["label"] for one in found] == ["yes", "no"]
        assert service.post({"text": asked[0]}) == (200, found[:1])
        assert service.post({"text": "great"}) == (
            422,
            "This model takes pairs of texts, got texts.",
        )


def test_a_text_that_the_model_fails_on_harms_no_other(serve, scripted, caplog):
    scripted_singles(scripted)
    with serve(scripted) as service, ThreadPoolExecutor(4) as clients:
        scripted.hold()
        said = [clients.submit(service.post, {"text": "first"})]
        assert scripted.began.wait(300)
        with caplog.at_level(logging.DEBUG, logger="nlptl"):
            said += [clients.submit(service.post, {"text": one}) for one in ("aa", "bad", "cccc")]
            until(lambda: waiting(service) == 3)
            scripted.free.set()
            found = [one.result() for one in said]
    assert found[0] == (200, [{"number": 5}]) and found[1] == (200, [{"number": 2}])
    assert found[2] == (500, "The model failed on these texts.")
    assert found[3] == (200, [{"number": 4}])
    assert len(scripted.passes[2]) == 3  # they were one pass, and then one each
    assert "RuntimeError at conftest.py" in caplog.text and "bad" not in caplog.text


def waiting(service):
    return json.loads(service.ask("GET", "/health")[1])["waiting"]


def test_where_too_much_waits_clients_are_told_to_come_again(serve, scripted):
    scripted_singles(scripted)
    with serve(scripted, max_waiting=2, max_texts=2) as service, ThreadPoolExecutor(4) as clients:
        scripted.hold()
        said = [clients.submit(service.post, {"text": "first"})]
        assert scripted.began.wait(300)
        said += [clients.submit(service.post, {"text": "second"}) for _ in range(2)]
        until(lambda: waiting(service) == 2)
        body = json.dumps({"text": "third"})
        status, text, headers = service.ask(
            "POST", "/predict", body, content_type="application/json"
        )
        assert status == 503 and headers["retry-after"] == "1"
        assert "2 texts wait" in json.loads(text)["detail"]
        scripted.free.set()
        assert [one.result()[0] for one in said] == [200, 200, 200]


def test_an_answer_that_takes_too_long_is_not_waited_for(serve, scripted):
    scripted_singles(scripted)
    with serve(scripted, answer_seconds=500.0) as service, ThreadPoolExecutor(1) as clients:
        scripted.hold()
        first = clients.submit(service.post, {"text": "first"})
        assert scripted.began.wait(300)
        service.pass_time(501.0)
        assert first.result() == (504, "There was no answer within 500 seconds.")
        scripted.free.set()
        assert service.post({"text": "then"}) == (200, [{"number": 4}])


def test_texts_of_a_client_that_went_away_are_dropped(serve, scripted):
    scripted_singles(scripted)
    with serve(scripted) as service, ThreadPoolExecutor(1) as clients:
        scripted.hold()
        first = clients.submit(service.post, {"text": "first"})
        assert scripted.began.wait(300)
        line = http.client.HTTPConnection("127.0.0.1", service.port)
        body = json.dumps({"text": "gone"})
        line.request("POST", "/predict", body, {"Content-Type": "application/json"})
        until(lambda: waiting(service) == 1)
        line.close()
        until(lambda: waiting(service) == 0)
        scripted.free.set()
        assert first.result()[0] == 200
    assert scripted.passes[1:] == [["first"]]


def test_health_says_what_is_served(serve, classifier):
    with serve(classifier) as service:
        status, text, _ = service.ask("GET", "/health")
    told = json.loads(text)
    assert status == 200
    assert told["status"] == "ok" and told["model"] == "tried" and told["waiting"] == 0
    assert told["kind"] == "text-classifier" and told["takes"] == ["texts"]
    assert told["classes"] == classifier.classes_.tolist()
    assert "nlptl" in told["versions"]


def test_the_page_and_the_description_come_from_here_alone(serve, scripted):
    with serve(scripted) as service:
        status, page, headers = service.ask("GET", "/")
        described = json.loads(service.ask("GET", "/openapi.json")[1])
    assert status == 200 and "<textarea" in page
    assert not re.findall(r"//[a-z]|@import|url\(", page)
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval", page)
    for control in re.findall(r'<textarea id="(\w+)"', page):
        assert f'<label for="{control}">' in page
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert set(described["paths"]) == {"/predict", "/health"}


def test_of_a_million_wrong_items_the_first_is_the_reason(serve, classifier):
    with serve(classifier) as service:
        for body in (
            b'{"texts": [' + b"1," * 900_000 + b"1]}",
            b"{" + b",".join(b'"k%d": 1' % i for i in range(100_000)) + b"}",
        ):
            status, reason = service.post(body)
            # One reason: a million of them would take minutes.
            assert status == 422 and len(str(reason)) < 300
