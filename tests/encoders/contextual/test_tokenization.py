import json
import shutil

import pytest

from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.encoder_folder import find_encoder
from tests.conftest import byte_encoder


def test_a_slow_tokenizer_is_refused_where_a_fast_one_is_needed(tmp_path):
    folder = byte_encoder(tmp_path / "bytes")
    with pytest.raises(ConfigError, match="has the slow ByT5Tokenizer"):
        _ = find_encoder(folder).tokenization.fast_tokenizer
    assert find_encoder(folder).tokenizer.pad_token_id == 0


def test_only_a_slow_tokenizer_needs_texts_in_lower_case(tiny_encoder, tmp_path):
    slow = byte_encoder(tmp_path / "bytes")
    fast = shutil.copytree(tiny_encoder, tmp_path / "fast")
    assert not find_encoder(slow).tokenization.lowers_by_hand
    for folder in (slow, fast):
        (folder / "sentence_bert_config.json").write_text(json.dumps({"do_lower_case": True}))
    assert find_encoder(slow).tokenization.lowers_by_hand
    assert not find_encoder(fast).tokenization.lowers_by_hand


def test_the_window_is_the_shortest_length_that_is_stated(tiny_encoder, tmp_path):
    folder = shutil.copytree(tiny_encoder, tmp_path / "e")
    assert find_encoder(folder).tokenization.window == 32
    for stated, window in ((20, 20), (64, 32), (1_000_000, 32)):
        settings = json.dumps({"max_seq_length": stated})
        (folder / "sentence_bert_config.json").write_text(settings)
        assert find_encoder(folder).tokenization.window == window


def test_every_token_has_a_vector_in_most_folders(tiny_encoder):
    assert find_encoder(tiny_encoder).tokenization.n_embedded is None
