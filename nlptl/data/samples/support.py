"""The data set that is part of the package."""

from __future__ import annotations

import csv
from importlib.resources import files

from nlptl.base.errors import InputError

DOMAINS = {"app": ("en", "de", "fr"), "energy": ("en",)}
"""The available languages of each domain."""

LANGUAGES = ("en", "de", "fr")


def support_requests(*, domain: str = "app", language: str = "en") -> tuple[list[str], list[str]]:
    """Load requests to a customer support desk and their classes.

    All texts were written for this project. The domain ``"app"`` (a note-taking app) has 480 texts
    per language; row k has the same meaning in every language. The domain ``"energy"`` (an
    electricity supplier) has 240 texts with the same eight classes.

    Parameters
    ----------
    domain : {"app", "energy"}
        Kind of company that receives the requests.
    language : {"en", "de", "fr"}
        English, German or French; the energy domain is English only.

    Returns
    -------
    texts, labels : list of str
        Grouped by class: access, billing, cancellation, complaint, fault, how_to, privacy,
        suggestion.

    Raises
    ------
    InputError
        If the domain does not exist, or does not have the language.

    Examples
    --------
    >>> texts, labels = support_requests(language="de")
    >>> len(texts), labels[0]
    (480, 'access')
    """
    if language not in DOMAINS.get(domain, ()):
        choices = ", ".join(f"{name} in {'/'.join(codes)}" for name, codes in DOMAINS.items())
        raise InputError(
            f"There are no support requests for domain={domain!r}, language={language!r}. "
            f"Choose one of: {choices}."
        )
    path = files("nlptl.data.samples") / f"support_{domain}_{language}.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    return [row["text"] for row in rows], [row["label"] for row in rows]
