"""Arrays on disk in the safetensors format: exact, memory-mapped on request, and free of code."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import IntegrityError, StorageError
from nlptl.storage.atomic import needing
from nlptl.storage.untrusted import open_regular, parse_json

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
_BLOCK = 1_000_000


def save_arrays(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Write arrays into one safetensors file and check that they read back equal.

    Raises
    ------
    StorageError
        If the written arrays differ from the arrays in memory.
    OSError
        If the file cannot be written, for example on a full disk.
    """
    from safetensors.numpy import save_file

    # safetensors 0.8 silently scrambles arrays that are not C-contiguous.
    # np.ascontiguousarray would give an array without dimensions one.
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    path.touch()
    # Keep the permissions of the umask: safetensors makes files readable for their owner only.
    mode = path.stat().st_mode
    with needing(sum(array.nbytes for array in contiguous.values()), path):
        save_file(contiguous, path)
    path.chmod(mode)
    written = map_arrays(path)
    for name, array in contiguous.items():
        if not np.array_equal(written[name], array, equal_nan=array.dtype.kind == "f"):
            raise StorageError(
                f"Array {name!r} read from {str(path)!r} differs from the array that was written. "
                "Check the disk, then save again."
            )


def load_arrays(path: Path) -> dict[str, AnyArray]:
    """Read every array of a safetensors file into memory.

    Raises
    ------
    IntegrityError
        If the header does not describe the file.
    """
    with _explained(path), open_regular(path) as file:
        return {
            name: _read_array(file, entry) if entry.size else np.empty(entry.shape, entry.dtype)
            for name, entry in _entries(file).items()
        }


def check_array(name: str, array: AnyArray, shape: tuple[int, ...]) -> None:
    """Check that an array has a certain shape and holds finite floating-point numbers.

    Raises
    ------
    ValueError
        If the shape or type differs, or a number is not finite.
    """
    check_shape(name, array, shape)
    flat = array.reshape(-1)
    parts = (flat[start : start + _BLOCK] for start in range(0, flat.size, _BLOCK))
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError(f"{name} holds a number that is not finite")


def check_shape(name: str, array: AnyArray, shape: tuple[int, ...]) -> None:
    """Check that an array has a certain shape and a floating-point type, without reading values.

    Raises
    ------
    ValueError
        If the shape or type differs.
    """
    if array.dtype.kind != "f" or (array.shape or (1,)) != shape:
        raise ValueError(
            f"{name} has type {array.dtype} and shape {array.shape}, expected floats in shape "
            f"{shape}"
        )


def map_arrays(path: Path) -> dict[str, AnyArray]:
    """Open every array of a safetensors file as a read-only memory map.

    Only the header is read. Sizes are compared with the size of the file, so that a damaged header
    cannot request too much memory.

    Raises
    ------
    IntegrityError
        If the header does not describe the file.
    """
    with _explained(path):
        with open_regular(path) as file:
            entries = _entries(file)
        whole = np.memmap(path, dtype=np.uint8, mode="r")
        return {
            name: whole[entry.start : entry.start + entry.size]
            .view(entry.dtype)
            .reshape(entry.shape)
            if entry.size
            else np.empty(entry.shape, entry.dtype)
            for name, entry in entries.items()
        }


class _Record(TypedDict):
    """Description of an array in the header of a safetensors file."""

    dtype: str
    shape: list[int]
    data_offsets: list[int]


@dataclass(frozen=True)
class _Entry:
    """Position of an array in its file (in bytes), type and shape."""

    start: int
    size: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise IntegrityError(
            f"{str(path)!r} is not a complete safetensors file ({problem}). Create it again."
        ) from problem


def _entries(file: BinaryIO) -> dict[str, _Entry]:
    """Read the header and check that the arrays fill the file without gaps and overlaps."""
    total = os.fstat(file.fileno()).st_size
    size = int.from_bytes(file.read(8), "little")
    if not 2 <= size <= total - 8:
        raise ValueError(f"header of {size} bytes in a file of {total} bytes")
    header = parse_json(file.read(size))
    entries = {
        name: _entry(record, 8 + size) for name, record in header.items() if name != "__metadata__"
    }
    end = 8 + size
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].size)):
        if entry.start != end:
            raise ValueError(f"array {name!r} at byte {entry.start}, expected at byte {end}")
        end += entry.size
    if end != total:
        raise ValueError(f"file of {total} bytes, expected {end} bytes")
    return entries


def _entry(record: _Record, start: int) -> _Entry:
    dtype = np.dtype(_DTYPES[record["dtype"]])
    shape, (first, last) = tuple(record["shape"]), record["data_offsets"]
    if any(type(number) is not int or number < 0 for number in (*shape, first, last)):
        raise ValueError(f"array of shape {shape} at bytes {first} to {last}")
    if last - first != dtype.itemsize * math.prod(shape):
        raise ValueError(f"array of shape {shape} in {last - first} bytes")
    return _Entry(start + first, last - first, dtype, shape)


def _read_array(file: BinaryIO, entry: _Entry) -> AnyArray:
    file.seek(entry.start)
    array = np.fromfile(file, entry.dtype, entry.size // entry.dtype.itemsize)
    return array.reshape(entry.shape)
