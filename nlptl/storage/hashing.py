"""Fingerprints of files and of settings."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from nlptl.storage.reading import open_regular


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
