"""Features of text pairs, computed from the vectors of both texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from nlptl.base.arrays import FloatArray
from nlptl.base.protocols import Features

if TYPE_CHECKING:
    from torch import Tensor

_COSINE = 4.0
"""Weight of the cosine feature, relative to the length of the vectors."""


def pair_features(first: Features, second: Features, *, widths: Sequence[int]) -> Features:
    """Return both vectors, their absolute difference, their product and their cosine per pair.

    The first four are those of [1]_. A linear head could add up the product columns to obtain the
    cosine, but regularisation prevents that with few rows. The cosine is therefore an extra
    feature, scaled up so that the head can use it with few rows.

    Parameters
    ----------
    first, second : ndarray or csr_matrix of shape (n, dim)
    widths : sequence of int
        Number of columns of each group. The product of two dense vectors of length 1 is shorter
        than the vectors, by a factor of about the square root of the widest group. It is
        multiplied by this factor.

    Returns
    -------
    ndarray or csr_matrix of shape (n, 4 * dim + n_groups)

    References
    ----------
    .. [1] Conneau et al., "Supervised Learning of Universal Sentence Representations from Natural
       Language Inference Data", EMNLP 2017, arXiv:1705.02364.
    """
    if sparse.issparse(first):
        u, v = sparse.csr_matrix(first), sparse.csr_matrix(second)
        product = sparse.csr_matrix(u.multiply(v))
        alike = _cosines(u.multiply(u).tocsr(), v.multiply(v).tocsr(), product, widths)
        return sparse.csr_matrix(sparse.hstack([u, v, abs(u - v), product, alike]))
    product = first * second
    alike = _cosines(first**2, second**2, product, widths)
    stretched = product * np.float32(np.sqrt(max(widths)))
    return np.concatenate([first, second, np.abs(first - second), stretched, alike], axis=1)


def pair_tensors(first: Tensor, second: Tensor, *, width: int) -> Tensor:
    """Compute ``pair_features`` in torch, for groups that all have the same width."""
    import torch

    product = first * second
    squares = (first**2, second**2, product)
    u, v, both = (part.reshape(len(part), -1, width).sum(dim=2) for part in squares)
    cosines = _COSINE * both / (u * v).clamp(min=1e-24) ** 0.25
    stretched = product * width**0.5
    return torch.cat([first, second, (first - second).abs(), stretched, cosines], dim=1)


def _cosines(
    first: Features, second: Features, product: Features, widths: Sequence[int]
) -> FloatArray:
    """Return the scaled cosine of each group: (n, n_groups).

    Parameters
    ----------
    first, second : ndarray or csr_matrix of shape (n, dim)
        Squares of the vectors.
    product : ndarray or csr_matrix of shape (n, dim)
    widths : sequence of int
    """
    ends = np.cumsum(widths)
    columns = []
    for start, end in zip(ends - widths, ends, strict=True):
        u, v, both = (
            np.asarray(part[:, start:end].sum(axis=1), dtype=np.float32).reshape(-1)
            for part in (first, second, product)
        )
        # Dividing by the square root of the lengths keeps it in proportion to the vectors.
        columns.append(_COSINE * both / np.maximum(u * v, 1e-24) ** 0.25)
    cosines: FloatArray = np.stack(columns, axis=1).astype(np.float32)
    return cosines
