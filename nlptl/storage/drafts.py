"""Drafts beside a file or folder that is being written, and what killed processes left of them."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks: drafts are judged by their age there
    fcntl = None  # type: ignore[assignment]

_NEW, _OLD = "draft", "old"
_NAME = re.compile(r"\.(?P<target>.+)\.(?P<host>[0-9a-f]{8})[0-9a-f]{8}\.(?P<kind>draft|old)")
_MAX_SECONDS_WITHOUT_LOCK = 24 * 3600
_MAX_TRIES = 5


@contextmanager
def draft_of(target: Path, create: Callable[[Path], None]) -> Iterator[Path]:
    """Yield a new path beside ``target`` that no other process sweeps away meanwhile.

    Parameters
    ----------
    target : Path
        What the draft becomes when the caller renames it. Missing parent folders are made.
    create : callable
        Takes the path and creates a file or a folder there.

    Yields
    ------
    Path
        The draft. What is still there at the end of the block is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft, handle = _locked_draft(target, create)
    try:
        yield draft
    finally:
        _remove(draft)
        os.close(handle)


def _locked_draft(target: Path, create: Callable[[Path], None]) -> tuple[Path, int]:
    for _ in range(_MAX_TRIES):  # another process may sweep a draft away before it is locked
        draft = _beside(target, _NEW)
        create(draft)
        handle = _open_locked(draft)
        if handle is not None:
            return draft, handle
        _remove(draft)
    raise PermissionError(errno.EACCES, "what is created there cannot be opened", str(draft))


def take_place(draft: Path, target: Path) -> None:
    """Rename a draft to ``target``; an older target is removed after that."""
    if not target.exists():
        draft.replace(target)
        return
    aside, handle = _beside(target, _OLD), _open_locked(target)
    try:
        target.replace(aside)
        try:
            draft.replace(target)
        except OSError:
            aside.replace(target)
            raise
        _remove(aside)
    finally:
        if handle is not None:
            os.close(handle)


def sweep_drafts(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left of drafts, and put back what they had moved aside.

    The process that writes a draft holds a lock on it. Drafts of other machines, and those on
    disks without locks, are removed when nothing in them changed for a day.

    Parameters
    ----------
    folder : Path
        Where to look. Nothing happens where it does not exist or cannot be changed.
    name : str, optional
        Only drafts of the file or folder of this name.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match and name in (None, match["target"]):
                _sweep(path, match)


def _sweep(path: Path, match: re.Match[str]) -> None:
    handle = _open_locked(path)
    if handle is None:
        return
    try:
        is_ours = match["host"] == _host() and _lock(handle)
        if not is_ours and time.time() - _last_change(path) < _MAX_SECONDS_WITHOUT_LOCK:
            return
        target = path.with_name(match["target"])
        if match["kind"] == _OLD and not target.exists():
            path.replace(target)
        else:
            _remove(path)
    finally:
        os.close(handle)


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{_host()}{uuid.uuid4().hex[:8]}.{kind}")


@lru_cache(maxsize=1)
def _host() -> str:
    return blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def _open_locked(path: Path) -> int | None:
    """Open and lock a file or folder; None if it is gone or another process holds the lock."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        _lock(handle)
    except BlockingIOError:
        os.close(handle)
        return None
    if not path.exists():
        os.close(handle)
        return None
    return handle


def _lock(handle: int) -> bool:
    """Lock an open file or folder; return False where the disk or the system has no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _last_change(path: Path) -> float:
    return max(entry.lstat().st_mtime for entry in (path, *path.rglob("*")))


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
