"""A list of the files of a folder with their sha256, written last and checked first."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from nlptl.base.errors import IntegrityError, StorageError
from nlptl.storage.hashing import sha256_of

MANIFEST = "manifest.json"
_READ = {".bin", ".json", ".model", ".onnx", ".py", ".safetensors", ".txt"}
"""Kinds of file that some reader may pick up unasked. A README or a picture is no harm."""

_OUT = {"\\", ":", "\0"}

SCHEMA = 1
"""Raised by one when a folder written now could no longer be read by an earlier release."""


def write_manifest(folder: Path, *, kind: str, version: str) -> None:
    """Record every file of ``folder`` with its sha256.

    Parameters
    ----------
    folder : Path
        A folder that is otherwise complete.
    kind : str
        What the folder holds, for example ``"text-classifier"``.
    version : str
        The release of nlptl that wrote it.
    """
    files = {
        path.relative_to(folder).as_posix(): {"sha256": sha256_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    record = {"schema": SCHEMA, "kind": kind, "nlptl": version, "files": files}
    (folder / MANIFEST).write_text(json.dumps(record, indent=1), encoding="utf-8")


def verify_manifest(folder: Path, *, kind: str) -> dict[str, Any]:
    """Check every listed file of ``folder`` and give the manifest.

    Raises
    ------
    StorageError
        If there is no such folder, it is of another kind, or a newer release wrote it.
    IntegrityError
        If a file is missing, its bytes were changed, or one is there that is not listed; the
        file is named.
    """
    record = read_manifest(folder)
    if record["schema"] > SCHEMA:
        raise StorageError(
            f"{str(folder)!r} was written by nlptl {record['nlptl']} (format {record['schema']}); "
            f"this release reads formats up to {SCHEMA}. Run: pip install -U nlptl"
        )
    if record["kind"] != kind:
        raise StorageError(f"{str(folder)!r} holds a {record['kind']}, not a {kind}.")
    for name, expected in record["files"].items():
        _verify_file(folder, name, expected)
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in _READ
    }
    foreign = sorted(present - set(record["files"]) - {MANIFEST})
    if foreign:
        raise IntegrityError(
            f"File {foreign[0]!r} of {str(folder)!r} is not part of the model that was saved "
            f"there ({len(foreign)} such). Move it elsewhere."
        )
    return record


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a folder without checking the files.

    Raises
    ------
    StorageError
        If the folder or its manifest is not there, or is not a manifest.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise StorageError(f"There is no folder {str(folder)!r}. Check the path.")
    if not path.is_file():
        raise StorageError(
            f"{str(folder)!r} has no {MANIFEST}: it was not saved by nlptl, or not completely."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        kinds = {"schema": int, "kind": str, "nlptl": str, "files": dict}
        wrong = [name for name, kind in kinds.items() if not isinstance(record[name], kind)]
        wrong += [name for name, entry in record["files"].items() if len(entry["sha256"]) != 64]
        outside = [name for name in record["files"] if not is_inside(name)]
        if outside:
            raise IntegrityError(
                f"The manifest of {str(folder)!r} names {outside[0]!r}, which lies outside of it."
            )
        if wrong:
            raise TypeError(f"{wrong[0]} of the wrong kind")
        return dict(record)
    except (ValueError, KeyError, TypeError) as problem:
        raise IntegrityError(
            f"{str(path)!r} is damaged ({problem}). Save the model again or restore a copy."
        ) from problem


def is_inside(name: str) -> bool:
    """Tell whether a name within a folder stays within it, on every system."""
    parts = PurePosixPath(name).parts
    return bool(parts) and parts[0] != "/" and not {"..", "~"} & set(parts) and not set(name) & _OUT


def _verify_file(folder: Path, name: str, expected: dict[str, Any]) -> None:
    path = folder / name
    if not path.is_file():
        raise IntegrityError(f"File {name!r} of {str(folder)!r} is missing. Restore a copy.")
    if sha256_of(path) != expected["sha256"]:
        raise IntegrityError(
            f"File {name!r} of {str(folder)!r} was changed or damaged: its sha256 is not "
            f"{expected['sha256'][:12]}… as recorded. Restore a copy."
        )
