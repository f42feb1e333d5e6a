import json
import shutil
import struct
from threading import Thread

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from nlptl.base.errors import EncoderNotFoundError, IntegrityError
from nlptl.encoders.contextual import weight_checks as weighing
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.encoders.contextual.weight_checks import at_most, count_weights


@pytest.fixture
def copy(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "enc")
    return tmp_path / "enc"


def change(folder, **entries):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def rewrite(folder, changes):
    path = folder / "model.safetensors"
    arrays = {**load_file(path), **changes}
    kept = {name: array for name, array in arrays.items() if array is not None}
    save_file(kept, path, metadata={"format": "pt"})


def test_numbers_are_counted_from_headers(tiny_encoder):
    arrays = load_file(tiny_encoder / "model.safetensors")
    expected = len(arrays), sum(array.size for array in arrays.values())
    assert count_weights(tiny_encoder, "x") == expected


def header(entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


TERABYTES = {"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}


@pytest.mark.parametrize("content", [b"", b"x" * 100, struct.pack("<Q", 10**9), header(TERABYTES)])
def test_a_weight_file_that_is_not_whole_is_refused(copy, content):
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(IntegrityError, match="is not a complete safetensors file"):
        read_encoder(find_encoder(copy), "float32", "cpu")


def test_quantized_weights_are_refused(copy, monkeypatch):
    monkeypatch.setattr(weighing, "MAX_WHOLE_NUMBERS", 10)
    rewrite(copy, {"extra": np.zeros(11, dtype=np.int8)})
    with pytest.raises(EncoderNotFoundError, match="floating point numbers, got I8"):
        count_weights(copy, "x")


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


def test_a_weight_that_is_missing_is_never_drawn_at_random(copy):
    rewrite(copy, {"encoder.layer.1.output.dense.weight": None})
    with pytest.raises(EncoderNotFoundError, match=r"1 weights are not.*layer\.1\.output\.dense"):
        read_encoder(find_encoder(copy), "float32", "cpu")


def test_a_pooler_that_is_missing_is_none_that_texts_pass(copy):
    rewrite(copy, {"pooler.dense.weight": None, "pooler.dense.bias": None})
    assert read_encoder(find_encoder(copy), "float32", "cpu").model is not None


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
