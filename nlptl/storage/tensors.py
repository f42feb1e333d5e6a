"""Arrays on disk in the safetensors format: no code in the file, exact, memory-mappable."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

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
    """Read every array of a safetensors file into memory.

    Raises
    ------
    IntegrityError
        If the header does not describe the file.
    """
    with _explained(path), open_regular(path) as file:
        return {
            name: _read_one(file, place) if place.size else np.empty(place.shape, place.dtype)
            for name, place in _places(file).items()
        }


def check_array(name: str, array: AnyArray, shape: tuple[int, ...]) -> None:
    """Check that an array holds finite floating-point numbers in a certain shape.

    Raises
    ------
    ValueError
        If it does not.
    """
    check_shape(name, array, shape)
    flat = array.reshape(-1)
    parts = (flat[start : start + _BLOCK] for start in range(0, flat.size, _BLOCK))
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError(f"{name} holds a number that is not finite")


def check_shape(name: str, array: AnyArray, shape: tuple[int, ...]) -> None:
    """Check that an array holds floating-point numbers in a certain shape, and read none.

    Raises
    ------
    ValueError
        If it does not.
    """
    if array.dtype.kind != "f" or (array.shape or (1,)) != shape:
        raise ValueError(
            f"{name} of {array.dtype} in shape {array.shape}, expected floats in shape {shape}"
        )


def map_arrays(path: Path) -> dict[str, AnyArray]:
    """Open every array of a safetensors file as a read-only memory map.

    Nothing but the header is read. Sizes are checked against the file, so that a damaged header
    cannot ask for memory that is not there.

    Raises
    ------
    IntegrityError
        If the header does not describe the file.
    """
    with _explained(path):
        with open_regular(path) as file:
            places = _places(file)
        whole = np.memmap(path, dtype=np.uint8, mode="r")
        return {
            name: whole[place.start : place.start + place.size]
            .view(place.dtype)
            .reshape(place.shape)
            if place.size
            else np.empty(place.shape, place.dtype)
            for name, place in places.items()
        }


@dataclass(frozen=True)
class _Place:
    """Where an array lies in its file, in bytes."""

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
            f"{str(path)!r} is not a whole safetensors file ({problem}). Make it again."
        ) from problem


def _places(file: BinaryIO) -> dict[str, _Place]:
    """Read the header; arrays fill the rest of the file, without gaps and without overlaps."""
    total = os.fstat(file.fileno()).st_size
    size = int.from_bytes(file.read(8), "little")
    if not 2 <= size <= total - 8:
        raise ValueError(f"header of {size} bytes")
    header = parse_json(file.read(size))
    places = {
        name: _place(entry, 8 + size) for name, entry in header.items() if name != "__metadata__"
    }
    end = 8 + size
    for name, place in sorted(places.items(), key=lambda item: (item[1].start, item[1].size)):
        if place.start != end:
            raise ValueError(f"array {name!r} at byte {place.start}, expected at {end}")
        end += place.size
    if end != total:
        raise ValueError(f"{total} bytes, expected {end}")
    return places


def _place(entry: dict[str, Any], start: int) -> _Place:
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    shape, (first, last) = tuple(entry["shape"]), entry["data_offsets"]
    if any(type(number) is not int or number < 0 for number in (*shape, first, last)):
        raise ValueError(f"array of shape {shape} at bytes {first} to {last}")
    if last - first != dtype.itemsize * math.prod(shape):
        raise ValueError(f"array of shape {shape} in {last - first} bytes")
    return _Place(start + first, last - first, dtype, shape)


def _read_one(file: BinaryIO, place: _Place) -> AnyArray:
    file.seek(place.start)
    array = np.fromfile(file, place.dtype, place.size // place.dtype.itemsize)
    return array.reshape(place.shape)
