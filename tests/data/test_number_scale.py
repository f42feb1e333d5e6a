import json

import numpy as np
import pytest

from nlptl.base.errors import InputError
from nlptl.data.number_scale import NumberScale


def test_numbers_get_mean_zero_and_spread_one_and_come_back():
    numbers = np.random.default_rng(0).normal(size=50) * 7 + 300
    scale = NumberScale.learn(numbers)
    codes = scale.encode(numbers)
    assert codes.mean() == pytest.approx(0, abs=1e-12)
    assert codes.std() == pytest.approx(1)
    assert (scale.mean, scale.scale) == pytest.approx((numbers.mean(), numbers.std()))
    back = scale.decode(codes.astype(np.float32))
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, numbers, rtol=1e-6)
    assert scale.n_outputs == 1


def test_it_survives_json():
    scale = NumberScale.learn([1, 2, 4])
    assert NumberScale.from_json(json.loads(json.dumps(scale.to_json()))) == scale


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_the_smallest_and_largest_numbers_neither_vanish_nor_overflow(size):
    scale = NumberScale.learn([size, 2 * size, 4 * size])
    assert np.isfinite(scale.scale) and scale.scale > 0
    assert np.isfinite(scale.encode([size, 4 * size])).all()


@pytest.mark.parametrize(("numbers", "said"), [([2, 2, 2], "all 3 are 2.0"), ([], "got none")])
def test_numbers_that_teach_nothing_are_refused(numbers, said):
    with pytest.raises(InputError, match=said):
        NumberScale.learn(numbers)
