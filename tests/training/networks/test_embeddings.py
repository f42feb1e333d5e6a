import pytest
import torch

from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.training.networks.embeddings import OccurringRows, keep_occurring, put_back

IDS = [[2, 5, 7, 3], [2, 7, 9, 3]]


def model_of(folder):
    return read_encoder(find_encoder(folder), "float32", "cpu").model


def stepped(model, ids, weight_decay=0.0):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=weight_decay)
    for _ in range(3):
        model(input_ids=torch.tensor(ids)).last_hidden_state.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def test_every_family_learns_what_it_would_with_the_whole_table(any_encoder):
    whole, rows = model_of(any_encoder), model_of(any_encoder)
    keep_occurring(rows, IDS)
    held = rows.get_input_embeddings()
    assert isinstance(held, OccurringRows)
    assert held.weight.shape[0] == 5
    stepped(whole, IDS)
    stepped(rows, IDS)
    put_back(rows)
    assert type(rows.get_input_embeddings()) is torch.nn.Embedding
    own, wanted = rows.state_dict(), whole.state_dict()
    assert set(own) == set(wanted)
    for name in own:
        torch.testing.assert_close(own[name], wanted[name], rtol=1e-3, atol=1e-4)


def test_tokens_that_did_not_occur_are_read_as_before(tiny_encoder):
    whole, rows = model_of(tiny_encoder), model_of(tiny_encoder)
    keep_occurring(rows, IDS)
    for ids in ([[2, 11, 12, 3]], [[2, 5, 12, 3]]):
        asked = torch.tensor(ids)
        with torch.inference_mode():
            torch.testing.assert_close(
                rows(input_ids=asked).last_hidden_state, whole(input_ids=asked).last_hidden_state
            )


def test_rows_that_do_not_occur_are_left_alone(tiny_encoder):
    rows = model_of(tiny_encoder)
    before = rows.get_input_embeddings().weight.detach().clone()
    keep_occurring(rows, IDS)
    put_back(stepped(rows, IDS, weight_decay=0.5))
    after = rows.get_input_embeddings().weight.detach()
    changed = (before != after).any(dim=1).nonzero().flatten().tolist()
    assert changed == [2, 3, 5, 7, 9]


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_a_table_of_which_most_rows_occur_stays_whole(tiny_encoder, share):
    model = model_of(tiny_encoder)
    size = model.get_input_embeddings().num_embeddings
    keep_occurring(model, [list(range(int(size * share) + 1))[:size]])
    assert type(model.get_input_embeddings()) is torch.nn.Embedding
