"""Types of options in words, for error messages."""

from __future__ import annotations

import inspect
import re
from typing import Any

_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "None": "null",
}
_LISTS = ("tuple", "list", "Sequence")
_MAPPINGS = ("dict", "Mapping")
_ITEMS = {"int": " of whole numbers", "float": " of numbers", "str": " of texts"}
_BETWEEN_TYPES = re.compile(r" \| (?![^\[]*\])")
"""A bar outside brackets."""


def expected_type(kind: Any, option: str) -> str:
    """Return the type of an option of a class in words.

    Examples
    --------
    >>> from nlptl.training.config import TrainingConfig
    >>> expected_type(TrainingConfig, "learning_rate")
    'a number or null'
    """
    annotation = str(inspect.signature(kind).parameters[option].annotation)
    return " or ".join(dict.fromkeys(map(_in_words, _BETWEEN_TYPES.split(annotation))))


def _in_words(annotation: str) -> str:
    """Return one type in words."""
    name, _, inner = annotation.partition("[")
    if name in _LISTS:
        return "a list" + _ITEMS.get(re.split(r"\W", inner)[0], "")
    if name in _MAPPINGS:
        return "a mapping"
    return _WORDS.get(name, f"options of {name}")
