"""Type aliases for the arrays that all layers of the package exchange."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Floating-point numbers of any precision."""

IntArray: TypeAlias = NDArray[np.integer[Any]]
"""Row numbers, class codes, token ids."""

AnyArray: TypeAlias = NDArray[Any]
"""Labels with the types that the user passed."""

Groups: TypeAlias = tuple[tuple[str, int], ...]
"""Named column ranges of a feature matrix, in order: ``(("layer 4", 384), ("layer 6", 384))``."""
