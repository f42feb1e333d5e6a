"""Encoder that joins the vectors of several encoders and numeric columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.described import checked, entry, make
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import JsonObject, TextsLike
from nlptl.base.protocols import Features, opened
from nlptl.base.specs import Spec, pipeline_step
from nlptl.data.rows import Rows, as_rows
from nlptl.encoders.registry import load_encoder_part, save_encoder_part

_MAX_DEVIATIONS = 1e15
"""Maximum distance from the mean, in standard deviations. Its square is finite as float32."""


@dataclass(frozen=True)
class Concatenation(Spec):
    """Fusion that concatenates all column groups. The head receives all columns.

    Parameters
    ----------
    sparse : bool
        True returns a sparse matrix, which needs less memory and time if one of the encoders counts
        words. The head must accept sparse features, as ``LogisticHead`` does.
    """

    sparse: bool = False


@dataclass(frozen=True)
class ResidualFusion(Spec):
    """Fusion with a small network that is trained together with the head.

    Each group is projected to a common width, and the projections are added. A residual block
    of normalisation, a wider layer and dropout is then added to the sum [1]_.

    Parameters
    ----------
    width : int
        Size of the joined vector.
    dropout : float
        Dropout rate in training, from 0 to below 1.

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
        """Build a newly initialised network for groups of these sizes."""
        from nlptl.encoders.fusion_network import ResidualNetwork

        return ResidualNetwork(sizes, self.width, self.dropout)


@pipeline_step
@dataclass(frozen=True)
class FusedEncoder(Spec):
    """Encoder that joins several encoders and numeric columns of the data.

    Parameters
    ----------
    encoders : tuple of encoders
        Encoders of the same texts.
    numeric_columns : tuple of str
        Numeric columns of the table passed to ``fit``. They are centred and scaled. A missing
        number counts as the mean.
    text_columns : tuple of str
        The text column of the table, or the two columns of a pair. An empty tuple means all
        columns that are not numeric columns.
    fusion : Concatenation or ResidualFusion
        Method that joins the groups.
    """

    encoders: tuple[Any, ...] = ()
    numeric_columns: tuple[str, ...] = ()
    text_columns: tuple[str, ...] = ()
    fusion: Any = Concatenation()
    scale: FloatArray | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.encoders) + bool(self.numeric_columns) < 2:
            raise ConfigError(
                "FusedEncoder needs at least two encoders, or one encoder and numeric columns, got "
                f"{len(self.encoders)} encoders and {len(self.numeric_columns)} numeric columns. "
                "Add an encoder, or use the single encoder without FusedEncoder."
            )

    def rows(self, table: TextsLike) -> Rows:
        """Return texts and numbers of a table. An empty list is valid without numeric columns."""
        if isinstance(table, list) and not table and not self.numeric_columns:
            return Rows([])
        return as_rows(table, text_columns=self.text_columns, numeric_columns=self.numeric_columns)

    def open(self) -> Self:
        """Return a copy with open encoders, or this one if they are open already."""
        encoders = tuple(opened(encoder) for encoder in self.encoders)
        pairs = zip(encoders, self.encoders, strict=True)
        return self if all(new is old for new, old in pairs) else replace(self, encoders=encoders)

    def fit(self, texts: TextsLike, y: object = None) -> Self:
        """Fit every encoder and compute the centre and scale of the numeric columns."""
        rows = self.rows(texts)
        encoders = tuple(encoder.fit(rows.texts) for encoder in self.encoders)
        return replace(self, encoders=encoders, scale=_centre_and_scale(rows.numbers))

    def transform(self, texts: TextsLike) -> Features:
        """Encode rows into (n, dim): first the encoders, then the numeric columns."""
        rows = self.rows(texts)
        parts = [encoder.transform(rows.texts) for encoder in self.encoders]
        if self.numeric_columns:
            parts.append(self._numbers(rows))
        if self.is_sparse:
            blocks = [sparse.csr_matrix(part, dtype=np.float32) for part in parts]
            return sparse.csr_matrix(sparse.hstack(blocks, format="csr"))
        joined: FloatArray = np.concatenate([_dense(part) for part in parts], axis=1)
        return joined.astype(np.float32)

    @property
    def is_sparse(self) -> bool:
        """True if ``transform`` returns a sparse matrix."""
        return isinstance(self.fusion, Concatenation) and self.fusion.sparse

    @property
    def learns_from_text(self) -> bool:
        """True if any of the encoders is fitted on texts."""
        return any(getattr(encoder, "learns_from_text", True) for encoder in self.encoders)

    @property
    def groups(self) -> Groups:
        """Column groups of every encoder, and one group for the numeric columns."""
        inner = [
            (f"{index}: {name}", width)
            for index, encoder in enumerate(self.encoders)
            for name, width in encoder.groups
        ]
        if self.numeric_columns:
            inner.append(("numbers", len(self.numeric_columns)))
        return tuple(inner)

    @property
    def views(self) -> tuple[int, ...]:
        """Number of the encoder of each column group; the numeric columns have their own number."""
        inner = [i for i, encoder in enumerate(self.encoders) for _ in encoder.groups]
        return (*inner, *([len(self.encoders)] if self.numeric_columns else []))

    def save(self, folder: Path) -> dict[str, Any]:
        """Write every encoder into a separate folder and return the settings as plain JSON."""
        return {
            **({"sparse": True} if self.is_sparse else {}),
            "encoders": [
                save_encoder_part(encoder, folder / str(index))
                for index, encoder in enumerate(self.encoders)
            ],
            "numeric_columns": list(self.numeric_columns),
            "text_columns": list(self.text_columns),
            "fusion": None if isinstance(self.fusion, Concatenation) else self.fusion.get_params(),
            "scale": None if self.scale is None else self.scale.tolist(),
        }

    @classmethod
    def load(cls, folder: Path, described: JsonObject) -> Self:
        """Load what ``save`` wrote."""
        fusion, columns = described["fusion"], entry(described, "numeric_columns", tuple[str, ...])
        return cls(
            tuple(
                load_encoder_part(part, folder / str(index))
                for index, part in enumerate(entry(described, "encoders", list[Any]))
            ),
            columns,
            entry(described, "text_columns", tuple[str, ...]),
            # Earlier versions did not write the entry "sparse".
            Concatenation(checked(described.get("sparse", False), bool, "sparse"))
            if fusion is None
            else make(ResidualFusion, fusion),
            _read_scale(entry(described, "scale", list[list[float]] | None), len(columns)),
        )

    def _numbers(self, rows: Rows) -> FloatArray:
        if self.scale is None or rows.numbers is None:
            raise InputError(
                f"The numeric columns {list(self.numeric_columns)} are missing. Pass a table with "
                "these columns, and call fit before transform."
            )
        numbers: FloatArray = (rows.numbers - self.scale[0]) / self.scale[1]
        far = np.argwhere(np.abs(numbers) > _MAX_DEVIATIONS)
        if len(far):
            row, column = far[0].tolist()
            raise InputError(
                f"Column {self.numeric_columns[column]!r} holds {rows.numbers[row, column]:g} at "
                f"row {row}, too far from the training numbers to be scaled. Correct the number or "
                "drop the row."
            )
        # Give the numbers length 1 on average, like the vectors of the encoders.
        scaled: FloatArray = np.nan_to_num(numbers) / np.sqrt(numbers.shape[1])
        return scaled


def _centre_and_scale(numbers: FloatArray | None) -> FloatArray | None:
    if numbers is None:
        return None
    is_empty = np.isnan(numbers).all(axis=0)
    filled = np.where(is_empty, 0.0, numbers)  # numpy warns of columns without a number
    spread, centre = np.nanstd(filled, axis=0), np.nanmean(filled, axis=0)
    rounding = 1e-12 * np.nanmax(np.abs(filled), axis=0)  # a constant column may have a spread
    varies = spread > rounding
    return np.stack([np.where(is_empty, np.nan, centre), np.where(varies, spread, 1.0)])


def _read_scale(scale: list[list[float]] | None, n_columns: int) -> FloatArray | None:
    """Read and check centre and scale of numeric columns. The centre of an empty column is NaN."""
    if scale is None and not n_columns:
        return None
    array = np.array(scale, dtype=np.float64)
    if array.shape != (2, n_columns) or np.isinf(array).any() or not (array[1] > 0).all():
        raise ValueError(f"scale of {n_columns} numeric columns is {str(scale)[:60]}")
    return array


def _dense(vectors: Features) -> FloatArray:
    dense: FloatArray = vectors.toarray() if hasattr(vectors, "toarray") else vectors
    return dense
