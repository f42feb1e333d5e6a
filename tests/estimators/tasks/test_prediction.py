import numpy as np
import pytest

from nlptl import MultiTaskModel, Task, TaskAdapters, TrainingConfig, TransformerEncoder
from nlptl.base.errors import InputError

PAIRS = [(f"the parcel {i}", f"came late {i % 3}") for i in range(24)]


@pytest.fixture(scope="module")
def model(tiny_encoder, support):
    texts, labels = support
    encoder = TransformerEncoder(tiny_encoder, precision="float32")
    made = MultiTaskModel(
        {"kind": Task(), "asks": Task(), "same": Task()},
        encoder=encoder,
        training=TrainingConfig(max_steps=4, quiet=True),
        device="cpu",
        gate=False,
    )
    asks = ["?" in text for text in texts]
    return made.fit({"kind": (texts, labels), "asks": (texts, asks), "same": (PAIRS, [0, 1] * 12)})


def test_tasks_that_share_cost_one_pass_and_one_encoder(model):
    costs = model.costs()
    assert costs["together"]["passes"] == 1 and costs["separate"]["passes"] == 2
    assert costs["together"]["passes of pairs"] == costs["separate"]["passes of pairs"] == 1
    n_weights = sum(w.numel() for w in model.shared_.weights.model.parameters())
    assert costs["together"]["MiB of encoders"] == pytest.approx(n_weights * 4 / 2**20)
    apart = costs["separate"]["MiB of encoders"] / costs["together"]["MiB of encoders"]
    assert apart == pytest.approx(3)
    assert "texts per second" not in costs["together"]


def test_both_ways_are_timed_and_nothing_is_read_from_the_cache(model, support, monkeypatch):
    seen = []
    own = TransformerEncoder._encode
    monkeypatch.setattr(
        TransformerEncoder, "_encode", lambda s, *given: seen.append(1) or own(s, *given)
    )
    texts = [f"{text} {i}" for i, text in enumerate(support[0] * 2)]
    model.predict(texts)
    seen.clear()
    costs = model.costs(texts)
    assert len(seen) >= 4  # once to warm up, once together, twice apart
    assert costs["together"]["texts per second"] > costs["separate"]["texts per second"]


def test_adapters_are_counted_one_by_one(tiny_encoder, support):
    texts, labels = support
    made = MultiTaskModel(
        {"kind": Task(), "asks": Task()},
        encoder=TransformerEncoder(tiny_encoder, precision="float32", cache=None),
        transfer=TaskAdapters(2),
        training=TrainingConfig(max_steps=2, quiet=True),
        device="cpu",
        gate=False,
    )
    made.fit({"kind": (texts, labels), "asks": (texts, ["?" in text for text in texts])})
    costs = made.costs()
    assert costs["together"] == costs["separate"] and costs["together"]["passes"] == 2


def test_tasks_are_asked_by_name_and_kind_of_text(model, support):
    texts = support[0][:3]
    assert list(model.predict(texts)) == ["kind", "asks"]
    assert list(model.predict(texts, tasks="asks")) == ["asks"]
    assert list(model.predict(PAIRS[:2])) == ["same"]
    with pytest.raises(InputError, match="Task 'same' takes pairs of texts, got single texts"):
        model.predict(texts, tasks=["same"])
    with pytest.raises(InputError, match="did you mean|'kind'"):
        model.predict(texts, tasks=["kid"])
    one = {name: own for name, own in model.models_.items() if name == "same"}
    only = MultiTaskModel(model.tasks)
    only.models_ = one
    with pytest.raises(InputError, match="No task takes single texts"):
        only.outputs(texts)
    np.testing.assert_array_equal(only.outputs(PAIRS[:2])["same"], model.outputs(PAIRS[:2])["same"])
