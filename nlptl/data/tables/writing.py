"""Write tables into files, completely or as pieces that are joined later."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO

from nlptl.base.errors import ConfigError, InputError, IntegrityError
from nlptl.base.suggestions import suggest
from nlptl.data.tables.cells import arrow_cells, cell_text, json_line
from nlptl.data.tables.separated import MAX_FIELD
from nlptl.data.tables.sheet import Sheet

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class TableFormat:
    """Writer for one kind of table file.

    Attributes
    ----------
    ending : str
        Extension of the file names, for example ``".csv"``.
    write : callable
        Takes a sheet, and True to include a header. Returns the bytes of the file.
    count : callable
        Takes bytes, and True if they include a header. Returns their number of rows.
    join : callable
        Takes the paths of the pieces in order and an open file. Writes all rows into the file.
    """

    ending: str
    write: Callable[[Sheet, bool], bytes]
    count: Callable[[bytes, bool], int]
    join: Callable[[Sequence[Path], BinaryIO], None]

    def encode(self, table: Sheet | pd.DataFrame) -> bytes:
        """Return the bytes of a complete file.

        Raises
        ------
        InputError
            If this kind of file cannot hold a cell or the names of the columns.
        IntegrityError
            If the number of rows in the bytes differs from the table.
        """
        return self._checked(table, header=True)

    def encode_more(self, table: Sheet | pd.DataFrame) -> bytes:
        """Return the bytes to append to an earlier piece; raises the same errors as ``encode``."""
        return self._checked(table, header=False)

    def _checked(self, table: Sheet | pd.DataFrame, *, header: bool) -> bytes:
        sheet = table if isinstance(table, Sheet) else Sheet(table)
        content = self.write(sheet, header)
        n_rows = self.count(content, header)
        if n_rows != len(sheet):
            raise IntegrityError(
                f"{len(sheet)} rows became {n_rows} rows of a {self.ending} file. Nothing was "
                "written. Choose another kind of file, and report this as a bug."
            )
        return content


def table_format(path: str | Path) -> TableFormat:
    """Return the table format for the extension of a path.

    Raises
    ------
    ConfigError
        If there is no table format with this extension.
    """
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise ConfigError(f"Cannot write {str(path)!r}: {suggest(ending, _FORMATS)}")
    return _FORMATS[ending]


def _separated(ending: str, separator: str) -> TableFormat:
    def write(sheet: Sheet, header: bool) -> bytes:
        names = [[str(name) for name in sheet.frame.columns]] if header else []
        text = "".join(_separated_lines([*names, *_cells(sheet.frame)], separator))
        return _encoded(text, sheet.frame)

    def count(content: bytes, header: bool) -> int:
        csv.field_size_limit(MAX_FIELD)
        rows = csv.reader(StringIO(content.decode(), newline="\n"), delimiter=separator)
        return sum(1 for row in rows if row) - header

    return TableFormat(ending, write, count, _append)


def _cells(frame: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    columns = (_values(frame.iloc[:, index]) for index in range(frame.shape[1]))
    return zip(*([cell_text(cell) for cell in cells] for cells in columns), strict=True)


def _values(column: pd.Series[Any]) -> list[Any]:
    """Return the cells of a column; float16 and float32 keep their short decimal form."""
    if column.dtype in ("float16", "float32"):
        return [float(str(cell)) for cell in column.to_numpy()]
    return list(column.tolist())


def _separated_lines(rows: Sequence[Sequence[str]], separator: str) -> Iterator[str]:
    r"""Yield the lines of rows so that line breaks inside cells are not read as ends of rows.

    Python's writer quotes a line break only if it is part of the writer's own line end. That is
    therefore ``"\r\n"`` first and is replaced afterwards. If the lines of one cell look like
    separate rows, every cell of the row is quoted, so that the reader of this package reads one
    row.
    """
    lines: list[str] = []
    options: dict[str, Any] = {"delimiter": separator, "lineterminator": "\r\n"}
    plain = csv.writer(SimpleNamespace(write=lines.append), **options)
    quoted = csv.writer(
        SimpleNamespace(write=lines.append),
        quoting=csv.QUOTE_ALL,
        **options,
    )
    for row in rows:
        several_lines = any("\n" in cell and separator in cell for cell in row)
        every_line_is_a_row = separator == "\t" and len(row) == 1
        try:
            (quoted if several_lines or every_line_is_a_row else plain).writerow(row)
        except csv.Error as problem:  # Python 3.10 cannot write the character NUL
            raise InputError(
                f"Python {sys.version_info.major}.{sys.version_info.minor} cannot write a row as "
                f"csv or tsv: {problem}. Write .jsonl, or use Python 3.11 or later."
            ) from problem
    return (line[:-2] + "\n" for line in lines)


def _write_lines(sheet: Sheet, _header: bool) -> bytes:
    if sheet.lines is not None:
        return "".join(f"{line}\n" for line in sheet.lines).encode()
    names = _distinct_names(sheet.frame, ".jsonl")
    columns = [_values(sheet.frame.iloc[:, index]) for index in range(len(names))]
    rows = zip(*columns, strict=True) if columns else iter([()] * len(sheet))
    text = "".join(json_line(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    return _encoded(text, sheet.frame)


def _count_lines(content: bytes, _header: bool) -> int:
    return content.count(b"\n")


def _write_parquet(sheet: Sheet, _header: bool) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = sheet.arrow
    if arrow is None:
        names = _distinct_names(sheet.frame, ".parquet")
        columns = [sheet.frame.iloc[:, index] for index in range(len(names))]
        try:
            arrow = pa.table([_arrow_column(column) for column in columns], names=names)
        except UnicodeEncodeError as problem:
            raise _half_character(sheet.frame, problem) from problem
    content = BytesIO()
    pq.write_table(arrow, content)
    return content.getvalue()


def _arrow_column(column: pd.Series[Any]) -> pa.Array:
    import pyarrow as pa

    return arrow_cells(column.tolist()) if column.dtype == object else pa.Array.from_pandas(column)


def _count_parquet(content: bytes, _header: bool) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(BytesIO(content)).num_rows)


def _distinct_names(frame: pd.DataFrame, ending: str) -> list[str]:
    names = [str(name) for name in frame.columns]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise InputError(
            f"{len(repeated)} columns are called {repeated[0]!r}, but names must be unique in a "
            f"{ending} file. Rename them, or write a .csv file."
        )
    return names


def _encoded(text: str, frame: pd.DataFrame) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as problem:
        raise _half_character(frame, problem) from problem


def _half_character(frame: pd.DataFrame, problem: UnicodeEncodeError) -> InputError:
    """Return an error that names the cell with half of a character (a lone surrogate)."""
    half = problem.object[problem.start]
    for index, name in enumerate(frame.columns):
        for row, cell in enumerate(frame.iloc[:, index].tolist(), start=1):
            if half in cell_text(cell):
                return InputError(
                    f"Column {name!r} holds half of a character ({half!r}) in data row {row} of "
                    f"{len(frame)}. Repair it, or write a .jsonl file from a .jsonl file: its "
                    "cells are copied as they are."
                )
    return InputError(f"The name of a column holds half of a character ({half!r}). Rename it.")


def _append(pieces: Sequence[Path], file: BinaryIO) -> None:
    for piece in pieces:
        with piece.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)


def _join_parquet(pieces: Sequence[Path], file: BinaryIO) -> None:
    """Write one row group per piece, with column types that hold the values of all pieces."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = [pq.read_schema(piece) for piece in pieces]
    schema = schemas[0]
    try:
        if not all(other.equals(schema) for other in schemas):
            schema = pa.unify_schemas([_plain(s) for s in schemas], promote_options="permissive")
        with pq.ParquetWriter(file, schema) as writer:
            for piece in pieces:
                writer.write_table(_read_piece(piece).cast(schema))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as problem:
        reason = " ".join(str(problem).split())
        raise InputError(
            f"The cells of a column have types that a .parquet column cannot hold together: "
            f"{reason}. Write a .jsonl or .csv file."
        ) from problem


def _read_piece(piece: Path) -> pa.Table:
    import pyarrow.parquet as pq

    with pq.ParquetFile(piece) as file:
        return file.read()


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return a schema without pandas metadata and categories, which differ between pieces."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(field.name, field.type.value_type)
            if pa.types.is_dictionary(field.type)
            else pa.field(field.name, field.type)
            for field in schema
        ]
    )


_FORMATS = MappingProxyType(
    {
        kind.ending: kind
        for kind in (
            _separated(".csv", ","),
            _separated(".tsv", "\t"),
            TableFormat(".jsonl", _write_lines, _count_lines, _append),
            TableFormat(".parquet", _write_parquet, _count_parquet, _join_parquet),
        )
    }
)
