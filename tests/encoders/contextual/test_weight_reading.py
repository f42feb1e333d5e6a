import json
import shutil
from threading import Thread

import pytest
import torch

from nlptl.base.errors import EncoderNotFoundError, IntegrityError
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.encoders.contextual.weight_reading import at_most


@pytest.fixture
def copy(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "enc")
    return tmp_path / "enc"


def change(folder, **entries):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"hidden_size": 64}, r"should have the shape \(64,\), but its weight file has"),
        ({"vocab_size": 10}, "word_embeddings.*its weight file has"),
        ({"num_hidden_layers": 4}, "16 weights are not in its weight file"),
        ({"vocab_size": 10**12}, "asks for more than"),
        ({"max_position_embeddings": 10**10}, "asks for more than"),
        ({"num_hidden_layers": 900}, "asks for more than .* parts"),
        ({"hidden_size": -32}, "negative dimension"),
        ({"num_attention_heads": 0}, "Cannot load encoder"),
        ({"pad_token_id": 10**6}, "Cannot load encoder"),
        ({"hidden_act": "nonsense"}, "Cannot load encoder.*nonsense"),
        ({"hidden_size": 32.5}, "expected int, got float"),
        ({"model_type": "rag", "generator": {}, "question_encoder": {}}, "no encoder|no AutoModel"),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_settings_that_the_weights_do_not_fit_are_refused(copy, entries, reason, device):
    change(copy, **entries)
    with pytest.raises((EncoderNotFoundError, IntegrityError), match=reason):
        read_encoder(find_encoder(copy), "float32", device)


def test_a_model_is_stopped_where_it_grows_too_large_and_other_threads_go_on():
    with pytest.raises(IntegrityError, match="The part asks for more than 10 numbers"):
        with at_most(10, "The part"):
            torch.nn.Linear(3, 4, device="meta")
    with at_most(16, "The part"):
        torch.nn.Linear(3, 4)
    built = []
    with at_most(0, "The part"):
        other = Thread(target=lambda: built.append(torch.nn.Sequential(torch.nn.Linear(3, 4))))
        other.start()
        other.join()
    assert len(built) == 1
    with pytest.raises(IntegrityError, match="2 parts"), at_most(99, "The part", parts=2):
        torch.nn.Sequential(*(torch.nn.Identity() for _ in range(3)))
