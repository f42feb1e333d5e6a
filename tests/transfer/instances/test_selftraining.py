import numpy as np
import pytest

from nlptl import SelfTraining
from nlptl.base.errors import ConfigError


def test_the_most_confident_rows_of_every_class_are_chosen():
    confidence = np.array([0.99, 0.98, 0.97, 0.96, 0.6, 0.55])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    probabilities[4:] = probabilities[4:, ::-1]
    rows, codes = SelfTraining(share=0.5).most_confident(probabilities)
    assert rows.tolist() == [0, 1, 4] and codes.tolist() == [0, 0, 1]
    assert SelfTraining(share=1.0).most_confident(probabilities)[0].tolist() == list(range(6))


@pytest.mark.parametrize("options", [{"share": 0.0}, {"share": 1.1}, {"weight": 0}, {"rounds": 0}])
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        SelfTraining(**options)
