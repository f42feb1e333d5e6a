import json
import unicodedata

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import issparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from nlptl import FusedEncoder, TfidfEncoder
from nlptl.base.errors import ConfigError, InputError
from nlptl.encoders import tfidf

TEXTS = ["the cat sat", "the dog sat down", "a dog"]


def test_vectors_are_sparse_and_of_length_one():
    encoder = TfidfEncoder().fit(TEXTS)
    found = encoder.transform(TEXTS)
    assert issparse(found)
    np.testing.assert_allclose(np.sqrt(found.multiply(found).sum(axis=1)), 1, rtol=1e-6)
    assert encoder.groups == (("terms", found.shape[1]),)


def test_the_spec_stays_unfitted():
    spec = TfidfEncoder()
    spec.fit(TEXTS)
    with pytest.raises(InputError, match="Use the encoder that fit"):
        spec.transform(TEXTS)


def test_what_is_saved_encodes_alike(tmp_path):
    encoder = TfidfEncoder(longest=1).fit(TEXTS)
    again = TfidfEncoder.load(tmp_path, encoder.save(tmp_path))
    new = ["the dog and the cat", "unknown words only"]
    assert (encoder.transform(new) != again.transform(new)).nnz == 0


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="longest=0"):
        TfidfEncoder(longest=0)
    with pytest.raises(InputError, match="fitted on texts, got 0 texts"):
        TfidfEncoder().fit([])
    assert TfidfEncoder().fit(["a parcel came"]).transform([]).shape[0] == 0
    with pytest.raises(InputError, match="none of the 2 texts contains a word"):
        TfidfEncoder().fit(["!!", "??"])


@pytest.mark.parametrize("text", ["thé glacé", "हिन्दी भाषा", "한국어", "İzmir", "שָׁלוֹם"])
def test_every_spelling_of_a_text_is_counted_alike(text):
    encoder = TfidfEncoder().fit([unicodedata.normalize("NFD", text), "other words"])
    for form in ("NFC", "NFD"):
        found = encoder.transform([unicodedata.normalize(form, text)])
        assert (found != encoder.transform([text.lower()])).nnz == 0 and found.nnz


def test_words_are_counted_with_their_marks():
    encoder = TfidfEncoder(longest=1).fit(["आधुनिक हिन्दी"])
    assert sorted(encoder.fitted.vocabulary_) == ["आधुनिक", "हिन्दी"]


def test_a_vocabulary_of_an_earlier_version_keeps_the_words_it_was_trained_on(tmp_path):
    encoder = TfidfEncoder(longest=1).fit(["ह न क", "other"])
    described = encoder.save(tmp_path)
    assert described.pop("keeps_marks")
    again = TfidfEncoder.load(tmp_path, described)
    assert again.transform(["हिनक"]).nnz == 1
    assert encoder.transform(["हिनक"]).nnz == 0
    assert not json.loads(json.dumps(again.save(tmp_path)))["keeps_marks"]


@pytest.mark.parametrize(
    "encoder", [TfidfEncoder(), FusedEncoder((TfidfEncoder(), TfidfEncoder(longest=1)))]
)
def test_an_encoder_that_reads_texts_is_a_step_of_a_pipeline(encoder, few):
    texts, labels = few
    pipeline = make_pipeline(encoder, LogisticRegression()).fit(texts, labels)
    fitted = encoder.fit(texts)
    head = LogisticRegression().fit(fitted.transform(texts), labels)
    assert pipeline.predict(texts).tolist() == head.predict(fitted.transform(texts)).tolist()
    assert pipeline[0].transform(texts[:1]).shape[1] == fitted.transform(texts[:1]).shape[1]


def test_a_grid_fits_the_vocabulary_again_on_each_split(few):
    texts, labels = few
    pipeline = make_pipeline(TfidfEncoder(), LogisticRegression())
    grid = {"tfidfencoder__longest": [1, 3], "tfidfencoder__most_terms": [5]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(texts, labels)
    assert search.best_estimator_[0].transform(texts).shape == (40, 5)
    assert pipeline[0].fitted is None


def test_an_encoder_without_fit_is_refused_with_what_to_call():
    with pytest.raises(InputError, match=r"Use the encoder that fit\(texts\) returns"):
        TfidfEncoder().transform(TEXTS)


def test_terms_as_long_as_clauses_can_be_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(tfidf, "MAX_JSON_BYTES", 1_000)
    encoder = TfidfEncoder(longest=1).fit(["ก" * 300 + str(number) for number in range(20)])
    described = encoder.save(tmp_path)
    assert len(TfidfEncoder.load(tmp_path, described).fitted.vocabulary_) == 20


def test_the_rows_of_a_table_are_its_texts():
    table = pd.DataFrame({"text": ["a word", "two words", "more"]})
    encoder = TfidfEncoder().fit(table)
    expected = TfidfEncoder().fit(table["text"]).transform(table["text"])
    assert (encoder.transform(table) != expected).nnz == 0
    assert encoder.transform(table.to_numpy()).shape[0] == 3
