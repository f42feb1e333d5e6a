"""What scikit-learn asks of a classifier, asked of ours on text, for every kind of encoder."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from sklearn.utils import get_tags

from nlptl import (
    Frozen,
    FusedEncoder,
    LogisticHead,
    MLPHead,
    PrototypeHead,
    StaticEncoder,
    TextClassifier,
    TfidfEncoder,
    TrainingConfig,
    TransformerEncoder,
)
from nlptl.base.errors import InputError

QUICK = TrainingConfig(epochs=3)


@pytest.fixture(
    params=["counts", "vectors", "transformer", "several layers", "network", "fused", "foreign"]
)
def classifier(request, tiny_encoder, vectors_file):
    tiny = TransformerEncoder(tiny_encoder, cache=None)
    makers = {
        "counts": lambda: TextClassifier(TfidfEncoder()),
        "vectors": lambda: TextClassifier(StaticEncoder(vectors_file), head=PrototypeHead()),
        "transformer": lambda: TextClassifier(tiny_encoder, transfer=Frozen("top")),
        "several layers": lambda: TextClassifier(tiny, imbalance="balanced"),
        "network": lambda: TextClassifier(tiny, head=MLPHead((8,)), training=QUICK, device="cpu"),
        "fused": lambda: TextClassifier(FusedEncoder((tiny, StaticEncoder(vectors_file)))),
        "foreign": lambda: TextClassifier(tiny, head=LinearSVC()),
    }
    return makers[request.param]()


def test_the_constructor_stores_and_a_clone_has_the_same_parameters(classifier):
    copy = clone(classifier)
    assert copy is not classifier
    for name, value in classifier.get_params(deep=False).items():
        assert getattr(classifier, name) is value
        assert repr(copy.get_params(deep=False)[name]) == repr(value)
    assert classifier.set_params(seed=5) is classifier
    assert classifier.get_params()["seed"] == 5


def test_fit_returns_itself_and_changes_no_parameter(classifier, few):
    before = {name: repr(value) for name, value in classifier.get_params().items()}
    assert classifier.fit(*few) is classifier
    assert {name: repr(value) for name, value in classifier.get_params().items()} == before


def test_before_fit_there_is_no_answer(classifier):
    for ask in (classifier.predict, classifier.predict_proba, lambda t: classifier.score(t, t)):
        with pytest.raises(NotFittedError):
            ask(["a text"])


def test_answers_have_the_shape_and_the_labels_of_the_task(classifier, few):
    texts, labels = few
    classifier.fit(texts, labels)
    shares = classifier.predict_proba(texts)
    assert classifier.classes_.tolist() == ["billing", "how_to"]
    assert shares.shape == (40, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    chosen = classifier.predict(texts)
    assert chosen.tolist() == classifier.classes_[shares.argmax(axis=1)].tolist()
    assert classifier.score(texts, labels) == np.mean(chosen == np.array(labels))
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(texts)), shares, rtol=1e-5)


def test_the_same_seed_and_data_give_the_same_model(classifier, few):
    texts, labels = few
    first = classifier.fit(texts, labels).predict_proba(texts)
    again = clone(classifier).fit(texts, labels).predict_proba(texts)
    np.testing.assert_allclose(first, again, atol=1e-6)


def test_fitting_anew_forgets_what_was_learnt_before(classifier, few):
    texts, labels = few
    classifier.fit(texts, labels)
    classifier.fit(texts[:30], [n % 3 for n in range(30)])
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.predict_proba(texts).shape == (40, 3)


def test_one_text_is_answered_as_among_many(classifier, few):
    texts, labels = few
    classifier.fit(texts, labels)
    alone = np.concatenate([classifier.predict_proba([text]) for text in texts[:5]])
    np.testing.assert_allclose(alone, classifier.predict_proba(texts)[:5], atol=2e-2)


def test_texts_may_come_in_any_container(classifier, few):
    texts, labels = few
    wanted = classifier.fit(texts, labels).predict(texts).tolist()
    series = pd.Series(texts, index=range(100, 140))
    again = clone(classifier).fit(series, pd.Series(labels, index=series.index))
    assert again.predict(np.array(texts)).tolist() == wanted
    assert again.predict(tuple(texts)).tolist() == wanted


def test_wrong_lengths_and_a_fit_to_one_text_are_named(classifier, few):
    texts, labels = few
    with pytest.raises(InputError, match="got 40 texts and 39 labels"):
        classifier.fit(texts, labels[:-1])
    with pytest.raises(InputError, match="Wrap it in a list"):
        classifier.fit(texts[0], labels[:1])


def test_one_text_is_a_list_of_one_and_no_texts_have_no_answers(classifier, few):
    classifier.fit(*few)
    text = few[0][0]
    assert classifier.predict(text).tolist() == classifier.predict([text]).tolist()
    np.testing.assert_array_equal(classifier.predict_proba(text), classifier.predict_proba([text]))
    for empty in ([], iter([]), pd.Series([], dtype=object)):
        assert classifier.predict(empty).shape == (0,)
    assert classifier.predict([]).dtype == classifier.predict([text]).dtype
    assert classifier.predict_proba([]).shape == (0, 2)
    assert classifier.predict_log_proba([]).shape == (0, 2)
    for measure in (classifier.score, classifier.evaluate, classifier.class_scores):
        with pytest.raises(InputError, match=r"Wrap it in a list: \[text\]"):
            measure(text, few[1][:1])
        with pytest.raises(ValueError, match="at least one|minimum of 1"):
            measure([], [])


def test_cross_validation_search_and_pipelines_work_as_they_are(tiny_encoder, few):
    texts, labels = few
    classifier = TextClassifier(tiny_encoder)
    assert len(cross_val_score(classifier, texts, labels, cv=2)) == 2
    assert cross_val_predict(classifier, texts, labels, cv=2, method="predict_proba").shape == (
        40,
        2,
    )
    search = GridSearchCV(
        TextClassifier(tiny_encoder, transfer=Frozen(), head=LogisticHead()),
        {"transfer__layers": ["top", "all"], "head__C": [1.0, 10.0]},
        cv=2,
    ).fit(texts, labels)
    assert set(search.best_params_) == {"transfer__layers", "head__C"}
    assert search.best_estimator_.transfer.layers == search.best_params_["transfer__layers"]
    lower = FunctionTransformer(lambda some: [text.lower() for text in some])
    assert make_pipeline(lower, classifier).fit(texts, labels).predict(texts).shape == (40,)


def test_a_search_reaches_into_a_list_of_transfers(tiny_encoder, few):
    classifier = TextClassifier(tiny_encoder, transfer=[Frozen()])
    classifier.set_params(transfer__0__layers="top")
    assert classifier.transfer[0].layers == "top"
    classifier.fit(*few)


def test_an_indicator_is_cross_validated(tiny_encoder, few):
    texts, _ = few
    indicator = np.tile([[1, 0], [1, 1]], (20, 1))
    assert cross_val_score(TextClassifier(tiny_encoder), texts, indicator, cv=2).shape == (2,)


def test_scikit_learn_knows_what_it_is():
    tags = get_tags(TextClassifier())
    assert is_classifier(TextClassifier())
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert tags.classifier_tags.multi_label


def test_a_label_of_a_fold_that_was_never_seen_counts_as_wrong(tiny_encoder, few):
    texts, labels = few
    classifier = TextClassifier(tiny_encoder).fit(texts, labels)
    assert classifier.score(texts[:2], ["never", "seen"]) == 0.0


def test_a_fitted_model_answers_in_a_spawned_process(few, tiny_encoder):
    """Processes start like this on Windows and macOS: nothing is inherited."""
    texts, labels = few
    model = TextClassifier(TransformerEncoder(tiny_encoder), transfer="full", training=QUICK)
    model.fit(texts, labels)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        spawned = pool.submit(model.predict_proba, texts[:5]).result()
    np.testing.assert_allclose(spawned, model.predict_proba(texts[:5]), atol=1e-6)
