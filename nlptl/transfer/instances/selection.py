"""Which texts to label next."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features
from nlptl.base.suggestions import suggest

_CANDIDATES_PER_CHOICE = 3
"""Rows of the smallest leads to choose among, for each that is chosen."""

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
    """Choose the rows whose labels would teach a classifier most.

    Parameters
    ----------
    vectors : ndarray or csr_matrix of shape (n_rows, n_features)
        Features of the rows.
    probabilities : ndarray of shape (n_rows, n_classes)
        What the classifier says of them.
    n : int
        How many to choose; all rows where there are not as many.
    thresholds : ndarray of shape (n_classes,), optional
        From which a label is given, where a text may have several.
    strategy : {"both", "uncertain", "diverse"}
        ``"uncertain"``: the smallest lead of the best class over the second [1]_, or of any label
        over or under its threshold. ``"diverse"``:
        far from each other. ``"both"``: far from each other among three times as many of the
        smallest leads [2]_.
    seed : int
        Draws among the rows that are far from those chosen.

    Returns
    -------
    ndarray of shape (n,)
        Row numbers, the first chosen first.

    Raises
    ------
    ConfigError
        If the strategy is not known, or ``n`` is below 1.

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
    order: IntArray = np.argsort(_leads(probabilities, thresholds), kind="stable")
    if strategy == "uncertain":
        return order[:n]
    among = (
        order[: _CANDIDATES_PER_CHOICE * n] if strategy == "both" else np.arange(len(probabilities))
    )
    return among[_spread_out(vectors[among], n, np.random.default_rng(seed))]


def _leads(probabilities: FloatArray, thresholds: FloatArray | None) -> FloatArray:
    """Give how far the answer for each row is from another one."""
    if thresholds is not None:
        nearest: FloatArray = np.abs(probabilities - thresholds).min(axis=1)
        return nearest
    ordered = np.sort(probabilities, axis=1)
    lead: FloatArray = ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0.0)
    return lead


def _spread_out(vectors: Features, n: int, rng: np.random.Generator) -> IntArray:
    """Draw rows as k-means++ does: by the squared distance to the nearest of those drawn."""
    squares = vectors.power(2) if isinstance(vectors, csr_matrix) else vectors**2
    lengths = np.asarray(squares.sum(axis=1)).ravel()
    chosen, nearest = [0], np.full(len(lengths), np.inf)
    while len(chosen) < n:
        last = vectors[chosen[-1]]
        along = (vectors @ last.T).toarray() if isinstance(vectors, csr_matrix) else vectors @ last
        away = lengths + lengths[chosen[-1]] - 2 * along.ravel()
        nearest = np.minimum(nearest, np.maximum(away, 0.0))
        nearest[chosen] = 0.0
        total = nearest.sum()
        if total > 0:
            chosen.append(int(rng.choice(len(nearest), p=nearest / total)))
        else:  # the rest repeats what was chosen
            left = np.setdiff1d(np.arange(len(nearest)), chosen)
            chosen += left[: n - len(chosen)].tolist()
    return np.array(chosen)
