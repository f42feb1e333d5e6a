"""Choose how sure a fast model must be to answer in place of an accurate one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from nlptl.base.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class AnswerThreshold:
    """Probability from which a fast model answers, with its effect on the held-out texts.

    Attributes
    ----------
    value : float
        Lowest probability of an answer of the fast model. Infinite if it never answers.
    answered : float
        Share of the held-out texts that the fast model answers.
    loss : float
        Accuracy that is lost on the held-out texts, or its upper bound if they have no labels.
    bound : float
        Upper confidence bound of the loss on other texts.
    """

    value: float
    answered: float
    loss: float
    bound: float


def choose_threshold(
    probabilities: FloatArray, losses: IntArray, *, max_loss: float, confidence: float
) -> AnswerThreshold:
    """Return the lowest threshold whose loss is at most ``max_loss`` with a given confidence.

    Thresholds are tested from the highest to the lowest, and the first that fails ends the search.
    So the confidence of one test applies to the chosen threshold, although many are tested [1]_.

    Parameters
    ----------
    probabilities : ndarray of shape (n,)
        Probability of the fast model for its own answer, for each held-out text.
    losses : ndarray of shape (n,)
        Loss if the fast model answers: 1 if only the accurate model is right, -1 if only
        the fast model is right, 0 otherwise. Without labels: 1 if the two answers differ.
    max_loss : float
        Maximum loss, as a share of all texts.
    confidence : float
        Between .5 and 1.

    References
    ----------
    .. [1] Angelopoulos et al., "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk
       Control", 2021, arXiv:2110.01052.

    Examples
    --------
    >>> probabilities = np.linspace(1, 0.5, 1000)
    >>> losses = (probabilities < 0.6).astype(int)
    >>> chosen = choose_threshold(probabilities, losses, max_loss=0.01, confidence=0.9)
    >>> round(chosen.value, 2), round(chosen.answered, 2), chosen.loss
    (0.6, 0.81, 0.005)
    """
    order = np.argsort(-probabilities, kind="stable")
    ordered, costs = probabilities[order], losses[order]
    lost, gained = (np.cumsum(sign * costs > 0, dtype=np.int64) for sign in (1, -1))
    n = len(costs)
    bounds = loss_bound(lost, gained, n, confidence=confidence)
    is_end = np.append(ordered[1:] < ordered[:-1], True) if n else np.zeros(0, bool)
    ends = np.flatnonzero(is_end)  # equal probabilities are answered together
    fails = bounds[ends] > max_loss
    n_passed = int(np.argmax(fails)) if fails.any() else len(ends)
    if n_passed == 0:
        return AnswerThreshold(float("inf"), 0.0, 0.0, 0.0)
    last = ends[n_passed - 1]
    loss = float(lost[last] - gained[last]) / n
    return AnswerThreshold(float(ordered[last]), float(last + 1) / n, loss, float(bounds[last]))


def losses_of(fast: IntArray, accurate: IntArray, truth: IntArray | None) -> IntArray:
    """Return the losses if the fast model answers, as for ``choose_threshold``.

    Parameters
    ----------
    fast, accurate : ndarray of shape (n,)
        Classes that the two models predict.
    truth : ndarray of shape (n,) or None
        True classes; -1 for a class that no model knows. Such a row is a loss if the answers
        differ.

    Examples
    --------
    >>> fast, accurate = np.array([0, 1, 1, 0]), np.array([0, 0, 0, 1])
    >>> losses_of(fast, accurate, np.array([0, 0, 1, -1])).tolist()
    [0, 1, -1, 1]
    >>> losses_of(fast, accurate, None).tolist()
    [0, 1, 1, 1]
    """
    differ: IntArray = (fast != accurate).astype(np.int64)
    if truth is None:
        return differ
    losses: IntArray = (accurate == truth).astype(np.int64) - (fast == truth)
    return np.where(truth < 0, differ, losses)


def texts_needed(max_loss: float, confidence: float) -> int:
    """Return the number of held-out texts with which a threshold without any loss can be chosen.

    Examples
    --------
    >>> texts_needed(0.005, 0.9), texts_needed(0.05, 0.9)
    (460, 45)
    """
    return int(np.ceil(np.log(1 - confidence) / np.log(1 - max_loss)))


def loss_bound(lost: IntArray, gained: IntArray, n: int, *, confidence: float) -> FloatArray:
    """Return the upper confidence bound of a paired loss of accuracy.

    It is the adjusted Wald bound of the difference of two paired shares [1]_, which is approximate.
    If nothing was gained, it is at least the exact bound of a share [2]_.

    Parameters
    ----------
    lost, gained : ndarray of shape (k,)
        Number of texts that only the accurate, or only the fast model answers correctly.
    n : int
        Number of all texts.
    confidence : float

    Returns
    -------
    ndarray of shape (k,)

    References
    ----------
    .. [1] Bonett and Price, "Adjusted Wald Confidence Interval for a Difference of Binomial
       Proportions Based on Paired Data", Journal of Educational and Behavioral Statistics 2012.
    .. [2] Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of
       the Binomial", Biometrika 1934.

    Examples
    --------
    >>> loss_bound(np.array([0, 5]), np.array([0, 5]), 1000, confidence=0.9).round(4).tolist()
    [0.0023, 0.0044]
    """
    first, second = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    difference = first - second
    spread = np.sqrt((first + second - difference**2) / (n + 2))
    paired = difference + stats.norm.ppf(confidence) * spread
    exact = np.where(lost < n, stats.beta.ppf(confidence, lost + 1, np.maximum(n - lost, 1)), 1.0)
    bounds: FloatArray = np.where(gained == 0, np.maximum(paired, exact), paired)
    return bounds
