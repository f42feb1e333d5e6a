import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.model_selection import GridSearchCV

from nlptl import (
    Corpus,
    FusedEncoder,
    LogisticHead,
    TextClassifier,
    TfidfEncoder,
    expected_accuracy,
)
from nlptl.base.errors import InputError
from nlptl.evaluation.expected_accuracy import negative_entropy, thresholded_confidence


def binary(first):
    return np.stack([first, 1 - np.asarray(first)], axis=1)


def calibrated(n, spread, seed):
    """Return calibrated probabilities of two classes, and which predictions are right."""
    rng = np.random.default_rng(seed)
    probabilities = expit(rng.normal(scale=spread, size=n))
    truth = rng.random(n) < probabilities
    return binary(probabilities), (probabilities > 0.5) == truth


def test_the_threshold_leaves_the_wrong_share_of_the_held_out_rows_below_it():
    held_out = binary(np.array([0.99, 0.9, 0.2, 0.55]))
    unlabeled = binary(np.array([0.95, 0.6, 0.3, 0.81]))
    # Half are right: the threshold is the second highest confidence of the held-out rows, 0.9.
    assert thresholded_confidence(held_out, 0.5, unlabeled) == 0.25
    # Three of four: the threshold is that of 0.2, so 0.95 and 0.81 are above it.
    assert thresholded_confidence(held_out, 0.75, unlabeled) == 0.5
    assert thresholded_confidence(held_out, 1.0, unlabeled) == 1.0
    assert thresholded_confidence(held_out, 0.0, unlabeled) == 0.0


@pytest.mark.parametrize("spread", [1.2, 2.0])
def test_the_estimate_is_near_the_accuracy_on_harder_and_easier_rows(spread):
    held_out, right = calibrated(20_000, 1.5, 0)
    unlabeled, truth = calibrated(20_000, spread, 1)
    estimate = thresholded_confidence(held_out, right.mean(), unlabeled)
    assert estimate == pytest.approx(truth.mean(), abs=0.12)
    assert abs(estimate - truth.mean()) <= abs(right.mean() - truth.mean()) + 0.02


def test_confidence_is_the_negative_entropy():
    probabilities = np.array([[1.0, 0.0, 0.0], [1 / 3] * 3])
    np.testing.assert_allclose(negative_entropy(probabilities), [0.0, -np.log(3)], atol=1e-12)


def reviews(words, n=40, seed=0):
    rng = np.random.default_rng(seed)
    labels = ["+", "-"] * (n // 2)
    texts = [f"{words[label]} film {rng.integers(9)}" for label in labels]
    return texts, labels


def test_a_fitted_model_is_scored_without_labels_of_the_target():
    texts, labels = reviews({"+": "good", "-": "bad"})
    model = TextClassifier(TfidfEncoder()).fit(texts[:20], labels[:20])
    held_out = (texts[20:], labels[20:])
    same, other = reviews({"+": "good", "-": "bad"}, seed=1)[0], ["tea"] * 10
    assert expected_accuracy(Corpus(same))(model, *held_out) > expected_accuracy(other)(
        model, *held_out
    )


def test_it_is_a_scorer_of_scikit_learn():
    texts, labels = reviews({"+": "good", "-": "bad"})
    grid = {"head__C": [1e-3, 10.0]}
    model = TextClassifier(TfidfEncoder(), head=LogisticHead(C=1.0))
    search = GridSearchCV(model, grid, scoring=expected_accuracy(texts), cv=2, error_score="raise")
    search.fit(texts, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_nothing_to_score_is_refused():
    with pytest.raises(InputError, match="at least one text"):
        expected_accuracy([])
    texts, labels = reviews({"+": "good", "-": "bad"})
    model = TextClassifier(TfidfEncoder()).fit(texts, labels)
    with pytest.raises(InputError, match="at least one text"):
        expected_accuracy(texts)(model, [], [])


def test_a_model_reads_the_columns_of_a_table_that_its_encoder_names():
    table = pd.DataFrame({"title": ["one", "two"] * 20, "body": ["good day", "bad day"] * 20})
    counts = (TfidfEncoder(), TfidfEncoder(longest=1))
    model = TextClassifier(FusedEncoder(counts, text_columns=("body",)), head=LogisticHead(C=1.0))
    model.fit(table, ["+", "-"] * 20)
    estimate = expected_accuracy(table.iloc[:10])(model, table.iloc[10:], ["+", "-"] * 15)
    assert estimate == pytest.approx(1.0)
