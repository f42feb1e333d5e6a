"""Pairs of texts that unlabelled data contain: title and body, beginning and rest."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nlptl.base.inputs import Text

_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*\s+|[。！？]+|\n+")
_MAX_SHARE = 0.5
"""Share of a text up to which its first sentence is a beginning; a longer one is divided."""

_MIN_CHARACTERS = 20
"""Length from which a text without spaces is split, because it has several words."""


def text_pairs(texts: Sequence[Text]) -> list[tuple[str, str]]:
    """Split each text into its beginning and the rest; pairs stay as they are.

    A text is split after its first sentence or line. If that is longer than half of the text,
    the text is split at the space next to its middle. A single word becomes both parts.

    Examples
    --------
    >>> text_pairs(["Great book. I could not stop reading it.", "one two three four"])
    [('Great book.', 'I could not stop reading it.'), ('one two', 'three four')]
    """
    return [_split(text) if isinstance(text, str) else (text[0], text[1]) for text in texts]


def _split(text: str) -> tuple[str, str]:
    stripped = text.strip()
    end = _SENTENCE_END.search(stripped)
    if end is not None and end.end() <= _MAX_SHARE * len(stripped):
        place = end.end()
    else:
        middle = len(stripped) // 2
        spaces = [space.start() for space in re.finditer(r"\s", stripped)]
        whole = 0 if len(stripped) < _MIN_CHARACTERS else middle
        place = min(spaces, key=lambda space: abs(space - middle), default=whole)
    return stripped[:place].strip() or stripped, stripped[place:].strip() or stripped
