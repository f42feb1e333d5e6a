"""Files and folders that are either whole or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nlptl.base.errors import NlptlError, StorageError


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``target`` when the block ends well.

    The temporary folder lies beside the target. When the block fails it is removed and a target
    that was there before stays as it was. When it ends well every file is flushed to the disk,
    an older target is moved aside, the new one takes its name, and the older one is removed.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        draft.chmod(0o755)
    except OSError as problem:
        raise unwritable(target, problem) from problem
    try:
        yield draft
        _flush_tree(draft)
        _take_place(draft, target)
    except NlptlError:
        raise
    except OSError as problem:
        raise unwritable(target, problem) from problem
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_file(target: Path, content: bytes) -> None:
    """Write ``content`` beside ``target`` and rename it into place.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    with new_file(target) as file:
        file.write(content)


@contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """Give a file to write that becomes ``target`` when the block ends well.

    Until then it lies beside the target under a name of its own; a target that was there before
    stays as it was when the block fails.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(0o644)
            Path(draft).replace(target)
        finally:
            Path(draft).unlink(missing_ok=True)
    except NlptlError:
        raise
    except OSError as problem:
        raise unwritable(target, problem) from problem


def unwritable(target: Path, problem: OSError) -> StorageError:
    """Say that ``target`` cannot be written, and why."""
    reason = problem.strerror or str(problem)
    return StorageError(
        f"Cannot write {str(target)!r}: {reason}. "
        "Nothing was left there; choose another place or make room."
    )


def _take_place(draft: Path, target: Path) -> None:
    if target.exists():
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
        target.replace(aside / target.name)
        try:
            draft.replace(target)
        except OSError:
            (aside / target.name).replace(target)
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    else:
        draft.replace(target)
    _flush(target.parent)


def _flush_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _flush(path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
