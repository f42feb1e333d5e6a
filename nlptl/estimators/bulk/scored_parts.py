"""The scored pieces of a large table, each a file whose name holds its sha256."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nlptl.base.errors import IntegrityError, StorageError
from nlptl.data.tables.table_writing import table_format
from nlptl.storage.atomic import new_file, unwritable, write_file
from nlptl.storage.drafts import sweep_drafts
from nlptl.storage.hashing import sha256_of
from nlptl.storage.untrusted import read_json

_SETTINGS = "settings.json"
_NAME = re.compile(r"(\d{7,})-(\d+)-([0-9a-f]{64})\.part")


@dataclass(frozen=True)
class Output:
    """A file that is put together from parts, with the folder of the parts and a record beside it.

    Attributes
    ----------
    path : Path
        The file.
    """

    path: Path

    @property
    def folder(self) -> Path:
        """Where the parts lie until the file is whole."""
        return self.path.with_name(self.path.name + ".parts")

    @property
    def record(self) -> Path:
        """What the file was made with, and its sha256."""
        return self.path.with_name(self.path.name + ".json")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs away inside the block; a process that is killed lets go at once.

        Raises
        ------
        StorageError
            If another run is at work on this file.
        """
        path = self.path.with_name(f".{self.path.name}.lock")
        lock = FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
            for written in (self.path, self.record):
                sweep_drafts(written.parent, written.name)
        except Timeout as problem:
            raise StorageError(
                f"Another run is writing {str(self.path)!r} at this moment. Wait until it is done."
            ) from problem
        except OSError as problem:
            raise unwritable(path, problem) from problem
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            lock.release()

    def finished(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        """Give the record if the file is there, whole, and made with these settings."""
        kept = _read_json(self.record)
        if kept is None or kept.get("settings") != settings or not self.path.is_file():
            return None
        return kept if kept.get("sha256") == sha256_of(self.path) else None

    def open(self, settings: dict[str, Any], *, overwrite: bool) -> None:
        """Make the folder of the parts, or take it up again.

        Raises
        ------
        StorageError
            If the folder or the file is there with other settings, and ``overwrite`` is False.
        """
        kept = _read_json(self.folder / _SETTINGS)
        if kept == settings:
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            if not overwrite:
                raise _made_otherwise(self.folder, "holds parts", kept, settings)
            _remove_parts(self.folder)
        elif self.path.exists() and not overwrite:
            made = (_read_json(self.record) or {}).get("settings")
            raise _made_otherwise(self.path, "was written", made, settings)
        _write_json(self.folder / _SETTINGS, settings)

    def keep(self, number: int, content: bytes, *, rows: int) -> None:
        """Write one part; it appears whole, under a name that tells what its bytes must be."""
        name = f"{number:07d}-{rows}-{sha256(content).hexdigest()}.part"
        write_file(self.folder / name, content)

    def verified(self) -> tuple[list[int], int]:
        """Give the numbers of the parts that are whole, and how many were damaged.

        Damaged parts, and drafts that a killed process left, are removed. Nobody may be
        writing parts meanwhile.
        """
        whole, damaged = [], 0
        for path in sorted(self.folder.iterdir()):
            named = _NAME.fullmatch(path.name)
            if named and sha256_of(path) == named[3]:
                whole.append(int(named[1]))
            elif named or path.name.startswith("."):
                path.unlink()
                damaged += bool(named)
        return sorted(set(whole)), damaged

    def join(
        self, n_parts: int, settings: dict[str, Any], *, n_rows: int | None = None
    ) -> dict[str, Any]:
        """Write the file from its parts in order, then the record; remove the parts.

        Parameters
        ----------
        n_parts : int
        settings : dict
            What the file is made with.
        n_rows : int or None
            Rows that were read; None does not compare them with the rows of the parts.

        Returns
        -------
        dict
            The record: rows, sha256, settings.

        Raises
        ------
        IntegrityError
            If a part is missing or damaged, or the parts have more or fewer rows than were read.
        """
        found = {
            int(n[1]): n for path in self.folder.iterdir() if (n := _NAME.fullmatch(path.name))
        }
        wrong = [i for i in range(n_parts) if not self._is_whole(found.get(i))]
        if wrong or len(found) != n_parts:
            raise IntegrityError(
                f"{str(self.folder)!r} has {len(found)} parts of {n_parts}; missing or damaged: "
                f"{wrong[:5]}. Run the same command again: what is missing is scored anew."
            )
        in_order = [found[i] for i in range(n_parts)]
        rows = sum(int(name[2]) for name in in_order)
        if n_rows not in (None, rows):
            raise IntegrityError(
                f"{n_rows} rows were read and the parts in {str(self.folder)!r} have {rows}. "
                "Run the same command with --overwrite."
            )
        with new_file(self.path) as file:
            table_format(self.path).join([self.folder / name[0] for name in in_order], file)
        record = {"rows": rows, "sha256": sha256_of(self.path), "settings": settings}
        _write_json(self.record, record)
        self.clear()
        return record

    def clear(self) -> None:
        """Remove the parts."""
        _remove_parts(self.folder)

    def _is_whole(self, named: re.Match[str] | None) -> bool:
        return named is not None and sha256_of(self.folder / named[0]) == named[3]


def _remove_parts(folder: Path) -> None:
    """Remove a folder of parts, the settings last: a rest without them would belong to nobody."""
    if not folder.is_dir():
        return
    foreign = [p for p in folder.iterdir() if not (_NAME.fullmatch(p.name) or _is_own(p.name))]
    if foreign:
        raise StorageError(
            f"{str(folder)!r} holds {foreign[0].name!r}, which is no part. Move it elsewhere."
        )
    for part in sorted(folder.iterdir(), key=lambda path: path.name == _SETTINGS):
        part.unlink()
    shutil.rmtree(folder)


def _is_own(name: str) -> bool:
    return name == _SETTINGS or name.startswith(".")


def _made_otherwise(
    path: Path, what: str, kept: dict[str, Any] | None, settings: dict[str, Any]
) -> StorageError:
    if kept is None:
        reason = "nobody knows with which settings"
    elif kept == settings:
        reason = "and changed since"
    else:
        changed = [name for name in settings if kept.get(name) != settings[name]]
        reason = f"with other settings: {', '.join(changed)} differ"
    return StorageError(
        f"{str(path)!r} {what}, {reason}. Choose another output, or replace it with --overwrite."
    )


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = read_json(path)
    except OSError:
        return None
    return found if isinstance(found, dict) else None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_file(path, (json.dumps(content, indent=1) + "\n").encode())
