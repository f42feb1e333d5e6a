"""The shipped data set."""

from __future__ import annotations

import csv
from importlib.resources import files

from nlptl.base.errors import InputError

DOMAINS = {"app": ("en", "de", "fr"), "energy": ("en",)}
"""Each domain with the languages it comes in."""

LANGUAGES = ("en", "de", "fr")


def support_requests(*, domain: str = "app", language: str = "en") -> tuple[list[str], list[str]]:
    """Give requests to a customer support desk, and what each is about.

    All texts were written for this project. In the domain ``"app"`` (a note-taking app, 480
    texts) row k says the same in every language; ``"energy"`` (an electricity supplier, 240
    texts) has the same eight classes in another world.

    Parameters
    ----------
    domain : {"app", "energy"}
        Who is written to.
    language : {"en", "de", "fr"}
        English, German or French; the energy domain is English only.

    Returns
    -------
    texts, labels : list of str
        Class by class: access, billing, cancellation, complaint, fault, how_to, privacy,
        suggestion.

    Raises
    ------
    InputError
        If there is no such domain or language.

    Examples
    --------
    >>> texts, labels = support_requests(language="de")
    >>> len(texts), labels[0]
    (480, 'access')
    """
    if language not in DOMAINS.get(domain, ()):
        known = ", ".join(f"{name} in {'/'.join(spoken)}" for name, spoken in DOMAINS.items())
        raise InputError(
            f"There are no support requests for domain={domain!r}, language={language!r}. "
            f"Known: {known}."
        )
    path = files("nlptl.data.samples") / f"support_{domain}_{language}.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    return [row["text"] for row in rows], [row["label"] for row in rows]
