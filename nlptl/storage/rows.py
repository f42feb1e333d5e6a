"""A bounded cache of array rows on disk, shared by processes.

A store is a folder of immutable files, each with some keys and their rows. A file appears by
rename, so a reader sees it whole or not at all; nothing is ever changed in place, so any number
of processes may read and add at once. What removes files (the bound, merging) holds a lock, and
a reader whose file was taken away simply does not find those rows.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path

import numpy as np
from filelock import FileLock

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.errors import IntegrityError, StorageError
from nlptl.storage.atomic import unwritable
from nlptl.storage.tensors import map_arrays, save_arrays

_SUFFIX = ".rows"
_DRAFT = ".draft-"
_MOST_FILES = 48
_HEADER = 256


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
        self._open: dict[str, tuple[AnyArray, AnyArray, AnyArray]] = {}

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
            The rows found, zeros elsewhere; None when nothing was found.
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
            hit, place, stored = self._search(path, keys[missing])
            if not len(hit):
                continue
            if rows is None:
                rows = np.zeros((len(keys), stored.shape[1]), dtype=stored.dtype)
            rows[missing[hit]] = stored[place]
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
        size = rows.nbytes + keys.nbytes + _HEADER
        if size > self.limit_bytes:
            raise StorageError(
                f"The cache {str(self.root)!r} is full: {size / 1e6:.1f} MB do not fit its limit "
                f"of {self.limit_bytes / 1e6:.1f} MB. Raise the limit or switch the cache off."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(str(self.root / ".lock")):
                self._make_room(size)
                self._write(keys, rows)
                if len(self._files()) > _MOST_FILES:
                    self._merge()
        except OSError as problem:
            if isinstance(problem, StorageError):
                raise
            raise unwritable(self.root, problem) from problem

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}"), reverse=True)

    def _search(self, path: Path, keys: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
        nothing = np.empty(0, dtype=np.intp)
        try:
            if path.name not in self._open:
                arrays = map_arrays(path)
                known = np.array(arrays["keys"])
                self._open[path.name] = known, np.argsort(known[:, 0]), arrays["rows"]
        except (FileNotFoundError, IntegrityError, KeyError):
            return nothing, nothing, np.empty((0, 0), dtype=np.float32)
        known, order, rows = self._open[path.name]
        place = np.searchsorted(known[:, 0], keys[:, 0], sorter=order)
        place = order[np.minimum(place, len(order) - 1)]
        hit = np.flatnonzero((known[place] == keys).all(axis=1))
        return hit, place[hit], rows

    def _write(self, keys: AnyArray, rows: FloatArray) -> None:
        handle, draft = tempfile.mkstemp(prefix=_DRAFT, dir=self.folder)
        os.close(handle)
        try:
            save_arrays(Path(draft), {"keys": keys, "rows": rows})
            Path(draft).replace(self.folder / f"{uuid.uuid4().hex}{_SUFFIX}")
        finally:
            Path(draft).unlink(missing_ok=True)

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
        smallest = sorted(self._files(), key=lambda path: path.stat().st_size)[: _MOST_FILES // 2]
        parts = [part for path in smallest if (part := _readable(path)) is not None]
        if parts:
            self._write(
                np.concatenate([part["keys"] for part in parts]),
                np.concatenate([part["rows"] for part in parts]),
            )
        for path in smallest:  # damaged files go too: nothing can be found in them
            self._open.pop(path.name, None)
            path.unlink(missing_ok=True)


def _readable(path: Path) -> dict[str, AnyArray] | None:
    try:
        return map_arrays(path)
    except IntegrityError:
        return None


def _touch(path: Path) -> None:
    """Note that a file was used, so that the bound spares it; a file just removed is no harm."""
    try:
        os.utime(path)
    except OSError:
        return
