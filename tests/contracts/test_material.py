"""Real data and published vectors: quality that tiny models cannot show."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from nlptl import StaticEncoder, TextClassifier, TfidfEncoder
from nlptl.encoders.static import vector_sources

MISSING = [name for name in ("NLPTL_DATA", "NLPTL_MODELS") if not os.environ.get(name)]

pytestmark = [
    pytest.mark.material,
    pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} name no folder"),
]


def rows_of(name, split, n):
    table = pd.read_parquet(Path(os.environ["NLPTL_DATA"]) / name / f"{split}.parquet")
    some = table.sample(n, random_state=0)
    return some["text"].tolist(), some["label_text"].tolist()


def vectors_of(name):
    return Path(os.environ["NLPTL_MODELS"]) / name / f"{name}.vec.gz"


@pytest.mark.parametrize(
    ("name", "least"), [("trec", 0.7), pytest.param("ag_news", 0.8, marks=pytest.mark.slow)]
)
def test_a_frozen_transformer_beats_word_counts(name, least):
    train, test = rows_of(name, "train", 200), rows_of(name, "test", 300)
    frozen = TextClassifier().fit(*train).score(*test)
    assert frozen > least
    assert frozen > TextClassifier(TfidfEncoder()).fit(*train).score(*test) + 0.05


@pytest.mark.parametrize(
    ("name", "known"), [("word2vec-googlenews-300d-8k", 0.7), ("glove-6b-50d-8k", 0.85)]
)
def test_published_vectors_are_read_known_words_counted_and_kept(
    name, known, tmp_path, monkeypatch
):
    texts, labels = rows_of("banking77", "train", 1500)
    encoder = StaticEncoder(vectors_of(name), cache=tmp_path)
    assert encoder.coverage(texts).tokens > known
    assert (
        TextClassifier(encoder).fit(texts[:1200], labels[:1200]).score(texts[1200:], labels[1200:])
        > 0.35
    )
    vector_sources._SHELF.clear()
    monkeypatch.setattr(vector_sources, "read_word_vectors", None)  # nothing is parsed again
    assert encoder.transform(texts[:1]).shape[0] == 1
