"""Cache of computed vectors on disk, addressed by the content of each text."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.inputs import Text
from nlptl.base.paths import user_path
from nlptl.base.specs import Spec
from nlptl.data.rows import text_list
from nlptl.storage.hashing import fingerprint
from nlptl.storage.places import cache_root
from nlptl.storage.row_cache import RowStore

_BLOCK = 4096


@dataclass(frozen=True)
class FeatureCache(Spec):
    """Settings of the vector cache on disk: its folder and its size limit.

    The key of a vector consists of the text and of everything the vector depends on: weights,
    tokenizer, pooling, window and number format. Any number of processes may share a folder.
    The cache does not store texts. It stores only the hash of each text with its vector.

    Parameters
    ----------
    folder : str, Path or None
        Folder of the cache. None means the user's cache folder: ``$NLPTL_CACHE`` or
        ``~/.cache/nlptl``.
    limit_gigabytes : float
        Maximum size of the stored vectors. Above it, the least recently used vectors are deleted.
    """

    folder: str | Path | None = None
    limit_gigabytes: float = 4.0

    def __post_init__(self) -> None:
        if self.limit_gigabytes <= 0:
            raise ConfigError(
                f"limit_gigabytes must be above 0, got {self.limit_gigabytes}. "
                "To switch the cache off, use cache=None."
            )

    def store(self, settings: Mapping[str, object]) -> RowStore:
        """Open the stored vectors that were computed with these encoding settings.

        Raises
        ------
        StorageError
            If the folder is in the home folder and the process has no home folder.
        """
        root = user_path(self.folder) if self.folder else cache_root()
        limit = int(self.limit_gigabytes * 1e9)
        return RowStore(root / "features", fingerprint(settings), limit_bytes=limit)


_OFF: ContextVar[bool] = ContextVar("cache is off", default=False)


@contextmanager
def without_cache() -> Iterator[None]:
    """Switch all vector caches off inside the block: nothing is read from them or stored."""
    token = _OFF.set(True)
    try:
        yield
    finally:
        _OFF.reset(token)


def as_cache(cache: FeatureCache | str | Path | None) -> FeatureCache | None:
    """Convert a ``cache`` argument: a ``FeatureCache``, a folder, ``"auto"`` or None.

    Returns None inside ``without_cache()``.
    """
    if _OFF.get():
        return None
    if isinstance(cache, bool) or cache == "":
        raise ConfigError(
            f"cache must be a FeatureCache, a folder, 'auto' or None, got {cache!r}. To switch the "
            "cache off, use cache=None."
        )
    if cache is None or isinstance(cache, FeatureCache):
        return cache
    return FeatureCache() if cache == "auto" else FeatureCache(cache)


def encode_through(
    cache: FeatureCache | str | Path | None,
    texts: Sequence[Text],
    *,
    settings: Callable[[], Mapping[str, object]],
    encode: Callable[[Sequence[Text], int], FloatArray],
) -> FloatArray:
    """Encode each distinct text once, and take the vectors of cached texts from the cache.

    New vectors are stored block by block. An interrupted run therefore continues from the last
    complete block.

    Parameters
    ----------
    cache : FeatureCache, str, Path or None
        The cache to read from and to write to, as for ``as_cache``. None encodes all texts.
    texts : sequence of str or of (str, str)
        The texts. Repeated texts are encoded once.
    settings : callable
        Returns everything the vectors depend on, as plain JSON values. It is called only with a
        cache.
    encode : callable
        Takes a list of texts and the total number of texts to encode. Returns the vectors of the
        listed texts, of shape (n, width).

    Returns
    -------
    ndarray of shape (n, width)
        In the order of ``texts``.
    """
    texts = text_list(texts)  # indexing a Series selects by label, not by position
    keys = _keys(texts)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    features = as_cache(cache)
    store = None if features is None else _store(features, settings())
    cached, stored = store.look_up(keys[first]) if store else (np.zeros(len(first), bool), None)
    vectors_of_texts = None
    if stored is not None:
        vectors_of_texts = np.zeros((len(texts), stored.shape[1]), dtype=stored.dtype)
        vectors_of_texts[first] = stored
        del stored
    missing = np.flatnonzero(~cached)
    # Sort by length, so that short texts are not padded to the length of long texts.
    missing = missing[np.argsort([-_length(texts[first[i]]) for i in missing], kind="stable")]
    for start in range(0, len(missing), _BLOCK):
        block = first[missing[start : start + _BLOCK]]
        vectors = encode([texts[i] for i in block], len(missing))
        if vectors_of_texts is None:
            vectors_of_texts = np.zeros((len(texts), vectors.shape[1]), dtype=vectors.dtype)
        vectors_of_texts[block] = vectors
        if store is not None and not _keep(store, keys[block], vectors):
            store = None
    if vectors_of_texts is None:
        return encode([], 0)
    return _with_repeats(vectors_of_texts, first[inverse.reshape(-1)])


def _with_repeats(vectors: FloatArray, sources: IntArray) -> FloatArray:
    """Copy the vectors of repeated texts, in place, from the row of their first occurrence."""
    repeats = np.flatnonzero(sources != np.arange(len(sources)))
    for start in range(0, len(repeats), _BLOCK):
        block = repeats[start : start + _BLOCK]
        vectors[block] = vectors[sources[block]]
    return vectors


def _keys(texts: Sequence[Text]) -> IntArray:
    digests = (hashlib.blake2b(_bytes(text), digest_size=16).digest() for text in texts)
    joined: AnyArray = np.frombuffer(b"".join(digests), dtype=np.uint64).reshape(-1, 2)
    return joined


def _length(text: Text) -> int:
    return len(text) if isinstance(text, str) else len(text[0]) + len(text[1])


def _bytes(text: Text) -> bytes:
    """Return the bytes of a text or pair. No single text has the same bytes as a pair."""
    if isinstance(text, str):
        return text.encode()
    first, second = (side.encode() for side in text)
    return b"\xff" + len(first).to_bytes(8, "big") + first + second  # UTF-8 never starts with \xff


def _store(cache: FeatureCache, settings: Mapping[str, object]) -> RowStore | None:
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
