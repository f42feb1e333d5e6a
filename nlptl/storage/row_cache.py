"""A cache of array rows on disk with a size limit, shared by processes.

A store is a folder of immutable files. Each file holds some keys and their rows. New files are
renamed into the folder, so a reader never sees an incomplete file. Files are never changed in
place, so any number of processes can read and add rows at the same time. Code that removes files
(the size limit, merging) holds a lock. If a reader's file was removed, its rows count as missing.
Each row has a checksum, so that a row that changed on disk is not returned.
"""

from __future__ import annotations

import os
import uuid
import warnings
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.errors import IntegrityError, StorageError
from nlptl.storage.atomic import system_error, unwritable
from nlptl.storage.tensors import map_arrays, save_arrays

_SUFFIX = ".rows"
_DRAFT = ".draft-"
_MAX_FILES = 48
_HEADER = 256
_WORD = 8


class RowStore:
    """Store of rows of floats under 16-byte keys.

    Parameters
    ----------
    root : Path
        Folder of all stores that share one size limit.
    name : str
        Name of the folder of this store inside ``root``.
    limit_bytes : int
        Maximum total size of all stores under ``root``. When a new row does not fit, the least
        recently used files are removed.
    """

    def __init__(self, root: Path, name: str, *, limit_bytes: int) -> None:
        self.root = Path(root)
        self.folder = self.root / name
        self.limit_bytes = limit_bytes
        self._open: dict[str, tuple[dict[str, AnyArray], AnyArray]] = {}

    def look_up(self, keys: AnyArray) -> tuple[AnyArray, FloatArray | None]:
        """Return the stored rows of some keys.

        Parameters
        ----------
        keys : ndarray of shape (n, 2), uint64

        Returns
        -------
        is_stored : ndarray of shape (n,), bool
            True for each key that is in the store.
        rows : ndarray of shape (n, width) or None
            The stored rows, and zeros for the other keys; None if the store has no row. Rows that
            changed on disk count as missing. A warning names their file, which is then written
            again without them.
        """
        is_stored = np.zeros(len(keys), dtype=bool)
        rows: FloatArray | None = None
        files = self._files()
        for name in self._open.keys() - {path.name for path in files}:
            del self._open[name]
        for path in files:
            missing = np.flatnonzero(~is_stored)
            if not len(missing):
                break
            hit, stored = self._search(path, keys[missing])
            if not len(hit):
                continue
            if rows is None:
                rows = np.zeros((len(keys), stored.shape[1]), dtype=stored.dtype)
            rows[missing[hit]] = stored
            is_stored[missing[hit]] = True
            _touch(path)
        return is_stored, rows

    def add(self, keys: AnyArray, rows: FloatArray) -> None:
        """Store ``rows`` (n, width) under ``keys`` (n, 2).

        Raises
        ------
        StorageError
            If the rows alone exceed the size limit, or the folder cannot be written.
        """
        size = rows.nbytes + keys.nbytes + _WORD * len(keys) + _HEADER
        if size > self.limit_bytes:
            raise StorageError(
                f"The cache {str(self.root)!r} is full: {size / 1e6:.1f} MB do not fit its limit "
                f"of {self.limit_bytes / 1e6:.1f} MB. Raise the limit or switch the cache off."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock():
                self._make_room(size)
                self._write(keys, rows)
                if len(self._files()) > _MAX_FILES:
                    self._merge()
        except StorageError:
            raise
        except (OSError, NotImplementedError) as problem:  # filelock: a disk without locks
            cause = system_error(problem) or OSError(str(problem))
            raise unwritable(self.root, cause) from problem

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"), reverse=True)

    def _lock(self) -> FileLock:
        return FileLock(str(self.root / ".lock"))

    def _search(self, path: Path, keys: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Return the positions of the ``keys`` that a file has, and their rows."""
        no_rows = np.empty(0, dtype=np.intp), np.empty((0, 0), dtype=np.float32)
        try:
            if path.name not in self._open:
                arrays = map_arrays(path)
                arrays["keys"] = np.array(arrays["keys"])
                self._open[path.name] = arrays, np.argsort(arrays["keys"][:, 0])
            arrays, order = self._open[path.name]
            if not len(order):
                return no_rows
            file_keys = arrays["keys"]
            position = np.searchsorted(file_keys[:, 0], keys[:, 0], sorter=order)
            position = order[np.minimum(position, len(order) - 1)]
            hit = np.flatnonzero((file_keys[position] == keys).all(axis=1))
            if not len(hit):
                return no_rows
            rows = np.asarray(arrays["rows"][position[hit]])
            is_intact = arrays["checks"][position[hit]] == row_checksums(keys[hit], rows)
        except (IntegrityError, IndexError, ValueError):
            self._rewrite(path)
            return no_rows
        except (OSError, KeyError):  # removed, unreadable, or of a version without checksums
            return no_rows
        if is_intact.all():
            return hit, rows
        self._rewrite(path)
        return hit[is_intact], rows[is_intact]

    def _rewrite(self, path: Path) -> None:
        """Warn of a damaged file and replace it by a file with its intact rows."""
        warnings.warn(
            f"{str(path)!r} is damaged: vectors in it changed on the disk. They are computed "
            "again. Check the disk.",
            stacklevel=5,
        )
        self._open.pop(path.name, None)
        # If the file cannot be replaced, the next look-up warns again.
        with suppress(OSError, NotImplementedError), self._lock():
            part = _readable(path)
            if part is not None and len(part["keys"]):
                self._write(part["keys"], part["rows"])
            path.unlink(missing_ok=True)

    def _write(self, keys: AnyArray, rows: FloatArray) -> None:
        draft = self.folder / f"{_DRAFT}{uuid.uuid4().hex}"
        try:
            checks = row_checksums(keys, rows)
            save_arrays(draft, {"keys": keys, "rows": rows, "checks": checks})
            draft.replace(self.folder / f"{uuid.uuid4().hex}{_SUFFIX}")
        finally:
            draft.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        # Only the holder of the lock writes, so a draft in the folder is from a killed process.
        for draft in self.root.glob(f"*/{_DRAFT}*"):
            draft.unlink(missing_ok=True)
        files = [(path, path.stat()) for path in self.root.glob(f"*/*{_SUFFIX}")]
        total = size + sum(stat.st_size for _, stat in files)
        for path, stat in sorted(files, key=lambda entry: entry[1].st_mtime_ns):
            if total <= self.limit_bytes:
                break
            path.unlink(missing_ok=True)
            total -= stat.st_size

    def _merge(self) -> None:
        smallest = sorted(self._files(), key=lambda path: path.stat().st_size)[: _MAX_FILES // 2]
        parts = [part for path in smallest if (part := _readable(path)) is not None]
        if parts:
            self._write(
                np.concatenate([part["keys"] for part in parts]),
                np.concatenate([part["rows"] for part in parts]),
            )
        for path in smallest:  # damaged files are removed too: they have no readable rows
            self._open.pop(path.name, None)
            path.unlink(missing_ok=True)


def row_checksums(keys: AnyArray, rows: AnyArray) -> AnyArray:
    """Compute one checksum per row, from the row and its key.

    The checksum is the sum of all 64-bit words, each multiplied by a random odd number. Every
    single flipped bit changes it; other damage changes it almost surely. A cyclic checksum (CRC)
    of each row takes eight times as long.

    Parameters
    ----------
    keys : ndarray of shape (n, 2), uint64
    rows : ndarray of shape (n, width)

    Returns
    -------
    ndarray of shape (n,), uint64
    """
    content = np.ascontiguousarray(rows).view(np.uint8)
    if content.shape[1] % _WORD:
        content = np.pad(content, ((0, 0), (0, -content.shape[1] % _WORD)))
    words = content.view(np.uint64)
    factors = _factors(2 + words.shape[1])
    sums: AnyArray = keys @ factors[:2] + np.einsum("ij,j->i", words, factors[2:])
    return sums


@lru_cache(maxsize=8)
def _factors(n: int) -> AnyArray:
    factors: AnyArray = np.random.PCG64(0).random_raw(n) | np.uint64(1)
    return factors


def _readable(path: Path) -> dict[str, AnyArray] | None:
    """Return the intact rows of a file and their keys; None if the file cannot be read."""
    try:
        part = map_arrays(path)
        is_intact = part["checks"] == row_checksums(part["keys"], part["rows"])
        return {name: part[name][is_intact] for name in ("keys", "rows")}
    except (IntegrityError, KeyError, IndexError, ValueError):
        return None


def _touch(path: Path) -> None:
    """Record that a file was used, for the size limit. A file that was just removed is ignored."""
    try:
        os.utime(path)
    except OSError:
        return
