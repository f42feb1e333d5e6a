import numpy as np
import pytest

from nlptl import MultiTaskModel, Task, TrainingConfig, TransformerEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.estimators.tasks.adding import added


@pytest.fixture(scope="module")
def model(tiny_encoder, support):
    texts, labels = support
    encoder = TransformerEncoder(tiny_encoder, dtype="float32", cache=None)
    training = TrainingConfig(max_steps=4, quiet=True)
    made = MultiTaskModel(
        {"kind": Task()}, encoder=encoder, training=training, device="cpu", gate=False
    )
    return made.fit({"kind": (texts, labels)})


def test_an_adapter_stands_beside_the_shared_encoder(model, support):
    texts, _ = support
    data = texts[:40], [len(t) > 60 for t in texts[:40]]
    before = model.shared_.transform(texts[:3])
    own, known = added(model, "long", "auto", data, how="adapter")
    assert known.kind == "single_label"
    weights = own.fitted_.features.encoder.weights
    assert weights.base is model.shared_.weights and weights.adapter is not None
    np.testing.assert_array_equal(model.shared_.transform(texts[:3]), before)
    assert np.abs(own.fitted_.features.encoder.transform(texts[:3]) - before).max() > 0


def test_a_head_alone_reads_what_the_shared_encoder_says(model, support):
    texts, _ = support
    own, _ = added(model, "length", "regression", (texts, [len(t) for t in texts]), how="head")
    assert own.fitted_.features.encoder.weights is model.shared_.weights
    assert own.score(texts, [len(t) for t in texts]) > 0.3


def test_what_cannot_be_added_is_refused(model):
    data = ["a", "b"], ["x", "y"]
    with pytest.raises(ConfigError, match="how="):
        added(model, "new", "auto", data, how="all")
    with pytest.raises(ConfigError, match="already"):
        added(model, "kind", "auto", data, how="head")
    with pytest.raises(ConfigError, match="answers"):
        added(model, "new", "language_model", ["a"], how="head")
    with pytest.raises(InputError, match="Task 'new'"):
        added(model, "new", "auto", (["a", "b"], ["x"]), how="head")
