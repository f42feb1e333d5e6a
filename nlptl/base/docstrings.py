"""Sentences of numpydoc docstrings, for help texts and generated pages."""

from __future__ import annotations

import inspect
import re
import textwrap

_CITATION = re.compile(r" ?\[\d+\]_")
_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", flags=re.MULTILINE)
_ENTRY = re.compile(r"^(\w[\w, ]*?) ?(?::.*)?\n((?:    .*\n|\n)+)", flags=re.MULTILINE)


def summary_of(documented: object) -> str:
    """Return the first line of a docstring without citations; empty without a docstring."""
    return _CITATION.sub("", (inspect.getdoc(documented) or "").split("\n", 1)[0])


def sentences_of_options(kind: type) -> dict[str, str]:
    """Return the first sentence about each parameter or attribute in the docstring of a class.

    Examples
    --------
    >>> class Cup:
    ...     '''Vessel.
    ...
    ...     Attributes
    ...     ----------
    ...     size : float
    ...         Volume in litres. At least 0.
    ...     '''
    >>> sentences_of_options(Cup)
    {'size': 'Volume in litres.'}
    """
    parts = _SECTION.split((inspect.getdoc(kind) or "") + "\n")[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    sentences: dict[str, str] = {}
    for name in ("Parameters", "Attributes"):
        for options, text in _ENTRY.findall(sections.get(name, "")):
            words = " ".join(textwrap.dedent(text).split())
            sentence = re.split(r"(?<=\.) (?=[A-Z`\"])", _CITATION.sub("", words))[0]
            sentences |= dict.fromkeys(options.split(", "), sentence)
    return sentences
