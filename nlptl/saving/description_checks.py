"""Checking what is said of classes and notes in the JSON of a saved model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nlptl.base.described import entry

_FORMS = ("single", "lists", "indicator")
_TYPES = {"U": (str,), "b": (bool,), "i": (int,), "u": (int,), "f": (int, float)}
_MAX_BYTES = 2**27


def check_labels(described: Any) -> None:
    """Check what ``LabelCodec.to_json`` wrote, as JSON.

    Raises
    ------
    TypeError
        If a class is not of the type that all classes have.
    ValueError
        If the form is unknown, a class occurs twice or is not a number, or the classes would take
        much more memory than their JSON.
    """
    form, kind = entry(described, "form", str), entry(described, "dtype", str)
    classes = entry(described, "classes", list[Any])
    if form not in _FORMS:
        raise ValueError(f"labels in the form {form[:40]!r}, expected one of {_FORMS}")
    if kind != "object":
        dtype = np.dtype(kind)
        if dtype.kind not in _TYPES or dtype.itemsize * len(classes) > _MAX_BYTES:
            raise ValueError(f"{len(classes)} classes of type {kind[:40]!r}")
        wrong = [label for label in classes if not isinstance(label, _TYPES[dtype.kind])]
    else:
        wrong = [label for label in classes if not _is_label(label)]
    if wrong:
        raise TypeError(f"the class {str(wrong[0])[:40]!r} is not of type {kind[:40]!r}")
    "".join(map(str, classes)).encode()  # half a character cannot be written anywhere
    if len({_key(label) for label in classes}) != len(classes):
        raise ValueError("a class that occurs twice")
    if any(isinstance(label, float) and math.isnan(label) for label in classes):
        raise ValueError("a class that is not a number")


def read_notes(described: Any) -> dict[str, Any]:
    """Read what was given to ``save`` together with the model."""
    notes: dict[str, Any] = entry(described, "notes", dict[str, Any])
    entry({"run": {}, **notes}, "run", dict[str, Any])
    return notes


def _is_label(label: Any) -> bool:
    if isinstance(label, list):
        return all(_is_label(part) for part in label)
    return isinstance(label, str | bool | int | float)


def _key(label: Any) -> Any:
    if isinstance(label, list):
        return tuple(_key(part) for part in label)
    return type(label), label
