import json
import shutil
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nlptl.base.errors import EncoderNotFoundError, IntegrityError
from nlptl.encoders.contextual import weight_checks as weighing
from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.loaded import read_encoder
from nlptl.encoders.contextual.weight_checks import count_weights


@pytest.fixture
def copy(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "enc")
    return tmp_path / "enc"


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


def test_a_weight_that_is_missing_is_never_drawn_at_random(copy):
    rewrite(copy, {"encoder.layer.1.output.dense.weight": None})
    with pytest.raises(EncoderNotFoundError, match=r"1 weights are not.*layer\.1\.output\.dense"):
        read_encoder(find_encoder(copy), "float32", "cpu")


def test_a_pooler_that_is_missing_is_none_that_texts_pass(copy):
    rewrite(copy, {"pooler.dense.weight": None, "pooler.dense.bias": None})
    assert read_encoder(find_encoder(copy), "float32", "cpu").model is not None
