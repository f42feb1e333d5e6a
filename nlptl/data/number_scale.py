"""From the user's numbers to what a head learns, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.described import entry
from nlptl.base.errors import InputError
from nlptl.data.numbers import as_numbers


@dataclass(frozen=True)
class NumberScale:
    """Numbers with mean 0 and spread 1, so that heads and steps fit every unit.

    Attributes
    ----------
    mean : float
        What 0 stands for.
    scale : float
        What 1 stands for: the standard deviation of the training numbers.
    """

    mean: float
    scale: float

    n_outputs: ClassVar[int] = 1
    numeric: ClassVar[bool] = True
    """True: these answers are numbers."""

    @staticmethod
    def read(numbers: Any) -> FloatArray:
        """Read numbers once: see ``as_numbers``."""
        return as_numbers(numbers)

    @classmethod
    def learn(cls, numbers: Any) -> Self:
        """Take mean and spread of training numbers.

        Raises
        ------
        InputError
            If one is no finite number, or there are not two different ones.
        """
        values = as_numbers(numbers)
        if len(np.unique(values)) < 2:
            only = f"all {len(values)} are {values[0]}" if len(values) else "none given"
            raise InputError(
                f"Expected at least two different numbers, but {only}. There is nothing to learn."
            )
        # Halved first, so that the largest floats do not overflow in the sum.
        mean = 2 * float((values / 2).mean())
        scale = float(np.abs(values - mean).max())
        return cls(mean, scale * float(np.sqrt((((values - mean) / scale) ** 2).mean())))

    def encode(self, numbers: Any) -> FloatArray:
        """Give numbers as standard deviations from the mean: (n,)."""
        found: FloatArray = (as_numbers(numbers) - self.mean) / self.scale
        return found

    def decode(self, codes: FloatArray) -> FloatArray:
        """Give the user's numbers back: float64 (n,)."""
        found: FloatArray = np.asarray(codes, dtype=np.float64) * self.scale + self.mean
        return found

    def to_json(self) -> dict[str, Any]:
        """Describe the scale with plain JSON values."""
        return {"mean": self.mean, "scale": self.scale}

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> Self:
        """Read what ``to_json`` wrote."""
        mean, scale = (float(entry(described, name, float)) for name in ("mean", "scale"))
        if not np.isfinite(mean) or not 0 < scale < np.inf:
            raise ValueError(f"mean is {mean} and scale is {scale}, expected finite and above 0")
        return cls(mean, scale)
