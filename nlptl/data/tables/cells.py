"""Convert cells of tables to JSON values, to csv text and to Arrow arrays."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.errors import InputError
from nlptl.data.rows import is_missing

if TYPE_CHECKING:
    import pyarrow as pa

_COMPACT = (",", ":")


def is_blank(cell: object) -> bool:
    """Return True for a missing cell, for white space, and for a list that contains one of them."""
    if isinstance(cell, str):
        return not cell.strip()
    if isinstance(cell, list | tuple | np.ndarray):
        return any(is_blank(part) for part in cell)
    return is_missing(cell)


def blank_rows(cells: Iterable[object]) -> list[int]:
    """Return the numbers of the rows whose cell is blank, as ``is_blank`` says."""
    return [row for row, cell in enumerate(cells) if is_blank(cell)]


def json_line(fields: Mapping[str, object]) -> str:
    """Return fields as one JSON object on one line.

    Raises
    ------
    InputError
        If a number is infinite.
    """
    try:
        return json.dumps(
            fields, ensure_ascii=False, separators=_COMPACT, default=_json_value, allow_nan=False
        )
    except ValueError:  # a number that is missing or infinite
        return json.dumps(
            {name: _finite(name, value) for name, value in fields.items()},
            ensure_ascii=False,
            separators=_COMPACT,
            default=_json_value,
        )


def cell_text(value: object) -> str:
    """Return a cell as text for a csv file; lists and mappings become JSON."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    if isinstance(value, list | tuple | dict | np.ndarray):
        return json.dumps(value, ensure_ascii=False, default=_json_value)
    if isinstance(value, bytes):
        return _text_of_bytes(value)
    return str(value)


def arrow_cells(cells: Sequence[object]) -> pa.Array:
    """Return cells as an Arrow array; cells of mixed types become text."""
    import pyarrow as pa

    try:
        return pa.array(list(cells), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if is_missing(cell) else cell_text(cell) for cell in cells])


def _json_value(value: object) -> Any:
    """Return a replacement, valid in JSON, for a value of a type that JSON does not support."""
    if is_missing(value):
        return None
    if isinstance(value, np.ndarray | np.generic):
        return _python_values(value)
    if isinstance(value, bytes):
        return _text_of_bytes(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _python_values(values: Any) -> Any:
    """Return an array or a scalar of numpy as Python values; dates have a precision of 1 us."""
    if values.dtype.kind in "mM":
        values = values.astype(f"{values.dtype.kind}8[us]")
    return values.tolist()


def _finite(name: str, value: object) -> Any:
    """Return a value with None for each missing number, also inside lists and mappings."""
    if isinstance(value, np.ndarray | np.generic):
        value = _python_values(value)
    if isinstance(value, list | tuple):
        return [_finite(name, part) for part in value]
    if isinstance(value, dict):
        return {key: _finite(name, part) for key, part in value.items()}
    if not isinstance(value, float) or math.isfinite(value):
        return value
    if math.isnan(value):
        return None
    raise InputError(
        f"Column {name!r} holds {value!r}, and JSON has no infinite numbers. "
        "Write a .csv or .parquet file."
    )


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
