"""Distance between two domains, and signs that an adaptation has failed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.data.splits import stratified_folds

MIN_ROWS_PER_DOMAIN = 10
"""With fewer rows, the accuracy of a classifier of domains is not computed."""

MAX_SHIFT_OF_SHARES = 0.25
"""Share of the target texts whose predicted class may differ from the class shares of the source
before a warning."""

MIN_AGREEMENT, MIN_AGREEMENT_WITH_SOURCE = 0.2, 0.5
"""Cohen's kappa of the predictions for target texts before and after the training, below which
there is a warning, if the predictions before the training had at least the second kappa with the
labels of the source."""

_FOLDS = 5


def domain_accuracy(source: FloatArray, target: FloatArray, *, seed: int) -> float | None:
    """Compute how well a linear classifier tells the features of two domains apart.

    Parameters
    ----------
    source, target : ndarray of shape (n_source, n_features) and (n_target, n_features)
        The same number of rows of both is used.
    seed : int
        Seed of the choice of rows and of the folds.

    Returns
    -------
    float or None
        Accuracy on held-out rows, in cross-validation: 0.5 if the domains are alike, 1 if they are
        always recognised. None with fewer than 10 rows of a domain.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> domain_accuracy(rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 9, seed=0)
    1.0
    """
    from sklearn.linear_model import LogisticRegression

    n = min(len(source), len(target))
    if n < MIN_ROWS_PER_DOMAIN:
        return None
    rng = np.random.default_rng(seed)
    parts = [rows[rng.permutation(len(rows))[:n]] for rows in (source, target)]
    X = np.concatenate(parts).astype(np.float64)
    X = (X - X.mean(axis=0)) / max(float(np.sqrt(X.var(axis=0).mean())), 1e-12)
    is_source = np.repeat([1, 0], n)
    folds = stratified_folds(is_source, _FOLDS, seed=seed)
    hits = 0
    for fold in range(_FOLDS):
        classifier = LogisticRegression(max_iter=1000)
        classifier.fit(X[folds != fold], is_source[folds != fold])
        hits += int((classifier.predict(X[folds == fold]) == is_source[folds == fold]).sum())
    return hits / (2 * n)


def mean_entropy(probabilities: FloatArray) -> float:
    """Return the mean entropy of probabilities of shape (n, n_classes), in nats.

    Examples
    --------
    >>> round(mean_entropy(np.array([[0.5, 0.5], [1.0, 0.0]])), 3)
    0.347
    """
    logs = np.log(np.maximum(probabilities, 1e-300))
    return float(-(probabilities * logs).sum(axis=1).mean())


def shares_of(choices: IntArray, n_classes: int) -> tuple[float, ...]:
    """Return the share of the rows that have each class.

    Parameters
    ----------
    choices : ndarray of shape (n,) or (n, n_classes)
        Class codes, or zeros and ones if a row may have several labels.
    n_classes : int

    Examples
    --------
    >>> shares_of(np.array([0, 2, 2, 2]), 3)
    (0.25, 0.0, 0.75)
    """
    if choices.ndim == 1:
        choices = choices[:, None] == np.arange(n_classes)
    return tuple(float(share) for share in choices.mean(axis=0))


def collapse_warning(
    shares: Sequence[float],
    source_shares: Sequence[float],
    *,
    shares_before: Sequence[float],
    entropies: tuple[float | None, float | None],
    agreements: tuple[float, float] | None = None,
) -> str:
    """Return a sentence if the predictions for target texts look collapsed, else an empty string.

    They do if all texts are predicted as one class. They also do if the class shares moved away
    from those of the source while the predictions became more confident, or if the predictions
    have nothing in common with those of a model that was right on the source.

    Parameters
    ----------
    shares, source_shares, shares_before : sequence of float
        Class shares among the predictions for the target, among the source rows, and among the
        predictions before the training, if there were some.
    entropies : tuple of (float, float)
        Mean entropy of the predictions before and after the training.
    agreements : tuple of (float, float), optional
        Cohen's kappa of the predictions for the target before and after the training, and of the
        predictions for the source before the training and its labels.
    """
    if not len(shares) or max(source_shares) == 1.0:  # numbers, or a source of one class
        return ""
    if max(shares) == 1.0:
        return (
            "All target texts are predicted as one class. Use a smaller weight, or no adaptation."
        )
    if agreements and agreements[0] < MIN_AGREEMENT and agreements[1] >= MIN_AGREEMENT_WITH_SOURCE:
        return (
            "The predictions for target texts agree with those before the training hardly more "
            "than by chance. The classes may be lost. Check some predictions, or use a smaller "
            "weight."
        )
    before, after = entropies
    if before is None or after is None or after >= before:
        return ""
    distance, earlier = (_distance(part, source_shares) for part in (shares, shares_before))
    if distance <= max(MAX_SHIFT_OF_SHARES, earlier):
        return ""
    return (
        f"The class shares of the predictions for target texts differ from those of the source by "
        f"{distance:.0%} ({earlier:.0%} before the training), while the predictions became more "
        "confident. The classes may be confused. Check some predictions, or use a smaller weight."
    )


def _distance(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the share of the rows that would need another class to make two shares equal."""
    return float(np.abs(np.subtract(first, second)).sum() / 2)
