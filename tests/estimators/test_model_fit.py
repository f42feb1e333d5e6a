import logging
import warnings

import numpy as np
import pytest

from nlptl import (
    Auto,
    Corpus,
    DensityRatioWeights,
    Frozen,
    SelfTraining,
    Splits,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    judge,
)
from nlptl.base.errors import AuditWarning, InputError
from nlptl.base.progress import is_trial
from nlptl.estimators import model_fit
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


def test_reading_and_auditing_are_logged_and_trials_are_not(caplog, monkeypatch):
    are_trials, choice_of = [], model_fit.choice_of
    monkeypatch.setattr(
        model_fit, "choice_of", lambda *data: are_trials.append(is_trial()) or choice_of(*data)
    )
    with caplog.at_level(logging.INFO, logger="nlptl"):
        TextClassifier(TfidfEncoder(), transfer=Auto(5)).fit(*FEW)
    stages = [line for line in caplog.messages if "head" not in line and "Encoding" not in line]
    assert stages == ["Reading texts and labels", "Comparing transfer methods", "Auditing 8 rows"]
    assert are_trials == [True] and not is_trial()


DISTINCT = [f"{word} film number {n}" for n in range(6) for word in ("good", "bad")]


@pytest.mark.parametrize(
    ("texts", "labels", "problem"),
    [
        ([*DISTINCT, DISTINCT[0]], ["+", "-"] * 6 + ["+"], "1 rows repeat an earlier row"),
        (
            [*DISTINCT, DISTINCT[0]],
            ["+", "-"] * 6 + ["-"],
            "1 rows repeat an earlier row, 1 texts have different labels",
        ),
        (DISTINCT, ["+", "-"] * 5 + ["a", "b"], "2 classes have only one row"),
    ],
)
def test_problems_of_the_rows_are_one_warning_at_the_line_of_the_user(texts, labels, problem):
    with pytest.warns(AuditWarning) as caught:
        TextClassifier(TfidfEncoder()).fit(texts, labels)
    message = f"The training rows have problems: {problem}. See audit_.warnings."
    assert [str(warning.message) for warning in caught] == [message]
    assert caught[0].filename == __file__
    with pytest.warns(AuditWarning, match="rows have problems") as caught:
        TextRegressor(TfidfEncoder()).fit([*DISTINCT, DISTINCT[0]], range(13))
    assert caught[0].filename == __file__


def test_few_repeats_and_trials_are_no_reason_for_a_warning():
    texts = [f"{word} film number {n}" for n in range(100) for word in ("good", "bad")]
    with warnings.catch_warnings():
        warnings.simplefilter("error", AuditWarning)
        model = TextClassifier(TfidfEncoder())
        model.fit([*texts, texts[0]], ["+", "-"] * 100 + ["+"])
        assert model.audit_.repeated == 1
        judge({"one": model, "other": model}, *FEW, splits=Splits(2, 1))
    with pytest.warns(AuditWarning) as caught:
        TextClassifier(TfidfEncoder(), transfer=Auto(5)).fit(*FEW)
    assert len(caught) == 1
