from nlptl.base import clock
from nlptl.data.rows import Rows
from nlptl.encoders.cache import as_cache
from nlptl.estimators.prediction_timing import timed_prediction


def test_the_first_call_is_not_timed_and_the_cache_is_not_used(monkeypatch):
    now, sizes = [0.0], []
    monkeypatch.setattr(clock, "seconds", lambda: now[0])

    def predict(rows):
        sizes.append(len(rows))
        now[0] += 10.0 if len(sizes) == 1 else 0.5
        return len(rows), as_cache("auto") is not None

    (n, uses_cache), speed = timed_prediction(predict, Rows(["a", "b", "c", "d"]))
    assert (n, speed, sizes, uses_cache) == (4, 8.0, [1, 4], False)
