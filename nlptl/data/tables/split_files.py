"""Find the files of each split in a plain folder, as ``datasets.load_dataset`` does."""

from __future__ import annotations

from collections.abc import Iterable
from glob import escape
from pathlib import Path

from nlptl.data.tables.text_source import ending_of


def files_by_split(folder: Path, endings: Iterable[str]) -> dict[str, list[Path]]:
    """Return the tables in a folder and its subfolders by the split that their names show.

    Parameters
    ----------
    folder : Path
    endings : iterable of str
        Extensions of tables, for example ``".csv"``.

    Returns
    -------
    dict of str to list of Path
        Sorted paths; empty if the folder holds no table.
    """
    from datasets.data_files import DataFilesDict, EmptyDatasetError, get_data_patterns

    allowed = list(endings)
    base = escape(str(folder))  # brackets in its name are no pattern
    try:
        patterns = get_data_patterns(base)
    except EmptyDatasetError:
        return {}
    files_of = DataFilesDict.from_patterns(patterns, base_path=base, allowed_extensions=allowed)
    splits = {
        str(split): sorted(path for path in map(Path, files) if ending_of(path) in allowed)
        for split, files in files_of.items()
    }
    return {split: paths for split, paths in splits.items() if paths}
