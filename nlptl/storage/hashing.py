"""Fingerprints of files and of settings, and checksums of folders."""

from __future__ import annotations

import hashlib
import json
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from nlptl.storage.untrusted import open_regular

_CHECKSUMS = "checksums.json"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal; a pipe or a device is refused."""
    total = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def sha256_once(path: Path) -> str:
    """Give the sha256 of a file, hashed again only after its size or time of change has changed."""
    stat = path.stat()
    return _remembered(path.absolute(), (stat.st_size, stat.st_mtime_ns))


def fingerprint(settings: Any) -> str:
    """Give a short name for settings made of plain JSON values, equal for equal settings."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@lru_cache(maxsize=256)
def _remembered(path: Path, _state: tuple[int, int]) -> str:
    return sha256_of(path)


def write_checksums(folder: Path) -> None:
    """Write the CRC-32 of every file of a folder that can be made again into the folder.

    A folder that cannot be made again has a manifest instead, whose hashes are slower.
    """
    (folder / _CHECKSUMS).write_text(json.dumps(_checksums(folder)), encoding="utf-8")


def has_checksums(folder: Path) -> bool:
    """Return True if every file of a folder is as it was when ``write_checksums`` was called."""
    try:
        kept = json.loads((folder / _CHECKSUMS).read_text(encoding="utf-8"))
        return bool(kept == _checksums(folder))
    except (OSError, ValueError):
        return False


def _checksums(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): _crc32_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _CHECKSUMS
    }


def _crc32_of(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total = zlib.crc32(block, total)
    return total
