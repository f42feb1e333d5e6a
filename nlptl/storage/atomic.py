"""Atomic writes: a file or folder is either complete or absent."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nlptl.base.errors import NlptlError, StorageError
from nlptl.base.paths import user_path
from nlptl.storage.drafts import draft_of, sweep_drafts, take_place

_ERROR_OF_RUST = re.compile(r"\(os error (\d+)\)")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``target`` when the block ends without an error.

    The temporary folder is in the same parent folder as the target. If the block fails, the
    temporary folder is removed and an existing target is not changed. If the block succeeds, every
    file is flushed to disk, an existing target is renamed, the new folder takes its name, and the
    old one is removed. All files get the permissions that the umask allows. Incomplete folders of
    killed processes are removed first.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    target = Path(target)
    sweep_drafts(target.parent, target.name)
    with _one_error(target), draft_of(target, Path.mkdir) as draft:
        with _errors_of_draft(draft, target):
            yield draft
            _finish_files(draft)
        take_place(draft, target)
        _flush(target.parent)


def saved_folder(path: str | os.PathLike[str]) -> Path:
    """Return the path of a folder to read, after removing incomplete drafts of killed saves."""
    folder = user_path(path)
    sweep_drafts(folder.parent, folder.name)
    return folder


def write_file(target: Path, content: bytes) -> None:
    """Write ``content`` to a temporary file and rename it to ``target``.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    with _one_error(target), needing(len(content), target), _renamed_at_the_end(target) as file:
        file.write(content)


@contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """Yield an open file that becomes ``target`` when the block ends without an error.

    Until then, the file has a temporary name in the same folder. If the block fails, an existing
    target is not changed.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    with _one_error(target), _renamed_at_the_end(target) as file:
        yield file


@contextmanager
def needing(size: int, path: Path) -> Iterator[None]:
    """Turn system errors in a block that writes ``size`` bytes to ``path`` into OSError.

    Raises
    ------
    NoRoomError
        If the disk is full, or a quota or a limit on file sizes is exceeded.
    OSError
        For every other system error.
    """
    try:
        yield
    except Exception as problem:
        cause = system_error(problem)
        if cause is None:
            raise
        if cause.errno in _NO_ROOM:
            cause = NoRoomError(cause, size, path)
        raise cause from problem


class NoRoomError(OSError):
    """A file was not written because there is no space for its ``size`` bytes."""

    def __init__(self, cause: OSError, size: int, path: Path) -> None:
        super().__init__(cause.errno, cause.strerror)
        self.size, self.path = size, path


def system_error(problem: BaseException) -> OSError | None:
    """Return the system error that caused an exception; None if there is none.

    safetensors and tokenizers are written in Rust and report the system error only in the text of
    their message.
    """
    if isinstance(problem, OSError):
        return problem
    match = _ERROR_OF_RUST.search(str(problem))
    return match and OSError(int(match[1]), os.strerror(int(match[1])))


def unwritable(target: Path, problem: OSError) -> StorageError:
    """Return the error for a file or folder that cannot be written: its path and the reason."""
    requirement = ""
    if isinstance(problem, NoRoomError):
        requirement = f" At least {math.ceil(problem.size / 1e5) / 10} MB are needed there."
    return StorageError(
        f"Cannot write {str(target)!r}: {problem.strerror or problem}.{requirement} "
        "An earlier version is unchanged. Choose another path or free disk space."
    )


@contextmanager
def _renamed_at_the_end(target: Path) -> Iterator[BinaryIO]:
    with draft_of(target, Path.touch) as draft:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)


@contextmanager
def _one_error(target: Path) -> Iterator[None]:
    """Turn system errors, also those inside libraries, into one error that names ``target``."""
    try:
        yield
    except NlptlError:
        raise
    except Exception as problem:
        cause = system_error(problem)
        if cause is None:
            raise
        raise unwritable(target, cause) from problem


@contextmanager
def _errors_of_draft(draft: Path, target: Path) -> Iterator[None]:
    """Add the path of the target and the size of all files so far to errors inside a draft."""
    try:
        yield
    except NlptlError as problem:
        if str(draft) not in str(problem):
            raise
        raise type(problem)(str(problem).replace(str(draft), str(target))) from problem
    except Exception as problem:
        cause = system_error(problem)
        if cause is None or cause.errno not in _NO_ROOM:
            raise
        size, last = (cause.size, cause.path) if isinstance(cause, NoRoomError) else (0, draft)
        others = [path for path in draft.rglob("*") if path.is_file() and path != last]
        size += sum(path.stat().st_size for path in others)
        raise NoRoomError(cause, size, last) from problem


def _finish_files(folder: Path) -> None:
    """Flush a folder to disk and give its files the permissions that the umask allowed for it."""
    mode = folder.stat().st_mode & 0o666
    for path in (*folder.rglob("*"), folder):
        if path.is_file():
            path.chmod(mode)
        _flush(path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
