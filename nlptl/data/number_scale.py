"""Standardise the numbers of a regression task, and convert predictions back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.described import entry
from nlptl.base.errors import InputError
from nlptl.base.inputs import JsonObject, LabelsLike
from nlptl.data.numbers import as_numbers


@dataclass(frozen=True)
class NumberScale:
    """Scaler of numbers to mean 0 and standard deviation 1, so that training works for all units.

    Attributes
    ----------
    mean : float
        Mean of the training numbers, which becomes 0.
    scale : float
        Standard deviation of the training numbers.
    """

    mean: float
    scale: float

    n_outputs: ClassVar[int] = 1
    numeric: ClassVar[bool] = True
    """True: these answers are numbers."""

    @staticmethod
    def read(numbers: LabelsLike) -> FloatArray:
        """Read numbers once: see ``as_numbers``."""
        return as_numbers(numbers)

    @classmethod
    def learn(cls, numbers: LabelsLike) -> Self:
        """Compute the mean and the standard deviation of training numbers.

        Raises
        ------
        InputError
            If a value is not a finite number, or there are fewer than two different numbers.
        """
        values = as_numbers(numbers)
        if len(np.unique(values)) < 2:
            only = f"all {len(values)} are {values[0]}" if len(values) else "got none"
            raise InputError(
                f"Expected at least two different numbers, but {only}. Add rows with other numbers."
            )
        # The division by 2 prevents an overflow in the sum of very large floats.
        mean = 2 * float((values / 2).mean())
        scale = float(np.abs(values - mean).max())
        return cls(mean, scale * float(np.sqrt((((values - mean) / scale) ** 2).mean())))

    def encode(self, numbers: LabelsLike) -> FloatArray:
        """Return numbers as standard deviations from the mean: (n,)."""
        codes: FloatArray = (as_numbers(numbers) - self.mean) / self.scale
        return codes

    def decode(self, codes: FloatArray) -> FloatArray:
        """Return numbers on the original scale: float64 (n,)."""
        numbers: FloatArray = np.asarray(codes, dtype=np.float64) * self.scale + self.mean
        return numbers

    def to_json(self) -> dict[str, Any]:
        """Return the scaler as plain JSON values."""
        return {"mean": self.mean, "scale": self.scale}

    @classmethod
    def from_json(cls, described: JsonObject) -> Self:
        """Build the scaler from the result of ``to_json``."""
        mean, scale = (float(entry(described, name, float)) for name in ("mean", "scale"))
        if not np.isfinite(mean) or not 0 < scale < np.inf:
            raise ValueError(
                f"mean is {mean} and scale is {scale}, expected finite numbers and a scale above 0"
            )
        return cls(mean, scale)
