"""Parallel texts: sentences and their translations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import IntArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import TextsLike
from nlptl.base.words import lowered, without_joiners, words_of
from nlptl.data.rows import as_rows
from nlptl.data.splits import group_split
from nlptl.data.tables.reading import read_table

_COLUMNS = ("source", "target")
MIN_PAIRS_TO_HOLD_OUT = 100
_MAX_HELD_OUT_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class ParallelText:
    """Sentences of one language with translations into one or several other languages.

    Attributes
    ----------
    source, target : list of str
        One sentence, and its translation, per row.
    languages : list of str
        Language of each translation; ``""`` if it is not known.
    """

    source: list[str]
    target: list[str]
    languages: list[str]

    def __len__(self) -> int:
        return len(self.source)

    @classmethod
    def read(cls, pairs: PairsLike) -> Self:
        """Read pairs of a sentence and its translation.

        Parameters
        ----------
        pairs : list of (str, str), DataFrame, Dataset, str, Path, dict or ParallelText
            A table, or the path of a table, has the columns ``source`` and ``target``, or two
            columns. Several files can be passed as a list of ``Path``. A dict has any of these for
            each language.

        Raises
        ------
        InputError
            If there are no pairs, or a sentence or a translation is missing or blank.
        """
        if isinstance(pairs, ParallelText):
            return cls(pairs.source, pairs.target, pairs.languages)
        if not isinstance(pairs, Mapping):
            return cls._of_language("", pairs)
        parts = [cls._of_language(str(language), part) for language, part in pairs.items()]
        if not parts:
            raise InputError("Expected pairs per language, got an empty dict. Add a language.")
        return cls._joined(parts)

    @classmethod
    def _joined(cls, parts: Sequence[Self]) -> Self:
        rows = [row for part in parts for row in part.rows()]
        return cls(*(list(side) for side in zip(*rows, strict=True)))

    @classmethod
    def _of_language(cls, language: str, pairs: TextsLike | Path) -> Self:
        if isinstance(pairs, list) and pairs and all(isinstance(path, Path) for path in pairs):
            parts = [cls._of_language(language, path) for path in pairs]
            return cls._joined(parts)
        if isinstance(pairs, str | Path):
            pairs = read_table(pairs)
        columns = list(getattr(pairs, "columns", getattr(pairs, "column_names", ())))
        chosen = _COLUMNS if set(_COLUMNS) <= set(columns) else tuple(columns[:2])
        try:
            rows = as_rows(pairs, text_columns=chosen)
        except InputError as problem:
            direction = f" into {language!r}" if language else ""
            raise InputError(f"Translations{direction}: {problem}") from problem
        if not rows.are_pairs:
            raise InputError(
                "Expected pairs of a sentence and its translation, got single texts. Pass a list "
                "of (sentence, translation)."
            )
        source, target = (list(side) for side in zip(*rows.texts, strict=True))
        return cls(source, target, [language] * len(source))

    def rows(self) -> list[tuple[str, str, str]]:
        """Return the sentence, the translation and the language of each row."""
        return list(zip(self.source, self.target, self.languages, strict=True))

    def take(self, index: IntArray) -> Self:
        """Return the rows at the positions in ``index``."""
        parts = (self.source, self.target, self.languages)
        return type(self)(*([part[int(i)] for i in index] for part in parts))

    def without(self, texts: Iterable[str]) -> Self:
        """Return the rows of which neither side is in other texts, for example in the test texts.

        Case, punctuation and white space are ignored.
        """
        others = {plain(text) for text in texts}
        free = [plain(s) not in others and plain(t) not in others for s, t, _ in self.rows()]
        return self.take(np.flatnonzero(free))

    def distinct(self) -> Self:
        """Return the rows without repeated pairs and without pairs whose sides are equal."""
        earlier: set[tuple[str, str, str]] = set()
        rows = []
        for row, pair in enumerate(self.rows()):
            if pair not in earlier and plain(pair[0]) != plain(pair[1]):
                rows.append(row)
            earlier.add(pair)
        return self.take(np.array(rows, np.int64))

    def held_out(self, n: int, *, seed: int) -> tuple[Self, Self]:
        """Split the rows into training rows and about ``n`` held-out rows per language.

        At most a tenth of all rows is held out, and no row if there are fewer than 100. All rows
        with the same source sentence, in every language, are in the same part.

        Returns
        -------
        train, test : ParallelText
        """
        sentences = [plain(sentence) or sentence for sentence in self.source]
        if len(self) < MIN_PAIRS_TO_HOLD_OUT or len(set(sentences)) < 2:
            return self, self.take(np.arange(0))
        share = min(n * len(set(self.languages)) / len(self), _MAX_HELD_OUT_SHARE)
        train, test = group_split(sentences, test_share=share, seed=seed)
        return self.take(train), self.take(test)


PairsLike: TypeAlias = TextsLike | Path | ParallelText
"""Pairs of a sentence and its translation in any form that ``ParallelText.read`` accepts."""


def plain(text: str) -> str:
    """Return a text without case, punctuation and white space, as a key for comparisons.

    A training sentence that differs from a test sentence only in a full stop counts as the same.
    ``audit`` ignores only case and white space.
    """
    words = words_of(lowered(text).casefold())
    return without_joiners("".join(words)).replace("_", "")
