"""Distinguish regular expressions that finish quickly from those that may never finish."""

from __future__ import annotations

import re

MAX_PATTERN_CHARACTERS = 10_000
MAX_REPETITIONS = 3
"""Maximum unlimited repetitions per alternative. Time grows with this power of text length."""
MAX_OPTIONAL_PARTS = 8
"""Maximum number of optional parts per alternative. Each of them may double the time."""

_BRACES = re.compile(r"\{(\d*)(,?)(\d*)\}")
_ESCAPE = re.compile(r"\\(?:[pPxkgu]\{[^}]*\}|.)", re.DOTALL)
_GROUP_OPTION = re.compile(r"\?(?:<[=!]|<\w+>|P<\w+>|[=!>:]|[a-z-]+[:)])")


class _Alternatives:
    """Counts of repetitions and optional parts in the alternatives of one group."""

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
    r"""Return True if a regular expression finishes quickly on every text.

    The result is False for a repeated group that can match in several ways, such as ``(a+)+``. It
    is also False for long sequences of repetitions. The syntax of Python and of tokenizers is
    supported.

    Examples
    --------
    >>> is_quick(r"\p{N}{1,3}| ?[^\s\p{L}]+|\s+(?!\S)"), is_quick("(a+)+$")
    (True, False)
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        return False
    groups = [_Alternatives()]
    position = 0
    while position < len(pattern):
        inner = None
        character = pattern[position]
        if character == "(":
            position, is_open = _after_opening(pattern, position)
            if is_open:
                groups.append(_Alternatives())
            continue
        if character == "|":
            groups[-1].next()
            position += 1
            continue
        if character == ")" and len(groups) > 1:
            inner = groups.pop()
            position += 1
        else:
            position = _after_atom(pattern, position)
        position, least, most = _times(pattern, position)
        if not _add(groups[-1], inner, least, most):
            return False
    return len(groups) == 1


def _add(group: _Alternatives, inner: _Alternatives | None, least: int, most: int | None) -> bool:
    """Count one part of a group. Return False if matching may take too long."""
    varies = inner is not None and (inner.several or inner.most_options > 0)
    if varies and (most is None or most > 1):
        return False
    repeats = inner.most_repeats if inner is not None else 0
    options = inner.most_options + inner.several if inner is not None else 0
    group.add(repeats + (most is None), options + (most != least))
    return group.most_repeats <= MAX_REPETITIONS and group.most_options <= MAX_OPTIONAL_PARTS


def _after_opening(pattern: str, position: int) -> tuple[int, bool]:
    """Return the position after the opening of a group, and True if a group is open there."""
    option = _GROUP_OPTION.match(pattern, position + 1)
    if option is None:
        return position + 1, True
    return option.end(), not option.group().endswith(")")


def _after_atom(pattern: str, position: int) -> int:
    escape = _ESCAPE.match(pattern, position)
    if escape is not None:
        return escape.end()
    if pattern[position] != "[":
        return position + 1
    depth, position = 1, position + 1
    if pattern.startswith("^", position):
        position += 1
    if pattern.startswith("]", position):  # as the first character of a class, it is literal
        position += 1
    while position < len(pattern) and depth:
        escape = _ESCAPE.match(pattern, position)
        depth += {"[": 1, "]": -1}.get(pattern[position], 0)
        position = escape.end() if escape is not None else position + 1
    return position


def _times(pattern: str, position: int) -> tuple[int, int, int | None]:
    """Return the position after a quantifier, and its minimum and maximum number of repetitions."""
    braces = _BRACES.match(pattern, position)
    if braces is not None:
        least, comma, most = braces.groups()
        end, low = braces.end(), int(least or 0)
        high: int | None = int(most) if most else (None if comma else low)
        high = None if high is not None and high != low and high > MAX_PATTERN_CHARACTERS else high
    elif position < len(pattern) and pattern[position] in "*+?":
        end, low = position + 1, int(pattern[position] == "+")
        high = 1 if pattern[position] == "?" else None
    else:
        return position, 1, 1
    lazy = end < len(pattern) and pattern[end] in "?+"
    return end + lazy, low, high
