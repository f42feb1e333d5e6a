import numpy as np
import pytest
import torch
from scipy.special import softmax

from nlptl import ClassConfusion
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Context
from nlptl.transfer.features.class_confusion import confusion_loss
from nlptl.transfer.features.domain_loss import DomainRows


def weights_of(shares):
    entropies = np.array([-sum(p * np.log(p) for p in row) for row in shares])
    weights = 1 + np.exp(-entropies)
    return len(shares) * weights / weights.sum()


def by_hand(logits, temperature, weights=None):
    """The loss of Jin et al., written as loops."""
    shares = softmax(logits / temperature, axis=1)
    weights = weights_of(shares) if weights is None else weights
    n_classes, total = logits.shape[1], 0.0
    for j in range(n_classes):
        confusions = [
            sum(w * row[j] * row[k] for w, row in zip(weights, shares, strict=True))
            for k in range(n_classes)
        ]
        total += sum(c for k, c in enumerate(confusions) if k != j) / sum(confusions)
    return total / n_classes


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_loss_is_that_of_the_paper(temperature):
    logits = np.random.default_rng(0).normal(size=(9, 4)) * 3
    loss = confusion_loss(torch.from_numpy(logits), temperature=temperature)
    np.testing.assert_allclose(float(loss), by_hand(logits, temperature), rtol=1e-10)


def test_the_weights_of_the_rows_have_no_gradient():
    logits = np.random.default_rng(1).normal(size=(5, 3))
    given = torch.from_numpy(logits).requires_grad_(True)
    confusion_loss(given, temperature=2.0).backward()
    weights, step = weights_of(softmax(logits / 2.0, axis=1)), 1e-6
    for row, column in [(0, 0), (3, 2)]:
        moved = np.array(logits)
        moved[row, column] += step
        slope = (by_hand(moved, 2.0, weights) - by_hand(logits, 2.0, weights)) / step
        assert float(given.grad[row, column]) == pytest.approx(slope, rel=1e-4)


def test_confident_predictions_of_all_classes_are_not_confused():
    confident = torch.eye(3).repeat(4, 1) * 50
    assert float(confusion_loss(confident, temperature=1.0)) < 1e-6
    assert float(confusion_loss(torch.zeros(5, 3), temperature=1.0)) == pytest.approx(2 / 3)


def test_a_class_without_probability_gives_no_nan():
    logits = torch.tensor([[200.0, 0.0], [200.0, 0.0]], requires_grad=True)
    confusion_loss(logits, temperature=1.0).backward()
    assert torch.isfinite(logits.grad).all()


def test_only_unlabelled_rows_count():
    torch.manual_seed(0)
    unlabeled, labelled = torch.randn(4, 3), torch.randn(2, 3)
    bound = ClassConfusion(temperature=1.5).bind(Context(None, 1, 0, list, ["a"]))
    assert bound.streams() == {"unlabeled": ["a"]}
    rows = DomainRows(labelled, torch.cat([unlabeled, labelled]), labelled, unlabeled, 4)
    wanted = confusion_loss(unlabeled, temperature=1.5)
    assert float(bound.value(rows, 0.5)) == pytest.approx(float(wanted))
    joined = DomainRows(labelled, labelled, labelled, torch.cat([unlabeled, labelled]), 4)
    assert float(bound.value(joined, 0.5)) == pytest.approx(float(wanted))
    none = DomainRows(labelled, labelled, labelled, labelled, 0)
    assert bound.value(none, 0.5) is None


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"weight": 0.0}, {"ramp": 2.0}])
def test_bad_choices_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        ClassConfusion(**options)
