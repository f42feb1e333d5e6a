"""Temporary drafts of files and folders that are being written, and removal of abandoned drafts."""

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
except ImportError:  # Windows has no such locks: there, the age of a draft decides
    fcntl = None  # type: ignore[assignment]

_NEW, _OLD = "draft", "old"
_NAME = re.compile(r"\.(?P<target>.+)\.(?P<host>[0-9a-f]{8})[0-9a-f]{8}\.(?P<kind>draft|old)")
_MAX_SECONDS_WITHOUT_LOCK = 24 * 3600
_MAX_TRIES = 5


@contextmanager
def draft_of(target: Path, create: Callable[[Path], None]) -> Iterator[Path]:
    """Yield a new path in the folder of ``target``, locked so that no other process removes it.

    Parameters
    ----------
    target : Path
        Final path, to which the caller renames the draft. Missing parent folders are created.
    create : callable
        Takes the path of the draft and creates a file or a folder there.

    Yields
    ------
    Path
        The draft. If it still exists at the end of the block, it is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft, handle = _locked_draft(target, create)
    try:
        yield draft
    finally:
        _remove(draft)
        os.close(handle)


def _locked_draft(target: Path, create: Callable[[Path], None]) -> tuple[Path, int]:
    for _ in range(_MAX_TRIES):  # another process may remove a draft before it is locked
        draft = _draft_path(target, _NEW)
        create(draft)
        handle = _open_locked(draft)
        if handle is not None:
            return draft, handle
        _remove(draft)
    raise PermissionError(errno.EACCES, "files created there cannot be opened", str(draft))


def take_place(draft: Path, target: Path) -> None:
    """Rename a draft to ``target``, then remove the previous target."""
    if not target.exists():
        draft.replace(target)
        return
    previous, handle = _draft_path(target, _OLD), _open_locked(target)
    try:
        target.replace(previous)
        try:
            draft.replace(target)
        except OSError:
            previous.replace(target)
            raise
        _remove(previous)
    finally:
        if handle is not None:
            os.close(handle)


def sweep_drafts(folder: Path, name: str | None = None) -> None:
    """Remove drafts of killed processes and restore the targets that they had renamed.

    The process that writes a draft holds a lock on it. Drafts of other machines, and drafts on
    disks without locks, are removed if nothing in them changed for one day.

    Parameters
    ----------
    folder : Path
        Folder to search. If it does not exist or cannot be changed, nothing happens.
    name : str, optional
        Name of a file or folder; only its drafts are removed.
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


def _draft_path(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{_host()}{uuid.uuid4().hex[:8]}.{kind}")


@lru_cache(maxsize=1)
def _host() -> str:
    return blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()


def _open_locked(path: Path) -> int | None:
    """Open and lock a file or folder; None if it is gone or another process holds the lock."""
    try:
        if not (path.is_dir() or path.is_file()):  # opening a pipe would wait for its writer
            return None
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
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
