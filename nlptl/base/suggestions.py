"""Suggestions for mistyped names in error messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(name: str, choices: Iterable[str]) -> str:
    """Return a hint with the most similar valid name and the list of all valid names.

    Parameters
    ----------
    name : str
        The name that the user wrote.
    choices : iterable of str
        The valid names.

    Returns
    -------
    str
        One or two sentences to append to an error message.

    Examples
    --------
    >>> suggest("frozn", ["frozen", "full"])
    "Did you mean 'frozen'? Known: frozen, full."
    """
    names = sorted(choices)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(names)}."
