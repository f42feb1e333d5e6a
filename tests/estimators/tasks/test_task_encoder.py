import numpy as np
import pytest

from nlptl import FullFineTune, LoRA, TextClassifier, TrainingConfig, TransformerEncoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.encoders.tfidf import TfidfEncoder
from nlptl.estimators.tasks.task_encoder import (
    load_shared_encoder,
    read_task_encoder,
    save_shared_encoder,
    save_task_encoder,
)

TEXTS = ["a parcel", "help me"]


@pytest.fixture
def shared(tiny_encoder):
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    return encoder.with_weights(read_encoder(encoder.folder, "float32", "cpu", stock=False))


def tuned(shared, transfer, support):
    texts, labels = support
    training = TrainingConfig(max_steps=4, refit=False, quiet=True)
    model = TextClassifier(shared, transfer=transfer, training=training, device="cpu")
    return model.fit(texts, labels)


@pytest.mark.parametrize(
    ("transfer", "form"), [(FullFineTune(), "difference"), (LoRA(rank=2, merge=False), "adapter")]
)
def test_a_trained_encoder_is_stored_as_what_differs(shared, transfer, form, support, tmp_path):
    model = tuned(shared, transfer, support)
    encoder = model.fitted_.features.encoder
    assert save_task_encoder(tmp_path, shared, encoder, None) == form
    again = read_task_encoder(form, shared, [], tmp_path)
    np.testing.assert_allclose(again.transform(TEXTS), encoder.transform(TEXTS), atol=1e-6)
    assert np.abs(again.transform(TEXTS) - shared.transform(TEXTS)).max() > 1e-5
    later = save_task_encoder(tmp_path, shared, encoder, 0)
    assert later == {"task": 0}
    assert read_task_encoder(later, shared, [model], tmp_path) is encoder


def test_the_shared_encoder_is_stored_once(shared, tmp_path):
    described = save_shared_encoder(shared, tmp_path)
    again = load_shared_encoder(described, tmp_path)
    np.testing.assert_allclose(again.transform(TEXTS), shared.transform(TEXTS), atol=1e-6)
    assert save_task_encoder(tmp_path, again, again, None) == "shared"
    assert read_task_encoder("shared", again, [], tmp_path) is again


@pytest.mark.parametrize("form", ["elsewhere", {"task": 0}, {"task": -1}, 3])
def test_an_unknown_form_is_refused(shared, form, tmp_path):
    with pytest.raises((ValueError, TypeError)):
        read_task_encoder(form, shared, [], tmp_path)


def test_a_shared_encoder_that_is_no_transformer_is_refused(tmp_path, support):
    described = save_shared_encoder(TfidfEncoder().fit(support[0]), tmp_path)
    with pytest.raises(TypeError, match="must be a transformer, got TfidfEncoder"):
        load_shared_encoder(described, tmp_path)
