"""Sentences and their translations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import IntArray
from nlptl.base.errors import InputError
from nlptl.base.words import lowered, without_joiners, words_of
from nlptl.data.rows import as_rows
from nlptl.data.splits import group_split
from nlptl.data.tables.table_reading import read_table

_COLUMNS = ("source", "target")
MIN_PAIRS_TO_HOLD_OUT = 100
_MAX_HELD_OUT_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class ParallelText:
    """Sentences of one language with translations into one or several others.

    Attributes
    ----------
    source, target : list of str
        Row by row.
    languages : list of str
        What each translation is in; ``""`` where nobody said.
    """

    source: list[str]
    target: list[str]
    languages: list[str]

    def __len__(self) -> int:
        return len(self.source)

    @classmethod
    def read(cls, given: Any) -> Self:
        """Read pairs of sentences.

        Parameters
        ----------
        given : list of (str, str), DataFrame, Dataset, str, Path, dict or ParallelText
            A table, or a file of one, has columns ``source`` and ``target``, or two columns;
            files may come as a list of ``Path``. A dict has any of these for each language.

        Raises
        ------
        InputError
            If it holds no pairs, or a side is missing or blank.
        """
        if isinstance(given, ParallelText):
            return cls(given.source, given.target, given.languages)
        if not isinstance(given, Mapping):
            return cls._of_one("", given)
        parts = [cls._of_one(str(language), one) for language, one in given.items()]
        if not parts:
            raise InputError("There are no languages in an empty dict.")
        return cls._joined(parts)

    @classmethod
    def _joined(cls, parts: Sequence[Self]) -> Self:
        rows = [row for part in parts for row in part.rows()]
        return cls(*(list(side) for side in zip(*rows, strict=True)))

    @classmethod
    def _of_one(cls, language: str, given: Any) -> Self:
        if isinstance(given, list) and given and all(isinstance(one, Path) for one in given):
            parts = [cls._of_one(language, path) for path in given]
            return cls._joined(parts)
        if isinstance(given, str | Path):
            given = read_table(given)
        columns = list(getattr(given, "columns", getattr(given, "column_names", ())))
        chosen = _COLUMNS if set(_COLUMNS) <= set(columns) else tuple(columns[:2])
        try:
            rows = as_rows(given, text_columns=chosen)
        except InputError as problem:
            told = f" into {language!r}" if language else ""
            raise InputError(f"Translations{told}: {problem}") from problem
        if not rows.are_pairs:
            raise InputError("Expected pairs of a sentence and its translation, got single texts.")
        source, target = (list(side) for side in zip(*rows.texts, strict=True))
        return cls(source, target, [language] * len(source))

    def rows(self) -> list[tuple[str, str, str]]:
        """Give sentence, translation and language, row by row."""
        return list(zip(self.source, self.target, self.languages, strict=True))

    def take(self, some: IntArray) -> Self:
        """Give some rows."""
        parts = (self.source, self.target, self.languages)
        return type(self)(*([part[int(i)] for i in some] for part in parts))

    def without(self, texts: Iterable[str]) -> Self:
        """Leave out rows of which either side is among other texts, as what is tested on is.

        Case, punctuation and white space do not count.
        """
        others = {plain(text) for text in texts}
        free = [plain(s) not in others and plain(t) not in others for s, t, _ in self.rows()]
        return self.take(np.flatnonzero(free))

    def distinct(self) -> Self:
        """Leave out pairs that repeat, and those whose sides are the same."""
        seen: set[tuple[str, str, str]] = set()
        kept = []
        for place, pair in enumerate(self.rows()):
            if pair not in seen and plain(pair[0]) != plain(pair[1]):
                kept.append(place)
            seen.add(pair)
        return self.take(np.array(kept, np.int64))

    def held_out(self, n: int, *, seed: int) -> tuple[Self, Self]:
        """Hold rows out, so many a language in the mean and at most a tenth of all; none of few.

        All rows with the same source sentence, in every language, come to one side.

        Returns
        -------
        seen, held
        """
        sentences = [plain(sentence) for sentence in self.source]
        if len(self) < MIN_PAIRS_TO_HOLD_OUT or len(set(sentences)) < 2:
            return self, self.take(np.arange(0))
        share = min(n * len(set(self.languages)) / len(self), _MAX_HELD_OUT_SHARE)
        seen, held = group_split(sentences, test_share=share, seed=seed)
        return self.take(seen), self.take(held)


def plain(text: str) -> str:
    """Give a text without case, punctuation and white space, to compare it by.

    What was learnt from must not be tested on with another full stop, either; ``audit`` folds
    case and white space only.
    """
    words = words_of(lowered(text).casefold())
    return without_joiners("".join(words)).replace("_", "")
