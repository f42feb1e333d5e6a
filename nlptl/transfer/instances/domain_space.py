"""Vectors of few dimensions in which the rows of two domains are compared."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import InputError
from nlptl.base.protocols import Features


def in_common_space(
    source: Features, target: Features, *, n_dimensions: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Project the features of both domains onto their main components.

    In many dimensions, any two samples can be separated, and a ratio of densities has no meaning.
    Dense features are reduced by PCA, sparse ones by a truncated SVD. Fewer columns than
    ``n_dimensions`` are only centred. All are then divided by one number, so that the squared
    length of a row is the number of columns in the mean.

    Parameters
    ----------
    source : ndarray or csr_matrix of shape (n_source, n_features)
    target : ndarray or csr_matrix of shape (n_target, n_features)
    n_dimensions : int
        Maximum number of columns of the result.
    seed : int
        Seed of the randomized decomposition.

    Returns
    -------
    source, target : ndarray of shape (n_source, n_columns) and (n_target, n_columns)

    Raises
    ------
    InputError
        If a domain has no row, or the two have different columns.
    """
    n_source, n_target = source.shape[0], target.shape[0]
    if not n_source or not n_target or source.shape[1] != target.shape[1]:
        raise InputError(
            "Comparing domains needs rows of both with the same columns, got source features of "
            f"shape {source.shape} and target features of shape {target.shape}. Pass texts of both."
        )
    if sparse.issparse(source):
        stacked = sparse.vstack([source, target]).tocsr().astype(np.float64)
        reduce = min(stacked.shape) > n_dimensions
        svd = TruncatedSVD(n_dimensions, random_state=seed)
        vectors = svd.fit_transform(stacked) if reduce else stacked.toarray()
    else:
        vectors = np.vstack([np.asarray(source), np.asarray(target)]).astype(np.float64)
        if min(vectors.shape) > n_dimensions:
            pca = PCA(n_dimensions, svd_solver="randomized", random_state=seed)
            vectors = pca.fit_transform(vectors)
    vectors = vectors - vectors.mean(axis=0)
    scale = np.sqrt((vectors**2).mean())
    vectors /= scale if scale > 0 else 1.0
    return vectors[:n_source], vectors[n_source:]
