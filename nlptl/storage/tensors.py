"""Arrays on disk in the safetensors format: no code in the file, exact, memory-mappable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import IntegrityError, StorageError
from nlptl.storage.atomic import needing

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "U64": "<u8",
    "U32": "<u4",
    "U8": "<u1",
    "BOOL": "?",
}
_LONGEST_HEADER = 100_000_000


def save_arrays(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Write arrays into one safetensors file and check that they read back equal.

    Raises
    ------
    StorageError
        If what was written differs from what was given.
    OSError
        If the file cannot be written, for example on a full disk.
    """
    from safetensors.numpy import save_file

    # safetensors 0.8 scrambles arrays that are not C-contiguous, and says nothing.
    tidy = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    path.touch()
    mode = path.stat().st_mode  # as the umask has it; safetensors lets nobody else read its files
    with needing(sum(array.nbytes for array in tidy.values()), path):
        save_file(tidy, path)
    path.chmod(mode)
    written = map_arrays(path)
    for name, array in tidy.items():
        if not np.array_equal(written[name], array, equal_nan=array.dtype.kind == "f"):
            raise StorageError(f"Array {name!r} reads back differently from {str(path)!r}.")


def load_arrays(path: Path) -> dict[str, AnyArray]:
    """Read every array of a safetensors file into memory."""
    return {name: np.array(array) for name, array in map_arrays(path).items()}


def map_arrays(path: Path) -> dict[str, AnyArray]:
    """Open every array of a safetensors file as a read-only memory map.

    Nothing but the header is read. Sizes are checked against the file, so that a damaged header
    cannot ask for memory that is not there.

    Raises
    ------
    IntegrityError
        If the header does not describe the file.
    """
    try:
        header, start = _read_header(path)
        end = path.stat().st_size - start
        return {
            name: _map_one(path, entry, start, end)
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError) as problem:
        raise IntegrityError(
            f"{str(path)!r} is not a whole safetensors file ({problem}). Make it again."
        ) from problem


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= min(_LONGEST_HEADER, path.stat().st_size - 8):
            raise ValueError(f"header of {size} bytes")
        return json.loads(file.read(size)), 8 + size


def _map_one(path: Path, entry: dict[str, Any], start: int, end: int) -> AnyArray:
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    shape = tuple(int(n) for n in entry["shape"])
    first, last = entry["data_offsets"]
    if not 0 <= first <= last <= end or last - first != dtype.itemsize * int(np.prod(shape)):
        raise ValueError(f"array of shape {shape} at bytes {first} to {last} of {end}")
    if first == last:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=start + first, shape=shape)
