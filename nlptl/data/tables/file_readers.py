"""Read the tables in files, each kind with its own reader."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from nlptl.base.errors import InputError, NlptlError
from nlptl.base.optional_packages import require
from nlptl.data.tables.separated import dialect_of, rows_of
from nlptl.data.tables.sheet import Sheet
from nlptl.data.tables.text_source import TextSource, encoding_advice, ending_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Item = TypeVar("Item")
Reader: TypeAlias = Callable[[Path, int | None, str | None], Iterator[Sheet]]
"""Takes a path, the rows per piece (None for all rows in one piece) and the encoding of texts."""

SOURCE, SEPARATOR = "source", "separator"
"""Keys in the ``attrs`` of a table, which messages use."""


def reader_of(path: Path) -> Reader:
    """Return the reader for the extension of a file.

    Raises
    ------
    InputError
        If there is no reader for it.
    """
    ending = ending_of(path)
    if ending not in READERS:
        raise InputError(
            f"Cannot read {str(path)!r}: {ending or 'no ending'} is not a kind of table that nlptl "
            f"reads. Use {', '.join(READERS)}, or a folder written by datasets."
        )
    return READERS[ending]


@contextmanager
def named_problems(name: str, encoding: str | None = None) -> Iterator[None]:
    """Report problems of a reader as errors that name the table.

    Raises
    ------
    InputError
        In place of an error of Python or of a package.
    """
    try:
        yield
    except NlptlError:
        raise
    except UnicodeDecodeError as problem:
        raise InputError(
            f"{name} is not {encoding or 'UTF-8'}: byte {problem.object[problem.start]:#04x} at "
            f"position {problem.start} of the part {problem.object[:60]!r}. "
            f"{encoding_advice('cp1252')}"
        ) from problem
    except (ValueError, OSError, EOFError, NotImplementedError, TypeError) as problem:
        reason = " ".join(str(problem).split())
        raise InputError(f"Cannot read {name}: {reason}. Repair the file.") from problem


def read_separated(text: TextSource, rows: int | None, usual: str) -> Iterator[Sheet]:
    """Read a csv or tsv table, whose usual separator is ``usual``."""
    dialect = dialect_of(text, usual)
    numbered = enumerate(rows_of(text, dialect))
    names = next(numbered, (0, None))[1]
    if names is None:
        raise InputError(f"No columns in {text.name}: it is empty. Check where it comes from.")
    source = f"{text.name}, read with {dialect.separator!r} between columns"
    for piece in _pieces(_filled_up(numbered, len(names), source), rows):
        frame = _frame(piece, names)
        frame.attrs[SEPARATOR] = dialect.separator
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


def read_jsonl(text: TextSource, rows: int | None) -> Iterator[Sheet]:
    """Read a table with one JSON object per line."""
    # The reader of pandas would change long numbers, dates and missing fields.
    names = None if rows is None else _field_names(record for _, record in _records(text))
    for piece in _pieces(_records(text), rows):
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


def _records(text: TextSource) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the lines of a table, each with its JSON object."""
    with text.open() as lines:
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


def _read_parquet(path: Path, rows: int | None, _encoding: str | None) -> Iterator[Sheet]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if rows is None:
            yield sheet_of(file.read())
            return
        pending: list[Any] = []
        for batch in file.iter_batches(batch_size=rows):
            pending.append(batch)
            if sum(map(len, pending)) >= rows:  # a batch ends at the end of each row group
                joined = pa.Table.from_batches(pending)
                yield sheet_of(joined.slice(0, rows))
                pending = joined.slice(rows).to_batches()
        if sum(map(len, pending)):
            yield sheet_of(pa.Table.from_batches(pending))


def sheet_of(arrow: pa.Table) -> Sheet:
    """Return an Arrow table as a sheet, without the metadata of pandas or datasets."""
    plain = arrow.replace_schema_metadata(None)
    return Sheet(plain.to_pandas(integer_object_nulls=True), arrow=plain)


def _read_xlsx(path: Path, rows: int | None, _encoding: str | None) -> Iterator[Sheet]:
    import pandas as pd

    require("openpyxl", extra="xlsx")
    options: dict[str, Any] = {"header": None, "dtype": object, "na_filter": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and rules of cells
            table = pd.read_excel(path, engine="openpyxl", **options)
    except Exception as problem:  # openpyxl has many kinds of errors
        raise ValueError(f"it is not an Excel workbook ({problem})") from problem
    filled = [row for row in table.to_numpy().tolist() if any(cell != "" for cell in row)]
    if not filled:
        raise InputError(f"No columns in {str(path)!r}: its first sheet is empty. Check the file.")
    names = [str(cell) for cell in filled[0]]
    yield from (Sheet(_frame(piece, names)) for piece in _pieces(filled[1:], rows))


READERS: MappingProxyType[str, Reader] = MappingProxyType(
    {
        ".csv": lambda path, rows, encoding: read_separated(
            TextSource.of_file(path, encoding), rows, ","
        ),
        ".tsv": lambda path, rows, encoding: read_separated(
            TextSource.of_file(path, encoding), rows, "\t"
        ),
        ".jsonl": lambda path, rows, encoding: read_jsonl(TextSource.of_file(path, encoding), rows),
        ".parquet": _read_parquet,
        ".xlsx": _read_xlsx,
    }
)
"""Readers by file extension."""
