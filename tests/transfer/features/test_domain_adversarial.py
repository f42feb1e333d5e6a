import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nlptl import DomainAdversarial
from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Context, WeightGroup
from nlptl.evaluation.domain_distance import domain_accuracy
from nlptl.transfer.features.domain_adversarial import (
    MAX_PRODUCTS,
    N_PROJECTED,
    reversal_strength,
    with_reversed_gradient,
)
from nlptl.transfer.features.domain_loss import DomainRows


class Network(nn.Module):
    """Encoder of numbers with a head, as far as these tests go."""

    def __init__(self, width=6, n_classes=2, head=None):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, width))
        self.head = head or nn.Linear(width, n_classes)


def bound_to(network=None, **options):
    torch.manual_seed(0)
    return DomainAdversarial(**options).bind(Context(network or Network(), 1, 0, list))


def rows_of(source, target, classes=2):
    logits = [torch.randn(len(part), classes) for part in (source, target)]
    return DomainRows(source, target, *logits, len(target))


def test_the_strength_of_the_reversal_follows_the_usual_curve():
    for progress in np.linspace(0, 1, 7):
        wanted = 2 / (1 + np.exp(-10 * progress)) - 1
        assert reversal_strength(progress, 10.0) == pytest.approx(wanted)
    assert reversal_strength(0.3, 2.0) == pytest.approx(np.tanh(0.3))


def test_values_stay_and_the_gradient_is_reversed():
    values = torch.randn(3, 2, requires_grad=True)
    reversed_values = with_reversed_gradient(values, 0.25)
    assert torch.equal(reversed_values, values)
    slopes = torch.randn(3, 2)
    (reversed_values * slopes).sum().backward()
    torch.testing.assert_close(values.grad, -0.25 * slopes)


def test_both_domains_weigh_the_same_in_the_loss():
    bound = bound_to()
    source, target = torch.randn(5, 6), torch.randn(2, 6)
    rows = rows_of(source, target)
    scores = [bound.discriminator(part, None) for part in (source, target)]
    wanted = [
        functional.binary_cross_entropy_with_logits(score, torch.full_like(score, label))
        for score, label in zip(scores, (1.0, 0.0), strict=True)
    ]
    assert float(bound.value(rows, 0.7)) == pytest.approx(float(sum(wanted)) / 2, rel=1e-6)


@pytest.mark.parametrize("weight", [1.0, 0.2])
def test_the_encoder_gets_the_opposite_gradient_of_the_discriminator(weight):
    source, target = (torch.randn(4, 6, requires_grad=True) for _ in range(2))
    plain, bound = bound_to(), bound_to(weight=weight, steepness=5.0)
    scores = [plain.discriminator(part, None) for part in (source, target)]
    loss = (functional.softplus(-scores[0]).mean() + functional.softplus(scores[1]).mean()) / 2
    loss.backward()
    gradient, slopes = source.grad, [w.grad for w in plain.discriminator.parameters()]
    source.grad = None
    outputs_loss = bound.value(rows_of(source, target), 0.3)
    outputs_loss.backward()
    strength = weight * reversal_strength(0.3, 5.0)
    torch.testing.assert_close(source.grad, -strength * gradient)
    for own, wanted in zip(bound.discriminator.parameters(), slopes, strict=True):
        torch.testing.assert_close(own.grad, wanted)  # the discriminator itself has no ramp


def test_at_the_start_the_encoder_is_left_alone():
    source = torch.randn(3, 6, requires_grad=True)
    bound_to().value(rows_of(source, torch.randn(3, 6)), 0.0).backward()
    assert not source.grad.any()


@pytest.mark.parametrize(("n_source", "n_target"), [(0, 3), (3, 0)])
def test_a_step_without_a_domain_has_no_loss(n_source, n_target):
    rows = rows_of(torch.randn(n_source, 6), torch.randn(n_target, 6))
    assert bound_to().value(rows, 0.5) is None
    assert torch.isfinite(bound_to().value(rows_of(torch.randn(1, 6), torch.randn(1, 6)), 0.5))


def test_the_discriminator_reads_products_with_the_probabilities():
    bound, network = bound_to(conditional=True), Network()
    assert bound.discriminator.layers[1].in_features == 6 * 2
    features, logits = torch.randn(3, 6), torch.randn(3, 2)
    normed, shares = functional.layer_norm(features, (6,)), logits.softmax(1)
    products = torch.stack([torch.outer(f, p) for f, p in zip(normed, shares, strict=True)])
    wanted = bound.discriminator.layers[1:](products.flatten(1)).squeeze(1)
    torch.testing.assert_close(bound.discriminator(features, logits), wanted)
    assert network.head.out_features == 2


def test_the_probabilities_get_no_gradient():
    logits = torch.randn(3, 2, requires_grad=True)
    features = torch.randn(3, 6, requires_grad=True)
    rows = DomainRows(features, torch.randn(3, 6), logits, torch.randn(3, 2), 3)
    bound_to(conditional=True).value(rows, 0.5).backward()
    assert logits.grad is None and features.grad.abs().sum() > 0


def test_many_products_are_projected_at_random():
    width, classes = 128, MAX_PRODUCTS // 128 + 1
    bound = bound_to(Network(width, classes), conditional=True)
    discriminator = bound.discriminator
    assert discriminator.layers[1].in_features == N_PROJECTED
    assert "of_features" not in discriminator.state_dict()  # made again from the seed
    again = bound_to(Network(width, classes), conditional=True).discriminator
    features, logits = torch.randn(5, width), torch.randn(5, classes) * 3
    torch.testing.assert_close(
        discriminator.layers[2](discriminator(features, logits)),
        again.layers[2](again(features, logits)),
    )
    # The projections keep products of products: <f x p, g x q> = <f, g> <p, q>.
    normed, shares = functional.layer_norm(features, (width,)), logits.softmax(1)
    joined = discriminator.products(normed, shares)
    wanted = (normed @ normed.T) * (shares @ shares.T)
    error = (joined @ joined.T - wanted).abs().max() / wanted.abs().max()
    assert float(error) < 0.3
    assert bound_to(Network(128, 32), conditional=True).discriminator.layers[1].in_features == 4096


def test_the_head_may_have_several_layers():
    head = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))
    discriminator = bound_to(Network(6, head=head), conditional=True, hidden=7).discriminator
    assert discriminator.layers[1].in_features == 18 and discriminator.layers[1].out_features == 7


def test_the_discriminator_is_trained_faster():
    bound = bound_to(rate=4.0)
    (name,) = bound.modules()
    names = ["encoder.layer.0", f"extras.{name}.layers.1.weight", "head.bias"]
    groups = bound.weight_groups(names)
    assert groups == [WeightGroup([names[1]], 4.0), WeightGroup([names[0], names[2]], 1.0)]


def trained(transfer, seed, steps=300):
    """Train an encoder of points whose class and domain are two of their four coordinates.

    Return the accuracy of a new classifier of domains, and that of the head on the target.
    """
    torch.manual_seed(seed)
    network = Network()
    network.encoder, network.head = nn.Linear(4, 3), nn.Linear(3, 2)
    n = 128
    labels = torch.arange(2 * n) // 2 % 2
    points = torch.randn(2 * n, 4) / 2
    points[:, 0] += 2 * labels - 1.0
    points[:n, 1] += 2.0
    weights = [*network.encoder.parameters(), *network.head.parameters()]
    groups = [{"params": weights, "lr": 3e-3}]
    bound = None
    if transfer is not None:
        bound = transfer.bind(Context(network, 1, 0, list))
        groups.append({"params": list(bound.discriminator.parameters()), "lr": 1e-2})
    optimizer = torch.optim.AdamW(groups)
    for step in range(steps):
        features = network.encoder(points)
        logits = network.head(features)
        loss = functional.cross_entropy(logits[:n], labels[:n])
        if bound is not None:
            rows = DomainRows(features[:n], features[n:], logits[:n], logits[n:], n)
            loss = loss + bound.value(rows, step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    features = network.encoder(points).detach()
    accuracy = domain_accuracy(features[:n].numpy(), features[n:].numpy(), seed=0)
    hits = (network.head(features).argmax(dim=1) == labels)[n:]
    return accuracy, float(hits.float().mean())


def test_an_encoder_learns_features_with_less_trace_of_the_domain():
    plain, adapted = (
        np.mean([trained(transfer, seed) for seed in range(4)], axis=0)
        for transfer in (None, DomainAdversarial())
    )
    assert adapted[0] < plain[0] - 0.1 and adapted[1] > 0.9


@pytest.mark.parametrize(
    "options", [{"hidden": 0}, {"weight": 0.0}, {"steepness": 0.0}, {"rate": -1.0}]
)
def test_bad_choices_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        DomainAdversarial(**options)


def test_the_conditional_form_needs_one_label_per_text_and_a_trained_head():
    plain, conditional = DomainAdversarial(), DomainAdversarial(conditional=True)
    assert plain.supports >= {"several labels", "numbers"} and not plain.needs_head
    assert conditional.supports == {"pairs"} and conditional.needs_head
    assert DomainAdversarial.supports == plain.supports  # the class stays as it was
