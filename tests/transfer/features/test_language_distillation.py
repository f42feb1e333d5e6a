import pytest
import torch

from nlptl.base.errors import ConfigError
from nlptl.training.networks.text_network import Batch, Outputs
from nlptl.transfer.features.language_distillation import LanguageDistillation, mirror_loss

SHARES = torch.full((4,), 0.25)


@pytest.fixture
def wanted():
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


def test_there_is_no_loss_where_all_lie_where_they_should(wanted):
    loss = mirror_loss(wanted, wanted, SHARES, LanguageDistillation())
    assert float(loss) == pytest.approx(0, abs=1e-6)


def test_alone_the_cosine_counts(wanted):
    spec = LanguageDistillation(comparison=0.0)
    assert float(mirror_loss(-wanted, wanted, SHARES, spec)) == pytest.approx(2, abs=1e-5)
    one = torch.tensor([1.0, 0, 0, 0])
    turned = torch.cat([-wanted[:1], wanted[1:]])
    assert float(mirror_loss(turned, wanted, one, spec)) == pytest.approx(2, abs=1e-5)
    assert float(mirror_loss(turned, wanted, 1 - one, spec)) == pytest.approx(0, abs=1e-5)


def test_lengths_are_to_be_right_too(wanted):
    loss = mirror_loss(wanted * 3, wanted, SHARES, LanguageDistillation())
    assert float(loss) == pytest.approx(4, abs=1e-5)


def test_sentences_that_mean_the_same_are_not_driven_apart(wanted):
    """Two rows of one meaning get half of the share each, and that is no loss."""
    twice = torch.cat([wanted[:2], wanted[:2]])
    spec = LanguageDistillation(comparison=1.0)
    assert float(mirror_loss(twice, twice, SHARES, spec)) == pytest.approx(0, abs=1e-6)
    mixed = twice[[1, 0, 2, 3]]
    assert float(mirror_loss(mixed, twice, SHARES, spec)) > 0.5


def test_the_loss_stands_in_place_of_that_of_a_task(wanted):
    bound = LanguageDistillation().bind(None)
    assert bound.replaces_loss and not bound.compares_rows
    outputs = {"task": Outputs(-wanted, None, Batch([], wanted, SHARES, mean_weights=SHARES))}
    found = bound.loss(outputs, 0.0)
    assert float(found) == float(mirror_loss(-wanted, wanted, SHARES, LanguageDistillation()))
    features = wanted.clone().requires_grad_(True)
    mirror_loss(features, -wanted, SHARES, LanguageDistillation()).backward()
    assert torch.isfinite(features.grad).all() and features.grad.abs().sum() > 0


@pytest.mark.parametrize("wrong", [{"comparison": -1.0}, {"temperature": 0.0}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LanguageDistillation(**wrong)
