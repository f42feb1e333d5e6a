import numpy as np
import pytest

from nlptl import LogisticHead, MLPHead, OrdinalHead, TextClassifier, TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.encoders import Pooling
from nlptl.saving.linear_head import calibrated_head, head_on_groups, head_on_layer

TEXTS = ["late help phone", "help late card", "money late app", "app help late"] * 6
LABELS = [1, 2, 3, 2] * 5 + [2, 1, 2, 3]
SEVERAL = [["late"], ["help", "late"], ["late", "money"], ["help"]] * 6


def fitted(encoder, labels=LABELS, head=None):
    return TextClassifier(encoder, head=head or LogisticHead(C=1.0)).fit(TEXTS, labels).fitted_


@pytest.mark.parametrize("labels", [LABELS, SEVERAL], ids=["one label", "several labels"])
def test_a_map_on_all_layers_gives_the_calibrated_logits(tiny_encoder, labels):
    model = fitted(tiny_encoder, labels)
    encoder = model.features.encoder
    weights, offset = head_on_groups(model, encoder)
    logits = encoder.transform(TEXTS[:4]) @ weights.T + offset
    assert weights.shape[1] == encoder.dim and weights.dtype == np.float32
    expected = model.outputs(TEXTS[:4])
    if labels is SEVERAL:
        found = 1 / (1 + np.exp(-logits))
    else:
        found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_reduced_encoder_is_a_part_of_the_map(tiny_encoder):
    pooling = Pooling(dimension=4)
    model = fitted(TransformerEncoder(tiny_encoder, pooling=pooling, cache=None))
    weights, _ = head_on_groups(model, model.features.encoder)
    assert weights.shape == (3, 32)


def test_a_map_on_one_layer_includes_the_weight_of_the_layer(tiny_encoder):
    model = fitted(TransformerEncoder(tiny_encoder, pooling=Pooling(), cache=None))
    plain, _ = calibrated_head(model.scorer)
    object.__setattr__(model.features, "weights", np.array([0.0, 0.5]))
    weights, _ = head_on_layer(model)
    np.testing.assert_allclose(weights, plain / 2)


def test_ordered_labels_are_linear_and_a_network_is_not(tiny_encoder):
    weights, offset = calibrated_head(fitted(tiny_encoder, head=OrdinalHead()).scorer)
    assert len(weights) == len(offset) == 3
    with pytest.raises(ConfigError, match=r"MLPHead is not linear.*--head logistic"):
        calibrated_head(fitted(tiny_encoder, head=MLPHead()).scorer)
