"""License of a published model, checked against the license of its base model."""

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
"""Licenses that allow any license for derived models."""


def inherited(chosen: str | None, base: str | None) -> str | None:
    """Return the license of a model: the chosen one, or that of the base model.

    Some base licenses bind derived models (share alike, non-commercial, custom terms). Then the
    model must have the same license. This check finds mistakes. It is not legal advice.

    Parameters
    ----------
    chosen : str or None
        License identifier of the Hub, such as ``"mit"``.
    base : str or None
        License of the base model, or None if it is unknown.

    Raises
    ------
    ConfigError
        If the base license does not allow the chosen license, or does not allow derived models.

    Examples
    --------
    >>> inherited(None, "apache-2.0")
    'apache-2.0'
    >>> inherited("cc-by-nc-4.0", "mit")
    'cc-by-nc-4.0'
    """
    if base is None:
        return chosen
    base_id, model_id = base.lower(), (chosen or base).lower()
    if "-nd" in base_id:
        raise ConfigError(
            f"The license {base!r} of the base model does not allow publishing changed versions. "
            "Choose another base model."
        )
    if base_id in _FREE or base_id == model_id:
        return chosen or base
    raise ConfigError(
        f"license={chosen!r} is not allowed, because the base model has the license {base!r} and "
        f"derived models must keep it. Use license={base!r}, or pass base_license=... if the base "
        "model has another license."
    )
