"""Open word vectors from the source that a user passes."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from filelock import FileLock

from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.paths import user_path
from nlptl.encoders.static.distillation import Distilled
from nlptl.encoders.static.vector_formats import of_gensim, read_word_vectors
from nlptl.encoders.static.vector_store import VectorStore
from nlptl.storage.atomic import new_folder
from nlptl.storage.drafts import sweep_drafts
from nlptl.storage.hashing import fingerprint, has_checksums, write_checksums
from nlptl.storage.places import cache_root

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

VectorSource: TypeAlias = "str | Path | Distilled | VectorStore | KeyedVectors"
"""Source of word vectors: a file, a transformer to distil, or vectors in memory."""

_LAYOUT = 2
"""Version of the store format. Increase it when older stores must be built again."""

_SHELF: OrderedDict[str, VectorStore] = OrderedDict()
_MAX_OPEN = 4


def open_vectors(source: VectorSource, *, cache: str | Path | None) -> VectorStore:
    """Open word vectors. A file or transformer is converted or distilled once.

    Parameters
    ----------
    source : str, Path, Distilled, KeyedVectors or VectorStore
        Source of the vectors, see ``StaticEncoder``.
    cache : str, Path or None
        Folder of the converted stores. ``"auto"`` is the user's cache folder. None stores
        nothing.

    Raises
    ------
    InputError
        If a file cannot be read as word vectors.
    ConfigError
        If the type of the source is not supported.
    """
    if isinstance(source, VectorStore):
        return source
    if isinstance(source, Distilled):
        return _kept(source.identity(), cache, source.make)
    if isinstance(source, str | Path):
        path = user_path(source)
        return _kept(_identity(path), cache, lambda: _convert(path))
    if hasattr(source, "index_to_key") and hasattr(source, "vectors"):
        return VectorStore.of_words(of_gensim(source, "these vectors"), name="KeyedVectors")
    raise ConfigError(
        f"vectors must be a file, Distilled(...), OwnVectors(...) or gensim KeyedVectors, "
        f"got {type(source).__name__}. Pass one of these."
    )


def _identity(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {"path": str(path)}
    stat = path.stat()
    return {"path": str(path.resolve()), "size": stat.st_size, "changed": stat.st_mtime_ns}


def _convert(path: Path) -> VectorStore:
    return VectorStore.of_words(read_word_vectors(path), name=path.name)


def _kept(
    identity: Mapping[str, object], cache: str | Path | None, make: Callable[[], VectorStore]
) -> VectorStore:
    name = fingerprint({**identity, "layout": _LAYOUT})
    if name not in _SHELF:
        _SHELF[name] = make() if cache is None else _on_disk(name, cache, make)
        while len(_SHELF) > _MAX_OPEN:
            _SHELF.popitem(last=False)
    _SHELF.move_to_end(name)
    return _SHELF[name]


def _on_disk(name: str, cache: str | Path, make: Callable[[], VectorStore]) -> VectorStore:
    try:
        folder = (cache_root() if cache == "auto" else user_path(cache)) / "vectors" / name
    except StorageError as problem:
        return _not_kept(problem, make())
    if _is_whole(folder):
        return VectorStore.load(folder)
    store: VectorStore = make()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder.parent / f".{name}.lock")):
            if not has_checksums(folder):  # another process may have written it in the meantime
                with new_folder(folder) as draft:
                    store.save(draft)
                    write_checksums(draft)
    except (OSError, NotImplementedError) as problem:  # filelock raises it on a disk without locks
        return _not_kept(problem, store)
    return VectorStore.load(folder)


def _not_kept(problem: Exception, store: VectorStore) -> VectorStore:
    warnings.warn(f"Word vectors are not kept: {problem}", stacklevel=2)
    return store


def _is_whole(folder: Path) -> bool:
    """Return True if a store exists and is unchanged. Warn if it changed on the disk."""
    if not folder.is_dir():
        return False
    sweep_drafts(folder.parent, folder.name)
    if has_checksums(folder):
        return True
    warnings.warn(f"{str(folder)!r} is damaged: the vectors are converted again.", stacklevel=2)
    return False
