"""Telling regular expressions that always end soon from those that may never end."""

from __future__ import annotations

import re

MAX_PATTERN_CHARACTERS = 10_000
MAX_REPETITIONS = 3
"""Parts of one alternative that repeat without limit: the time grows with its power."""
MAX_OPTIONAL_PARTS = 8
"""Parts of one alternative that may match in several ways: the time may double with each."""

_BRACES = re.compile(r"\{(\d*)(,?)(\d*)\}")
_ESCAPE = re.compile(r"\\(?:[pPxkgu]\{[^}]*\}|.)", re.DOTALL)
_GROUP_OPTION = re.compile(r"\?(?:<[=!]|<\w+>|P<\w+>|[=!>:]|[a-z-]+[:)])")


class _Alternatives:
    """Repetitions in the alternatives of one group."""

    def __init__(self) -> None:
        self.several = False
        self.repeats = self.most_repeats = 0
        self.options = self.most_options = 0

    def add(self, repeats: int, options: int) -> None:
        self.repeats += repeats
        self.options += options
        self.most_repeats = max(self.most_repeats, self.repeats)
        self.most_options = max(self.most_options, self.options)

    def next(self) -> None:
        self.several = True
        self.repeats = self.options = 0


def is_quick(pattern: str) -> bool:
    r"""Return whether a regular expression is sure to end soon on every text.

    Refused are repetitions of what may itself match in several ways, such as ``(a+)+``, and long
    rows of repetitions. The dialects of Python and of tokenizers are read.

    Examples
    --------
    >>> is_quick(r"\p{N}{1,3}| ?[^\s\p{L}]+|\s+(?!\S)"), is_quick("(a+)+$")
    (True, False)
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        return False
    groups = [_Alternatives()]
    place = 0
    while place < len(pattern):
        inner = None
        character = pattern[place]
        if character == "(":
            place, is_open = _after_opening(pattern, place)
            if is_open:
                groups.append(_Alternatives())
            continue
        if character == "|":
            groups[-1].next()
            place += 1
            continue
        if character == ")" and len(groups) > 1:
            inner = groups.pop()
            place += 1
        else:
            place = _after_atom(pattern, place)
        place, least, most = _times(pattern, place)
        if not _add(groups[-1], inner, least, most):
            return False
    return len(groups) == 1


def _add(group: _Alternatives, inner: _Alternatives | None, least: int, most: int | None) -> bool:
    """Count one part of a group; False where it may take too long."""
    varies = inner is not None and (inner.several or inner.most_options > 0)
    if varies and (most is None or most > 1):
        return False
    repeats = inner.most_repeats if inner is not None else 0
    options = inner.most_options + inner.several if inner is not None else 0
    group.add(repeats + (most is None), options + (most != least))
    return group.most_repeats <= MAX_REPETITIONS and group.most_options <= MAX_OPTIONAL_PARTS


def _after_opening(pattern: str, place: int) -> tuple[int, bool]:
    """Return the place after the opening of a group, and whether a group is open there."""
    option = _GROUP_OPTION.match(pattern, place + 1)
    if option is None:
        return place + 1, True
    return option.end(), not option.group().endswith(")")


def _after_atom(pattern: str, place: int) -> int:
    escape = _ESCAPE.match(pattern, place)
    if escape is not None:
        return escape.end()
    if pattern[place] != "[":
        return place + 1
    depth, place = 1, place + 1
    if pattern.startswith("^", place):
        place += 1
    if pattern.startswith("]", place):  # first in a class it is a character
        place += 1
    while place < len(pattern) and depth:
        escape = _ESCAPE.match(pattern, place)
        depth += {"[": 1, "]": -1}.get(pattern[place], 0)
        place = escape.end() if escape is not None else place + 1
    return place


def _times(pattern: str, place: int) -> tuple[int, int, int | None]:
    """Read how often the part before repeats: the place after that, least and most times."""
    braces = _BRACES.match(pattern, place)
    if braces is not None:
        least, comma, most = braces.groups()
        end, low = braces.end(), int(least or 0)
        high: int | None = int(most) if most else (None if comma else low)
        high = None if high is not None and high != low and high > MAX_PATTERN_CHARACTERS else high
    elif place < len(pattern) and pattern[place] in "*+?":
        end, low = place + 1, int(pattern[place] == "+")
        high = 1 if pattern[place] == "?" else None
    else:
        return place, 1, 1
    lazy = end < len(pattern) and pattern[end] in "?+"
    return end + lazy, low, high
