"""A linear head that uses class names in addition to labelled rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.utils.validation import _check_sample_weight, validate_data
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import SolverHead
from nlptl.data.splits import stratified_folds
from nlptl.heads.calibration.decision import best_temperature
from nlptl.heads.calibration.strength import HeldOut
from nlptl.heads.linear.blend import BlendHead
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead
from nlptl.heads.score_heads import LINEAR_ARRAYS, LinearScores, SavedArrays
from nlptl.heads.solver_fit import linear_map_of, logits_of

NAME_WEIGHTS = (0.0, 1.0, 2.5, 5.0, 10.0, 20.0)
DEFAULT_NAME_WEIGHT = 5.0
"""Used if there are at least eight rows but no held-out rows to choose the weight."""
NAME_WEIGHT_OF_VERY_FEW_ROWS = 10.0
"""Used with fewer than eight rows. Without any rows it affects only the confidence."""

_TUNED_TEMPERATURE = 2.6
"""After contrastive tuning, the temperature is 1 plus this number divided by that of the classes.

With few classes, the names make the head too confident; with many, they do not
(recipes/benchmarks/few_labels/confidence.py).
"""

_FEW_ROWS_PER_CLASS = 16
_FOLDS = 5
MIN_ROWS_TO_CROSS_VALIDATE_NAMES = 8
_SHARE_OF_VERY_FEW_ROWS = 0.5
"""Factor on the base head with fewer than eight rows.

It doubles the relative weight of the names without raising the confidence.
"""
_ROWS_PER_NAME_CENTRE = 8
"""Number of rows that the mean of the names counts as when the centre is computed."""


class MeaningHead(LinearScores):
    """Linear head that uses class names as extra training rows and as extra scores.

    The vector of each class name becomes one extra training row of its class, shifted to the
    centre of the texts. In addition, its cosine similarity to a text is added to the score of the
    class. The weight of the similarities is an average of candidate weights. Each candidate counts
    by the likelihood of the held-out labels under it.

    Parameters
    ----------
    base : head or None
        Head that is fitted to the rows: a head with ``coef_``, or ``PrototypeHead``. None is
        ``BlendHead()``, or ``LogisticHead(C=10)`` with fewer than 16 rows per class.
    weight : float or "cv"
        Weight of the cosine similarities. ``"cv"`` computes it from held-out rows.
    labels : ndarray of shape (n_classes, n_features) or None
        Vectors of the class names. None uses ``base`` without names.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features)
    intercept_ : ndarray of shape (n_classes,)
    centre_ : ndarray of shape (n_features,)
        Mean of the rows, in which the mean of the names counts as eight extra rows.
    scale_ : float
        Mean length of the rows.
    weight_ : float
        Weight used.
    held_out_ : HeldOut or None
        Logits of held-out rows, from models that were not trained on them.
    """

    saved_arrays: ClassVar[SavedArrays] = {
        **LINEAR_ARRAYS,
        "centre_": ("features",),
        "scale_": (1,),
    }

    def __init__(
        self,
        *,
        base: Any = None,
        weight: float | str = "cv",
        labels: FloatArray | None = None,
    ) -> None:
        self.base = base
        self.weight = weight
        self.labels = labels

    @property
    def tuned_temperature(self) -> float:
        """Temperature if the encoder was tuned on the rows, so that none can be held out."""
        return 1.0 if self.labels is None else 1.0 + _TUNED_TEMPERATURE / len(self.labels)

    def fit(self, X: FloatArray, y: AnyArray, sample_weight: FloatArray | None = None) -> Self:
        """Fit the base head to rows and names, and add the cosine similarities to the names.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            n may be 0 if ``labels`` is set.
        y : array of shape (n,)
            Class labels. If ``labels`` is set, row numbers of ``labels``.
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
        centred_names = names - names.mean(axis=0)
        self.direction_ = _unit(centred_names)
        if not len(X):
            return self._by_names_alone(names)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        weights = _check_sample_weight(sample_weight, X)
        rows_mean, share = (
            np.average(X, axis=0, weights=weights),
            len(X) / (len(X) + _ROWS_PER_NAME_CENTRE),
        )
        self.centre_ = share * rows_mean + (1 - share) * names.mean(axis=0)
        self.scale_ = float(np.linalg.norm(X, axis=1).mean()) or 1.0
        base = self._fit_base(X, y, weights, centred_names)
        held_out: HeldOut | None = getattr(base, "held_out_", None)
        if held_out is not None:
            is_row = held_out.rows < len(X)  # the other rows are names
            held_out = HeldOut(held_out.rows[is_row], held_out.logits[is_row])
        elif self.weight == "cv":
            held_out = self._held_out(X, y, weights, centred_names)
        return self._mixed(base, X, y, held_out)

    def _fit_base(
        self, X: FloatArray, y: IntArray, weights: FloatArray, centred_names: FloatArray
    ) -> Any:
        """Fit the base head to the rows and to the names, shifted to the centre of the rows."""
        rows = np.concatenate([X, centred_names + np.average(X, axis=0, weights=weights)])
        codes = np.append(y, np.arange(len(centred_names)))
        counts = np.append(weights, np.full(len(centred_names), weights.mean()))
        base = self._base(len(X))
        if np.all(counts == 1):  # some heads do not accept weights
            return base.fit(rows, codes)
        return base.fit(rows, codes, sample_weight=counts)

    def _base(self, n_rows: int) -> Any:
        """Return the unfitted base head for this number of rows."""
        if self.base is not None:
            self._check(self.base, hasattr(self.base, "fit"))
            return clone(self.base)
        few = self.labels is not None and n_rows < _FEW_ROWS_PER_CLASS * len(self.labels)
        return LogisticHead(C=DEFAULT_C) if few else BlendHead()

    def _held_out(
        self, X: FloatArray, y: IntArray, weights: FloatArray, centred_names: FloatArray
    ) -> HeldOut | None:
        """Return cross-validated logits of the rows. Each fold is trained with all names."""
        n_folds = min(_FOLDS, int(np.bincount(y).max()))
        if n_folds < 2 or len(X) < MIN_ROWS_TO_CROSS_VALIDATE_NAMES:
            return None
        folds, logits = stratified_folds(y, n_folds, seed=0), np.zeros((len(X), len(centred_names)))
        for fold in np.unique(folds):
            training, held_out = folds != fold, folds == fold
            model = self._fit_base(X[training], y[training], weights[training], centred_names)
            logits[held_out] = logits_of(model, X[held_out])
        return HeldOut(np.arange(len(X)), logits)

    def extended(self, names: FloatArray, new_names: FloatArray, order: IntArray) -> MeaningHead:
        """Return a head with additional classes, of which only the names are available.

        The weights of a new class point along its name vector. Their length along the name is
        the average of the fitted classes. At the centre of the rows, a new class scores as high
        as the fitted classes on average.

        Parameters
        ----------
        names : ndarray of shape (n_classes, n_features)
            Vectors of the names of the fitted classes.
        new_names : ndarray of shape (n_new, n_features)
            Vectors of the names of the additional classes.
        order : ndarray of shape (n_classes + n_new,)
            For each class of the returned head, its index among the fitted classes followed by
            the additional ones.
        """
        names_centre, mean_coef = names.mean(axis=0), self.coef_.mean(axis=0)
        name_strength = float(
            ((self.coef_ - mean_coef) * _unit(names - names_centre)).sum(axis=1).mean()
        )
        new_coef = mean_coef + name_strength * _unit(new_names - names_centre)
        mean_score = float((self.coef_ @ self.centre_ + self.intercept_).mean())
        head = MeaningHead(base=self.base, weight=self.weight)
        head.coef_ = np.concatenate([self.coef_, new_coef])[order]
        head.intercept_ = np.append(self.intercept_, mean_score - new_coef @ self.centre_)[order]
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

    def _mixed(
        self, base: SolverHead, X: FloatArray, y: IntArray, held_out: HeldOut | None
    ) -> Self:
        """Add the weighted cosine similarities to the fitted base head."""
        similarities = (X - self.centre_) @ self.direction_.T / self.scale_
        weight, share = self.weight, 1.0
        if weight == "cv" and held_out is not None:
            weight = _average_weight(held_out.logits, similarities[held_out.rows], y[held_out.rows])
        elif weight == "cv":
            weight, share = (
                (DEFAULT_NAME_WEIGHT, 1.0)
                if len(X) >= MIN_ROWS_TO_CROSS_VALIDATE_NAMES
                else (NAME_WEIGHT_OF_VERY_FEW_ROWS, _SHARE_OF_VERY_FEW_ROWS)
            )
        if held_out is not None:
            held_out = HeldOut(
                held_out.rows, held_out.logits + float(weight) * similarities[held_out.rows]
            )
        return self._keep(base, float(weight), held_out, share=share)

    @staticmethod
    def _check(base: object, linear: bool) -> None:
        if not linear:
            raise ConfigError(
                f"LabelMeaning() needs a linear head, but {type(base).__name__} is not linear. Use "
                "BlendHead, LogisticHead, DiscriminantHead or PrototypeHead."
            )

    def _keep(
        self, base: Any, weight: float, held_out: HeldOut | None, *, share: float = 1.0
    ) -> Self:
        is_linear = hasattr(base, "coef_") and np.ndim(base.intercept_) > 0
        self._check(base, is_linear or hasattr(base, "linear_map"))
        self.weight_, self.held_out_, self.classes_ = weight, held_out, base.classes_
        self.coef_, self.intercept_ = (share * part for part in linear_map_of(base))
        if weight:
            name_coef = weight * self.direction_ / self.scale_
            self.coef_ = self.coef_ + name_coef
            self.intercept_ = self.intercept_ - name_coef @ self.centre_
        return self


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = vectors / np.maximum(lengths, 1e-12)
    return unit


def _average_weight(logits: FloatArray, similarities: FloatArray, truth: IntArray) -> float:
    """Average the candidate weights by the likelihood of held-out rows.

    The logits of each candidate are first calibrated with their best temperature.
    """
    sums = []
    for weight in NAME_WEIGHTS:
        mixed = logits + weight * similarities
        mixed = mixed / best_temperature(mixed, truth)
        chosen = mixed[np.arange(len(truth)), truth]
        sums.append(float((chosen - logsumexp(mixed, axis=1)).sum()))
    return float(softmax(sums) @ NAME_WEIGHTS)
