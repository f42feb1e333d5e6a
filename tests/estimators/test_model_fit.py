import numpy as np
import pytest

from nlptl import (
    Auto,
    Corpus,
    DensityRatioWeights,
    Frozen,
    SelfTraining,
    TextClassifier,
    TfidfEncoder,
)
from nlptl.base.errors import InputError
from nlptl.estimators.model_fit import fit_model

FEW = ["good film", "bad film", "good plot", "bad plot"] * 2, ["+", "-", "+", "-"] * 2


@pytest.mark.parametrize("transfer", [None, Frozen()])
def test_the_transfer_in_use_is_that_of_the_model(transfer):
    model = TextClassifier(TfidfEncoder(), transfer=transfer)
    result = fit_model(model, *FEW, {})
    assert result.transfer == transfer and result.choice is None
    assert result.report.n_rows == 8 and not hasattr(model, "fitted_")


def test_the_transfer_in_use_is_the_recommended_one_or_the_choice():
    corpora = {"source": Corpus(*FEW), "unlabeled": Corpus(["good tea", "bad tea"])}
    result = fit_model(TextClassifier(TfidfEncoder()), [], [], corpora)
    assert isinstance(result.transfer[0], SelfTraining)
    result = fit_model(TextClassifier(TfidfEncoder(), transfer=Auto(5)), *FEW, {"unlabeled": None})
    assert result.choice is not None and result.transfer == result.choice.transfer


def test_a_failed_fit_leaves_a_model_as_it_was():
    model = TextClassifier(TfidfEncoder()).fit(*FEW)
    before = dict(vars(model))
    with pytest.raises(InputError):
        model.fit(["one"], ["a", "b"])
    assert vars(model) == before


def test_weights_of_the_source_are_shown_with_their_texts(tmp_path):
    texts = ["good film", "bad film", "good boring long plot", "bad boring long plot"] * 6
    source = Corpus(texts, ["+", "-"] * 12, name="films")
    target = Corpus(["good film", "bad film", "nice film"] * 8)
    model = TextClassifier(TfidfEncoder(longest=1), transfer=DensityRatioWeights())
    model.fit([], [], source=source, unlabeled=target)
    weights = model.weights_
    assert len(weights.weights) == 24 and set(weights.domains) == {"films"}
    assert weights.highest(1)[0][0].endswith("film") and weights.lowest(1)[0][0].endswith("plot")
    np.testing.assert_allclose(model.weights_.weights.mean(), 1.0)
    loaded = TextClassifier.load(model.save(tmp_path / "model"))
    assert loaded.weights_ is None and loaded.transfer == DensityRatioWeights()
    assert TextClassifier(TfidfEncoder()).fit(*FEW).weights_ is None
