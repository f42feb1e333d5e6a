import numpy as np
import pytest
import torch

from nlptl import MMD
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Context
from nlptl.transfer.features.domain_loss import DomainRows
from nlptl.transfer.features.mmd import squared_mmd


def by_hand(source, target, widths):
    """The unbiased estimate, written as loops."""
    rows = np.concatenate([source, target])
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
    mean = np.mean([((rows[i] - rows[j]) ** 2).sum() for i, j in pairs])

    def kernel(a, b):
        return np.mean([np.exp(-((a - b) ** 2).sum() / (width * mean)) for width in widths])

    within = [
        np.mean([kernel(a, b) for i, a in enumerate(part) for j, b in enumerate(part) if i != j])
        for part in (source, target)
    ]
    return sum(within) - 2 * np.mean([kernel(a, b) for a in source for b in target])


def test_the_estimate_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(6, 3)), rng.normal(size=(4, 3)) + 0.5
    widths = (0.25, 0.5, 1.0, 2.0, 4.0)
    estimate = squared_mmd(*map(torch.from_numpy, (source, target)), bandwidths=widths)
    assert float(estimate) == pytest.approx(by_hand(source, target, widths), rel=1e-9)
    single = squared_mmd(*map(torch.from_numpy, (source, target)), bandwidths=(2.0,))
    assert float(single) == pytest.approx(by_hand(source, target, (2.0,)), rel=1e-9)


def test_the_estimate_has_no_bias():
    torch.manual_seed(0)
    estimates = [
        float(squared_mmd(torch.randn(8, 3), torch.randn(5, 3), bandwidths=(1.0,)))
        for _ in range(1500)
    ]
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates)) < 3 * error < 0.01


def test_scale_and_shift_of_the_features_do_not_count():
    torch.manual_seed(0)
    source, target = torch.randn(6, 4), torch.randn(7, 4) + 1
    plain = squared_mmd(source, target, bandwidths=(1.0,))
    moved = squared_mmd(100 + source / 50, 100 + target / 50, bandwidths=(1.0,))
    assert float(moved) == pytest.approx(float(plain), rel=1e-2)


def test_the_width_has_no_gradient():
    source, target = torch.randn(5, 2, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    given = source.clone().requires_grad_(True)
    squared_mmd(given, target, bandwidths=(1.0,)).backward()
    rows = torch.cat([source, target])
    squares = torch.cdist(rows, rows).square()
    mean = squares.sum() / (len(rows) * (len(rows) - 1))

    def value(moved):
        kernel = [
            torch.exp(-torch.cdist(a, b).square() / mean)
            for a, b in ((moved, moved), (target, target), (moved, target))
        ]
        within = [(k.sum() - len(k)) / (len(k) * (len(k) - 1)) for k in kernel[:2]]
        return float(sum(within) - 2 * kernel[2].mean())

    step = torch.zeros_like(source)
    step[2, 1] = 1e-6
    slope = (value(source + step) - value(source - step)) / 2e-6
    assert float(given.grad[2, 1]) == pytest.approx(slope, rel=1e-4)


def test_a_step_along_the_gradient_moves_the_domains_together():
    torch.manual_seed(0)
    source, target = torch.randn(16, 3).requires_grad_(True), torch.randn(16, 3) + 1
    squared_mmd(source, target, bandwidths=(0.5, 1.0, 2.0)).backward()
    moved = source - 40 * source.grad

    def gap(rows):
        return float((rows.mean(dim=0) - target.mean(dim=0)).norm())

    assert gap(moved) < gap(source) - 0.1


@pytest.mark.parametrize(("n_source", "n_target"), [(1, 4), (4, 1), (0, 4)])
def test_a_domain_with_one_row_has_no_estimate(n_source, n_target):
    bound = MMD().bind(Context(None, 1, 0, list))
    source, target = torch.randn(n_source, 3), torch.randn(n_target, 3)
    assert bound.value(DomainRows(source, target, source, target, n_target), 0.5) is None
    two = torch.randn(2, 3)
    value = bound.value(DomainRows(two, two + 1, two, two, 2), 0.5)
    assert float(value) == pytest.approx(
        by_hand(two.double().numpy(), two.double().numpy() + 1, MMD().bandwidths), rel=1e-4
    )


def test_equal_rows_give_no_nan():
    rows = torch.ones(3, 2, requires_grad=True)
    loss = squared_mmd(rows, torch.ones(3, 2), bandwidths=(1.0,))
    loss.backward()
    assert float(loss.detach()) == 0.0 and torch.isfinite(rows.grad).all()


@pytest.mark.parametrize(
    "options",
    [{"bandwidths": ()}, {"bandwidths": (1.0, 0.0)}, {"weight": -1.0}, {"ramp": -1.0}],
)
def test_bad_choices_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        MMD(**options)


def test_a_list_of_widths_is_stored_as_a_tuple():
    assert MMD([1.0, 2.0]) == MMD((1.0, 2.0)) and hash(MMD([1.0])) == hash(MMD((1.0,)))
