import numpy as np
import pytest
import torch

from nlptl import Contrastive
from nlptl.base.errors import ConfigError
from nlptl.transfer.features.contrastive import contrastive_loss


def by_hand(features, together, weights, temperature):
    """Khosla's loss, written as loops."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    losses, counted = [], []
    for i in range(len(unit)):
        others = [j for j in range(len(unit)) if j != i]
        scores = {j: unit[i] @ unit[j] / temperature for j in others}
        every = np.log(sum(np.exp(score) for score in scores.values()))
        shares = {j: together[i][j] for j in others if together[i][j]}
        if shares:
            mean = sum(share * (every - scores[j]) for j, share in shares.items())
            losses.append(mean / sum(shares.values()))
            counted.append(weights[i])
    return np.average(losses, weights=counted)


def test_the_loss_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    features, codes = rng.normal(size=(7, 5)), np.array([0, 1, 0, 2, 1, 0, 3])
    weights = rng.random(7)
    together = (codes[:, None] == codes[None, :]).astype(float)
    given = [torch.from_numpy(part) for part in (features, codes, weights)]
    found = contrastive_loss(*given, temperature=0.3)
    np.testing.assert_allclose(float(found), by_hand(features, together, weights, 0.3), rtol=1e-5)


def test_rows_with_several_labels_belong_together_by_what_they_share():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(5, 4))
    marked = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1], [0, 0, 0]])
    together = np.zeros((5, 5))
    for i, own in enumerate(marked):
        for j, other in enumerate(marked):
            either = np.maximum(own, other).sum()
            together[i, j] = np.minimum(own, other).sum() / either if either else 0
    given = [torch.from_numpy(part) for part in (features, marked, np.ones(5))]
    found = contrastive_loss(*given, temperature=0.5)
    np.testing.assert_allclose(
        float(found), by_hand(features, together, np.ones(5), 0.5), rtol=1e-5
    )


def test_without_two_of_a_class_there_is_nothing_to_learn():
    features = torch.randn(3, 4, requires_grad=True)
    loss = contrastive_loss(features, torch.arange(3), torch.ones(3), temperature=0.1)
    loss.backward()
    assert float(loss) == 0.0 and torch.isfinite(features.grad).all()


def test_a_step_along_the_gradient_draws_classes_together():
    torch.manual_seed(0)
    features, codes = torch.randn(12, 6, requires_grad=True), torch.arange(12) % 3
    contrastive_loss(features, codes, torch.ones(12), temperature=0.2).backward()

    def gap(vectors):
        unit = torch.nn.functional.normalize(vectors, dim=1)
        closeness, same = unit @ unit.T, codes[:, None] == codes[None, :]
        return float(closeness[same].mean() - closeness[~same].mean())

    assert gap(features - 0.5 * features.grad) > gap(features) + 0.01


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"steps": 0}])
def test_bad_choices_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        Contrastive(**options)
