"""Classes that have an order: one direction in the features, one offset a class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

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

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
DEFAULT_ORDINAL_C = 3.0
"""Used where there are too few rows to choose."""


class OrdinalHead(LinearScores):
    """Linear classifier for labels with an order, such as stars or severities.

    The adjacent-categories logit [1]_: the log odds of each class against the one below it are
    one linear function of the features, shifted by an offset of their own. So all classes teach
    one direction, where ``LogisticHead`` learns one each. With two classes both are the same.

    Parameters
    ----------
    order : tuple of labels or None
        The labels from lowest to highest; None takes their sorted order.
    C : float or "cv"
        Inverse strength of the penalty on the squared weights; ``"cv"`` chooses among
        ``strengths`` by cross-validation, as ``LogisticHead`` does.
    strengths : tuple of float
        What is tried.
    criterion : {"accuracy", "log_loss"}
        What the cross-validation looks at first. Accuracy does not know how far off a miss is.
    folds : int
        Folds of the cross-validation, at least 2.
    seed : int
        Deals the rows into folds.

    Attributes
    ----------
    C_ : float
        The strength used.
    coef_ : ndarray of shape (n_classes, n_features)
        Rows in the order of ``classes_``: the one direction times the rank of the class.
    intercept_ : ndarray of shape (n_classes,)
    held_out_ : HeldOut or None
        Logits of rows by models that did not see them, from choosing the strength.

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
        order: tuple[Any, ...] | None = None,
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
        """Choose the strength and fit.

        Parameters
        ----------
        X : ndarray or csr_matrix of shape (n, n_features)
        y : array of shape (n,)
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        ConfigError
            If a parameter makes no sense.
        InputError
            If a label does not stand in ``order``.
        """
        self._check_parameters()
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Expected at least 2 classes, got 1 class: {self.classes_[0]!r}.")
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        # Labels of the order that do not occur leave no gap.
        place = np.argsort(np.argsort(self.ranks(self.classes_)))
        frame = Frame.of(X, weights)
        Z, ranks = frame.into(X).astype(np.float64), place[codes]
        self.C_, self.held_out_ = (DEFAULT_ORDINAL_C if self.C == "cv" else float(self.C)), None
        if self.C == "cv":
            chooser = Chooser(self.criterion, self.folds, self.seed)
            chosen = chooser.choose(Z, ranks, weights, self.strengths, _path)
            if chosen is not None:
                self.C_, held = chosen
                self.held_out_ = type(held)(held.rows, held.logits[:, place])
        coef, offsets = maximise_likelihood(Z, ranks, weights, self.C_)
        self.coef_, self.intercept_ = frame.back(coef[place], offsets[place])
        return self

    def ranks(self, classes: AnyArray) -> IntArray:
        """Give the place of each class in the order, from 0.

        Raises
        ------
        InputError
            If a class does not stand in the order.
        """
        if self.order is None:
            return np.arange(len(classes))
        place = {key_of(label): rank for rank, label in enumerate(self.order)}
        unknown = [label for label in classes.tolist() if key_of(label) not in place]
        if unknown:
            raise InputError(
                f"Label {unknown[0]!r} does not stand in order={self.order!r}. Name every label, "
                "from lowest to highest."
            )
        return np.array([place[key_of(label)] for label in classes.tolist()])

    def in_codes(self, classes: AnyArray) -> Self:
        """Give a copy that orders the codes of ``classes``, instead of the labels themselves.

        Raises
        ------
        InputError
            If the order and the classes are not the same labels.
        """
        if self.order is None:
            return self
        self._check_parameters()
        ranks, known = self.ranks(classes), {key_of(label) for label in classes.tolist()}
        unseen = [label for label in self.order if key_of(label) not in known]
        if unseen:
            raise InputError(
                f"order={self.order!r} names {unseen[0]!r}, which no training row is labelled "
                f"with; the labels are {', '.join(map(repr, classes.tolist()))}."
            )
        coded: Self = clone(self).set_params(order=tuple(np.argsort(ranks).tolist()))
        return coded

    def build(self, n_features: int, n_outputs: int) -> Any:
        """Make the same classifier as network layers, to be trained with an encoder.

        One direction and an offset a class learn; the ranks stay. They are those of ``order``
        where it orders codes; of a head that was saved they come with the weights.
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
    def hand_to(layers: Any, weights: FloatArray, offset: FloatArray) -> None:
        """Give the layers of ``build`` a direction and offsets.

        Parameters
        ----------
        layers : torch.nn.Module
        weights : ndarray of shape (n_classes, n_features)
            Multiples of one direction, as ``coef_`` is.
        offset : ndarray of shape (n_classes,)
        """
        import torch

        ranks = layers.ranks.weight.detach()[:, 0].double().numpy()
        with torch.no_grad():
            along = torch.from_numpy(ranks @ weights / (ranks @ ranks))
            layers.direction.weight.copy_(along[None])
            layers.ranks.bias.copy_(torch.from_numpy(offset))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.poor_score = True  # on classes that lie in no order
        return tags

    def _check_parameters(self) -> None:
        if self.C != "cv" and (isinstance(self.C, str) or not self.C > 0):
            raise ConfigError(f"C must be above 0 or 'cv', got {self.C!r}.")
        if self.criterion not in CRITERIA:
            raise ConfigError(
                f"criterion must be one of {', '.join(CRITERIA)}, got {self.criterion!r}."
            )
        if self.folds < 2 or not self.strengths:
            raise ConfigError(
                f"Choosing needs at least 2 folds and one strength, got folds={self.folds}, "
                f"strengths={self.strengths}."
            )
        if self.order is None:
            return
        without_order = isinstance(self.order, str | Set | Mapping | Iterator)
        if without_order or len({key_of(one) for one in self.order}) < max(len(self.order), 2):
            raise ConfigError(
                f"order must be a list of at least two labels, each once, got {self.order!r}."
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
        From 0 without gaps.
    weights : ndarray of shape (n,) or None
    strength : float
        Factor on the likelihood; half the squared weights are the penalty.
    start : ndarray of shape (n_features,), optional
        Direction to start from.

    Returns
    -------
    coef : ndarray of shape (n_ranks, n_features)
        Multiples of one direction, one apart from rank to rank, with mean 0.
    offsets : ndarray of shape (n_ranks,)
        With mean 0.
    """
    given = np.ones(len(ranks)) if weights is None else weights.astype(np.float64)
    n_ranks, width = int(ranks.max()) + 1, Z.shape[1]
    levels = np.arange(n_ranks) - (n_ranks - 1) / 2
    marked = np.eye(n_ranks)[ranks]
    unit = strength * given.sum()  # keeps the steps of the search of one size

    def loss(guess: FloatArray) -> tuple[float, FloatArray]:
        direction, offsets = guess[:width], guess[width:]
        scores = np.outer(Z @ direction, levels) + offsets
        logs = scores - logsumexp(scores, axis=1, keepdims=True)
        slope = given[:, None] * (np.exp(logs) - marked)
        value = 0.5 * direction @ direction - strength * (given @ (logs * marked).sum(axis=1))
        turn = direction + strength * np.asarray(Z.T @ (slope @ levels)).ravel()
        return value / unit, np.concatenate([turn, strength * slope.sum(axis=0)]) / unit

    shares = np.maximum(given @ marked / given.sum(), 1e-6)
    first = np.zeros(width) if start is None else start
    options = {"maxiter": 300, "gtol": 1e-5, "ftol": 1e-9}  # closer classifies no text otherwise
    start_values = np.concatenate([first, np.log(shares)])
    found = minimize(loss, start_values, jac=True, method="L-BFGS-B", options=options).x
    offsets = found[width:]
    return np.outer(levels, found[:width]), offsets - offsets.mean()


def _path(fold: Fold, strengths: Sequence[float]) -> list[FloatArray]:
    """Fit from strong to weak penalty, each solution starting from the one before."""
    found: dict[float, FloatArray] = {}
    start = None
    for strength in sorted(strengths):
        coef, offsets = maximise_likelihood(fold.X, fold.codes, fold.weights, strength, start=start)
        start = coef[1] - coef[0]
        found[strength] = fold.asked @ coef.T + offsets
    return [found[strength] for strength in strengths]
