"""Choices that were measured on a machine, recorded in a file of the cache folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nlptl.storage.atomic import write_file
from nlptl.storage.drafts import sweep_drafts


def read_choices(path: Path) -> dict[str, Any]:
    """Return the recorded choices per machine. A missing or damaged file has none."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def record_choice(path: Path, machine: str, choice: object) -> None:
    """Add the choice for a machine to a file.

    Parameters
    ----------
    path : Path
    machine : str
        Everything that the choice depends on: processor, versions, threads.
    choice : object
        Plain JSON value.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    sweep_drafts(path.parent, path.name)
    write_file(path, json.dumps({**read_choices(path), machine: choice}).encode())
