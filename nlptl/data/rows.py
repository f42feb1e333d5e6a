"""Read texts from any supported container into one sequence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat, overload

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import Text, TextsLike
from nlptl.base.suggestions import suggest
from nlptl.data.columns import as_list, column_names
from nlptl.data.frames import check_texts, single_columns


class NoTextsError(InputError):
    """There is no text where at least one is needed."""


@dataclass(frozen=True)
class Rows(Sequence[Text]):
    """Rows of a task: texts or pairs of texts, with optional numeric columns.

    Attributes
    ----------
    texts : list of str or list of (str, str)
        One entry per row, never empty.
    numbers : ndarray of shape (n, n_columns) or None
        Numeric columns; None if there are none.
    """

    texts: Sequence[Text]
    numbers: FloatArray | None = None

    @property
    def are_pairs(self) -> bool:
        """True if each row is a pair of texts."""
        return bool(len(self.texts)) and not isinstance(self.texts[0], str)

    def side(self, which: int) -> Rows:
        """Return the first texts (0) or the second texts (1) of the pairs."""
        return Rows([pair[which] for pair in self.texts], self.numbers)

    @property
    def sides(self) -> list[Rows]:
        """The first and the second texts of pairs, or these rows if they are single texts."""
        return [self.side(0), self.side(1)] if self.are_pairs else [self]

    def take(self, index: IntArray) -> Rows:
        """Return the rows at the positions in ``index``."""
        numbers = None if self.numbers is None else self.numbers[index]
        return Rows([self.texts[int(i)] for i in index], numbers)

    def text_columns(self) -> dict[str, list[Any]]:
        """Return the texts as columns of a table: ``text``, or ``first`` and ``second``."""
        if not self.are_pairs:
            return {"text": list(self.texts)}
        names = ("first", "second")
        return {name: list(side.texts) for name, side in zip(names, self.sides, strict=True)}

    def followed_by(self, others: Rows) -> Rows:
        """Return these rows followed by others; a number that one side lacks is NaN."""
        texts, parts = [*self.texts, *others.texts], [self.numbers, others.numbers]
        present = [numbers for numbers in parts if numbers is not None]
        if not present:
            return Rows(texts)
        n_columns = present[0].shape[1]
        filled = [
            np.full((len(rows), n_columns), np.nan) if rows.numbers is None else rows.numbers
            for rows in (self, others)
        ]
        return Rows(texts, np.concatenate(filled))

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[Text]:
        return iter(self.texts)

    @overload
    def __getitem__(self, index: int) -> Text: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> Text | Rows:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return self.texts[index]


def as_rows(
    texts: TextsLike,
    *,
    text_columns: Sequence[str] = (),
    numeric_columns: Sequence[str] = (),
    keep_blank: bool = False,
) -> Rows:
    """Read texts, or pairs of texts, from any supported container.

    Parameters
    ----------
    texts : list, tuple, array, Series, column, DataFrame, Dataset or mapping
        A sequence of strings, a sequence of pairs of strings, or a table. A table has one text
        column, two text columns (pairs), or the columns named below.
    text_columns : sequence of str
        The one or two columns of a table that hold the texts.
    numeric_columns : sequence of str
        Columns of a table that hold numbers; a missing number becomes NaN.
    keep_blank : bool
        Keep rows without text, as empty strings, instead of raising an error.

    Raises
    ------
    InputError
        If ``texts`` is one string or has another type, or if a text is missing or blank.
    NoTextsError
        If ``texts`` is empty.
    """
    if isinstance(texts, Rows):
        return texts
    if isinstance(texts, str | bytes):
        raise InputError(
            f"Expected a list of texts, got one {type(texts).__name__} of {len(texts)} characters. "
            "Wrap it in a list: [text]."
        )
    table = _columns_of(texts)
    if table is None:
        if numeric_columns:
            raise InputError(
                f"Numeric columns {list(numeric_columns)} need a table (a DataFrame, a Dataset or "
                f"a dict of columns), got {type(texts).__name__}. Pass a table."
            )
        return Rows(_checked(as_list(texts, what="texts"), keep_blank))
    columns, numbers = _columns(texts, table, text_columns, numeric_columns)
    plain = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    return Rows(_checked(plain, keep_blank), numbers)


def text_list(texts: TextsLike) -> list[Any]:
    """Return texts as a list. The rows of a table or of an array of columns are its texts."""
    if hasattr(texts, "columns") or getattr(texts, "ndim", 1) == 2:
        return [*as_rows(texts, keep_blank=True).texts]
    return list(texts)


@dataclass(frozen=True, eq=False)
class TableRows:
    """Rows of a table with several columns, of which a model reads those that its encoder names.

    Attributes
    ----------
    table : DataFrame, Dataset or mapping of column names to columns
    names : sequence
        Names of the columns.
    """

    table: Any
    names: Sequence[Any]

    def __len__(self) -> int:
        return len(as_list(self.table[self.names[0]], what="texts"))

    def take(self, index: IntArray) -> Any:
        """Return a table with the rows at the positions in ``index``."""
        if hasattr(self.table, "iloc"):
            return self.table.iloc[index]
        columns = {name: as_list(self.table[name], what="texts") for name in self.names}
        return {name: [column[int(i)] for i in index] for name, column in columns.items()}


def as_model_input(texts: TextsLike) -> Rows | TableRows:
    """Read texts for models that may read different columns of a table.

    Raises
    ------
    InputError
        As for ``as_rows``, which reads everything that is no table with several columns.
    """
    names = _columns_of(texts)
    if names is None or len(names) < 2:
        return as_rows(texts)
    return TableRows(texts, names)


def rows_to_predict(texts: TextsLike, read: Callable[[TextsLike], Rows]) -> Rows:
    """Read the texts of a prediction: one text is a list of one text, and there may be none.

    Parameters
    ----------
    texts : str or any container of texts
    read : callable
        Reads a container of texts, as ``as_rows`` does.
    """
    if isinstance(texts, Rows) and not len(texts):
        return texts
    try:
        return read([texts] if isinstance(texts, str) else texts)
    except NoTextsError:
        return Rows([])


def _columns(
    table: Any, names: Sequence[object], text_columns: Sequence[str], numeric_columns: Sequence[str]
) -> tuple[list[list[Any]], FloatArray | None]:
    if not names:
        raise NoTextsError("Expected at least one text, got a table without columns.")
    chosen: list[object] = list(text_columns) or [
        name for name in names if name not in set(numeric_columns)
    ]
    for name in (*chosen, *numeric_columns):
        if name not in names:
            choices = [str(other) for other in names]
            raise InputError(
                f"There is no column {name!r} in the table. {suggest(str(name), choices)}"
            )
        if names.count(name) > 1:
            raise InputError(f"{names.count(name)} columns are called {name!r}. Rename them.")
    if not 1 <= len(chosen) <= 2:
        raise InputError(
            f"Expected one text column, or two for pairs of texts, got {len(chosen)}: {chosen}. "
            f"{single_columns(table, names)}"
        )
    numbers = [_as_numbers(name, as_list(table[name], what="numbers")) for name in numeric_columns]
    columns = [as_list(table[name], what="texts") for name in chosen]
    check_texts(dict(zip(chosen, columns, strict=True)), table, names)
    lengths = [*map(len, columns), *map(len, numbers)]
    if len(set(lengths)) > 1:
        raise InputError(
            f"The columns {[*chosen, *numeric_columns]} have {lengths} rows. Pass columns of equal "
            "length."
        )
    return columns, np.stack(numbers, axis=1) if numbers else None


def _columns_of(texts: TextsLike) -> list[Any] | None:
    return list(texts) if isinstance(texts, Mapping) else column_names(texts)


def _checked(texts: list[Any], keep_blank: bool) -> list[Text]:
    if not texts:
        raise NoTextsError("Expected at least one text, got an empty list.")
    pairs = not isinstance(texts[0], str) and isinstance(texts[0], list | tuple | np.ndarray)
    if keep_blank:
        texts = [_filled(text) for text in texts]
    if pairs and len(texts[0]) == 1:
        raise InputError(
            f"Row 0 is {texts[0]!r}, a list of one text. Pass one column of texts, for example "
            "[row[0] for row in texts]."
        )
    checked = [_pair(i, text) if pairs else _single(i, text) for i, text in enumerate(texts)]
    blank = [i for i, text in enumerate(checked) if _is_blank(text)]
    if blank and not keep_blank:
        raise InputError(
            f"{len(blank)} of {len(checked)} texts are empty, first at index {blank[0]}: "
            f"{checked[blank[0]]!r}. Drop them or fill them in."
        )
    return checked


def _filled(text: object) -> object:
    if isinstance(text, list | tuple | np.ndarray):
        return tuple(_filled(side) for side in text)
    return "" if is_missing(text) else text


def _single(index: int, text: object) -> str:
    if not isinstance(text, str):
        raise InputError(
            f"Text at index {index} is {text!r} ({type(text).__name__}), not a string. "
            "Drop the row or fill it in."
        )
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise InputError(
            f"Text at index {index} holds {problem.object[problem.start]!r} at position "
            f"{problem.start}, half of a character. Repair it, for example: "
            "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from problem
    return str.__str__(text)  # str() of an enumeration member would return its name


def _pair(index: int, pair: object) -> tuple[str, str]:
    if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
        raise InputError(
            f"Row {index} is {pair!r}, but the first row is a pair of texts. "
            "Pass all rows as (text_a, text_b)."
        )
    return _single(index, pair[0]), _single(index, pair[1])


def _is_blank(text: Text) -> bool:
    return not text.strip() if isinstance(text, str) else not all(side.strip() for side in text)


def _as_numbers(name: str, values: Sequence[SupportsFloat | str]) -> FloatArray:
    return np.array([_as_number(name, row, value) for row, value in enumerate(values)])


def is_missing(value: object) -> bool:
    """Return True if a cell of a table is empty: None, NaN, pandas' NA, or an empty string."""
    if value is None or (isinstance(value, str) and not value):
        return True
    return type(value).__name__ in {"NAType", "NaTType"} or (
        isinstance(value, float) and value != value  # noqa: PLR0124
    )


def _as_number(name: str, row: int, value: SupportsFloat | str) -> float:
    if is_missing(value):
        return float("nan")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError) as problem:
        raise InputError(
            f"Column {name!r} holds {value!r} at row {row}, which is not a number. Convert it, or "
            "drop the row."
        ) from problem
    if math.isinf(number):
        raise InputError(
            f"Column {name!r} holds {number!r} at row {row}, which is not finite. Drop the row, or "
            "leave the cell empty: a missing number counts as the mean."
        )
    return number
