import pytest
import torch
from torch.nn import functional

from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.encoders.contextual.tied_words import TiedWords
from nlptl.training.networks.embeddings import keep_occurring


def model_of(folder):
    return read_encoder(find_encoder(folder), "float32", "cpu").model.eval()


def test_the_word_embeddings_are_the_last_layer(tiny_encoder):
    encoder = model_of(tiny_encoder)
    table = encoder.get_input_embeddings().weight
    head = TiedWords(32, encoder)
    states, tokens = torch.randn(6, 32), torch.tensor([5, 6, 7, 8, 9, 10])
    with torch.no_grad():
        head.bias += torch.arange(len(table)) / 10
    scores = head.transform(states) @ table.T + head.bias
    expected = functional.cross_entropy(scores, tokens, reduction="none")
    losses = head.losses(states, tokens, encoder)
    torch.testing.assert_close(losses, expected)
    losses.sum().backward()
    assert table.grad.abs().sum() > 0 and head.bias.grad.abs().sum() > 0
    with torch.no_grad():  # the table is not copied
        table[9] += 10.0
    assert head.losses(states, tokens, encoder)[4] != losses[4]
    names = {name for name, _ in head.named_parameters()}
    assert names == {
        "bias",
        "transform.0.weight",
        "transform.0.bias",
        "transform.2.weight",
        "transform.2.bias",
    }


def test_only_words_that_occur_are_told_apart(tiny_encoder):
    encoder = model_of(tiny_encoder)
    head = TiedWords(32, encoder)
    table = encoder.get_input_embeddings().weight.detach().clone()
    states, tokens = torch.randn(3, 32), torch.tensor([9, 5, 7])
    with torch.no_grad():
        head.bias += torch.arange(len(table)) / 10
    keep_occurring(encoder, [[0, 5, 7, 9]])
    scores = head.transform(states) @ table[[0, 5, 7, 9]].T + head.bias[[0, 5, 7, 9]]
    expected = functional.cross_entropy(scores, torch.tensor([3, 1, 2]), reduction="none")
    torch.testing.assert_close(head.losses(states, tokens, encoder), expected)
    assert len(TiedWords(32, encoder).bias) == len(table)  # the size of the whole vocabulary


def test_the_bias_starts_at_the_shares_of_the_words(tiny_encoder):
    head = TiedWords(32, model_of(tiny_encoder))
    head.start_from([[5, 5, 5, 6], [5, 7]])
    shares = head.bias.detach().exp()
    n_tokens = len(shares)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[5] == pytest.approx(5 / (6 + n_tokens))
    assert shares[6] == shares[7] == pytest.approx(2 / (6 + n_tokens))
    assert head.bias.requires_grad


def test_it_fits_every_family(any_encoder):
    encoder = model_of(any_encoder)
    head = TiedWords(int(encoder.config.hidden_size), encoder)
    losses = head.losses(torch.randn(2, 32), torch.tensor([5, 6]), encoder)
    assert losses.shape == (2,) and losses.dtype == torch.float32


def test_half_precision_states_give_float32_losses(tiny_encoder):
    encoder = model_of(tiny_encoder)
    head = TiedWords(32, encoder)
    losses = head.losses(torch.randn(2, 32).bfloat16(), torch.tensor([5, 6]), encoder.bfloat16())
    assert losses.dtype == torch.float32


def test_an_encoder_without_word_embeddings_is_refused():
    class Characters(torch.nn.Module):
        def get_input_embeddings(self):
            raise NotImplementedError

    with pytest.raises(ConfigError, match="Characters has no table"):
        TiedWords(32, Characters())
