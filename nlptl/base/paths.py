"""Paths that users write, with "~" for the home folder."""

from __future__ import annotations

import os
from pathlib import Path

from nlptl.base.errors import StorageError


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path with a leading "~" replaced by the home folder of the user.

    "~name" is the home folder of another user. If there is no such user, the path is not changed.

    Raises
    ------
    StorageError
        If the path starts with "~" and the process has no home folder.
    """
    expanded = Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser refuses "~notes.csv"
    if str(path).startswith("~") and expanded.parts[0] == "~":
        raise StorageError(
            f"{str(path)!r} lies in the home folder, and this process has no home folder. "
            "Set HOME, or write the full path."
        )
    return expanded


def mebibytes_of(folder: Path) -> float:
    """Return the size of all files in a folder, in MiB; 0 if there is no folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
