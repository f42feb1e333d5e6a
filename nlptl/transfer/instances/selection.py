"""Choice of the texts to label next."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features
from nlptl.base.suggestions import suggest

_CANDIDATES_PER_CHOICE = 3
"""Number of candidates with the smallest margins per chosen row."""

STRATEGIES = ("both", "uncertain", "diverse")


def choose_rows(
    vectors: Features,
    probabilities: FloatArray,
    n: int,
    *,
    thresholds: FloatArray | None = None,
    strategy: str = "both",
    seed: int = 0,
) -> IntArray:
    """Choose the rows whose labels should improve a classifier most.

    Parameters
    ----------
    vectors : ndarray or csr_matrix of shape (n_rows, n_features)
        Features of the rows.
    probabilities : ndarray of shape (n_rows, n_classes)
        Probabilities that the classifier predicts for the rows.
    n : int
        Number of rows to choose. If there are fewer rows, all are chosen.
    thresholds : ndarray of shape (n_classes,), optional
        Decision threshold of each label, if a text may have several labels.
    strategy : {"both", "uncertain", "diverse"}
        ``"uncertain"``: rows with the smallest margin between the best class and the second [1]_.
        With several labels per text, the smallest distance of any label to its threshold.
        ``"diverse"``: rows far from each other. ``"both"``: rows far from each other among the
        ``3 * n`` rows with the smallest margins [2]_.
    seed : int
        Seed of the random choice of distant rows.

    Returns
    -------
    ndarray of shape (n,)
        Row numbers in the order in which they were chosen.

    Raises
    ------
    ConfigError
        If the strategy is unknown, or ``n`` is below 1.

    References
    ----------
    .. [1] Scheffer, Decomain and Wrobel, "Active Hidden Markov Models for Information
       Extraction", IDA 2001.
    .. [2] Zhdanov, "Diverse mini-batch Active Learning", 2019, arXiv:1901.05954.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(
            f"strategy={strategy!r} is not known. {suggest(str(strategy), STRATEGIES)}"
        )
    if n < 1:
        raise ConfigError(f"n must be at least 1, got {n}.")
    n = min(n, len(probabilities))
    order: IntArray = np.argsort(_margins(probabilities, thresholds), kind="stable")
    if strategy == "uncertain":
        return order[:n]
    candidates = (
        order[: _CANDIDATES_PER_CHOICE * n] if strategy == "both" else np.arange(len(probabilities))
    )
    return candidates[_spread_out(vectors[candidates], n, np.random.default_rng(seed))]


def _margins(probabilities: FloatArray, thresholds: FloatArray | None) -> FloatArray:
    """Return the margin of each row. With a small margin, the prediction changes easily."""
    if thresholds is not None:
        nearest: FloatArray = np.abs(probabilities - thresholds).min(axis=1)
        return nearest
    ordered = np.sort(probabilities, axis=1)
    margins: FloatArray = ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0.0)
    return margins


def _spread_out(vectors: Features, n: int, rng: np.random.Generator) -> IntArray:
    """Draw rows like k-means++: by the squared distance to the nearest row drawn before."""
    squares = vectors.power(2) if isinstance(vectors, csr_matrix) else vectors**2
    lengths = np.asarray(squares.sum(axis=1)).ravel()
    chosen, nearest = [0], np.full(len(lengths), np.inf)
    while len(chosen) < n:
        last = vectors[chosen[-1]]
        is_sparse = isinstance(vectors, csr_matrix)
        products = (vectors @ last.T).toarray() if is_sparse else vectors @ last
        distances = lengths + lengths[chosen[-1]] - 2 * products.ravel()
        nearest = np.minimum(nearest, np.maximum(distances, 0.0))
        nearest[chosen] = 0.0
        total = nearest.sum()
        if total > 0:
            chosen.append(int(rng.choice(len(nearest), p=nearest / total)))
        else:  # all remaining rows are equal to chosen ones
            remaining = np.setdiff1d(np.arange(len(nearest)), chosen)
            chosen += remaining[: n - len(chosen)].tolist()
    return np.array(chosen)
