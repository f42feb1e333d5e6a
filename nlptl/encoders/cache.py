"""Vectors that were computed before, kept on disk by content."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.paths import user_path
from nlptl.base.specs import Spec
from nlptl.data.rows import Text
from nlptl.storage.hashing import fingerprint
from nlptl.storage.places import cache_root
from nlptl.storage.row_cache import RowStore

_BLOCK = 4096


@dataclass(frozen=True)
class FeatureCache(Spec):
    """Where to keep vectors, and how many.

    The key is the text itself and everything its vector depends on: weights, tokenizer, pooling,
    window and number format. Any number of processes may share a folder. Texts are not stored,
    only a hash of them beside the vector.

    Parameters
    ----------
    folder : str, Path or None
        None is the user's cache folder (``$NLPTL_CACHE`` or ``~/.cache/nlptl``).
    limit_gigabytes : float
        The most the vectors may take; those not used for the longest time go first.
    """

    folder: str | Path | None = None
    limit_gigabytes: float = 4.0

    def __post_init__(self) -> None:
        if self.limit_gigabytes <= 0:
            raise ConfigError(
                f"limit_gigabytes must be above 0, got {self.limit_gigabytes}. "
                "To switch the cache off, write cache=None."
            )

    def store(self, settings: dict[str, Any]) -> RowStore:
        """Open the rows that belong to one way of encoding.

        Raises
        ------
        StorageError
            If the folder lies in the home folder, and the process has none.
        """
        root = user_path(self.folder) if self.folder else cache_root()
        limit = int(self.limit_gigabytes * 1e9)
        return RowStore(root / "features", fingerprint(settings), limit_bytes=limit)


_OFF: ContextVar[bool] = ContextVar("cache is off", default=False)


@contextmanager
def without_cache() -> Iterator[None]:
    """Compute every vector inside the block, whatever the caches hold; keep none."""
    before = _OFF.set(True)
    try:
        yield
    finally:
        _OFF.reset(before)


def as_cache(given: Any) -> FeatureCache | None:
    """Read a ``cache`` argument: a cache, a folder, ``"auto"`` or None."""
    if _OFF.get():
        return None
    if given is None or isinstance(given, FeatureCache):
        return given
    return FeatureCache() if given == "auto" else FeatureCache(given)


def encode_through(
    cache: FeatureCache | None,
    texts: Sequence[Text],
    *,
    settings: Callable[[], dict[str, Any]],
    encode: Callable[[Sequence[Text], int], FloatArray],
) -> FloatArray:
    """Encode texts, each distinct text once, and those in the cache not at all.

    What was encoded is stored block by block, so that an interrupted run goes on where it was.

    Parameters
    ----------
    cache : FeatureCache or None
        Where to look and to keep.
    texts : sequence of str or of (str, str)
        The texts; repeats are encoded once.
    settings : callable
        Gives what the vectors depend on, as plain JSON values. Asked for only with a cache.
    encode : callable
        Takes some texts and how many there are in all; gives their vectors (n, width).

    Returns
    -------
    ndarray of shape (n, width)
        In the order of ``texts``.
    """
    texts = list(texts)  # a Series would be asked by label, not by place
    keys = _keys(texts)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    store = None if cache is None else _store(cache, settings())
    found, rows = store.look_up(keys[first]) if store else (np.zeros(len(first), bool), None)
    missing = np.flatnonzero(~found)
    # Blocks of texts of like length: short and long ones are never padded together.
    missing = missing[np.argsort([-_length(texts[first[i]]) for i in missing], kind="stable")]
    for start in range(0, len(missing), _BLOCK):
        block = missing[start : start + _BLOCK]
        vectors = encode([texts[first[i]] for i in block], len(missing))
        if rows is None:
            rows = np.zeros((len(first), vectors.shape[1]), dtype=vectors.dtype)
        rows[block] = vectors
        if store is not None and not _keep(store, keys[first[block]], vectors):
            store = None
    whole = rows if rows is not None else encode([], 0)
    return whole[inverse.reshape(-1)]


def _keys(texts: Sequence[Text]) -> IntArray:
    digests = (hashlib.blake2b(_bytes(text), digest_size=16).digest() for text in texts)
    joined: AnyArray = np.frombuffer(b"".join(digests), dtype=np.uint64).reshape(-1, 2)
    return joined


def _length(text: Text) -> int:
    return len(text) if isinstance(text, str) else len(text[0]) + len(text[1])


def _bytes(text: Text) -> bytes:
    """Give the bytes of a text, or those of a pair so that no single text has the same."""
    if isinstance(text, str):
        return text.encode()
    first, second = (side.encode() for side in text)
    return b"\xff" + len(first).to_bytes(8, "big") + first + second  # \xff begins no UTF-8


def _store(cache: FeatureCache, settings: dict[str, Any]) -> RowStore | None:
    try:
        return cache.store(settings)
    except StorageError as problem:
        warnings.warn(f"Vectors are not kept: {problem}", stacklevel=4)
        return None


def _keep(store: RowStore, keys: AnyArray, vectors: FloatArray) -> bool:
    try:
        store.add(keys, vectors)
    except StorageError as problem:
        warnings.warn(f"Vectors are not kept: {problem}", stacklevel=2)
        return False
    return True
