"""Names for the array types that cross the floors."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Real numbers of any width."""

IntArray: TypeAlias = NDArray[np.integer[Any]]
"""Row numbers, class codes, token ids."""

AnyArray: TypeAlias = NDArray[Any]
"""Labels as the user gave them."""

Groups: TypeAlias = tuple[tuple[str, int], ...]
"""Named column ranges of a feature matrix, in order: ``(("layer 4", 384), ("layer 6", 384))``."""
