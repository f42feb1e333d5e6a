"""Read the rows of csv and tsv files, and detect their separator, line ends and quotation marks."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nlptl.base.errors import InputError
from nlptl.data.tables.text_source import TextSource

_SEPARATORS = (",", ";", "\t", "|")
_HEAD_CHARACTERS = 1 << 16
_ROWS_TO_COMPARE = 10
MAX_FIELD = 2**31 - 1
"""Maximum characters per cell; the default of Python, 131,072, is too low for long texts."""

_SHIELD = "\udc0d"
"""Placeholder for a carriage return while a row is read; it cannot occur in a UTF-8 file."""

_LINES_LIKE_ROWS = 3
"""Minimum number of lines in a csv cell before its lines can be mistaken for rows."""


@dataclass(frozen=True)
class Dialect:
    r"""Format of a csv or tsv file: how cells are separated and quoted.

    Attributes
    ----------
    separator : str
        Character between cells.
    quoted : bool
        True if quotation marks around a cell are not part of its text.
    line_end : str
        Character at the end of a row. A ``"\r"`` before ``"\n"`` belongs to the line end.
    """

    separator: str
    quoted: bool
    line_end: str = "\n"


def open_text(path: Path) -> IO[str]:
    """Open a plain or compressed text file for reading and skip its byte-order mark."""
    return TextSource.of_file(path).open()


def dialect_of(source: TextSource, usual: str) -> Dialect:
    """Detect the format of a table: its separator, its line ends, and the role of quotation marks.

    Parameters
    ----------
    source : TextSource
    usual : str
        The usual separator for this kind of file. If it does not fit, another separator is
        chosen with which the header and the first rows have the same number of cells.

    Raises
    ------
    InputError
        If quotation marks can be read in two ways, or do not pair up.
    """
    csv.field_size_limit(MAX_FIELD)
    with source.open() as file:
        head = file.read(_HEAD_CHARACTERS)
    line_end = _line_end(head)
    lines = head.split(line_end)
    separator = _separator(lines[:-1] if len(head) == _HEAD_CHARACTERS else lines, usual)
    if not _has_quotes(source):
        return Dialect(separator, quoted=False, line_end=line_end)
    quoted = _Quotes(source, Dialect(separator, quoted=True, line_end=line_end)).are_around_cells()
    return Dialect(separator, quoted, line_end)


def rows_of(source: TextSource, dialect: Dialect) -> Iterator[list[str]]:
    """Yield the rows of a table, the header first, without blank lines.

    Raises
    ------
    InputError
        If a quotation mark is not closed, or text follows a closing quotation mark.
    """
    with source.open(line_end=dialect.line_end) as lines:
        if dialect.quoted:
            yield from _quoted_rows(lines, source, dialect)
            return
        for line in lines:
            row = line.removesuffix(dialect.line_end).rstrip("\r")
            if row:
                yield row.split(dialect.separator)


def _quoted_rows(lines: Iterable[str], source: TextSource, dialect: Dialect) -> Iterator[list[str]]:
    number = 0
    try:
        for row in csv.reader(_shielded(lines), delimiter=dialect.separator, strict=True):
            if row:
                yield [cell.replace(_SHIELD, "\r") if _SHIELD in cell else cell for cell in row]
                number += 1
    except csv.Error as problem:
        raise _misquoted(source, dialect, number, str(problem)) from problem


def _shielded(lines: Iterable[str]) -> Iterator[str]:
    """Replace carriage returns inside lines, because Python's reader would end a row there.

    Several before a line feed count as one: programs on Windows write them by mistake.
    """
    for line in lines:
        cells = line.removesuffix("\n")
        if cells.endswith("\r"):
            has_line_feed = len(cells) < len(line)
            cells = cells.rstrip("\r") if has_line_feed else cells[:-1]
        end = line[len(cells) :][-2:]  # "", "\n", "\r\n" or "\r"
        yield cells.replace("\r", _SHIELD) + end


def _line_end(head: str) -> str:
    """Return the line end of the first line; files of very old systems use a carriage return."""
    first = head.lstrip("\r\n")
    position = first.find("\r")
    if position < 0 or "\n" in first[:position] or first[position:].lstrip("\r")[:1] == "\n":
        return "\n"
    return "\r"


def _separator(lines: Sequence[str], usual: str) -> str:
    filled = [line + "\n" for line in lines if line.strip()]
    some = filled[: _ROWS_TO_COMPARE + 1]
    for separator in (usual, *_SEPARATORS):
        try:
            rows = list(csv.reader(some, delimiter=separator))
        except csv.Error:
            continue
        if len(rows) > 1 and len(filled) > len(some):
            rows.pop()  # the last row may continue in lines that are not compared
        widths = {len(row) for row in rows}
        if len(widths) == 1 and widths != {1}:
            return separator
    return usual


def _has_quotes(source: TextSource) -> bool:
    with source.open() as file:
        return any('"' in block for block in iter(lambda: file.read(1 << 20), ""))


class _Quotes:
    """Decide if quotation marks surround the cells of a file or belong to its texts.

    A file can be valid in both ways, with different rows. If a text starts with a quotation mark,
    the cell may seem to continue until a later text ends with one.
    """

    def __init__(self, source: TextSource, dialect: Dialect) -> None:
        self.source = source
        self.dialect = dialect
        self.width = 0
        self.rows = 0
        self.n_lines = 0
        self.lines_are_rows = True
        self.rows_are_short = False
        self.doubtful: int | None = None

    def are_around_cells(self) -> bool:
        """Return True if quotation marks surround cells, False if they belong to the texts."""
        separator = self.dialect.separator
        row_lines: list[str] = []
        with self.source.open(line_end=self.dialect.line_end) as lines:
            recorded = self._recorded(lines, row_lines)
            try:
                for row in csv.reader(recorded, delimiter=separator, strict=True):
                    if not self.width and row:
                        self.width = len(row)
                        if '"' in row_lines[0]:
                            return True
                    elif row:
                        self._add(row, row_lines)
                    row_lines.clear()
            except csv.Error as problem:
                if self._reads_by_lines(row_lines) and all(map(self._is_row, recorded)):
                    return False
                raise _misquoted(
                    self.source, self.dialect, self.rows + 1, str(problem), "".join(row_lines)
                ) from problem
        if self.lines_are_rows and self.doubtful is not None:
            raise self._ambiguous(self.doubtful)
        return not (self._is_tsv and self.lines_are_rows and self.rows_are_short)

    def _recorded(self, lines: Iterable[str], row_lines: list[str]) -> Iterator[str]:
        for line in _shielded(lines):
            row_lines.append(line)
            self.n_lines += bool(line.strip("\r\n"))
            yield line

    def _add(self, row: list[str], row_lines: list[str]) -> None:
        self.rows += 1
        self.lines_are_rows = self.lines_are_rows and all(map(self._is_row, row_lines))
        self.rows_are_short = self.rows_are_short or len(row) != self.width
        if len(row_lines) > 1 and self.doubtful is None and self._may_be_rows(row_lines):
            self.doubtful = self.rows

    def _is_row(self, line: str) -> bool:
        return not line.strip("\r\n") or line.count(self.dialect.separator) == self.width - 1

    def _may_be_rows(self, row_lines: list[str]) -> bool:
        """Return True if the lines of one cell look like separate rows."""
        if self._is_tsv:
            return self.width == 1 or not _all_quoted(row_lines, "\t")
        separator = self.dialect.separator
        of_a_sentence = any(
            f"{separator} " in line or line.endswith(f"{separator}\n") for line in row_lines
        )
        is_short = self.width == 1 or len(row_lines) < _LINES_LIKE_ROWS
        return not (of_a_sentence or is_short or _all_quoted(row_lines, separator))

    def _reads_by_lines(self, row_lines: list[str]) -> bool:
        escaped = any('\\"' in line for line in row_lines)
        return (
            self._is_tsv
            and not escaped
            and self.lines_are_rows
            and bool(self.width)
            and all(map(self._is_row, row_lines))
        )

    @property
    def _is_tsv(self) -> bool:
        return self.dialect.separator == "\t"

    def _ambiguous(self, row: int) -> InputError:
        return InputError(
            f"{self.source.name} can be read in two ways. In data row {row}, a text begins with a "
            f"quotation mark, and a later line ends with one. If they enclose a text of several "
            f"lines, the file has {self.rows} rows. If they belong to the texts, it has "
            f"{self.n_lines - 1} rows. In the first case, put the names in the header line in "
            "quotation marks, too. In the second case, save the table as .jsonl."
        )


def _all_quoted(lines: list[str], separator: str) -> bool:
    """Return True if every cell of a row is in quotation marks."""
    try:
        row = next(csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONNUMERIC))
    except ValueError:
        return False
    return all(isinstance(cell, str) for cell in row)


def _misquoted(
    source: TextSource, dialect: Dialect, row: int, reason: str, lines: str = ""
) -> InputError:
    if "NUL" in reason:  # Python 3.10 cannot read this character
        return InputError(
            f"Cannot read data row {row} of {source.name}: {reason}. Remove the NUL characters, "
            "save the table as .jsonl, or use Python 3.11 or later."
        )
    escaped = "They seem to be escaped by a backslash. " if '\\"' in lines else ""
    return InputError(
        f"Cannot read data row {row} of {source.name} with {dialect.separator!r} between columns: "
        f"its quotation marks do not pair up ({reason}). {escaped}Double each quotation mark in a "
        'text ("") and put the whole text in quotation marks, or save the table as .jsonl.'
    )
