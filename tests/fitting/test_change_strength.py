import numpy as np
import pytest

from nlptl import Frozen, FullFineTune, TransformerEncoder
from nlptl.data.labels import LabelCodec
from nlptl.data.rows import Rows
from nlptl.data.targets import Targets
from nlptl.fitting.change_strength import STRENGTHS, chosen_strength
from nlptl.fitting.training_data import TrainingData


class Planted:
    """An encoder whose first number shows the class, less so with the distance to the best."""

    def __init__(self, texts, codes, apart):
        rng = np.random.default_rng(0)
        noise = rng.normal(size=(len(texts), 4))
        noise[:, 0] += 3 * (1 - apart) * codes
        self.vectors = dict(zip(texts, noise.astype(np.float32), strict=True))
        self.groups, self.dim = (("all", 4),), 4

    def fit(self, texts):
        return self

    def transform(self, texts):
        return np.stack([self.vectors[text] for text in texts])


@pytest.mark.parametrize("best", STRENGTHS)
@pytest.mark.parametrize("main", [Frozen(), FullFineTune()])
def test_the_strength_that_tells_the_classes_apart_is_chosen(best, main):
    texts = [f"text {i}" for i in range(60)]
    codes = np.arange(60) % 2
    data = TrainingData(Rows(texts), Targets(codes, 2), LabelCodec.learn(codes.tolist()))

    def moved(strength):
        return Planted(texts, codes, abs(strength - best))

    assert chosen_strength(moved, data, main, joint=False) == best


def test_without_a_difference_the_encoder_stays_as_it_is(tiny_encoder):
    texts, codes = ["late box", "bad app", "late app", "good box"], np.array([0, 1, 0, 1])
    data = TrainingData(Rows(texts), Targets(codes, 2), LabelCodec.learn(codes.tolist()))
    encoder = TransformerEncoder(tiny_encoder)
    assert chosen_strength(lambda _: encoder, data, Frozen(), joint=False) == 0.0
