import warnings

import numpy as np
import pytest

from nlptl import TransformerEncoder
from nlptl.data.languages.parallel import ParallelText
from nlptl.encoders.bilingual.vocabulary import NewVocabulary
from nlptl.estimators.languages.extended_vocabulary import with_vocabulary

PAIRS = [(f"the card {i}", f"ЖЩЮ ДЛЯ {i}") for i in range(40)]


def test_an_extended_encoder_is_built_once_and_keeps_the_old_vectors(
    tiny_encoder, tmp_path, monkeypatch
):
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "cache"))
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    pairs, vocabulary = ParallelText.read({"ru": PAIRS}), NewVocabulary(50)
    first = with_vocabulary(encoder, vocabulary, pairs, seed=0)
    assert first.folder.tokenizer.vocab_size > encoder.folder.tokenizer.vocab_size
    np.testing.assert_allclose(
        first.transform(["the card"]), encoder.transform(["the card"]), atol=1e-5
    )
    again = with_vocabulary(encoder, vocabulary, pairs, seed=0)
    assert again.name_or_path == first.name_or_path
    other = with_vocabulary(encoder, vocabulary, pairs, seed=1)
    assert other.name_or_path != first.name_or_path


def test_without_a_cache_the_encoder_lies_in_a_temporary_folder(
    tiny_encoder, tmp_path, monkeypatch
):
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "cache"))
    encoder = TransformerEncoder(tiny_encoder, precision="float32", cache=None)
    with pytest.warns(UserWarning, match="vocabulary cannot be cached"):
        extended = with_vocabulary(
            encoder, NewVocabulary(50), ParallelText.read({"ru": PAIRS}), seed=0
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert extended.transform(["the card"]).shape == encoder.transform(["the card"]).shape
