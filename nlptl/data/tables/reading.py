"""Read tables from files, folders and the Hub."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nlptl.base.errors import InputError
from nlptl.base.paths import user_path
from nlptl.base.suggestions import suggest
from nlptl.data.rows import Rows, as_rows
from nlptl.data.tables.cells import arrow_cells, is_blank
from nlptl.data.tables.separated import dialect_of, open_text, rows_of
from nlptl.data.tables.sheet import Sheet

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from datasets import Dataset, DatasetDict

Item = TypeVar("Item")


def read_table(
    source: str | Path, *, split: str | None = None, drop_blank: Sequence[str] = ()
) -> pd.DataFrame:
    """Read a table from a file, a folder written by ``datasets``, or the Hub.

    Parameters
    ----------
    source : str or Path
        A csv, tsv, jsonl or parquet file (csv, tsv and jsonl also as ``.gz`` or ``.bz2``), a
        folder written by ``save_to_disk``, or the name of a data set on the Hub.
    split : str, optional
        Name of the split to read, if a folder or a Hub data set has several.
    drop_blank : sequence of str
        Columns, for example of texts and labels. Rows in which one of these cells is missing or
        white space are dropped, and a warning reports their number.

    Returns
    -------
    DataFrame
        Cells of csv and tsv files are strings without changes ("NA" stays "NA"). Cells of jsonl
        files are JSON values, with None for a missing field. Parquet files keep their types; an
        index that pandas stored becomes a column. Class numbers of ``datasets`` become the names
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
    table = read_sheet(source, split=split).frame
    filled = filled_rows(table, drop_blank) if drop_blank else table
    if len(filled) < len(table):
        n_blank = len(table) - len(filled)
        warnings.warn(
            f"{n_blank} of {len(table)} rows{source_of(table)} are blank and were dropped.",
            stacklevel=2,
        )
    return filled


def read_sheet(source: str | Path, *, split: str | None = None) -> Sheet:
    """Read a table like ``read_table``, together with the exact cells of the file."""
    path = user_path(source)
    if path.is_dir():
        return _from_datasets(lambda: _load_folder(path), str(source), split)
    if path.is_file():
        return next(_sheets_of(path, None))
    if path.suffix or path.is_absolute() or str(source).startswith("."):
        raise InputError(f"There is no file {str(source)!r}. Check the path.")
    return _from_datasets(lambda: _load_hub(str(source), split), str(source), split)


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
    yield from _sheets_of(path, rows)


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
        separator = table.attrs.get(_SEPARATOR)
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
        if _SOURCE not in table.attrs:
            raise
        origin = f"The texts are{source_of(table)}; index 0 is the first data row."
        raise InputError(f"{problem} {origin}") from problem


def source_of(table: pd.DataFrame) -> str:
    """Return " in FILE" for messages about a table; empty if nlptl did not read the table."""
    return f" in {table.attrs[_SOURCE]}" if _SOURCE in table.attrs else ""


def _no_rows(table: pd.DataFrame) -> InputError:
    return InputError(f"The table has no rows{source_of(table)}. Check the file.")


_SOURCE, _SEPARATOR = "source", "separator"
"""Keys in the ``attrs`` of a table, which messages use."""


def _sheets_of(path: Path, rows: int | None) -> Iterator[Sheet]:
    reader = _READERS[_kind_of(path)]
    with _named_problems(path):
        for sheet in reader(path, rows):
            sheet.frame.attrs[_SOURCE] = repr(str(path))
            yield sheet


def _kind_of(path: Path) -> str:
    kind = next((s for s in reversed(path.suffixes) if s not in {".gz", ".bz2"}), "").lower()
    if kind not in _READERS:
        raise InputError(
            f"Cannot read {str(path)!r}: {kind or 'no ending'} is not a kind of table that nlptl "
            f"reads. Use {', '.join(_READERS)}, or a folder written by datasets."
        )
    return kind


@contextmanager
def _named_problems(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except UnicodeDecodeError as problem:
        raise InputError(
            f"{str(path)!r} is not UTF-8: byte {problem.object[problem.start]:#04x} at position "
            f"{problem.start} of the part {problem.object[:60]!r}. Convert it, for example: "
            "iconv -f latin1 -t utf8 OLD > NEW"
        ) from problem
    except (ValueError, OSError, EOFError, NotImplementedError, TypeError) as problem:
        reason = " ".join(str(problem).split())
        raise InputError(f"Cannot read {str(path)!r}: {reason}. Repair the file.") from problem


def _read_separated(path: Path, rows: int | None, usual: str) -> Iterator[Sheet]:
    dialect = dialect_of(path, usual)
    numbered = enumerate(rows_of(path, dialect))
    names = next(numbered, (0, None))[1]
    if names is None:
        raise InputError(f"No columns in {str(path)!r}: the file is empty. Check the file.")
    source = f"{str(path)!r}, read with {dialect.separator!r} between columns"
    for piece in _pieces(_filled_up(numbered, len(names), source), rows):
        frame = _frame(piece, names)
        frame.attrs[_SEPARATOR] = dialect.separator
        yield Sheet(frame)


def _filled_up(
    numbered: Iterable[tuple[int, list[str]]], width: int, source: str
) -> Iterator[list[str | None]]:
    """Fill rows that are shorter than the header with missing cells, and refuse longer rows."""
    for number, row in numbered:
        if len(row) > width:
            raise InputError(
                f"Data row {number} has more fields than the header ({len(row)}, not {width}) in "
                f"{source}. Put quotation marks around a text that contains the separator."
            )
        yield [*row, *[None] * (width - len(row))] if len(row) < width else list(row)


def _pieces(rows: Iterable[Item], size: int | None) -> Iterator[list[Item]]:
    """Split rows into pieces of a size; without a size, yield one piece, even without rows."""
    iterator = iter(rows)
    if size is None:
        yield list(iterator)
        return
    while piece := list(islice(iterator, size)):
        yield piece


def _frame(rows: Sequence[Sequence[object]], names: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    columns: Any = pd.Index(list(names), dtype="object")
    frame: pd.DataFrame = pd.DataFrame(rows, columns=columns, dtype=object)
    return frame


def _read_jsonl(path: Path, rows: int | None) -> Iterator[Sheet]:
    # The reader of pandas would change long numbers, dates and missing fields.
    names = None if rows is None else _field_names(record for _, record in _records(path))
    for piece in _pieces(_records(path), rows):
        lines = [line for line, _ in piece]
        records = [record for _, record in piece]
        chosen = _field_names(records) if names is None else names
        cells = [[record.get(name) for name in chosen] for record in records]
        yield Sheet(_frame(cells, chosen), lines)


def _field_names(records: Iterable[Mapping[str, object]]) -> list[str]:
    names: dict[str, None] = {}
    for record in records:
        if not names.keys() >= record.keys():
            names.update(dict.fromkeys(record))
    return list(names)


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the lines of a file, each with its JSON object."""
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as problem:
                raise ValueError(f"line {number} is not JSON ({problem})") from problem
            if not isinstance(record, dict):
                raise ValueError(f"line {number} is not an object: {line.strip()[:40]!r}")
            yield line.strip(), record


def _read_parquet(path: Path, rows: int | None) -> Iterator[Sheet]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if rows is None:
            yield _sheet_of(file.read())
            return
        pending: list[Any] = []
        for batch in file.iter_batches(batch_size=rows):
            pending.append(batch)
            if sum(map(len, pending)) >= rows:  # a batch ends at the end of each row group
                joined = pa.Table.from_batches(pending)
                yield _sheet_of(joined.slice(0, rows))
                pending = joined.slice(rows).to_batches()
        if sum(map(len, pending)):
            yield _sheet_of(pa.Table.from_batches(pending))


def _sheet_of(arrow: pa.Table) -> Sheet:
    """Return an Arrow table as a sheet, without the metadata of pandas or datasets."""
    plain = arrow.replace_schema_metadata(None)
    return Sheet(plain.to_pandas(integer_object_nulls=True), arrow=plain)


_READERS: MappingProxyType[str, Callable[[Path, int | None], Iterator[Sheet]]] = MappingProxyType(
    {
        ".csv": lambda path, rows: _read_separated(path, rows, ","),
        ".tsv": lambda path, rows: _read_separated(path, rows, "\t"),
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
    }
)
"""Readers by file extension. They take the rows per piece, or None for all rows in one piece."""


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
        sheet = _named_classes(_choose_split(load(), source, split))
        sheet.frame.attrs[_SOURCE] = repr(source)
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


def _choose_split(loaded: Dataset | DatasetDict, source: str, split: str | None) -> Dataset:
    if not isinstance(loaded, dict):
        return loaded
    if split is None and len(loaded) == 1:
        return next(iter(loaded.values()))
    if split not in loaded:
        raise InputError(
            f"{source!r} has several splits, got split={split!r}. {suggest(split or '', loaded)}"
        )
    return loaded[split]


def _named_classes(dataset: Dataset) -> Sheet:
    arrow = dataset.with_format("arrow")[:]
    for index, (name, feature) in enumerate(dataset.features.items()):
        if hasattr(feature, "int2str"):
            names = dict(enumerate(feature.names))
            # Rows without a label, as in published test splits, have the code -1 or no code.
            labels = [names.get(code) for code in arrow.column(index).to_pylist()]
            arrow = arrow.set_column(index, name, arrow_cells(labels))
    return _sheet_of(arrow)
