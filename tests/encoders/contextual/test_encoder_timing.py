import pytest

from nlptl import TransformerEncoder
from nlptl.base import clock
from nlptl.data.rows import Rows
from nlptl.encoders.contextual.encoder_timing import forward_seconds


@pytest.mark.parametrize("texts", [["a card"] * 40, [("a card", "my phone")] * 40, ["a card"]])
def test_seconds_are_per_row_of_a_few_rows_and_skip_the_cache(tiny_encoder, monkeypatch, texts):
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    seen = []

    def transform(self, texts, *_, **__):
        seen.append(list(texts))

    monkeypatch.setattr(TransformerEncoder, "transform", transform)
    times = iter([10.0, 12.0])
    monkeypatch.setattr(clock, "seconds", lambda: next(times))
    n_rows = min(len(texts), 16)
    assert forward_seconds(encoder, Rows(texts)) == 2.0 / n_rows
    assert len(seen[-1]) == n_rows * (2 if isinstance(texts[0], tuple) else 1)
