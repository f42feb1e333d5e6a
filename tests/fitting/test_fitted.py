import json
import pickle
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from nlptl import (
    FusedEncoder,
    LogisticHead,
    MLPHead,
    StaticEncoder,
    TextClassifier,
    TextRegressor,
    TfidfEncoder,
    support_requests,
)
from nlptl.data.labels import LabelCodec
from nlptl.data.targets import Targets
from nlptl.encoders import ResidualFusion
from nlptl.fitting import fitted
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.head_fit import TrainingPlan, fit_network_scorer, fit_solver_scorer
from nlptl.heads.calibration.imbalance import ClassWeights, LogitAdjustment
from nlptl.training.config import LoopConfig
from nlptl.training.networks.feature_network import NetworkRecipe
from nlptl.transfer.features.frozen import TextFeatures

GROUPS = (("a", 5), ("b", 7))


def plan(imbalance=None):
    return TrainingPlan(LoopConfig(epochs=4), imbalance, 0, "cpu")


def network(head, fusion=None, n_outputs=3):
    return NetworkRecipe(head, fusion, GROUPS, n_outputs)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("imbalance", [None, ClassWeights(), LogitAdjustment()], ids=repr)
@pytest.mark.parametrize(
    "recipe",
    [None, network(MLPHead((6,))), network(LogisticHead(), ResidualFusion(8))],
    ids=["solver", "mlp", "fusion"],
)
def test_a_scorer_of_any_kind_comes_back_from_json_and_arrays(recipe, imbalance, several, clouds):
    X, y = clouds
    codes = np.stack([y == 0, y < 2, y == 2], axis=1).astype(np.int64) if several else y
    targets = Targets(codes, 3)
    if recipe is None:
        scorer = fit_solver_scorer(LogisticHead(), X, targets, plan(imbalance))
    else:
        scorer = fit_network_scorer(recipe, X, targets, plan(imbalance))
    described = json.loads(json.dumps(scorer.describe()))
    codec = LabelCodec(np.arange(3), "indicator" if several else "single")
    again = FittedHead.restore(described, scorer.arrays(), codec=codec)
    np.testing.assert_allclose(again.probabilities(X), scorer.probabilities(X), atol=1e-6)
    assert (again.decision.thresholds is not None) == several


@pytest.mark.parametrize(
    "codec", [LabelCodec(np.arange(4), "single"), LabelCodec(np.arange(3), "lists")]
)
@pytest.mark.parametrize("recipe", [None, network(MLPHead((6,)))], ids=["solver", "mlp"])
def test_a_scorer_of_other_classes_is_refused(recipe, codec, clouds):
    X, y = clouds
    scorer = fit_solver_scorer(LogisticHead(), X, Targets(y, 3), plan())
    if recipe is not None:
        scorer = fit_network_scorer(recipe, X, Targets(y, 3), plan())
    with pytest.raises(ValueError, match="outputs|thresholds"):
        FittedHead.restore(scorer.describe(), scorer.arrays(), codec=codec)


@pytest.mark.parametrize("kind", [TextClassifier, TextRegressor])
def test_many_texts_are_predicted_in_blocks_in_their_order(kind, monkeypatch):
    texts, labels = (part[::4] for part in support_requests())
    answers = labels if kind is TextClassifier else np.linspace(0, 1, len(labels))
    model = kind(StaticEncoder()).fit(texts, answers)
    whole = model.fitted_.outputs(texts)
    sizes, transform = [], TextFeatures.transform
    monkeypatch.setattr(fitted, "_ROWS_AT_ONCE", 50)
    monkeypatch.setattr(
        TextFeatures,
        "transform",
        lambda self, rows: sizes.append(len(rows)) or transform(self, rows),
    )
    np.testing.assert_allclose(model.fitted_.outputs(texts), whole, atol=1e-5)
    assert sizes == [50, 50, 20]


def test_the_bar_of_a_prediction_reaches_the_number_of_texts(monkeypatch):
    model = TextClassifier(TfidfEncoder()).fit(["a b", "c d"] * 6, ["x", "y"] * 6)
    bars, shared = [], fitted.shared_progress

    @contextmanager
    def shown(**options):
        with shared(**options) as bar:
            bars.append((bar, options["total"]))
            yield bar

    monkeypatch.setattr(fitted, "shared_progress", shown)
    monkeypatch.setattr(fitted, "_ROWS_AT_ONCE", 5)
    model.predict(["a b"] * 12)  # repeated texts are not encoded again
    assert [(bar.n, total) for bar, total in bars] == [(12, 12)]


def test_a_fitted_model_is_shown_without_texts(few):
    texts, labels = few
    fitted = TextClassifier(TfidfEncoder(), head=LogisticHead()).fit(texts, labels).fitted_
    assert repr(fitted) == "FittedModel(TfidfEncoder, LogisticHead, 2 classes)"
    numeric = TextRegressor(TfidfEncoder()).fit(texts, np.arange(40.0)).fitted_
    assert repr(numeric) == "FittedModel(TfidfEncoder, RidgeHead, numbers)"


def table_of(texts):
    return pd.DataFrame({"text": texts, "stars": np.arange(len(texts)) % 5})


@pytest.mark.parametrize(
    ("encoder", "inputs"),
    [
        (TfidfEncoder(), list),
        (TfidfEncoder(), lambda texts: list(zip(texts, texts, strict=True))),
        (FusedEncoder((TfidfEncoder(),), numeric_columns=("stars",)), table_of),
    ],
    ids=["texts", "pairs", "numbers"],
)
def test_a_pickled_model_has_no_training_texts_and_can_be_saved(encoder, inputs, few, tmp_path):
    texts, labels = few
    model = TextClassifier(encoder).fit(inputs(texts), labels)
    pickled = pickle.dumps(model)
    assert not [text for text in texts if text.encode() in pickled]
    again = pickle.loads(pickled)
    np.testing.assert_array_equal(
        again.predict_proba(inputs(texts)), model.predict_proba(inputs(texts))
    )
    loaded = TextClassifier.load(again.save(tmp_path / "model"))
    assert loaded.predict(inputs(texts)).tolist() == model.predict(inputs(texts)).tolist()
