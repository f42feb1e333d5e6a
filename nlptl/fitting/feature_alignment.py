"""Alignment of the frozen features of a source with those of the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack, issparse
from scipy.special import softmax

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features
from nlptl.base.transfer import Transfer
from nlptl.data.targets import Targets
from nlptl.evaluation.expected_accuracy import thresholded_confidence
from nlptl.fitting.domain_features import domain_features, source_numbers
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead

MIN_EXPECTED_GAIN = 0.05
"""Expected gain over the first variant from which another one is used. The expected accuracy has a
mean error of up to 0.04, and a stronger alignment raises it more than the accuracy."""

_MIN_FILLED_SHARE = 0.5
"""Share of entries that are not 0 from which a group of columns counts as dense."""


def aligned(
    transfer: Transfer,
    X: Features,
    unlabeled: Features | None,
    targets: Targets,
    groups: Groups,
    *,
    seed: int,
) -> Features:
    """Move the source rows into the space of the target, one dense group of columns at a time.

    Parameters
    ----------
    transfer : Transfer
        If it has variants, the one with the highest expected accuracy on the unlabelled rows is
        used, but the first one unless the gain over it is clear.
    X : ndarray or csr_matrix of shape (n, n_features)
        Features of the labelled rows.
    unlabeled : ndarray or csr_matrix of shape (n_unlabeled, n_features) or None
    targets : Targets
        With domains.
    groups : tuple of (str, int)
        Name and width of each group of columns.
    seed : int

    Raises
    ------
    ConfigError
        If no group of columns is dense.
    """
    variants = transfer.variants() or (transfer,)
    moved = [_moved(variant, X, unlabeled, targets, groups, seed=seed) for variant in variants]
    if len(moved) == 1:
        return moved[0]
    expected = [_expected_accuracy(part, unlabeled, targets) for part in moved]
    best = int(np.argmax(expected))
    return moved[best if expected[best] >= expected[0] + MIN_EXPECTED_GAIN else 0]


def _moved(
    transfer: Transfer,
    X: Features,
    unlabeled: Features | None,
    targets: Targets,
    groups: Groups,
    *,
    seed: int,
) -> Features:
    """Move the source rows with one transfer."""
    ends = np.cumsum([width for _, width in groups])
    spans = [slice(end - width, end) for end, (_, width) in zip(ends, groups, strict=True)]
    blocks = [_dense_block(X, span) for span in spans]
    if all(block is None for block in blocks):
        raise ConfigError(
            f"{type(transfer).__name__}() needs dense features, got {X.shape[1]} word counts. Use "
            "TransformerEncoder, or FusedEncoder with it."
        )
    for number in source_numbers(targets):
        for span, block in zip(spans, blocks, strict=True):
            if block is None:
                continue
            others = None if unlabeled is None else _dense(unlabeled[:, span])
            source, pair = domain_features(block, others, targets, number, seed=seed)
            block[source] = transfer.align(pair)
    if not issparse(X):
        return np.concatenate([block for block in blocks if block is not None], axis=1)
    parts = [X[:, s] if b is None else csr_matrix(b) for s, b in zip(spans, blocks, strict=True)]
    return csr_matrix(hstack(parts, format="csr"))


def _dense_block(X: Features, span: slice) -> FloatArray | None:
    """Return a copy of a group of columns, or None if most of its entries are 0."""
    block: Any = X[:, span]
    if not issparse(block):
        return np.array(block)
    is_filled = block.nnz >= _MIN_FILLED_SHARE * block.shape[0] * block.shape[1]
    return _dense(block) if is_filled else None


def _dense(block: Any) -> FloatArray:
    filled: FloatArray = block.toarray() if issparse(block) else block
    return filled


def _expected_accuracy(X: Features, unlabeled: Features | None, targets: Targets) -> float:
    """Return the expected accuracy on the unlabelled rows; 0 if it cannot be estimated."""
    if unlabeled is None or targets.numeric or targets.several or targets.counts.min() < 2:
        return 0.0
    head = LogisticHead(strengths=(DEFAULT_C,)).fit(X, targets.codes, targets.weights)
    held_out = head.held_out_
    if held_out is None:
        return 0.0
    accuracy = float((held_out.logits.argmax(axis=1) == targets.codes[held_out.rows]).mean())
    shares: FloatArray = softmax(head.logits(unlabeled), axis=1)
    return thresholded_confidence(softmax(held_out.logits, axis=1), accuracy, shares)
