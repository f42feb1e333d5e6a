"""Manifests: lists of the files of a folder with their sha256, written last and checked first."""

from __future__ import annotations

import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from nlptl.base.errors import IntegrityError, StorageError
from nlptl.storage.hashing import sha256_of
from nlptl.storage.untrusted import read_json

MANIFEST = "manifest.json"
_READ = {".bin", ".h5", ".jinja", ".json", ".model", ".msgpack", ".onnx", ".pt", ".py"}
_READ |= {".safetensors", ".tiktoken", ".txt", ".vocab"}
"""Kinds of files that a library may load automatically. Extra READMEs or pictures do no harm."""

_OUT = {"\\", ":", "\0"}
_MAX_NAME, _MAX_PATH = 255, 1_000

SCHEMA = 1
"""Version of the folder format; it increases when earlier releases cannot read new folders."""


def write_manifest(folder: Path, *, kind: str, version: str) -> None:
    """Record every file of ``folder`` with its sha256.

    Parameters
    ----------
    folder : Path
        A folder to which all other files are already written.
    kind : str
        Kind of model in the folder, for example ``"text-classifier"``.
    version : str
        Release of nlptl that writes the folder.
    """
    files = {
        path.relative_to(folder).as_posix(): {"sha256": sha256_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    record = {"schema": SCHEMA, "kind": kind, "nlptl": version, "files": files}
    (folder / MANIFEST).write_text(json.dumps(record, indent=1), encoding="utf-8")


def verify_manifest(folder: Path, *, kind: str) -> dict[str, Any]:
    """Check every file of ``folder`` and return the manifest.

    Raises
    ------
    StorageError
        If there is no such folder, it holds another kind of model, or a newer release wrote it.
    IntegrityError
        If a file is missing, changed or not listed. Also if the folder contains a link, or an entry
        that is neither a file nor a folder. The message names the file.
    """
    record = read_manifest(folder)
    if record["schema"] > SCHEMA:
        raise StorageError(
            f"{str(folder)!r} was written by nlptl {record['nlptl']} (format {record['schema']}); "
            f"this release reads formats up to {SCHEMA}. Run: pip install -U nlptl"
        )
    if record["kind"] != kind:
        raise StorageError(
            f"{str(folder)!r} holds a {record['kind']}, not a {kind}. Check the path."
        )
    present = files_of(folder)
    for name, expected in record["files"].items():
        if name not in present:
            raise IntegrityError(f"File {name!r} of {str(folder)!r} is missing. Restore a copy.")
        _verify_file(folder, name, expected)
    readable = {name for name in present if PurePosixPath(name.lower()).suffix in _READ}
    foreign = sorted(readable - set(record["files"]) - {MANIFEST})
    if foreign:
        raise IntegrityError(
            f"File {foreign[0]!r} of {str(folder)!r} is not part of the model that was saved "
            f"there ({len(foreign)} such files). Move it to another folder."
        )
    return record


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a folder without a check of the files.

    Raises
    ------
    StorageError
        If the folder or its manifest does not exist.
    IntegrityError
        If the manifest is damaged, or names files outside of the folder.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise StorageError(f"There is no folder {str(folder)!r}. Check the path.")
    if not path.is_file():
        raise StorageError(
            f"{str(folder)!r} has no {MANIFEST}: it was not saved by nlptl, or not completely. "
            "Check the path."
        )
    try:
        record = read_json(path)
        kinds = {"schema": int, "kind": str, "nlptl": str, "files": dict}
        wrong = [name for name, kind in kinds.items() if type(record[name]) is not kind]
        wrong += [name for name, entry in record["files"].items() if not _is_entry(entry)]
        if wrong:
            raise TypeError(f"{wrong[0][:80]!r} has the wrong type")
        _check_names(folder, record["files"])
        return dict(record)
    except IntegrityError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise IntegrityError(
            f"{str(path)!r} is damaged ({problem}). Save the model again or restore a copy."
        ) from problem


def files_of(folder: Path) -> set[str]:
    """Return the names of all files in a folder and its subfolders.

    Links are refused, except in the Hub's cache. There, all files are in one folder under the
    names of their hashes, and the folders of models contain links to them.

    Raises
    ------
    IntegrityError
        If there is a link, or an entry that is neither a file nor a folder. The message names it.
    """
    names = set()
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            mode = path.lstat().st_mode
            name = path.relative_to(folder).as_posix()
            if stat.S_ISLNK(mode) and not _is_of_the_hub(folder, path):
                raise IntegrityError(
                    f"{name!r} of {str(folder)!r} is a link, which may lead out of the folder. "
                    "Replace it by a copy of its target, or remove it."
                )
            if not (stat.S_ISLNK(mode) or stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise IntegrityError(
                    f"{name!r} of {str(folder)!r} is neither a file nor a folder. Remove it."
                )
            if not stat.S_ISDIR(mode):
                names.add(name)
    return names


def is_inside(name: str) -> bool:
    """Return True if a relative path stays inside its folder and is valid on every system."""
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or {"..", "~"} & set(parts) or set(name) & _OUT:
        return False
    if "/".join(parts) != name or any(0xD800 <= ord(letter) < 0xE000 for letter in name):
        return False
    return len(name) <= _MAX_PATH and all(len(p.encode()) <= _MAX_NAME for p in parts)


def _is_of_the_hub(folder: Path, path: Path) -> bool:
    """Return True if a link leads from a snapshot in the Hub's cache to a file of that cache."""
    target = Path(os.path.realpath(path))
    return target.is_file() and any(
        parent.name == "snapshots" and target.parent == parent.with_name("blobs")
        for parent in Path(os.path.realpath(folder)).parents
    )


def _is_entry(entry: object) -> bool:
    digest = entry.get("sha256") if isinstance(entry, dict) else None
    return isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest) is not None


def _check_names(folder: Path, names: Iterable[str]) -> None:
    """Refuse names outside of the folder, and two names that are equal on other systems."""
    folded_names: set[str] = set()
    for name in names:
        if not is_inside(name):
            raise IntegrityError(
                f"The manifest of {str(folder)!r} names {name[:80]!r}, which lies outside of the "
                "folder or is not a valid name on every system. Restore a copy."
            )
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in folded_names:
            raise IntegrityError(
                f"The manifest of {str(folder)!r} names {name!r} twice (ignoring upper and lower "
                "case). Restore a copy."
            )
        folded_names.add(folded)


def _verify_file(folder: Path, name: str, expected: Mapping[str, str]) -> None:
    if sha256_of(folder / name) != expected["sha256"]:
        raise IntegrityError(
            f"File {name!r} of {str(folder)!r} was changed or damaged: its sha256 is not "
            f"{expected['sha256'][:12]}… as recorded. Restore a copy."
        )
