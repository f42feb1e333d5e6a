"""Check the classes and the notes in the JSON of a saved model."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from nlptl.base.described import entry

_FORMS = ("single", "lists", "indicator")
_TYPES = {"U": (str,), "b": (bool,), "i": (int,), "u": (int,), "f": (int, float)}
_MAX_BYTES = 2**27


def check_labels(described: object) -> None:
    """Check the JSON that ``LabelCodec.to_json`` wrote.

    Raises
    ------
    TypeError
        If a class does not have the type that the JSON names for all classes.
    ValueError
        If the form is unknown, a class occurs twice, a class is NaN, or the classes would need much
        more memory than their JSON.
    """
    form, kind = entry(described, "form", str), entry(described, "dtype", str)
    classes = entry(described, "classes", list[Any])
    if form not in _FORMS:
        raise ValueError(f"the form of the labels must be one of {_FORMS}, got {form[:40]!r}")
    if kind != "object":
        dtype = np.dtype(kind)
        size = dtype.itemsize * len(classes)  # numpy 1 states a negative size if it is too large
        if dtype.kind not in _TYPES or not 0 <= size <= _MAX_BYTES:
            raise ValueError(
                f"the type of {len(classes)} classes is unsupported or too large: {kind[:40]!r}"
            )
        wrong = [label for label in classes if not isinstance(label, _TYPES[dtype.kind])]
    else:
        wrong = [label for label in classes if not _is_label(label)]
    if wrong:
        raise TypeError(f"expected classes of type {kind[:40]!r}, got {str(wrong[0])[:40]!r}")
    "".join(map(str, classes)).encode()  # fails for half a surrogate pair
    if len({_key(label) for label in classes}) != len(classes):
        raise ValueError("a class occurs twice")
    if any(isinstance(label, float) and math.isnan(label) for label in classes):
        raise ValueError("a class is NaN")


def read_notes(described: object) -> dict[str, Any]:
    """Read the notes that were passed to ``save`` together with the model."""
    notes: dict[str, Any] = entry(described, "notes", dict[str, Any])
    entry({"run": {}, **notes}, "run", dict[str, Any])
    return notes


def _is_label(label: object) -> bool:
    if isinstance(label, list):
        return all(_is_label(part) for part in label)
    return isinstance(label, str | bool | int | float)


def _key(label: object) -> Hashable:
    if isinstance(label, list):
        return tuple(_key(part) for part in label)
    return type(label), label
