import numpy as np
import pytest

from nlptl import SelfTraining
from nlptl.base.errors import ConfigError


def test_the_surest_of_every_class_are_taken():
    sure = np.array([0.99, 0.98, 0.97, 0.96, 0.6, 0.55])
    given = np.stack([sure, 1 - sure], axis=1)
    given[4:] = given[4:, ::-1]
    rows, codes = SelfTraining(share=0.5).surest(given)
    assert rows.tolist() == [0, 1, 4] and codes.tolist() == [0, 0, 1]
    assert SelfTraining(share=1.0).surest(given)[0].tolist() == list(range(6))


@pytest.mark.parametrize("options", [{"share": 0.0}, {"share": 1.1}, {"weight": 0}, {"rounds": 0}])
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        SelfTraining(**options)
