"""Several encoders, and plain numbers, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.described import entry, make
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.specs import Spec, pipeline_step
from nlptl.data.rows import Rows, as_rows
from nlptl.encoders.registry import load_encoder_part, save_encoder_part

_MAX_DEVIATIONS = 1e15
"""Maximum distance from the mean in standard deviations: its square is finite as float32."""


@dataclass(frozen=True)
class Concatenation(Spec):
    """The groups stand side by side; the head sees them all."""


@dataclass(frozen=True)
class ResidualFusion(Spec):
    """A small network joins the groups, trained together with the head.

    Each group is projected to a common width and the projections are added; a block of
    normalisation, a wider layer and dropout refines the sum and is added to it [1]_.

    Parameters
    ----------
    width : int
        Size of the joined vector.
    dropout : float
        Share of numbers dropped in training, from 0 to below 1.

    References
    ----------
    .. [1] Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.
    """

    width: int = 256
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.width < 1 or not 0 <= self.dropout < 1:
            raise ConfigError(
                f"ResidualFusion needs width >= 1 and dropout from 0 to below 1, got "
                f"width={self.width}, dropout={self.dropout}."
            )

    def build(self, sizes: Sequence[int]) -> Any:
        """Make the freshly initialised network over groups of these sizes."""
        from nlptl.encoders.fusion_network import ResidualNetwork

        return ResidualNetwork(sizes, self.width, self.dropout)


@pipeline_step
@dataclass(frozen=True)
class FusedEncoder(Spec):
    """Join several encoders, and numeric columns of the data.

    Parameters
    ----------
    encoders : tuple of encoders
        Each sees the same texts.
    numeric_columns : tuple of str
        Columns of the table given to ``fit`` that are joined as plain numbers, centred and
        scaled; a missing number counts as the mean.
    text_columns : tuple of str
        The text column (or the two of a pair) of the table; all others where it is empty.
    fusion : Concatenation or ResidualFusion
        How they are joined.
    """

    encoders: tuple[Any, ...] = ()
    numeric_columns: tuple[str, ...] = ()
    text_columns: tuple[str, ...] = ()
    fusion: Any = Concatenation()
    scale: FloatArray | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.encoders) + bool(self.numeric_columns) < 2:
            raise ConfigError(
                f"FusedEncoder joins at least two things, got {len(self.encoders)} encoders and "
                f"{len(self.numeric_columns)} numeric columns."
            )

    def rows(self, table: Any) -> Rows:
        """Read texts and numbers from a table; an empty list where only names are known."""
        if isinstance(table, list) and not table and not self.numeric_columns:
            return Rows([])
        return as_rows(table, text_columns=self.text_columns, numeric_columns=self.numeric_columns)

    def fit(self, texts: Sequence[Any], y: Any = None) -> Self:
        """Fit every encoder, and learn centre and scale of the numeric columns."""
        rows = self.rows(texts)
        encoders = tuple(encoder.fit(rows.texts) for encoder in self.encoders)
        return replace(self, encoders=encoders, scale=_centre_and_scale(rows.numbers))

    def transform(self, texts: Sequence[Any]) -> FloatArray:
        """Encode rows: (n, dim), the encoders first, then the numeric columns."""
        rows = self.rows(texts)
        parts = [_dense(encoder.transform(rows.texts)) for encoder in self.encoders]
        if self.numeric_columns:
            parts.append(self._numbers(rows))
        return np.concatenate(parts, axis=1).astype(np.float32)

    @property
    def learns_from_text(self) -> bool:
        """Whether any of the encoders does."""
        return any(getattr(encoder, "learns_from_text", True) for encoder in self.encoders)

    @property
    def groups(self) -> Groups:
        """The column ranges of every encoder, and one for the numeric columns."""
        inner = [
            (f"{place}: {name}", width)
            for place, encoder in enumerate(self.encoders)
            for name, width in encoder.groups
        ]
        if self.numeric_columns:
            inner.append(("numbers", len(self.numeric_columns)))
        return tuple(inner)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write every encoder into a folder of its own."""
        return {
            "encoders": [
                save_encoder_part(encoder, folder / str(place))
                for place, encoder in enumerate(self.encoders)
            ],
            "numeric_columns": list(self.numeric_columns),
            "text_columns": list(self.text_columns),
            "fusion": None if isinstance(self.fusion, Concatenation) else self.fusion.get_params(),
            "scale": None if self.scale is None else self.scale.tolist(),
        }

    @classmethod
    def load(cls, folder: Path, described: dict[str, Any]) -> Self:
        """Read what ``save`` wrote."""
        fusion, columns = described["fusion"], entry(described, "numeric_columns", tuple[str, ...])
        return cls(
            tuple(
                load_encoder_part(part, folder / str(place))
                for place, part in enumerate(entry(described, "encoders", list[Any]))
            ),
            columns,
            entry(described, "text_columns", tuple[str, ...]),
            Concatenation() if fusion is None else make(ResidualFusion, fusion),
            _read_scale(entry(described, "scale", list[list[float]] | None), len(columns)),
        )

    def _numbers(self, rows: Rows) -> FloatArray:
        if self.scale is None or rows.numbers is None:
            raise InputError(
                f"The numeric columns {list(self.numeric_columns)} are missing: give a table that "
                "has them, and call fit before transform."
            )
        numbers: FloatArray = (rows.numbers - self.scale[0]) / self.scale[1]
        far = np.argwhere(np.abs(numbers) > _MAX_DEVIATIONS)
        if len(far):
            row, place = far[0].tolist()
            raise InputError(
                f"Column {self.numeric_columns[place]!r} holds {rows.numbers[row, place]:g} at row "
                f"{row}, too far from the training numbers to be scaled. Drop the row or repair it."
            )
        # As long as the unit vectors of the encoders beside them, on average.
        scaled: FloatArray = np.nan_to_num(numbers) / np.sqrt(numbers.shape[1])
        return scaled


def _centre_and_scale(numbers: FloatArray | None) -> FloatArray | None:
    if numbers is None:
        return None
    spread = np.nanstd(numbers, axis=0)
    return np.stack([np.nanmean(numbers, axis=0), np.where(spread > 0, spread, 1.0)])


def _read_scale(scale: list[list[float]] | None, n_columns: int) -> FloatArray | None:
    """Check centre and scale of numeric columns; the centre of an empty column is not a number."""
    if scale is None and not n_columns:
        return None
    read = np.array(scale, dtype=np.float64)
    if read.shape != (2, n_columns) or np.isinf(read).any() or not (read[1] > 0).all():
        raise ValueError(f"scale of {n_columns} numeric columns is {str(scale)[:60]}")
    return read


def _dense(vectors: Any) -> FloatArray:
    dense: FloatArray = vectors.toarray() if hasattr(vectors, "toarray") else vectors
    return dense
