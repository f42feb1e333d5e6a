"""Turning a mistyped name into a helpful sentence."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, and list them all.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        The names that would have been accepted.

    Returns
    -------
    str
        One or two sentences, ready to be appended to an error.

    Examples
    --------
    >>> suggest("frozn", ["frozen", "full"])
    "Did you mean 'frozen'? Known: frozen, full."
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(names)}."
