"""A head that knows what labels mean, and learns from labelled rows beside it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.utils.validation import _check_sample_weight, validate_data
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.data.splits import stratified_folds
from nlptl.heads.calibration.decision import best_temperature
from nlptl.heads.calibration.strength import HeldOut
from nlptl.heads.linear.blend import BlendHead
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead
from nlptl.heads.score_heads import LINEAR_ARRAYS, LinearScores, SavedArrays
from nlptl.heads.solver_fit import linear_map_of, logits_of

NAME_WEIGHTS = (0.0, 1.0, 2.5, 5.0, 10.0, 20.0)
DEFAULT_NAME_WEIGHT = 5.0
"""Used where no held-out rows can tell, though there are at least eight rows."""
NAME_WEIGHT_OF_VERY_FEW_ROWS = 10.0
"""Used with fewer rows than that; without any it decides how sure the answers are, and no more."""

_FEW_ROWS_PER_CLASS = 16
_FOLDS = 5
MIN_ROWS_TO_CROSS_VALIDATE_NAMES = 8
_SHARE_OF_VERY_FEW_ROWS = 0.5
"""What fewer rows than these count beside the names: as if names weighed twice, yet not surer."""
_ROWS_PER_NAME_CENTRE = 8
"""Rows that the mean of the names counts as, where the middle of all texts is told."""


class MeaningHead(LinearScores):
    """A linear head to which the names of classes are rows, and a direction of their own.

    The vector of each name, moved to where the texts are, is one more row of its class; beside
    that, the cosine to it counts by itself. How much, held-out rows say: weights are averaged by
    how probable each makes the labels of those rows.

    Parameters
    ----------
    base : head or None
        What learns from the rows: a head with ``coef_``, or ``PrototypeHead``; None is
        ``BlendHead()``, and ``LogisticHead`` of middle strength with fewer than 16 rows a class.
    weight : float or "cv"
        Of the cosines.
    labels : ndarray of shape (n_classes, n_features) or None
        The vectors of the names; None leaves ``base`` alone.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features)
    intercept_ : ndarray of shape (n_classes,)
    centre_ : ndarray of shape (n_features,)
        Mean of the rows, to which the mean of the names counts as eight rows more.
    scale_ : float
        Mean length of the rows.
    weight_ : float
        The weight used.
    held_out_ : HeldOut or None
        Logits of rows by models that did not see them.
    """

    saved_arrays: ClassVar[SavedArrays] = {
        **LINEAR_ARRAYS,
        "centre_": ("features",),
        "scale_": (1,),
    }

    def __init__(
        self, *, base: Any = None, weight: float | str = "cv", labels: FloatArray | None = None
    ) -> None:
        self.base = base
        self.weight = weight
        self.labels = labels

    def fit(self, X: FloatArray, y: AnyArray, sample_weight: FloatArray | None = None) -> Self:
        """Fit the base head to rows and names, and mix in what names say by themselves.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            n may be 0 where there are ``labels``.
        y : array of shape (n,)
            Where there are ``labels``, codes from 0 that number them.
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        ConfigError
            If the base head is not linear.
        """
        if self.labels is None:
            return self._without_names(X, y, sample_weight)
        names = np.asarray(self.labels, dtype=np.float64)
        self.n_features_in_, self.classes_ = names.shape[1], np.arange(len(names))
        away = names - names.mean(axis=0)
        self.direction_ = _unit(away)
        if not len(X):
            return self._by_names_alone(names)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        weights = _check_sample_weight(sample_weight, X)
        middle, share = (
            np.average(X, axis=0, weights=weights),
            len(X) / (len(X) + _ROWS_PER_NAME_CENTRE),
        )
        self.centre_ = share * middle + (1 - share) * names.mean(axis=0)
        self.scale_ = float(np.linalg.norm(X, axis=1).mean()) or 1.0
        base = self._learnt(X, y, weights, away)
        held: HeldOut | None = getattr(base, "held_out_", None)
        if held is not None:
            seen = held.rows < len(X)  # the others are names
            held = HeldOut(held.rows[seen], held.logits[seen])
        elif self.weight == "cv":
            held = self._held_out(X, y, weights, away)
        return self._mixed(base, X, y, held)

    def _learnt(self, X: FloatArray, y: IntArray, weights: FloatArray, away: FloatArray) -> Any:
        """Fit the base head to rows and names; the names are moved to where the rows are."""
        rows = np.concatenate([X, away + np.average(X, axis=0, weights=weights)])
        codes = np.append(y, np.arange(len(away)))
        counts = np.append(weights, np.full(len(away), weights.mean()))
        base = self._base(len(X))
        if np.all(counts == 1):  # not every head takes weights
            return base.fit(rows, codes)
        return base.fit(rows, codes, sample_weight=counts)

    def _base(self, n_rows: int) -> Any:
        """Give the head that learns from so many rows."""
        if self.base is not None:
            self._check(self.base, hasattr(self.base, "fit"))
            return clone(self.base)
        few = self.labels is not None and n_rows < _FEW_ROWS_PER_CLASS * len(self.labels)
        return LogisticHead(C=DEFAULT_C) if few else BlendHead()

    def _held_out(
        self, X: FloatArray, y: IntArray, weights: FloatArray, away: FloatArray
    ) -> HeldOut | None:
        """Ask models that saw all names for rows that they did not see."""
        n_folds = min(_FOLDS, int(np.bincount(y).max()))
        if n_folds < 2 or len(X) < MIN_ROWS_TO_CROSS_VALIDATE_NAMES:
            return None
        folds, logits = stratified_folds(y, n_folds, seed=0), np.zeros((len(X), len(away)))
        for fold in np.unique(folds):
            seen, hidden = folds != fold, folds == fold
            model = self._learnt(X[seen], y[seen], weights[seen], away)
            logits[hidden] = logits_of(model, X[hidden])
        return HeldOut(np.arange(len(X)), logits)

    def extended(self, names: FloatArray, further: FloatArray, order: IntArray) -> MeaningHead:
        """Give a head that knows more classes, from their names alone.

        A further class gets the direction of its name, as strong as the classes that were learnt
        have theirs, and scores as they do on average where the rows are.

        Parameters
        ----------
        names : ndarray of shape (n_classes, n_features)
            Vectors of the names of the classes there are.
        further : ndarray of shape (n_further, n_features)
            Vectors of the names of further classes.
        order : ndarray of shape (n_classes + n_further,)
            Which of them, the old ones first, is which class of the head that is given.
        """
        middle, mean = names.mean(axis=0), self.coef_.mean(axis=0)
        own = float(((self.coef_ - mean) * _unit(names - middle)).sum(axis=1).mean())
        added = mean + own * _unit(further - middle)
        level = float((self.coef_ @ self.centre_ + self.intercept_).mean())
        head = MeaningHead(base=self.base, weight=self.weight)
        head.coef_ = np.concatenate([self.coef_, added])[order]
        head.intercept_ = np.append(self.intercept_, level - added @ self.centre_)[order]
        head.centre_, head.scale_, head.n_features_in_ = self.centre_, self.scale_, names.shape[1]
        head.classes_, head.held_out_ = np.arange(len(order)), None
        return head

    def _without_names(self, X: FloatArray, y: AnyArray, sample_weight: FloatArray | None) -> Self:
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        base = self._base(len(X)).fit(X, y, sample_weight)
        self.centre_, self.scale_ = np.zeros(X.shape[1]), 1.0
        return self._keep(base, 0.0, getattr(base, "held_out_", None))

    def _by_names_alone(self, names: FloatArray) -> Self:
        self.centre_, self.scale_ = names.mean(axis=0), float(np.linalg.norm(names, axis=1).mean())
        self.weight_ = NAME_WEIGHT_OF_VERY_FEW_ROWS if self.weight == "cv" else float(self.weight)
        self.coef_ = self.weight_ * self.direction_ / self.scale_
        self.intercept_ = -self.coef_ @ self.centre_
        self.held_out_: HeldOut | None = None
        return self

    def _mixed(self, base: Any, X: FloatArray, y: IntArray, held: HeldOut | None) -> Self:
        """Add the cosines to what the base head learnt."""
        said = (X - self.centre_) @ self.direction_.T / self.scale_
        weight, share = self.weight, 1.0
        if weight == "cv" and held is not None:
            weight = _likely(held.logits, said[held.rows], y[held.rows])
        elif weight == "cv":
            weight, share = (
                (DEFAULT_NAME_WEIGHT, 1.0)
                if len(X) >= MIN_ROWS_TO_CROSS_VALIDATE_NAMES
                else (NAME_WEIGHT_OF_VERY_FEW_ROWS, _SHARE_OF_VERY_FEW_ROWS)
            )
        if held is not None:
            held = HeldOut(held.rows, held.logits + float(weight) * said[held.rows])
        return self._keep(base, float(weight), held, share=share)

    @staticmethod
    def _check(base: Any, linear: bool) -> None:
        if not linear:
            raise ConfigError(
                f"{type(base).__name__} is no linear head. Use BlendHead, LogisticHead, "
                "DiscriminantHead or PrototypeHead with LabelMeaning()."
            )

    def _keep(self, base: Any, weight: float, held: HeldOut | None, *, share: float = 1.0) -> Self:
        several = hasattr(base, "coef_") and np.ndim(base.intercept_) > 0
        self._check(base, several or hasattr(base, "linear_map"))
        self.weight_, self.held_out_, self.classes_ = weight, held, base.classes_
        self.coef_, self.intercept_ = (share * part for part in linear_map_of(base))
        if weight:
            further = weight * self.direction_ / self.scale_
            self.coef_ = self.coef_ + further
            self.intercept_ = self.intercept_ - further @ self.centre_
        return self


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = vectors / np.maximum(lengths, 1e-12)
    return unit


def _likely(logits: FloatArray, said: FloatArray, truth: IntArray) -> float:
    """Average the weights by the likelihood of held-out rows, each at its best temperature."""
    sums = []
    for weight in NAME_WEIGHTS:
        mixed = logits + weight * said
        mixed = mixed / best_temperature(mixed, truth)
        chosen = mixed[np.arange(len(truth)), truth]
        sums.append(float((chosen - logsumexp(mixed, axis=1)).sum()))
    return float(softmax(sums) @ NAME_WEIGHTS)
