"""Write the scored blocks of a large table to part files with their sha256 in the name."""

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
from nlptl.base.inputs import JsonObject
from nlptl.data.tables.writing import table_format
from nlptl.storage.atomic import new_file, unwritable, write_file
from nlptl.storage.drafts import sweep_drafts
from nlptl.storage.hashing import sha256_of
from nlptl.storage.untrusted import read_json

_SETTINGS = "settings.json"
_NAME = re.compile(r"(\d{7,})-(\d+)-([0-9a-f]{64})\.part")


@dataclass(frozen=True)
class Output:
    """Output file that is joined from parts, with a folder of parts and a record next to it.

    Attributes
    ----------
    path : Path
        The output file.
    """

    path: Path

    @property
    def folder(self) -> Path:
        """Folder of the parts until the file is complete."""
        return self.path.with_name(self.path.name + ".parts")

    @property
    def record(self) -> Path:
        """JSON file with the settings, the number of rows and the sha256 of the file."""
        return self.path.with_name(self.path.name + ".json")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the file against other runs inside the block. A killed process releases the lock.

        Raises
        ------
        StorageError
            If another run is writing this file.
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
                f"Another run is writing {str(self.path)!r} now. Wait until it has finished."
            ) from problem
        except OSError as problem:
            raise unwritable(path, problem) from problem
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            lock.release()

    def finished(self, settings: JsonObject) -> dict[str, Any] | None:
        """Return the record if the file is complete and was made with these settings."""
        record = _read_json(self.record)
        if record is None or record.get("settings") != settings or not self.path.is_file():
            return None
        return record if record.get("sha256") == sha256_of(self.path) else None

    def open(self, settings: JsonObject, *, overwrite: bool) -> None:
        """Create the folder of the parts, or continue with a folder of the same settings.

        Raises
        ------
        StorageError
            If the folder or the file has other settings, and ``overwrite`` is False.
        """
        earlier = _read_json(self.folder / _SETTINGS)
        if earlier == settings:
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            if not overwrite:
                raise _made_otherwise(
                    self.folder, "holds parts that were written", earlier, settings
                )
            _remove_parts(self.folder)
        elif self.path.exists() and not overwrite:
            recorded = (_read_json(self.record) or {}).get("settings")
            raise _made_otherwise(self.path, "was written", recorded, settings)
        _write_json(self.folder / _SETTINGS, settings)

    def keep(self, number: int, content: bytes, *, rows: int) -> None:
        """Write one part completely or not at all. Its name holds the sha256 of its content."""
        name = f"{number:07d}-{rows}-{sha256(content).hexdigest()}.part"
        write_file(self.folder / name, content)

    def verified(self) -> tuple[list[int], int]:
        """Return the numbers of the intact parts, and how many parts were damaged.

        This removes damaged parts, and drafts that a killed process left. No other process may
        write parts at the same time.
        """
        intact, damaged = [], 0
        for path in sorted(self.folder.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match and sha256_of(path) == match[3]:
                intact.append(int(match[1]))
            elif match or path.name.startswith("."):
                path.unlink()
                damaged += bool(match)
        return sorted(set(intact)), damaged

    def join(
        self, n_parts: int, settings: JsonObject, *, n_rows: int | None = None
    ) -> dict[str, Any]:
        """Write the file from its parts in order, write the record, and remove the parts.

        Parameters
        ----------
        n_parts : int
            Expected number of parts.
        settings : dict
            Settings for the record.
        n_rows : int or None
            Number of rows that were read. It must equal the rows of all parts. None skips this
            check.

        Returns
        -------
        dict
            The record: rows, sha256, settings.

        Raises
        ------
        IntegrityError
            If a part is missing or damaged, or the parts have more or fewer rows than were read.
        """
        parts = {
            int(m[1]): m for path in self.folder.iterdir() if (m := _NAME.fullmatch(path.name))
        }
        wrong = [i for i in range(n_parts) if not self._is_whole(parts.get(i))]
        if wrong or len(parts) != n_parts:
            raise IntegrityError(
                f"{str(self.folder)!r} has {len(parts)} parts of {n_parts}; missing or damaged: "
                f"{wrong[:5]}. Run the same command again to score the missing parts."
            )
        in_order = [parts[i] for i in range(n_parts)]
        rows = sum(int(match[2]) for match in in_order)
        if n_rows not in (None, rows):
            raise IntegrityError(
                f"{n_rows} rows were read and the parts in {str(self.folder)!r} have {rows} rows. "
                "Run the same command with --overwrite."
            )
        with new_file(self.path) as file:
            table_format(self.path).join([self.folder / match[0] for match in in_order], file)
        record = {"rows": rows, "sha256": sha256_of(self.path), "settings": settings}
        _write_json(self.record, record)
        self.clear()
        return record

    def clear(self) -> None:
        """Remove the parts."""
        _remove_parts(self.folder)

    def _is_whole(self, match: re.Match[str] | None) -> bool:
        return match is not None and sha256_of(self.folder / match[0]) == match[3]


def _remove_parts(folder: Path) -> None:
    """Remove a folder of parts, with its settings last: they identify the remaining parts."""
    if not folder.is_dir():
        return
    foreign = [p for p in folder.iterdir() if not (_NAME.fullmatch(p.name) or _is_own(p.name))]
    if foreign:
        raise StorageError(
            f"{str(folder)!r} may hold only parts, got {foreign[0].name!r}. Move it elsewhere."
        )
    for part in sorted(folder.iterdir(), key=lambda path: path.name == _SETTINGS):
        part.unlink()
    shutil.rmtree(folder)


def _is_own(name: str) -> bool:
    return name == _SETTINGS or name.startswith(".")


def _made_otherwise(
    path: Path, what: str, earlier: JsonObject | None, settings: JsonObject
) -> StorageError:
    """Return the error for a path with earlier settings. None means unknown settings."""
    if earlier is None:
        reason = "with unknown settings"
    elif earlier == settings:
        reason = "with these settings and has changed since"
    else:
        changed = [name for name in settings if earlier.get(name) != settings[name]]
        reason = f"with other settings: {', '.join(changed)} differ"
    return StorageError(
        f"{str(path)!r} {what} {reason}. Choose another output, or replace it with --overwrite."
    )


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except OSError:
        return None
    return content if isinstance(content, dict) else None


def _write_json(path: Path, content: JsonObject) -> None:
    write_file(path, (json.dumps(content, indent=1) + "\n").encode())
