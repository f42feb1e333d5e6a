import numpy as np
import pytest

from nlptl import StaticEncoder
from nlptl.base.errors import ConfigError
from nlptl.encoders import Distilled
from nlptl.encoders.static.distillation import principal_axes


def test_principal_axes_keep_distances_and_have_fixed_signs():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 6)) * [9, 5, 3, 1, 1, 1]
    turned = principal_axes(vectors, 6)
    np.testing.assert_allclose(
        np.linalg.norm(turned[0] - turned[1]), np.linalg.norm(vectors[0] - vectors[1])
    )
    assert (np.diff(turned.var(axis=0)) <= 1e-9).all()
    np.testing.assert_allclose(principal_axes(-vectors, 6), -turned, atol=1e-6)


def test_the_vocabulary_of_a_transformer_becomes_word_vectors(tiny_encoder, tmp_path):
    encoder = StaticEncoder(Distilled(str(tiny_encoder), dimension=5), cache=tmp_path)
    found = encoder.transform(["the parcel came late", "help with password"])
    assert encoder.groups == (("sif layer 0", 5), ("sif layer -1", 5))
    assert found.shape == (2, 10)
    np.testing.assert_allclose(np.linalg.norm(found[:, :5], axis=1), 1, rtol=1e-5)
    assert encoder.coverage(["the parcel"]).tokens == 1.0


def test_the_same_weights_are_distilled_once(tiny_encoder, tmp_path, monkeypatch):
    from nlptl.encoders.static import distillation, vector_sources

    StaticEncoder(Distilled(str(tiny_encoder), 4), cache=tmp_path).transform(["the"])
    vector_sources._SHELF.clear()
    monkeypatch.setattr(distillation, "_token_vectors", None)
    StaticEncoder(Distilled(str(tiny_encoder), 4), cache=tmp_path).transform(["the"])


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="dimension=0"):
        Distilled(dimension=0)


def test_distilled_minilm_puts_like_words_together():
    keyed = StaticEncoder().keyed_vectors()
    near = [word for word, _ in keyed.most_similar("payment", topn=10)]
    assert {"payments", "pay", "paid", "paying"} & set(near)
