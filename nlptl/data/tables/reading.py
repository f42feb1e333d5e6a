"""Read tables from files, folders and the Hub."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nlptl.base.errors import InputError
from nlptl.base.paths import user_path
from nlptl.base.suggestions import suggest
from nlptl.data.rows import Rows, as_rows
from nlptl.data.tables.cells import arrow_cells, is_blank
from nlptl.data.tables.file_readers import (
    READERS,
    SEPARATOR,
    SOURCE,
    named_problems,
    read_jsonl,
    read_separated,
    reader_of,
    sheet_of,
)
from nlptl.data.tables.sheet import Sheet, joined
from nlptl.data.tables.split_files import files_by_split
from nlptl.data.tables.text_source import TextSource, default_encoding, ending_of

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset, DatasetDict

Item = TypeVar("Item")

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
"""Names of data sets on the Hub that have an owner."""


def read_table(
    source: str | Path,
    *,
    split: str | None = None,
    drop_blank: Sequence[str] = (),
    encoding: str | None = None,
) -> pd.DataFrame:
    """Read a table from a file, a folder, or the Hub.

    Parameters
    ----------
    source : str or Path
        A csv, tsv, jsonl, parquet or xlsx file (csv, tsv and jsonl also as ``.gz`` or ``.bz2``), a
        folder written by ``save_to_disk``, a folder with such files, or the name of a data set on
        the Hub. Files of a folder belong to the split in their names, such as ``train.csv``. Of an
        xlsx file, the first sheet is read.
    split : str, optional
        Name of the split to read, if a folder or a Hub data set has several.
    drop_blank : sequence of str
        Columns, for example of texts and labels. Rows in which one of these cells is missing or
        white space are dropped, and a warning reports their number.
    encoding : str, optional
        Encoding of csv, tsv and jsonl files, for example ``"cp1252"``. None is UTF-8, or the
        encoding of a byte-order mark.

    Returns
    -------
    DataFrame
        Cells of csv and tsv files are strings without changes ("NA" stays "NA"). Cells of jsonl
        files are JSON values, with None for a missing field. Parquet files keep their types; an
        index that pandas stored becomes a column. Cells of xlsx files are strings, numbers, dates
        or bool, and a blank cell is an empty string. Class numbers of ``datasets`` become the names
        of the classes.

    Raises
    ------
    InputError
        If there is no such file, its kind is unknown, or it cannot be read. The message names the
        row if possible.

    Notes
    -----
    The usual separator is a comma in csv files and a tab in tsv files. If the header has another
    separator, it is detected: a semicolon, a tab, a comma or a bar. If quotation marks can be read
    in two ways, an error is raised.
    """
    table = read_sheet(source, split=split, encoding=encoding).frame
    filled = filled_rows(table, drop_blank) if drop_blank else table
    if len(filled) < len(table):
        n_blank = len(table) - len(filled)
        warnings.warn(
            f"{n_blank} of {len(table)} rows{source_of(table)} are blank and were dropped.",
            stacklevel=2,
        )
    return filled


def read_sheet(
    source: str | Path, *, split: str | None = None, encoding: str | None = None
) -> Sheet:
    """Read a table like ``read_table``, together with the exact cells of the file."""
    path = user_path(source)
    if path.is_dir():
        if _is_saved_dataset(path):
            return _from_datasets(lambda: _load_folder(path), str(source), split)
        return _from_folder(path, split, encoding)
    if path.is_file():
        return next(_sheets_of(path, None, encoding))
    if _names_a_file(path, str(source)):
        raise InputError(f"There is no file {str(source)!r}. Check the path.")
    return _from_datasets(lambda: _load_hub(str(source), split), str(source), split)


def _names_a_file(path: Path, source: str) -> bool:
    """Return True if a source that does not exist looks like a path, not like a name on the Hub.

    Names on the Hub may contain dots: ``user/reviews-2.5``.
    """
    if path.is_absolute() or source.startswith("."):
        return True
    is_hub_name = bool(_HUB_NAME.fullmatch(source)) and ending_of(path) not in READERS
    return bool(path.suffix) and not (is_hub_name and not path.parent.is_dir())


def sheet_of_bytes(content: bytes, name: str, *, encoding: str | None = None) -> Sheet:
    """Read a csv, tsv or jsonl table from memory. Its kind is detected from the content.

    Parameters
    ----------
    content : bytes
    name : str
        Name of the table in messages, for example ``"standard input"``.
    encoding : str, optional
        As for ``read_table``.

    Raises
    ------
    InputError
        If the content cannot be read.
    """
    encoding = encoding or default_encoding()
    text = TextSource(name, lambda: BytesIO(content), encoding)
    with named_problems(name, encoding):
        with text.open() as lines:
            start = next((line for line in lines if line.strip()), "")
        is_json = start.lstrip().startswith("{")
        sheet = next(read_jsonl(text, None) if is_json else read_separated(text, None, ","))
    sheet.frame.attrs[SOURCE] = name
    return sheet


def read_sheets(source: str | Path, *, rows: int) -> Iterator[Sheet]:
    """Read a file piece by piece, so that it never is in memory as a whole.

    Parameters
    ----------
    source : str or Path
        A file as for ``read_table``.
    rows : int
        Rows per piece; the last piece may have fewer.

    Yields
    ------
    Sheet
        The cells are those of ``read_sheet``.

    Raises
    ------
    InputError
        See ``read_table``.
    """
    path = user_path(source)
    if not path.is_file():
        raise InputError(
            f"There is no file {str(source)!r} to read piece by piece. Check the path."
        )
    yield from _sheets_of(path, rows, None)


def column(table: pd.DataFrame, name: str) -> list[Any]:
    """Return one column of a table as a list.

    Raises
    ------
    InputError
        If there are no rows or no such column. The message suggests the most similar name.
    """
    names = [str(label) for label in table.columns]
    if name not in names:
        if not names:
            raise _no_rows(table)
        separator = table.attrs.get(SEPARATOR)
        note = f" It was read with {separator!r} between columns." if separator else ""
        raise InputError(
            f"There is no column {name!r}{source_of(table)}. {suggest(name, names)}{note}"
        )
    if names.count(name) > 1:
        raise InputError(
            f"{names.count(name)} columns are called {name!r}{source_of(table)}. Rename them."
        )
    if not len(table):
        raise _no_rows(table)
    return list(table.iloc[:, names.index(name)].tolist())


def filled_rows(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a table in which no cell of some columns is blank."""
    blank = [map(is_blank, column(table, name)) for name in columns]
    is_filled = [not any(cells) for cells in zip(*blank, strict=True)]
    return table if all(is_filled) else table.iloc[np.flatnonzero(is_filled)]


def texts_of(table: pd.DataFrame, columns: Sequence[str]) -> Rows:
    """Read texts from one column of a table, or pairs of texts from two columns.

    Raises
    ------
    InputError
        If a column is missing, there are no rows, or a text is missing or blank.
    """
    sides = [column(table, name) for name in columns]
    try:
        return as_rows(sides[0] if len(sides) == 1 else list(zip(*sides, strict=True)))
    except InputError as problem:
        if SOURCE not in table.attrs:
            raise
        origin = f"The texts are{source_of(table)}; index 0 is the first data row."
        raise InputError(f"{problem} {origin}") from problem


def source_of(table: pd.DataFrame) -> str:
    """Return " in FILE" for messages about a table; empty if nlptl did not read the table."""
    return f" in {table.attrs[SOURCE]}" if SOURCE in table.attrs else ""


def _no_rows(table: pd.DataFrame) -> InputError:
    return InputError(f"The table has no rows{source_of(table)}. Check the file.")


def _sheets_of(path: Path, rows: int | None, encoding: str | None) -> Iterator[Sheet]:
    reader, encoding = reader_of(path), encoding or default_encoding()
    with named_problems(repr(str(path)), encoding):
        for sheet in reader(path, rows, encoding):
            sheet.frame.attrs[SOURCE] = repr(str(path))
            yield sheet


def _from_folder(path: Path, split: str | None, encoding: str | None) -> Sheet:
    """Read one split of a folder with tables."""
    files = files_by_split(path, READERS)
    if not files:
        raise InputError(
            f"Folder {str(path)!r} holds no table and no data set written by datasets. Put "
            f"{', '.join(READERS)} files into it, for example train.csv and test.csv."
        )
    sheets = [
        next(_sheets_of(file, None, encoding)) for file in _choose_split(files, str(path), split)
    ]
    with named_problems(repr(str(path))):
        _check_same_columns(sheets)
        sheet = joined(sheets)
    if len(sheets) > 1:
        sheet.frame.attrs[SOURCE] = repr(str(path))
    return sheet


def _check_same_columns(sheets: Sequence[Sheet]) -> None:
    first, *others = ([str(name) for name in sheet.frame.columns] for sheet in sheets)
    for sheet, names in zip(sheets[1:], others, strict=True):
        if sorted(names) != sorted(first):
            raise InputError(
                f"Files of one split need the same columns, got {first}"
                f"{source_of(sheets[0].frame)} and {names}{source_of(sheet.frame)}. Name one file "
                "instead of the folder."
            )


def _is_saved_dataset(path: Path) -> bool:
    """Return True if ``datasets`` wrote a folder with ``save_to_disk``."""
    return any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))


def _load_folder(path: Path) -> Dataset | DatasetDict:
    from datasets import load_from_disk

    return load_from_disk(str(path))


def _load_hub(name: str, split: str | None) -> Dataset | DatasetDict:
    from datasets import load_dataset

    return load_dataset(name, split=split)


def _from_datasets(
    load: Callable[[], Dataset | DatasetDict], source: str, split: str | None
) -> Sheet:
    try:
        loaded = load()
        several = isinstance(loaded, dict)
        sheet = _named_classes(_choose_split(loaded, source, split) if several else loaded)
        sheet.frame.attrs[SOURCE] = repr(source)
        return sheet
    except InputError:
        raise
    except Exception as problem:
        reason = " ".join(str(problem).split())[:300]
        raise InputError(
            f"Cannot read data set {source!r} ({type(problem).__name__}: {reason}). "
            "It is neither a file, nor a folder written by datasets, nor reachable on the Hub. "
            "Check the name."
        ) from problem


def _choose_split(splits: Mapping[str, Item], source: str, split: str | None) -> Item:
    if split is None and len(splits) == 1:
        return next(iter(splits.values()))
    if split is None or split not in splits:
        reason = "has several splits" if split is None else "has no such split"
        raise InputError(
            f"{source!r} {reason}, got split={split!r}. {suggest(split or '', splits)}"
        )
    return splits[split]


def _named_classes(dataset: Dataset) -> Sheet:
    arrow = dataset.with_format("arrow")[:]
    for index, (name, feature) in enumerate(dataset.features.items()):
        if hasattr(feature, "int2str"):
            names = dict(enumerate(feature.names))
            # Rows without a label, as in published test splits, have the code -1 or no code.
            labels = [names.get(code) for code in arrow.column(index).to_pylist()]
            arrow = arrow.set_column(index, name, arrow_cells(labels))
    return sheet_of(arrow)
