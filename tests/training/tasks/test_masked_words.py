import numpy as np
import pytest
import torch

from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.training.networks.embeddings import keep_occurring
from nlptl.training.networks.text_network import Batch
from nlptl.training.tasks.masked_words import MaskedWords, as_given

SPECIAL = [0, 2, 3, 4]


@pytest.fixture
def encoder(tiny_encoder):
    return read_encoder(find_encoder(tiny_encoder), "float32", "cpu").model.eval()


def batch(ids, **more):
    ids = torch.tensor(ids)
    given = {"input_ids": ids, "attention_mask": (ids != 0).long(), **more}
    return Batch([given], None, torch.ones(len(ids)))


ROWS = [[2, *range(6, 26), 3], [2, *range(7, 17), 3, *[0] * 10]]


def test_each_row_has_the_mean_loss_of_its_hidden_words(encoder):
    torch.manual_seed(0)
    head = MaskedWords(32, 4, SPECIAL)
    found = head.outputs(encoder, batch(ROWS))
    assert found.logits.shape == (2, 1)
    losses = as_given(found.logits, None)
    assert losses.shape == (2,) and torch.isfinite(losses).all() and losses[0] > 0
    losses.sum().backward()
    assert encoder.get_input_embeddings().weight.grad.abs().sum() > 0


def test_windows_of_a_text_are_one_row(encoder):
    torch.manual_seed(0)
    given = batch(ROWS, owners=torch.tensor([0, 0]))
    assert MaskedWords(32, 4, SPECIAL).outputs(encoder, given).logits.shape == (1, 1)


def test_special_tokens_and_padding_are_never_hidden(encoder):
    shown = []
    encoder.register_forward_pre_hook(
        lambda _, __, named: shown.append(named["input_ids"].clone()), with_kwargs=True
    )
    head, ids = MaskedWords(32, 4, SPECIAL), np.array(ROWS)
    torch.manual_seed(0)
    for _ in range(60):
        head.outputs(encoder, batch(ROWS))
    changed = np.stack([part.numpy() != ids for part in shown])
    kept = np.isin(ids, SPECIAL)
    assert not changed[:, kept].any()
    masked = np.stack([part.numpy() == 4 for part in shown])[:, ~kept].mean()
    assert masked == pytest.approx(0.15 * 0.8, abs=0.03)
    assert changed[:, ~kept].mean() == pytest.approx(0.15 * 0.9, abs=0.03)


def test_only_words_that_occur_are_told_apart(encoder):
    keep_occurring(encoder, [[0, 4], *ROWS])
    torch.manual_seed(0)
    found = MaskedWords(32, 4, SPECIAL).outputs(encoder, batch(ROWS))
    found.logits.sum().backward()
    rows = encoder.get_input_embeddings()
    assert len(rows.weight) == 2 + len({i for row in ROWS for i in row} - {0, 4})
    assert rows.weight.grad.abs().sum() > 0
