"""Read files from untrusted sources: regular files only, JSON within limits."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nlptl.base.errors import EncoderNotFoundError, IntegrityError, StorageError
from nlptl.base.inputs import JsonObject

MAX_JSON_VALUES = 1_000_000
MAX_JSON_DEPTH = 64
_BYTES_PER_VALUE = 20
"""Maximum size of a JSON file in bytes per allowed value."""

MAX_JSON_BYTES = MAX_JSON_VALUES * _BYTES_PER_VALUE

_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1
"""Change of the nesting depth by each byte outside of strings."""


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; refuse pipes, devices and folders without waiting for them.

    Raises
    ------
    IntegrityError
        If the path is not a regular file.
    FileNotFoundError
        If there is no such file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_dir():
        raise IntegrityError(f"{str(path)!r} is a folder, expected a file. Remove the folder.")
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise IntegrityError(
                f"{str(path)!r} is a pipe or a device, expected a regular file. Remove it."
            )
        yield file


def read_json(
    path: Path, *, max_values: int = MAX_JSON_VALUES, max_bytes: int | None = None
) -> Any:
    """Read a JSON file of limited size and depth in which no name occurs twice.

    Parameters
    ----------
    path : Path
    max_values : int
        Maximum number of values in the file.
    max_bytes : int, optional
        Maximum size of the file, by default 20 bytes per value.

    Raises
    ------
    IntegrityError
        If the file is not JSON in UTF-8, or exceeds a limit.
    FileNotFoundError
        If there is no such file.
    """
    with open_regular(path) as file:
        limit = max_values * _BYTES_PER_VALUE if max_bytes is None else max_bytes
        content = file.read(limit + 1)
    try:
        return parse_json(content, max_values=max_values, max_bytes=limit)
    except ValueError as problem:
        raise IntegrityError(
            f"{str(path)!r} is damaged: it cannot be read as JSON ({problem}). Restore a copy."
        ) from problem


def parse_json(
    content: bytes, *, max_values: int = MAX_JSON_VALUES, max_bytes: int | None = None
) -> Any:
    """Parse JSON in UTF-8 after a check of its size, its depth and its number of values.

    Raises
    ------
    ValueError
        If the content is not JSON, exceeds a limit, or has an object with the same name twice.
    """
    limit = max_values * _BYTES_PER_VALUE if max_bytes is None else max_bytes
    if len(content) > limit:
        raise ValueError(f"more than {limit:,} bytes")
    # Without escaped backslashes and quotation marks, each mark starts or ends a string.
    marks = np.frombuffer(content.replace(rb"\\", b"").replace(rb"\"", b""), dtype=np.uint8)
    outside = np.bitwise_xor.accumulate(marks == ord('"')) == 0
    steps = _STEPS[marks] * outside
    n_values = np.count_nonzero(steps) + np.count_nonzero(outside & (marks == ord(",")))
    if n_values > max_values:
        raise ValueError(f"more than {max_values:,} values")
    depth = int(np.cumsum(steps[steps != 0], dtype=np.int32).max(initial=0))
    if depth > MAX_JSON_DEPTH:
        raise ValueError(f"nested {depth:,} deep, expected at most {MAX_JSON_DEPTH} levels")
    return json.loads(content.decode("utf-8"), object_pairs_hook=_distinct)


@contextmanager
def interpreting(path: Path, *, remedy: str = "Save the model again.") -> Iterator[None]:
    """Turn errors in a block that interprets a file into an IntegrityError that names ``path``.

    These errors are raised unchanged, because their messages are already clear: errors of storage,
    a missing encoder, a package that is not installed, and a lack of memory.

    Parameters
    ----------
    path : Path
        The file or folder that the block interprets.
    remedy : str
        Last sentence of the message: what the user can do.
    """
    try:
        yield
    except (StorageError, EncoderNotFoundError, MemoryError):
        raise
    except BaseException as problem:
        in_rust = type(problem).__name__ == "PanicException"
        if not (isinstance(problem, Exception) or in_rust):
            raise
        if isinstance(problem.__cause__, ImportError):
            raise
        reason = str(problem).strip().split("\n", 1)[0][:200]
        raise IntegrityError(
            f"{str(path)!r} cannot be understood ({type(problem).__name__}: {reason}). {remedy}"
        ) from problem


def _distinct(pairs: list[tuple[str, object]]) -> JsonObject:
    named = dict(pairs)
    if len(named) != len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the name {name[:40]!r} occurs twice")
    return named
