"""Unlabelled rows as extra training rows, with labels that the model predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import brentq

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import Transfer

CLASS_SHARES = ("predicted", "labelled", "estimated")

_MAX_SHIFT = 2.0
"""Maximum factor between the estimated share of a class and its share in the labelled rows."""

_MIN_SHIFT = 1.3
"""Factor up to which an estimated share counts as equal to the share in the labelled rows. Other
words in the target shift the estimate as well: up to 1.25 on review domains of equal shares."""

_MAX_ITERATIONS = 1_000
_SMALLEST_CHANGE = 1e-8


@dataclass(frozen=True)
class SelfTraining(Transfer):
    """Label unlabelled texts with the model and train its head on the most confident ones [1]_.

    Pass the texts to ``fit`` as ``unlabeled``. Combine it with ``Frozen`` or ``Contrastive``. If
    the labelled rows come from another domain, it adapts the head to the target. ``CoTraining``
    does the same with two views of a text, and gained more (docs/domains.md). With few labelled
    rows it can make a model more confident in its mistakes, so ``Auto`` tries it before it uses it.
    Together with ``LabelMeaning`` it needs no labelled text: the class names give the first labels.

    Parameters
    ----------
    share : float or tuple of float
        Share of the texts of each class that are used, the most confident first; above 0 and at
        most 1. A tuple has the share of each round, for example ``(0.2, 0.4, 0.6, 0.8)``.
    weight : float
        Weight of all these texts together, relative to all labelled rows; above 0. Without
        labelled rows, weight of each text relative to a class name.
    rounds : int
        Number of times that the model labels the texts and its head is fitted again. A tuple of
        shares has its own number of rounds.
    class_shares : {"predicted", "labelled", "estimated"}
        How many texts each class receives. ``"predicted"``: as many as the model predicts.
        ``"labelled"``: the class shares of the labelled rows. ``"estimated"``: the class shares of
        the unlabelled texts, estimated by EM [2]_, within a factor of 2 of those of the labelled
        rows. The labelled rows are weighted to these shares. An estimate within a factor of 1.3
        counts as no shift.
    soft : bool
        True uses the predicted probabilities as soft labels. False uses the most likely class.

    References
    ----------
    .. [1] Yarowsky, "Unsupervised Word Sense Disambiguation Rivaling Supervised Methods",
       ACL 1995.
    .. [2] Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a
       Priori Probabilities", Neural Computation 14, 2002.
    """

    share: float | tuple[float, ...] = 0.5
    weight: float = 1.0
    rounds: int = 1
    class_shares: str = "predicted"
    soft: bool = False

    adds_rows: ClassVar[bool] = True
    carries: ClassVar[str] = "instances"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "unlabeled"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs"})
    paper: ClassVar[str] = "Yarowsky 1995, ACL"

    def __post_init__(self) -> None:
        if isinstance(self.share, list):
            object.__setattr__(self, "share", tuple(self.share))
        if self.rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {self.rounds}.")
        if not self.schedule or not all(0 < share <= 1 for share in self.schedule):
            raise ConfigError(f"share must be above 0 and at most 1, got {self.share}.")
        if not self.weight > 0:
            raise ConfigError(f"weight must be above 0, got {self.weight}.")
        if isinstance(self.share, tuple) and self.rounds != 1:
            raise ConfigError(
                f"share={self.share} has a share for each round, got rounds={self.rounds}. Leave "
                "rounds out."
            )
        if self.class_shares not in CLASS_SHARES:
            hint = suggest(str(self.class_shares), CLASS_SHARES)
            raise ConfigError(f"class_shares={self.class_shares!r} is not known. {hint}")

    @property
    def schedule(self) -> tuple[float, ...]:
        """Share of the texts that are used in each round."""
        return self.share if isinstance(self.share, tuple) else (self.share,) * self.rounds


def most_confident(
    probabilities: FloatArray, share: float, class_shares: FloatArray | None = None
) -> tuple[IntArray, IntArray]:
    """Return the most confident rows of each class.

    Rows are chosen per class, so that classes that are hard to predict keep some rows.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
    share : float
        Share of the rows that are chosen, above 0 and at most 1.
    class_shares : ndarray of shape (n_classes,), optional
        Share of each class among the chosen rows. None uses the shares of the predicted classes.

    Returns
    -------
    rows, codes : ndarray
        Chosen row numbers in ascending order, and the class of each.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    >>> rows, codes = most_confident(probabilities, 0.5)
    >>> rows.tolist(), codes.tolist()
    ([0, 2], [0, 1])
    """
    if class_shares is None:
        codes, margins = probabilities.argmax(axis=1), probabilities.max(axis=1)
        counts = np.bincount(codes, minlength=probabilities.shape[1])
        n_chosen = np.ceil(share * counts).astype(np.int64)
    else:
        scores = margins_of(probabilities)
        n_chosen = np.ceil(share * class_shares * len(probabilities)).astype(np.int64)
        codes, margins = _balanced(scores, n_chosen)
    chosen = []
    for code, n in enumerate(n_chosen):
        members = np.flatnonzero(codes == code)
        chosen.append(members[np.argsort(-margins[members], kind="stable")[:n]])
    rows = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
    return rows, codes[rows]


def margins_of(probabilities: FloatArray) -> FloatArray:
    """Return the log odds of each class against the most likely other class: (n, n_classes)."""
    logs = np.log(np.maximum(probabilities, 1e-300))
    top = np.sort(logs, axis=1)[:, ::-1]
    is_top = logs == top[:, :1]
    margins: FloatArray = logs - np.where(is_top, top[:, 1:2], top[:, :1])
    return margins


def _balanced(scores: FloatArray, n_chosen: IntArray) -> tuple[IntArray, FloatArray]:
    """Assign rows to classes, so that class k gets its ``n_chosen[k]`` rows with highest scores.

    A row that two classes claim goes to the class with the higher score. A row that no class
    claims gets class -1.
    """
    claimed = np.full(scores.shape, -np.inf)
    for code, n in enumerate(n_chosen):
        rows = np.argsort(-scores[:, code], kind="stable")[:n]
        claimed[rows, code] = scores[rows, code]
    codes = np.where(np.isfinite(claimed).any(axis=1), claimed.argmax(axis=1), -1)
    return codes, claimed.max(axis=1)


def estimated_shares(
    probabilities: FloatArray,
    shares: FloatArray,
    *,
    min_shift: float = _MIN_SHIFT,
    max_shift: float = _MAX_SHIFT,
) -> FloatArray:
    """Estimate the class shares of unlabelled rows by expectation maximisation [1]_.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Calibrated probabilities of a classifier that was trained on rows with class ``shares``.
    shares : ndarray of shape (n_classes,)
        Class shares of the labelled rows, all above 0.
    min_shift : float
        If no estimated share differs by more than this factor, ``shares`` are returned.
    max_shift : float
        Maximum factor between an estimated share and the share in the labelled rows.

    Returns
    -------
    ndarray of shape (n_classes,)
        They sum to 1.

    References
    ----------
    .. [1] Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a
       Priori Probabilities", Neural Computation 14, 2002.

    Examples
    --------
    >>> probabilities = np.array([[0.99, 0.01]] * 7 + [[0.01, 0.99]] * 3)
    >>> estimated_shares(probabilities, np.array([0.5, 0.5])).round(2).tolist()
    [0.7, 0.3]
    """
    estimate = shares
    for _ in range(_MAX_ITERATIONS):
        weighted = probabilities * (estimate / shares)
        weighted /= np.maximum(weighted.sum(axis=1, keepdims=True), 1e-300)
        update = weighted.mean(axis=0)
        change = np.abs(update - estimate).max()
        estimate = update
        if change < _SMALLEST_CHANGE:
            break
    ratio = np.maximum(estimate, 1e-12) / shares
    if np.maximum(ratio, 1 / ratio).max() <= min_shift:
        return shares
    return _within_bounds(estimate, shares / max_shift, np.minimum(shares * max_shift, 1.0))


def _within_bounds(estimate: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return shares that sum to 1 within bounds, with the ratios of the estimate where possible."""

    def excess(log_factor: float) -> float:
        return float(np.clip(np.exp(log_factor) * estimate, low, high).sum()) - 1

    estimate = np.maximum(estimate, 1e-12)
    bounded: FloatArray = np.clip(np.exp(brentq(excess, -30.0, 30.0)) * estimate, low, high)
    return bounded
