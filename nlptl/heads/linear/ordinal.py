"""Ordinal regression: one weight vector for all classes, one offset per class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.protocols import Features
from nlptl.data.labels import key_of
from nlptl.heads.calibration.strength import CRITERIA, Chooser, Fold
from nlptl.heads.linear.frame import Frame
from nlptl.heads.score_heads import LinearScores

if TYPE_CHECKING:
    import torch

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
DEFAULT_ORDINAL_C = 3.0
"""Used if there are too few rows to choose."""


class OrdinalLayers(Protocol):
    """Layers of the network that ``OrdinalHead.build`` returns."""

    direction: torch.nn.Linear
    ranks: torch.nn.Linear


class OrdinalHead(LinearScores):
    """Linear classifier for labels with an order, such as stars or severities.

    It is the adjacent-categories logit model [1]_. The log odds between two neighbouring classes
    are a linear function of the features. All pairs of neighbours share its weight vector, and
    each pair has its own offset. ``LogisticHead`` fits one weight vector per class instead. With
    two classes both models are the same.

    Parameters
    ----------
    order : tuple of labels or None
        Labels from lowest to highest. None sorts the labels.
    C : float or "cv"
        Inverse strength of the penalty on the squared weights. ``"cv"`` chooses from
        ``strengths`` by cross-validation, as in ``LogisticHead``.
    strengths : tuple of float
        Candidate values of ``C`` for ``"cv"``.
    criterion : {"accuracy", "log_loss"}
        Score of the cross-validation. Accuracy ignores how far a wrong class is from the right
        one.
    folds : int
        Number of cross-validation folds, at least 2.
    seed : int
        Seed of the assignment of rows to folds.

    Attributes
    ----------
    C_ : float
        Inverse strength used.
    coef_ : ndarray of shape (n_classes, n_features)
        Rows in the order of ``classes_``: the common weight vector times the centred rank.
    intercept_ : ndarray of shape (n_classes,)
    held_out_ : HeldOut or None
        Logits of held-out rows from the cross-validation that chose the strength.

    References
    ----------
    .. [1] Agresti, "Analysis of Ordinal Categorical Data", 2nd edition, Wiley 2010, section 4.1.

    Examples
    --------
    >>> X, stars = np.array([[0.0], [1.0], [2.0], [3.0]]), ["bad", "ok", "ok", "good"]
    >>> head = OrdinalHead(("bad", "ok", "good"), C=100.0).fit(X, stars)
    >>> head.predict(np.array([[-1.0], [1.4], [4.0]])).tolist()
    ['bad', 'ok', 'good']
    """

    def __init__(
        self,
        order: tuple[object, ...] | None = None,
        *,
        C: float | str = "cv",
        strengths: tuple[float, ...] = STRENGTHS,
        criterion: str = "log_loss",
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.order = order
        self.C = C
        self.strengths = strengths
        self.criterion = criterion
        self.folds = folds
        self.seed = seed

    def fit(self, X: Features, y: AnyArray, sample_weight: FloatArray | None = None) -> Self:
        """Choose the penalty strength and fit the classifier.

        Parameters
        ----------
        X : ndarray or csr_matrix of shape (n, n_features)
        y : array of shape (n,)
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        ConfigError
            If a parameter is out of range.
        InputError
            If a label is not in ``order``.
        """
        self._check_parameters()
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Expected at least 2 classes, got 1 class: {self.classes_[0]!r}.")
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        # Ranks are numbered without gaps, also if a label of ``order`` does not occur.
        rank_of_code = np.argsort(np.argsort(self.ranks(self.classes_)))
        frame = Frame.of(X, weights)
        Z, ranks = frame.into(X).astype(np.float64), rank_of_code[codes]
        self.C_, self.held_out_ = (DEFAULT_ORDINAL_C if self.C == "cv" else float(self.C)), None
        if self.C == "cv":
            chooser = Chooser(self.criterion, self.folds, self.seed)
            chosen = chooser.choose(Z, ranks, weights, self.strengths, _path)
            if chosen is not None:
                self.C_, held_out = chosen
                self.held_out_ = type(held_out)(held_out.rows, held_out.logits[:, rank_of_code])
        coef, offsets = maximise_likelihood(Z, ranks, weights, self.C_)
        self.coef_, self.intercept_ = frame.back(coef[rank_of_code], offsets[rank_of_code])
        return self

    def ranks(self, classes: AnyArray) -> IntArray:
        """Return the rank of each class in the order, starting from 0.

        Raises
        ------
        InputError
            If a class is not in the order.
        """
        if self.order is None:
            return np.arange(len(classes))
        rank_by_key = {key_of(label): rank for rank, label in enumerate(self.order)}
        unknown = [label for label in classes.tolist() if key_of(label) not in rank_by_key]
        if unknown:
            raise InputError(
                f"order must contain every label, but {unknown[0]!r} is not in "
                f"order={self.order!r}. List all labels from lowest to highest."
            )
        return np.array([rank_by_key[key_of(label)] for label in classes.tolist()])

    def in_codes(self, classes: AnyArray) -> Self:
        """Return a copy whose order consists of codes of ``classes`` instead of labels.

        Raises
        ------
        InputError
            If the order and the classes do not contain the same labels.
        """
        if self.order is None:
            return self
        self._check_parameters()
        ranks, keys = self.ranks(classes), {key_of(label) for label in classes.tolist()}
        unseen = [label for label in self.order if key_of(label) not in keys]
        if unseen:
            raise InputError(
                f"order={self.order!r} contains {unseen[0]!r}, but no training row has this "
                f"label. Use only the labels {', '.join(map(repr, classes.tolist()))}."
            )
        coded: Self = clone(self).set_params(order=tuple(np.argsort(ranks).tolist()))
        return coded

    def build(self, n_features: int, n_outputs: int) -> Any:
        """Build the same classifier as torch layers, for training together with an encoder.

        The common weight vector and one offset per class are trained. The ranks are fixed. They
        follow ``order`` if it contains the codes of all classes. Otherwise they start as the
        codes, and a saved head replaces them when its weights are loaded.
        """
        from collections import OrderedDict

        import torch

        try:
            ranks = self.ranks(np.arange(n_outputs))
        except InputError:
            ranks = np.arange(n_outputs)
        spread = torch.nn.Linear(1, n_outputs)
        with torch.no_grad():
            spread.weight.copy_(torch.from_numpy(ranks - (n_outputs - 1) / 2)[:, None])
        spread.weight.requires_grad_(False)
        direction = torch.nn.Linear(n_features, 1, bias=False)
        return torch.nn.Sequential(OrderedDict(direction=direction, ranks=spread))

    @staticmethod
    def hand_to(layers: OrdinalLayers, weights: FloatArray, offset: FloatArray) -> None:
        """Copy a weight vector and offsets into the layers of ``build``.

        Parameters
        ----------
        layers : torch.nn.Module
        weights : ndarray of shape (n_classes, n_features)
            Multiples of one weight vector, like ``coef_``.
        offset : ndarray of shape (n_classes,)
        """
        import torch

        ranks = layers.ranks.weight.detach()[:, 0].double().numpy()
        with torch.no_grad():
            direction = torch.from_numpy(ranks @ weights / (ranks @ ranks))
            layers.direction.weight.copy_(direction[None])
            layers.ranks.bias.copy_(torch.from_numpy(offset))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.poor_score = True  # for classes without an order
        return tags

    def _check_parameters(self) -> None:
        if self.C != "cv" and (isinstance(self.C, str) or not self.C > 0):
            raise ConfigError(f"C must be above 0 or 'cv', got {self.C!r}.")
        if self.criterion not in CRITERIA:
            raise ConfigError(
                f"criterion must be one of {', '.join(CRITERIA)}, got {self.criterion!r}."
            )
        if self.folds < 2 or not len(self.strengths):
            raise ConfigError(
                "Cross-validation needs at least 2 folds and one value in strengths, got "
                f"folds={self.folds}, strengths={self.strengths}. Raise folds or add strengths."
            )
        if self.order is None:
            return
        without_order = isinstance(self.order, str | Set | Mapping | Iterator)
        if without_order or len({key_of(label) for label in self.order}) < max(len(self.order), 2):
            raise ConfigError(
                f"order must be a list of at least two labels, each once, got {self.order!r}. "
                "List all labels from lowest to highest."
            )


def maximise_likelihood(
    Z: Features,
    ranks: IntArray,
    weights: FloatArray | None,
    strength: float,
    *,
    start: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Fit the adjacent-categories logit by penalised maximum likelihood.

    Parameters
    ----------
    Z : ndarray or csr_matrix of shape (n, n_features), float64
    ranks : ndarray of shape (n,)
        Ranks from 0 without gaps.
    weights : ndarray of shape (n,) or None
    strength : float
        Factor of the log likelihood. The penalty is half the sum of the squared weights.
    start : ndarray of shape (n_features,), optional
        Initial weight vector.

    Returns
    -------
    coef : ndarray of shape (n_ranks, n_features)
        Multiples of one weight vector. The factor grows by 1 per rank and has mean 0.
    offsets : ndarray of shape (n_ranks,)
        Offsets with mean 0.
    """
    row_weight = np.ones(len(ranks)) if weights is None else weights.astype(np.float64)
    n_ranks, width = int(ranks.max()) + 1, Z.shape[1]
    levels = np.arange(n_ranks) - (n_ranks - 1) / 2
    one_hot = np.eye(n_ranks)[ranks]
    scale = strength * row_weight.sum()  # keeps the step size of the optimiser independent of n

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        direction, offsets = parameters[:width], parameters[width:]
        scores = np.outer(Z @ direction, levels) + offsets
        logs = scores - logsumexp(scores, axis=1, keepdims=True)
        slope = row_weight[:, None] * (np.exp(logs) - one_hot)
        value = 0.5 * direction @ direction - strength * (row_weight @ (logs * one_hot).sum(axis=1))
        gradient = direction + strength * np.asarray(Z.T @ (slope @ levels)).ravel()
        return value / scale, np.concatenate([gradient, strength * slope.sum(axis=0)]) / scale

    shares = np.maximum(row_weight @ one_hot / row_weight.sum(), 1e-6)
    initial = np.zeros(width) if start is None else start
    # Smaller tolerances do not change predictions.
    options = {"maxiter": 300, "gtol": 1e-5, "ftol": 1e-9}
    start_values = np.concatenate([initial, np.log(shares)])
    solution = minimize(loss, start_values, jac=True, method="L-BFGS-B", options=options).x
    offsets = solution[width:]
    return np.outer(levels, solution[:width]), offsets - offsets.mean()


def _path(fold: Fold, strengths: Sequence[float]) -> list[FloatArray]:
    """Fit from strong to weak penalty. Each fit starts from the previous solution."""
    logits: dict[float, FloatArray] = {}
    start = None
    for strength in sorted(strengths):
        coef, offsets = maximise_likelihood(fold.X, fold.codes, fold.weights, strength, start=start)
        start = coef[1] - coef[0]
        logits[strength] = fold.asked @ coef.T + offsets
    return [logits[strength] for strength in strengths]
