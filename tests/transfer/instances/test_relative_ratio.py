import numpy as np
import pytest

from nlptl.base.errors import InputError
from nlptl.transfer.instances.relative_ratio import (
    RelativeRatio,
    fit_relative_ratio,
    gaussian_kernel,
    leave_one_out_loss,
)

SHIFT = 0.7


@pytest.fixture
def domains():
    """Target and source of equal covariance, with different means."""
    rng = np.random.default_rng(0)
    target, source = rng.normal(size=(1000, 2)), rng.normal(size=(1200, 2))
    target[:, 0] += SHIFT
    return target, source


def true_ratio(source):
    return np.exp(SHIFT * source[:, 0] - SHIFT**2 / 2)


def test_the_kernel_is_gaussian():
    kernel = gaussian_kernel(np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((1, 2)), 5.0)
    np.testing.assert_allclose(kernel.ravel(), [1.0, np.exp(-0.5)])


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_the_coefficients_solve_the_penalised_least_squares(domains, alpha):
    target, source = domains
    centres = target[:20]
    ratio = fit_relative_ratio(target, source, centres, alpha=alpha, widths=[1.0], penalties=[0.1])
    of_target, of_source = (gaussian_kernel(rows, centres, 1.0) for rows in (target, source))

    def loss(coefficients):
        at_target, at_source = of_target @ coefficients, of_source @ coefficients
        squares = alpha * (at_target**2).mean() + (1 - alpha) * (at_source**2).mean()
        return squares / 2 - at_target.mean() + 0.1 / 2 * (coefficients**2).sum()

    rng = np.random.default_rng(1)
    best = loss(ratio.coefficients)
    assert all(loss(ratio.coefficients + 1e-3 * rng.normal(size=20)) > best for _ in range(20))
    assert (ratio.width, ratio.penalty) == (1.0, 0.1)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_the_closed_form_equals_fits_that_leave_out_one_row_of_each_domain(domains, alpha):
    target, source = (rows[:30] for rows in domains)
    centres, penalty = target[:7], 0.05
    losses = []
    for i in range(30):
        rest = np.arange(30) != i
        fitted = fit_relative_ratio(
            target[rest], source[rest], centres, alpha=alpha, widths=[1.2], penalties=[penalty]
        )
        at_target, at_source = fitted.of(target[[i]])[0], fitted.of(source[[i]])[0]
        losses.append(alpha / 2 * at_target**2 + (1 - alpha) / 2 * at_source**2 - at_target)
    kernels = (gaussian_kernel(rows, centres, 1.2) for rows in (target, source))
    closed = leave_one_out_loss(*kernels, alpha=alpha, penalty=penalty)
    assert closed == pytest.approx(np.mean(losses), abs=1e-10)


def test_the_settings_with_the_smallest_leave_one_out_loss_are_used(domains):
    target, source = domains
    centres, widths, penalties = target[:30], [0.1, 1.5, 20.0], [1e-3, 0.1, 10.0]
    chosen = fit_relative_ratio(
        target, source, centres, alpha=0.1, widths=widths, penalties=penalties
    )
    losses = {
        (width, penalty): leave_one_out_loss(
            *(gaussian_kernel(rows[:1000], centres, width) for rows in (target, source)),
            alpha=0.1,
            penalty=penalty,
        )
        for width in widths
        for penalty in penalties
    }
    assert (chosen.width, chosen.penalty) == min(losses, key=losses.__getitem__)
    assert chosen.width == 1.5


def test_the_ratio_follows_the_true_one_and_is_bounded_by_alpha(domains):
    target, source = domains
    truth = true_ratio(source)
    grid = {"widths": [1.0, 2.0, 4.0], "penalties": [1e-4, 1e-2, 1.0]}
    plain = fit_relative_ratio(target, source, target[:100], alpha=0.0, **grid).of(source)
    relative = fit_relative_ratio(target, source, target[:100], alpha=0.5, **grid).of(source)
    assert np.corrcoef(plain, truth)[0, 1] > 0.9
    assert np.corrcoef(relative, truth / (0.5 * truth + 0.5))[0, 1] > 0.9
    assert plain.max() > 2.5 > relative.max() and plain.min() >= 0 <= relative.min()


def test_the_published_form_has_no_negative_coefficients_and_fits_worse(domains):
    target, source = domains
    truth = true_ratio(source)
    ratio = fit_relative_ratio(
        target, source, target[:100], alpha=0.0, widths=[3.0], penalties=[1e-3]
    )
    published = ratio.nonnegative
    assert ratio.coefficients.min() < 0 == published.coefficients.min()
    correlation = [np.corrcoef(fit.of(source), truth)[0, 1] for fit in (published, ratio)]
    assert correlation[0] < 0.8 < 0.9 < correlation[1]


@pytest.mark.parametrize("sizes", [(3, 4), (1, 1)])
def test_leaving_one_out_needs_pairs_of_rows(sizes):
    kernels = (np.ones((n, 2)) for n in sizes)
    with pytest.raises(InputError, match=f"got {sizes[0]} and {sizes[1]}"):
        leave_one_out_loss(*kernels, alpha=0.1, penalty=1.0)


def test_a_negative_ratio_becomes_zero():
    ratio = RelativeRatio(np.array([[0.0], [5.0]]), 1.0, 0.1, np.array([2.0, -1.0]))
    np.testing.assert_allclose(ratio.of(np.array([[0.0], [5.0]])), [2.0, 0.0], atol=1e-5)
