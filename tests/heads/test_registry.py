import json
import sys
from typing import ClassVar

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from nlptl import (
    BlendHead,
    DiscriminantHead,
    LogisticHead,
    MLPHead,
    OrdinalHead,
    PrototypeHead,
    RidgeHead,
    StaticEncoder,
    TextClassifier,
)
from nlptl.base.errors import StorageError
from nlptl.config.components import build
from nlptl.data.targets import Targets
from nlptl.heads import registry
from nlptl.heads.registry import HEADS, describe_head, make_head, restore_solver, solver_arrays
from nlptl.heads.score_heads import ScoringHead
from nlptl.heads.solver_fit import fit_solver, logits_of


def test_the_list_names_classes_that_exist():
    for record in HEADS:
        assert record.kind.__name__ == record.class_name
    for part in ("name", "class_name"):
        assert len({getattr(record, part) for record in HEADS}) == len(HEADS)


@pytest.mark.parametrize(
    "head", [LogisticHead(C=3.0, strengths=(1.0, 2.0)), MLPHead(hidden=(4, 5)), PrototypeHead()]
)
def test_a_head_is_made_again_from_its_description(head):
    assert make_head(describe_head(head)).get_params() == head.get_params()


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    "head",
    [LogisticHead(), BlendHead(), PrototypeHead(), DiscriminantHead(), OrdinalHead()],
    ids=repr,
)
def test_what_was_learnt_comes_back_exactly(head, several, clouds):
    X, y = clouds
    codes = np.stack([y == 0, y < 2, y < 0], axis=1).astype(int) if several else y
    scorer, _ = fit_solver(head, X, Targets(codes, 3), imbalance=None, seed=0)
    arrays = solver_arrays(scorer)
    again = restore_solver(make_head(describe_head(head)), arrays, several=several)
    np.testing.assert_array_equal(logits_of(again, X), logits_of(scorer, X))


def test_a_regression_comes_back_exactly(clouds):
    X, _ = clouds
    scorer, _ = fit_solver(RidgeHead(), X, Targets(X[:, 0] * 2.0, 1), imbalance=None, seed=0)
    arrays = solver_arrays(scorer)
    assert set(arrays) == {"coef_", "intercept_"}
    again = restore_solver(make_head(describe_head(RidgeHead())), arrays, several=False)
    np.testing.assert_array_equal(logits_of(again, X), logits_of(scorer, X))


def test_an_order_of_any_labels_survives():
    for order in (("bad", "ok"), (1, 2.5), (("a", 1), ("b", 2))):
        described = json.loads(json.dumps(describe_head(OrdinalHead(order))))
        assert make_head(described).order == order


def test_a_foreign_head_cannot_be_saved_and_an_unknown_one_not_made():
    with pytest.raises(StorageError, match="type LinearSVC cannot be saved.*never pickles objects"):
        describe_head(LinearSVC())
    with pytest.raises(StorageError, match="Did you mean 'MLPHead'"):
        make_head({"kind": "MLPhead", "params": {}})


class MedianHead(ScoringHead):
    """A head of somebody else: the class whose median is nearest."""

    saved_arrays: ClassVar = {"medians_": ("outputs", "features")}

    def fit(self, X, y, sample_weight=None):
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        self.medians_ = np.stack([np.median(X[y == code], axis=0) for code in self.classes_])
        return self

    def logits(self, X):
        return -np.abs(X[:, None] - self.medians_).sum(axis=-1)


def test_a_new_head_is_one_class_and_one_line(few, tmp_path, monkeypatch):
    record = registry.HeadRecord("median", "MedianHead", "heads_of_this_test")
    monkeypatch.setitem(sys.modules, "heads_of_this_test", sys.modules[__name__])
    monkeypatch.setattr(registry, "HEADS", (*HEADS, record))
    texts, labels = few
    model = TextClassifier(StaticEncoder(), head=build("head", "median", {})).fit(texts, labels)
    assert isinstance(model.fitted_.scorer.fitted, MedianHead)
    again = TextClassifier.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(texts), model.predict_proba(texts))
