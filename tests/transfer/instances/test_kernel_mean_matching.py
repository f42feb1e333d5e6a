import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize

from nlptl import Corpus, KernelMeanMatching, TextClassifier, TfidfEncoder
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import DomainFeatures
from nlptl.transfer.instances.kernel_mean_matching import (
    bounded_quadratic_minimum,
    kernel_mean_weights,
)
from nlptl.transfer.instances.relative_ratio import gaussian_kernel
from nlptl.transfer.instances.source_weights import effective_share


def domains(n=40, *, seed=0, n_target=90):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 5)), rng.normal(size=(n_target, 5)) * 0.7 + 0.5


def pair(source, target, *, seed=0):
    none = np.zeros(0, dtype=np.int64)
    codes = np.zeros(len(source), dtype=np.int64)
    return DomainFeatures(source, codes, target, target[:0], none, 2, seed)


@pytest.mark.parametrize(
    ("bound", "limits"),
    [(10.0, (0.0, 99.0)), (1.2, (0.0, 99.0)), (10.0, (35.0, 99.0)), (10.0, (1.0, 12.0))],
    ids=["free", "upper bound", "lower limit", "upper limit"],
)
def test_the_minimum_equals_that_of_another_solver(bound, limits):
    source, target = domains()
    kernel = gaussian_kernel(source, source, 1.0)
    linear = 40 * gaussian_kernel(source, target, 1.0).mean(axis=1)
    other = minimize(
        lambda x: x @ kernel @ x / 2 - linear @ x,
        np.ones(40),
        jac=lambda x: kernel @ x - linear,
        bounds=[(0, bound)] * 40,
        constraints=[LinearConstraint(np.ones((1, 40)), *limits)],
        method="SLSQP",
        options={"ftol": 1e-16, "maxiter": 10_000},
    ).x
    solution = bounded_quadratic_minimum(kernel, linear, bound=bound, limits=limits)
    np.testing.assert_allclose(solution, other, atol=2e-6)
    assert (solution < 1e-9).any() and limits[0] - 1e-6 <= solution.sum() <= limits[1] + 1e-6


@pytest.mark.parametrize("width", [0.05, 1.0, 100.0])
def test_equal_rows_and_flat_kernels_are_solved(width):
    source, target = domains()
    rows = np.vstack([source, source])
    weights = kernel_mean_weights(rows, target, width=width, bound=4.0)
    assert np.all(np.isfinite(weights)) and weights.min() >= 0 and weights.max() <= 4
    slack = 1 - 1 / np.sqrt(80)
    assert 1 - slack - 1e-6 <= weights.mean() <= 1 + slack + 1e-6
    kernel = gaussian_kernel(rows, rows, width)
    linear = 80 * gaussian_kernel(rows, target, width).mean(axis=1)
    gradient = kernel @ weights - linear
    if not np.isclose(weights.mean(), 1 - slack):  # the mean is free: each row is at its optimum
        moved = np.clip(weights - gradient, 0, 4)
        np.testing.assert_allclose(moved, weights, atol=1e-5)


def test_the_weighted_source_is_closer_to_the_target():
    source, target = domains(200, n_target=300)
    weights = KernelMeanMatching().weigh(pair(source, target))
    assert weights.mean() == pytest.approx(1)
    gap = np.abs(source.mean(axis=0) - target.mean(axis=0)).mean()
    weighted_gap = np.abs(weights @ source / 200 - target.mean(axis=0)).mean()
    assert weighted_gap < 0.4 * gap


def test_the_penalty_spreads_the_weight_over_more_rows():
    source, target = domains(200, n_target=300)
    shares = [
        effective_share(kernel_mean_weights(source, target, width=2.0, penalty=penalty))
        for penalty in (0.0, 0.1, 1.0, 100.0)
    ]
    assert np.all(np.diff(shares) > 0)
    through_options = [
        effective_share(KernelMeanMatching(penalty=penalty).weigh(pair(source, target)))
        for penalty in (0.1, 100.0)
    ]
    assert through_options[1] > through_options[0] + 0.2


def test_the_bound_limits_the_weights():
    source, target = domains(200, n_target=300)
    for bound in (1.5, 5.0):
        weights = kernel_mean_weights(source, target, width=2.0, bound=bound)
        assert weights.max() == pytest.approx(bound, abs=1e-6)
    ratio = [np.ptp(KernelMeanMatching(bound=b).weigh(pair(source, target))) for b in (1.5, 10)]
    assert ratio[0] < ratio[1]


def test_many_source_rows_are_refused_and_many_target_rows_are_sampled():
    source, target = domains(50, n_target=300)
    with pytest.raises(ConfigError, match=r"at most max_rows=49 .* got 50\. Use Density"):
        KernelMeanMatching(max_rows=49).weigh(pair(source, target))
    limited = KernelMeanMatching(max_rows=50)
    weights = [limited.weigh(pair(source, target, seed=seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.allclose(weights[0], weights[2])
    full = KernelMeanMatching().weigh(pair(source, target))
    assert np.corrcoef(full, weights[0])[0, 1] > 0.8 and not np.allclose(full, weights[0])


def test_weights_of_few_rows_are_refused():
    source, target = domains(100, n_target=200)
    source[3:] += 10
    with pytest.raises(ConfigError, match=r"KernelMeanMatching\(\) must have"):
        KernelMeanMatching(penalty=0.0, bound=90.0).weigh(pair(source, target))


def test_all_broken_options_are_named_at_once():
    with pytest.raises(ConfigError, match=r"penalty .*bound .*max_rows .*n_dimensions .* got 0"):
        KernelMeanMatching(penalty=-1.0, bound=1.0, max_rows=1, n_dimensions=0)


def test_a_fit_uses_the_weights():
    rng = np.random.default_rng(0)
    words = np.array("pan soup spoon novel page poem great love broken awful".split())
    texts = [" ".join(rng.choice(words, 6)) for _ in range(120)]
    labels = ["good" if "great" in text or "love" in text else "bad" for text in texts]
    target = [text for text in texts[60:] if "novel" in text or "page" in text]
    source = Corpus(texts[:60], labels[:60])
    weighted = TextClassifier(TfidfEncoder(), transfer=KernelMeanMatching())
    weighted.fit([], [], source=source, unlabeled=Corpus(target))
    plain = TextClassifier(TfidfEncoder()).fit(texts[:60], labels[:60])
    assert np.abs(weighted.predict_proba(target) - plain.predict_proba(target)).max() > 1e-3
