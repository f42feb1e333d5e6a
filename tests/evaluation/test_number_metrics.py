import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from nlptl.evaluation import number_metrics

rng = np.random.default_rng(0)
TRUTH = np.round(rng.normal(size=40), 1)
FOUND = np.round(TRUTH + rng.normal(size=40), 1)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (number_metrics.pearson, lambda a, b: stats.pearsonr(a, b).statistic),
        (number_metrics.spearman, lambda a, b: stats.spearmanr(a, b).statistic),
        (number_metrics.rmse, root_mean_squared_error),
        (number_metrics.mae, mean_absolute_error),
        (number_metrics.r2, r2_score),
    ],
)
def test_figures_agree_with_the_libraries(ours, theirs):
    assert ours(TRUTH, FOUND) == pytest.approx(theirs(TRUTH, FOUND))


def test_constant_numbers_are_no_error_and_no_relation():
    flat = np.full(5, 2.0)
    assert number_metrics.pearson(flat, np.arange(5.0)) == 0.0
    assert number_metrics.spearman(np.arange(5.0), flat) == 0.0
    assert number_metrics.r2(flat, flat) == 1.0
    assert number_metrics.r2(flat, flat + 1) == 0.0


def test_a_perfect_relation_is_one_and_not_more():
    assert number_metrics.pearson(TRUTH, TRUTH * 3 - 1) <= 1.0
    assert number_metrics.spearman(TRUTH, -(TRUTH**3)) == pytest.approx(-1.0)
