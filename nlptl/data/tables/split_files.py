"""Find the files of each split in a plain folder, as ``datasets.load_dataset`` does."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

from nlptl.data.tables.text_source import ending_of

_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}")
"""Name of a file of a data set of the Hub, for example ``train-00000-of-00002.parquet``."""

_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "dev", "val"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""Splits by the words that name them in files and folders."""


def files_by_split(folder: Path, endings: Container[str]) -> dict[str, list[Path]]:
    """Return the tables in a folder and its subfolders by the split that their names show.

    Files whose name shows no split are left out if another file has one. Otherwise all files
    are the split ``train``.

    Parameters
    ----------
    folder : Path
    endings : container of str
        Extensions of tables, for example ``".csv"``.

    Returns
    -------
    dict of str to list of Path
        Sorted paths; empty if the folder holds no table.
    """
    tables = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and ending_of(path) in endings
        and not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
    ]
    splits: dict[str, list[Path]] = {}
    for path in tables:
        split = _split_of(path.relative_to(folder))
        if split is not None:
            splits.setdefault(split, []).append(path)
    return splits or ({"train": tables} if tables else {})


def _split_of(path: Path) -> str | None:
    """Return the split that the folders or the name of a file show."""
    split = _named_split("/".join(path.parent.parts))
    shard = _SHARD.fullmatch(path.name.partition(".")[0])
    return split or (shard[1] if shard else _named_split(path.name))


def _named_split(name: str) -> str | None:
    words = re.split(r"[-._ 0-9/]+", name.lower())
    return next((_SPLITS[word] for word in words if word in _SPLITS), None)
