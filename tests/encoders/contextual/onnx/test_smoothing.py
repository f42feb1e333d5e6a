import pytest
import torch
from torch import nn

from nlptl.encoders.contextual.onnx.smoothing import EvenLinear, even_out


class Two(nn.Module):
    """Two layers that read one input, whose third column is large, and one that reads rows."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.second = nn.Linear(6, 4), nn.Linear(6, 4, bias=False)
            self.pooler = nn.Linear(4, 2)

    def forward(self, given):
        return self.pooler((self.first(given) + self.second(given)).mean(dim=1))


@pytest.fixture
def given():
    rows = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(1))
    rows[..., 2] *= 40
    rows[1, 3] = 0
    return rows


def test_nothing_changes_in_full_precision(given):
    made = Two()
    with torch.no_grad():
        before = made(given)
        even_out(made, [{"given": given}])
        assert torch.allclose(made(given), before, atol=1e-4)
        assert torch.allclose(made(given[:1, :2]), Two()(given[:1, :2]), atol=1e-4)


def test_layers_of_one_input_share_its_factors_and_layers_of_rows_stay(given):
    made = Two()
    even_out(made, [{"given": given}])
    assert isinstance(made.first, EvenLinear) and isinstance(made.second, EvenLinear)
    assert made.first.shrink.data_ptr() == made.second.shrink.data_ptr()
    assert isinstance(made.pooler, nn.Linear)
    assert made.first.shrink.argmin() == 2


def rounded(values, scale):
    return (values / scale).round().clamp(-127, 127) * scale


def test_eight_bits_lose_less_of_an_even_input(given):
    made = Two()
    plain, weight = made.first, made.first.weight.detach()
    expected = given @ weight.T
    coarse = rounded(given, given.abs().max() / 127) @ weight.T
    even_out(made, [{"given": given}])
    even = given * made.first.shrink.detach()
    largest = even.abs().amax(dim=-1, keepdim=True).clamp(min=1e-6)
    fine = rounded(even / largest, 1 / 127) @ made.first.weight.detach() * largest
    assert plain.weight.equal(weight)
    assert (fine - expected).pow(2).mean() < 0.25 * (coarse - expected).pow(2).mean()
