import numpy as np
import pytest
import torch
from torch.nn import functional

from nlptl.base.streams import Stream
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.encoders.contextual.tied_words import TiedWords
from nlptl.encoders.contextual.windows import Windows
from nlptl.encoders.contextual.word_masking import WordMasking
from nlptl.training.config import LoopConfig
from nlptl.training.networks.embeddings import keep_occurring
from nlptl.training.networks.text_feed import TextFeed
from nlptl.training.networks.text_network import LabelledWindows
from nlptl.training.tasks.masked_words import MaskedWords, as_given

ROWS = [[2, *range(6, 26), 3], [2, *range(7, 17), 3], [2, *range(9, 12), 3]]


@pytest.fixture
def encoder(tiny_encoder):
    return read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model.eval()


@pytest.fixture
def masking(tiny_encoder):
    return WordMasking.of(find_encoder(tiny_encoder).tokenizer, share=0.4)


def batch(masking, text_of_window=(0, 1, 2), **options):
    sizes = np.array([len(row) for row in ROWS])
    rows = LabelledWindows(Windows(ROWS, np.array(text_of_window), sizes), None, 0)
    feed = TextFeed({"read": Stream(rows, hides=masking)}, LoopConfig(), 0, 0, 1, "cpu", **options)
    return feed.batch("read", np.arange(len(rows)))


def by_hand(head, encoder, given):
    """Return the loss of each hidden word and the window it is in, one window at a time."""
    losses, windows = [], []
    (part,) = given.inputs
    states = encoder(part["input_ids"], part["attention_mask"]).last_hidden_state
    table = encoder.get_input_embeddings().weight
    for at, place, token in zip(
        given.hidden.windows, given.hidden.positions, given.hidden.tokens, strict=True
    ):
        scores = head.words.transform(states[at, place]) @ table.T + head.words.bias
        losses.append(functional.cross_entropy(scores, token))
        windows.append(int(at))
    return torch.stack(losses), np.array(windows)


def test_each_row_has_the_mean_loss_of_its_hidden_words(encoder, masking):
    torch.manual_seed(0)
    head, given = MaskedWords(TiedWords(32, encoder)), batch(masking)
    losses = as_given(head.outputs(encoder, given).logits, None)
    expected, windows = by_hand(head, encoder, given)
    means = torch.stack([expected[windows == row].mean() for row in range(3)])
    torch.testing.assert_close(losses, means, rtol=1e-4, atol=1e-4)
    losses.sum().backward()
    assert encoder.get_input_embeddings().weight.grad.abs().sum() > 0


def test_windows_of_a_text_are_one_row(encoder, masking):
    torch.manual_seed(0)
    head, given = MaskedWords(TiedWords(32, encoder)), batch(masking, (0, 0, 1))
    losses = as_given(head.outputs(encoder, given).logits, None)
    expected, windows = by_hand(head, encoder, given)
    means = torch.stack([expected[windows < 2].mean(), expected[windows == 2].mean()])
    torch.testing.assert_close(losses, means, rtol=1e-4, atol=1e-4)


def test_the_parts_of_a_batch_make_no_difference(encoder, masking, monkeypatch):
    monkeypatch.setattr("nlptl.training.networks.text_feed._TOKENS_PER_PASS_OVERHEAD", 0)
    torch.manual_seed(0)
    head = MaskedWords(TiedWords(32, encoder))
    whole, split = batch(masking), batch(masking, in_parts=True)
    assert len(split.inputs) > 1
    rows = head.outputs(encoder, split).logits[np.argsort(split.numbers)]
    torch.testing.assert_close(rows, head.outputs(encoder, whole).logits, rtol=1e-4, atol=1e-4)


def test_only_words_that_occur_are_told_apart(encoder, masking):
    keep_occurring(encoder, [[0, 4], *ROWS])
    head = MaskedWords(TiedWords(32, encoder))
    head.outputs(encoder, batch(masking)).logits.sum().backward()
    rows = encoder.get_input_embeddings()
    assert len(rows.weight) == 2 + len({i for row in ROWS for i in row} - {0, 4})
    assert rows.weight.grad.abs().sum() > 0


def test_rows_without_hidden_words_are_refused(encoder, masking):
    given = batch(masking)
    with pytest.raises(ValueError, match="hidden"):
        MaskedWords(TiedWords(32, encoder)).outputs(
            encoder, given.__class__([], None, given.weights)
        )
