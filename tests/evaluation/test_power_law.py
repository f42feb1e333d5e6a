import numpy as np
import pytest

from nlptl.evaluation.power_law import PowerLaws, first_reached, sizes_between

SIZES = np.array([8.0, 16, 32, 64, 128, 256])


def law(asymptote, drop, exponent):
    return PowerLaws(8.0, np.array([asymptote]), np.array([drop]), np.array([exponent]))


@pytest.mark.parametrize("parameters", [(0.9, 0.4, 0.5), (0.8, 0.2, 0.3), (0.95, 0.6, 1.2)])
def test_a_planted_curve_is_recovered(parameters):
    scores = law(*parameters).at(SIZES)
    fitted = PowerLaws.fit(SIZES, scores, limit=1.0)
    np.testing.assert_allclose(fitted.at(SIZES), scores, atol=3e-3)
    assert fitted.asymptote[0] == pytest.approx(parameters[0], abs=0.02)


def test_a_curve_never_falls_and_never_passes_the_limit():
    falling = PowerLaws.fit(SIZES, np.array([[0.9, 0.8, 0.8, 0.7, 0.7, 0.6]]), limit=1.0)
    assert falling.drop[0] == 0 and falling.asymptote[0] == pytest.approx(0.75)
    straight = np.array([[0.4, 0.5, 0.6, 0.7, 0.8, 0.9]])
    assert PowerLaws.fit(SIZES, straight, limit=1.0).asymptote[0] <= 1.0
    assert PowerLaws.fit(SIZES, straight, limit=np.inf).asymptote[0] > 1.0


def test_the_size_at_which_a_score_is_reached_lies_within_the_measured_sizes():
    sizes = sizes_between(SIZES)
    curve = law(0.9, 0.4, 0.5)  # 0.8 where (n / 8) ** -0.5 is a quarter: at 128
    assert first_reached(curve, np.array([[0.8]]), sizes)[0] == pytest.approx(128, rel=0.02)
    assert first_reached(curve, np.array([[0.3]]), sizes)[0] == -np.inf
    assert first_reached(curve, np.array([[0.95]]), sizes)[0] == np.inf
