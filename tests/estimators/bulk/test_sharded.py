import numpy as np
import pytest

from nlptl import TextClassifier, TfidfEncoder
from nlptl.base.errors import InputError
from nlptl.estimators.bulk import sharded
from nlptl.estimators.bulk.sharded import evaluate_sharded, outputs_sharded


@pytest.fixture
def model(few):
    return TextClassifier(TfidfEncoder()).fit(*few)


def test_one_process_gives_the_figures_of_evaluate(model, few):
    assert evaluate_sharded(model, *few) == pytest.approx(model.evaluate(*few))
    with pytest.raises(InputError, match="'new' at row 0"):
        evaluate_sharded(model, ["a"], ["new"])


def test_a_process_scores_its_rows_only(model, few, monkeypatch):
    texts = few[0]
    monkeypatch.setattr(sharded, "own_rows", lambda n: np.arange(1, n, 2))
    monkeypatch.setattr(sharded, "gather_rows", lambda rows, n: rows)
    found = outputs_sharded(model, texts)
    np.testing.assert_allclose(found, model.predict_proba(texts[1::2]))
    assert outputs_sharded(model, texts[:1]).shape == (0, 2)


def test_several_labels_and_pairs_are_measured_too(few):
    texts, labels = few
    pairs = list(zip(texts, texts[::-1], strict=True))
    several = [["x", label] for label in labels]
    model = TextClassifier(TfidfEncoder()).fit(pairs, several)
    assert evaluate_sharded(model, pairs, several) == pytest.approx(model.evaluate(pairs, several))
