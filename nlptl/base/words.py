"""Split texts into words: letters keep their marks, and all characters are composed (NFC).

A letter may have combining marks: vowel signs of Indic scripts, points of Hebrew and Arabic,
accents. Joiners (U+200C, U+200D) shape letters inside a word. The word pattern of Python's ``re``
ends a word at each of these characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

_JOINERS = "\u200c\u200d"
_WITHOUT_JOINERS = str.maketrans("", "", _JOINERS)
_MARKS_OF_EMOJI = "\u20e3\ufe0e\ufe0f"
_PAGES_WITH_MARKS = range(0x300, 0x20000)
_DOTTED_I = "i\u0307"
"""The result of ``str.lower`` for the Turkish capital I with a dot."""

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_FAR = re.compile("[\U00010000-\U0010ffff]")


def composed(text: str) -> str:
    """Return a text in Unicode normal form NFC: each letter then has one spelling."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def lowered(text: str) -> str:
    """Return a text in lower case and in NFC; the dotted Turkish I becomes a plain i.

    Examples
    --------
    >>> lowered("\u0130zmir")
    'izmir'
    """
    if text.isascii():
        return text.lower()
    return composed(text.lower().replace(_DOTTED_I, "i"))


def without_joiners(text: str) -> str:
    """Return a text without joiners, which only control how letters are connected."""
    return text if text.isascii() else text.translate(_WITHOUT_JOINERS)


def words_of(text: str) -> list[str]:
    """Split a text into words in NFC, without punctuation.

    Examples
    --------
    >>> words_of("I can't: हिन्दी")
    ['I', 'can', 't', 'हिन्दी']
    """
    text = composed(text)
    return _finder(text, 0)(text)


def tokens_of(text: str) -> list[str]:
    """Split a text into punctuation marks and words in NFC, with the apostrophes of the words.

    Examples
    --------
    >>> tokens_of("I can't, sorry!")
    ['I', "can't", ',', 'sorry', '!']
    """
    text = composed(text)
    return _finder(text, 1)(text)


def token_splitter(texts: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a function that equals ``tokens_of`` on these texts, and is faster if all are NFC."""
    whole = "".join(texts)
    return _finder(whole, 1) if unicodedata.is_normalized("NFC", whole) else tokens_of


def tokens_cut_at_marks(text: str) -> list[str]:
    """Split a text at combining marks, for models saved by earlier versions that did so."""
    return _TOKEN.findall(text)


def rows_by_spelling(words: Iterable[str]) -> dict[str, int]:
    """Return the position of each word, under its original spelling and under its NFC spelling.

    A word that is already in NFC has priority over a word that only becomes equal to it in NFC.
    """
    rows = {word: row for row, word in enumerate(words)}
    if not unicodedata.is_normalized("NFC", "\n".join(rows)):
        for word, row in list(rows.items()):
            rows.setdefault(composed(word), row)
    return rows


def _finder(text: str, kind: int) -> Callable[[str], list[str]]:
    """Return a function that lists all words (kind 0) or tokens (kind 1) of a text in NFC."""
    if text.isascii():
        return (_WORD, _TOKEN)[kind].findall
    has_far_marks = any(unicodedata.category(c)[0] == "M" for c in set(_FAR.findall(text)))
    return _patterns()[kind + 2 * has_far_marks].findall


@lru_cache(maxsize=1)
def _patterns() -> list[re.Pattern[str]]:
    """Compile the patterns of words and tokens: first with marks up to U+FFFF, then with all.

    Matching the marks beyond U+FFFF is slow, so only texts that contain such marks do it.
    """
    marks = [c for c in map(chr, _PAGES_WITH_MARKS) if unicodedata.category(c)[0] == "M"]
    near = _JOINERS + "".join(c for c in marks if c <= "\uffff" and c not in _MARKS_OF_EMOJI)
    far = "".join(c for c in marks if c > "\uffff")
    word = rf"\w[\w{near}]*"
    any_word = rf"{word}(?:(?={_FAR.pattern})[{far}][\w{near}]*)*"
    return [
        re.compile(pattern)
        for letters in (word, any_word)
        for pattern in (letters, rf"{letters}(?:['’]{letters})*|[^\w\s]")
    ]
