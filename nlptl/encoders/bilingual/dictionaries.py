"""Dictionaries: word pairs of two languages, and words that both languages spell the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from nlptl.base.arrays import IntArray
from nlptl.base.errors import InputError
from nlptl.base.paths import user_path
from nlptl.base.words import composed, lowered, rows_by_spelling
from nlptl.data.tables.reading import read_table
from nlptl.data.tables.separated import open_text

_COLUMNS = ("source", "target")

DictionaryLike: TypeAlias = Iterable[object] | Path
"""A dictionary in any form that ``word_pairs`` reads: a list of pairs, a mapping, a table or the
path of a file."""


@dataclass(frozen=True, eq=False)
class WordPairs:
    """Row numbers of word pairs in two vocabularies.

    Attributes
    ----------
    source, target : ndarray of shape (n,)
        Rows in the source vocabulary and in the target vocabulary.
    n_pairs : int
        Number of pairs in the dictionary, including pairs with a word that has no vector.
    identical : float
        Share of the n pairs whose two words are spelt the same, from 0 to 1.
    """

    source: IntArray
    target: IntArray
    n_pairs: int
    identical: float

    def __len__(self) -> int:
        return len(self.source)

    @classmethod
    def among(
        cls, words: Iterable[tuple[str, str]], source: Sequence[str], target: Sequence[str]
    ) -> WordPairs:
        """Look up word pairs in two vocabularies, as written or in lower case."""
        left, right = rows_by_spelling(source), rows_by_spelling(target)
        pairs = list(words)
        same = {(row_of(left, s), row_of(right, t)): lowered(s) == lowered(t) for s, t in pairs}
        complete = [rows for rows in same if None not in rows]
        table = np.array(complete, np.int64).reshape(-1, 2)
        identical = float(np.mean([same[rows] for rows in complete])) if complete else 0.0
        return cls(table[:, 0], table[:, 1], len(pairs), identical)

    @classmethod
    def alike(cls, source: Sequence[str], target: Sequence[str]) -> WordPairs:
        """Pair the words that two vocabularies spell the same: names, numbers, loan words."""
        target_rows = rows_by_spelling(target)
        shared = [word for word in dict.fromkeys(map(composed, source)) if word in target_rows]
        return cls.among([(word, word) for word in shared], source, target)


def word_pairs(dictionary: DictionaryLike) -> list[tuple[str, str]]:
    """Read the word pairs of a dictionary.

    Parameters
    ----------
    dictionary : list of (str, str), dict, DataFrame, str or Path
        A dict maps each word to one translation or to a list of them. A table has the columns
        ``source`` and ``target``; otherwise its first two columns are used. A file is read as a
        table. A file with the ending .txt has two words per line.

    Raises
    ------
    InputError
        If the input does not contain word pairs.
    """
    entries: Any = dictionary
    if isinstance(dictionary, str | Path):
        is_plain_text = Path(dictionary).suffix == ".txt"
        entries = _lines(user_path(dictionary)) if is_plain_text else read_table(dictionary)
    if hasattr(entries, "columns"):
        names = [str(name) for name in entries.columns]
        chosen = _COLUMNS if set(_COLUMNS) <= set(names) else names[:2]
        if len(chosen) < 2:
            raise InputError(
                f"A dictionary needs two columns of words, got {names}. Add a column with the "
                "translations."
            )
        entries = zip(entries[chosen[0]], entries[chosen[1]], strict=True)
    elif isinstance(entries, Mapping):
        entries = [
            (word, translation)
            for word, translations in entries.items()
            for translation in ([translations] if isinstance(translations, str) else translations)
        ]
    return [_checked(index, pair) for index, pair in enumerate(entries)]


def _lines(path: Path) -> list[tuple[str, ...]]:
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}. Check the path.")
    try:
        with open_text(path) as lines:
            return [tuple(line.split()) for line in lines if line.strip()]
    except UnicodeDecodeError as problem:
        raise InputError(
            f"{str(path)!r} is not UTF-8 ({problem}). Convert it to UTF-8."
        ) from problem


def _checked(index: int, pair: object) -> tuple[str, str]:
    if (
        not isinstance(pair, list | tuple | np.ndarray)
        or len(pair) != 2
        or not all(isinstance(word, str) for word in pair)
    ):
        raise InputError(
            f"Entry {index} of a dictionary must be two words, got {pair!r}. Correct the entry."
        )
    return pair[0], pair[1]


def row_of(rows: Mapping[str, int], word: str) -> int | None:
    """Return the row of a word as written, composed or in lower case. None if it has no row."""
    forms = (word, composed(word), word.lower(), lowered(word))
    return next((rows[form] for form in forms if form in rows), None)
