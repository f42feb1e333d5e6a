"""Time and size of the methods of a comparison."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlptl.base.paths import mebibytes_of


@dataclass(frozen=True)
class MethodCost:
    """Time and size of a method.

    Attributes
    ----------
    fit_seconds : float
        Duration of ``fit``, the median of the splits. Vectors of frozen encoders that are in the
        cache are not computed again.
    score_seconds : float
        Duration of the predictions for the test rows of a split, the median of the splits.
    mebibytes : float or None
        Size of the saved model; None if it was not measured.
    """

    fit_seconds: float
    score_seconds: float
    mebibytes: float | None = None


def saved_mebibytes(model: Any) -> float:
    """Save a fitted model to a temporary folder, and return the size of its files in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        return mebibytes_of(model.save(Path(folder) / "model"))
