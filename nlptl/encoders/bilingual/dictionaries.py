"""Dictionaries: pairs of words of two languages, and the words that both spell alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import InputError
from nlptl.base.paths import user_path
from nlptl.base.words import composed, lowered, rows_by_spelling
from nlptl.data.tables.separated import open_text
from nlptl.data.tables.table_reading import read_table

_COLUMNS = ("source", "target")


@dataclass(frozen=True, eq=False)
class WordPairs:
    """Rows of two vocabularies that mean the same.

    Attributes
    ----------
    source, target : ndarray of shape (n,)
        Rows in either vocabulary.
    given : int
        Pairs that were given; the others have a word that lacks a vector.
    identical : float
        Share of the pairs whose words are spelt alike, from 0 to 1.
    """

    source: IntArray
    target: IntArray
    given: int
    identical: float

    def __len__(self) -> int:
        return len(self.source)

    @classmethod
    def among(
        cls, words: Iterable[tuple[str, str]], source: Sequence[str], target: Sequence[str]
    ) -> WordPairs:
        """Look pairs of words up in two vocabularies, as they are or in lower case."""
        own, other = rows_by_spelling(source), rows_by_spelling(target)
        asked = list(words)
        found = {(row_of(own, s), row_of(other, t)): lowered(s) == lowered(t) for s, t in asked}
        known = [pair for pair in found if None not in pair]
        rows = np.array(known, np.int64).reshape(-1, 2)
        alike = float(np.mean([found[pair] for pair in known])) if known else 0.0
        return cls(rows[:, 0], rows[:, 1], len(asked), alike)

    @classmethod
    def alike(cls, source: Sequence[str], target: Sequence[str]) -> WordPairs:
        """Pair the words that two vocabularies spell alike: names, numbers, loans."""
        other = rows_by_spelling(target)
        shared = [word for word in dict.fromkeys(map(composed, source)) if word in other]
        return cls.among([(word, word) for word in shared], source, target)


def word_pairs(given: Any) -> list[tuple[str, str]]:
    """Read pairs of words.

    Parameters
    ----------
    given : list of (str, str), dict, DataFrame, str or Path
        A dict has a word or several for each. A table has columns ``source`` and ``target``, or
        two columns; a file is read as a table, or as lines of two words (.txt).

    Raises
    ------
    InputError
        If no pairs of words can be read from it.
    """
    if isinstance(given, str | Path):
        given = _lines(user_path(given)) if Path(given).suffix == ".txt" else read_table(given)
    if hasattr(given, "columns"):
        names = [str(name) for name in given.columns]
        chosen = _COLUMNS if set(_COLUMNS) <= set(names) else names[:2]
        if len(chosen) < 2:
            raise InputError(f"A dictionary needs two columns of words, got {names}.")
        given = zip(given[chosen[0]], given[chosen[1]], strict=True)
    elif isinstance(given, Mapping):
        given = [
            (word, one)
            for word, others in given.items()
            for one in ([others] if isinstance(others, str) else others)
        ]
    return [_checked(place, pair) for place, pair in enumerate(given)]


def _lines(path: Path) -> list[tuple[str, ...]]:
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}.")
    try:
        with open_text(path) as lines:
            return [tuple(line.split()) for line in lines if line.strip()]
    except UnicodeDecodeError as problem:
        raise InputError(f"{str(path)!r} is not UTF-8 ({problem}). Convert it.") from problem


def _checked(place: int, pair: Any) -> tuple[str, str]:
    two = isinstance(pair, list | tuple | np.ndarray) and len(pair) == 2
    if not two or not all(isinstance(word, str) for word in pair):
        raise InputError(f"Entry {place} of a dictionary must be two words, got {pair!r}.")
    return pair[0], pair[1]


def row_of(rows: Mapping[str, int], word: str) -> int | None:
    """Return the row of a word as it is, composed or in lower case; None where it has none."""
    forms = (word, composed(word), word.lower(), lowered(word))
    return next((rows[form] for form in forms if form in rows), None)
