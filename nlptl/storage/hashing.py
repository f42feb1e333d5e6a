"""Hashes of files and settings, and checksums of folders."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from nlptl.base.described import plain_value
from nlptl.storage.untrusted import open_regular

_CHECKSUMS = "checksums.json"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a regular file in hexadecimal; refuse pipes and devices."""
    total = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def sha256_once(path: Path) -> str:
    """Return the sha256 of a file from a cache, until its size or modification time changes."""
    stat = path.stat()
    return _cached_sha256(path.absolute(), (stat.st_size, stat.st_mtime_ns))


def content_hash(folder: Path, files: Iterable[Path]) -> str:
    """Return a hash of some files of a folder, equal for equal names and contents."""
    return fingerprint({path.relative_to(folder).as_posix(): sha256_once(path) for path in files})


def fingerprint(settings: object) -> str:
    """Return a short hash of settings made of plain JSON values, equal for equal settings."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=plain_value)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@lru_cache(maxsize=256)
def _cached_sha256(path: Path, _state: tuple[int, int]) -> str:
    return sha256_of(path)


def write_checksums(folder: Path) -> None:
    """Write the CRC-32 of every file of a reproducible folder into that folder.

    Folders that cannot be produced again have a manifest instead. Its hashes are slower.
    """
    (folder / _CHECKSUMS).write_text(json.dumps(_checksums(folder)), encoding="utf-8")


def has_checksums(folder: Path) -> bool:
    """Return True if no file of a folder changed since ``write_checksums`` was called."""
    try:
        recorded = json.loads((folder / _CHECKSUMS).read_text(encoding="utf-8"))
        return bool(recorded == _checksums(folder))
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
