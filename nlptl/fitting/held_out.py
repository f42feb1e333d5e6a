"""Rows held out of training."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.data.rows import Rows
from nlptl.data.splits import stratified_folds
from nlptl.data.targets import Targets

MIN_ROWS_TO_HOLD_OUT = 100
"""With fewer rows, none are held out and probabilities are not calibrated."""


def hold_out(
    rows: Rows, targets: Targets, share: float, seed: int
) -> tuple[tuple[Rows, Targets], tuple[Rows, Targets] | None]:
    """Split rows into training rows and held-out rows. The latter are None with too few rows."""
    if not share or len(targets) < MIN_ROWS_TO_HOLD_OUT:
        return (rows, targets), None
    part = max(Fraction(share).limit_denominator(len(targets)), Fraction(1, len(targets)))
    n_folds = part.denominator
    any_fold: IntArray = np.random.default_rng(seed).permutation(len(targets)) % n_folds
    folds = any_fold if targets.numeric else stratified_folds(targets.codes, n_folds, seed=seed)
    is_held_out = folds * part.numerator % n_folds < part.numerator  # spread over the folds
    training, held_out = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    return (
        (rows.take(training), targets.take(training)),
        (rows.take(held_out), targets.take(held_out)),
    )
