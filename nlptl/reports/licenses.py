"""Whether a model may be published under a license, given that of what it was made from."""

from __future__ import annotations

from nlptl.base.errors import ConfigError

_FREE = {
    "afl-3.0",
    "apache-2.0",
    "artistic-2.0",
    "bsd",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsd-3-clause-clear",
    "bsl-1.0",
    "cc-by-2.0",
    "cc-by-2.5",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc0-1.0",
    "cdla-permissive-1.0",
    "cdla-permissive-2.0",
    "isc",
    "mit",
    "ncsa",
    "pddl",
    "postgresql",
    "unlicense",
    "wtfpl",
    "zlib",
}
"""What is made of these may be published under any license."""


def inherited(chosen: str | None, base: str | None) -> str | None:
    """Give the license of a model: the one chosen, or that of what it was made from.

    Of a base whose license binds what is made of it (share alike, no commerce, own terms), the
    model has to have the same one. This is a check for slips, and no legal advice.

    Parameters
    ----------
    chosen : str or None
        An identifier of the Hub, such as ``"mit"``.
    base : str or None
        That of what the model was made from; None where it is not known.

    Raises
    ------
    ConfigError
        If the license of the base does not allow the one chosen, or allows nothing made of it.

    Examples
    --------
    >>> inherited(None, "apache-2.0")
    'apache-2.0'
    >>> inherited("cc-by-nc-4.0", "mit")
    'cc-by-nc-4.0'
    """
    if base is None:
        return chosen
    own, wanted = base.lower(), (chosen or base).lower()
    if "-nd" in own:
        raise ConfigError(
            f"The base model is under {base!r}, which allows no publication of what is changed."
        )
    if own in _FREE or own == wanted:
        return chosen or base
    raise ConfigError(
        f"license={chosen!r} does not go with the base model, which is under {base!r}: what is "
        f"made of it has to stay so. Give license={base!r}, or say base_license=... if that is "
        "not its license."
    )
