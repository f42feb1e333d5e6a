"""A bounded cache of array rows on disk, shared by processes.

A store is a folder of immutable files, each with some keys and their rows. A file appears by
rename, so a reader sees it whole or not at all; nothing is ever changed in place, so any number
of processes may read and add at once. What removes files (the bound, merging) holds a lock, and
a reader whose file was taken away simply does not find those rows. Each row has a checksum, so
that a row that changed on the disk is not returned.
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
    """Rows of floats under 16-byte keys.

    Parameters
    ----------
    root : Path
        The folder of all stores that share one bound.
    name : str
        The folder of this store inside ``root``.
    limit_bytes : int
        The most that all stores under ``root`` may take together. When a new row does not fit,
        the files that were not used for the longest time are removed.
    """

    def __init__(self, root: Path, name: str, *, limit_bytes: int) -> None:
        self.root = Path(root)
        self.folder = self.root / name
        self.limit_bytes = limit_bytes
        self._open: dict[str, tuple[dict[str, AnyArray], AnyArray]] = {}

    def look_up(self, keys: AnyArray) -> tuple[AnyArray, FloatArray | None]:
        """Find rows.

        Parameters
        ----------
        keys : ndarray of shape (n, 2), uint64
            The keys asked for.

        Returns
        -------
        found : ndarray of shape (n,), bool
            Which of the keys are there.
        rows : ndarray of shape (n, width) or None
            The rows found, zeros elsewhere; None when nothing was found. Rows that changed on the
            disk are not found; a warning names their file, and it is written without them.
        """
        found = np.zeros(len(keys), dtype=bool)
        rows: FloatArray | None = None
        files = self._files()
        for gone in self._open.keys() - {path.name for path in files}:
            del self._open[gone]
        for path in files:
            missing = np.flatnonzero(~found)
            if not len(missing):
                break
            hit, stored = self._search(path, keys[missing])
            if not len(hit):
                continue
            if rows is None:
                rows = np.zeros((len(keys), stored.shape[1]), dtype=stored.dtype)
            rows[missing[hit]] = stored
            found[missing[hit]] = True
            _touch(path)
        return found, rows

    def add(self, keys: AnyArray, rows: FloatArray) -> None:
        """Store ``rows`` (n, width) under ``keys`` (n, 2).

        Raises
        ------
        StorageError
            If the rows alone exceed the bound, or the folder cannot be written.
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
        """Return which of ``keys`` a file has, and their rows."""
        nothing = np.empty(0, dtype=np.intp), np.empty((0, 0), dtype=np.float32)
        try:
            if path.name not in self._open:
                arrays = map_arrays(path)
                arrays["keys"] = np.array(arrays["keys"])
                self._open[path.name] = arrays, np.argsort(arrays["keys"][:, 0])
            arrays, order = self._open[path.name]
            known = arrays["keys"]
            place = np.searchsorted(known[:, 0], keys[:, 0], sorter=order)
            place = order[np.minimum(place, len(order) - 1)]
            hit = np.flatnonzero((known[place] == keys).all(axis=1))
            if not len(hit):
                return nothing
            rows = np.asarray(arrays["rows"][place[hit]])
            is_whole = arrays["checks"][place[hit]] == row_checksums(keys[hit], rows)
        except (IntegrityError, IndexError, ValueError):
            self._rewrite(path)
            return nothing
        except (OSError, KeyError):  # gone, unreadable, or of a version without checksums
            return nothing
        if is_whole.all():
            return hit, rows
        self._rewrite(path)
        return hit[is_whole], rows[is_whole]

    def _rewrite(self, path: Path) -> None:
        """Warn of a damaged file and replace it by one with the rows that are whole."""
        warnings.warn(
            f"{str(path)!r} is damaged: vectors in it changed on the disk. They are computed "
            "again. Check the disk.",
            stacklevel=5,
        )
        self._open.pop(path.name, None)
        with suppress(OSError, NotImplementedError), self._lock():  # else it warns next time, too
            part = _readable(path)
            if part is not None:
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
        # Under the lock nobody else is writing: a draft is what a killed process left.
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
        for path in smallest:  # damaged files go too: nothing can be found in them
            self._open.pop(path.name, None)
            path.unlink(missing_ok=True)


def row_checksums(keys: AnyArray, rows: AnyArray) -> AnyArray:
    """Compute one checksum per row and its key.

    It is the sum of the words of 64 bits, each multiplied by a random odd number. Every single
    flipped bit changes it, and other damage almost surely does. A cyclic checksum of each row
    takes eight times as long.

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
    """Return the keys and rows of a file that are whole; None where it cannot be read."""
    try:
        part = map_arrays(path)
        whole = part["checks"] == row_checksums(part["keys"], part["rows"])
        return {name: part[name][whole] for name in ("keys", "rows")}
    except (IntegrityError, KeyError, IndexError, ValueError):
        return None


def _touch(path: Path) -> None:
    """Note that a file was used, so that the bound spares it; a file just removed is no harm."""
    try:
        os.utime(path)
    except OSError:
        return
