"""Labels of every kind users have, as codes and back as they were given."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, IntArray
from nlptl.base.errors import InputError
from nlptl.base.names import suggest

Plain = str | bool | int | float | tuple[Any, ...]

_KINDS = {"b": "bool", "i": "int", "u": "int", "f": "float", "U": "str"}


@dataclass(frozen=True)
class LabelCodec:
    """The label set of a task, learnt from its training labels.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The distinct labels in sorted order, as they were given.
    form : {"single", "lists", "indicator"}
        One label a text; a list of labels a text; or an (n, n_classes) array of zeros and ones.
    """

    classes: AnyArray
    form: str

    @property
    def n_outputs(self) -> int:
        """Classes or labels there are."""
        return len(self.classes)

    @classmethod
    def learn(cls, labels: Any, *, least: int = 2) -> Self:
        """Find the label set.

        Parameters
        ----------
        labels
            As for ``TextClassifier.fit``.
        least : int
            So many different labels there have to be, where a text has one.

        Raises
        ------
        InputError
            If a label is missing, of a kind that is no label, or there are fewer than two.
        """
        values = as_values(labels)
        if isinstance(values, np.ndarray):
            return cls(np.arange(values.shape[1]), "indicator")
        if any(_is_label_list(value) for value in values):
            _check_label_lists(values)
            flat = [label for value in values for label in value]
            classes, form = distinct(flat), "lists"
        else:
            classes, form = distinct(values), "single"
        if len(classes) < least and form == "single":
            only = (
                f"all {len(values)} are {classes.tolist()[0]!r}" if len(classes) else "none given"
            )
            raise InputError(
                f"Expected at least two different labels, but {only}. "
                "A classifier needs examples of each class."
            )
        if not len(classes) and form == "lists":
            raise InputError("Every text has an empty list of labels; there is nothing to learn.")
        return cls(classes, form)

    def encode(self, labels: Any) -> IntArray:
        """Turn labels into codes (n,), or zeros and ones (n, n_classes) for several a text.

        Raises
        ------
        InputError
            If a label was never seen in training, or the form differs.
        """
        values = as_values(labels)
        if self.form == "indicator":
            return self._check_indicator(values)
        position = {key_of(label): code for code, label in enumerate(self.classes.tolist())}
        if isinstance(values, np.ndarray):
            raise InputError(
                f"Expected one label a text, or lists of labels, as in training; got an array of "
                f"shape {values.shape}."
            )
        if self.form == "single":
            return np.array([self._code(position, i, v) for i, v in enumerate(values)], np.int64)
        _check_label_lists(values)
        indicator = np.zeros((len(values), len(self.classes)), np.int64)
        for row, several in enumerate(values):
            for label in several:
                indicator[row, self._code(position, row, label)] = 1
        return indicator

    def decode(self, codes: IntArray) -> Any:
        """Turn codes, or a 0/1 array, back into labels as they were given."""
        if self.form == "single":
            return self.classes[codes]
        if self.form == "indicator":
            return codes
        return [self.classes[np.flatnonzero(row)].tolist() for row in codes]

    def to_json(self) -> dict[str, Any]:
        """Describe the codec with plain JSON values."""
        kind = _KINDS.get(self.classes.dtype.kind, "tuple")
        dtype = self.classes.dtype.str if kind != "tuple" else "object"
        return {"form": self.form, "dtype": dtype, "classes": self.classes.tolist()}

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> Self:
        """Read what ``to_json`` wrote."""
        if described["dtype"] != "object":
            return cls(np.array(described["classes"], described["dtype"]), described["form"])
        return cls(_object_array([_tuples(c) for c in described["classes"]]), described["form"])

    def _code(self, position: dict[Any, int], row: int, label: Any) -> int:
        code = position.get(key_of(label)) if not isinstance(label, list | set | dict) else None
        if code is None:
            known = [str(known) for known in self.classes.tolist()]
            raise InputError(
                f"Label {label!r} at row {row} was never seen in training. "
                f"{suggest(str(label), known[:50])}"
            )
        return code

    def _check_indicator(self, values: Any) -> IntArray:
        if not isinstance(values, np.ndarray) or values.shape[1] != len(self.classes):
            shape = getattr(values, "shape", (len(values),))
            raise InputError(
                f"Expected labels as an array of zeros and ones of shape (n, {len(self.classes)}), "
                f"got shape {shape}."
            )
        return values


def are_lists(answers: Any) -> bool:
    """Whether any answer is a list of labels, or a row of zeros and ones."""
    return any(isinstance(answer, list | set | frozenset | np.ndarray) for answer in answers)


def distinct(labels: Iterable[Any]) -> AnyArray:
    """Give the distinct labels in sorted order, in an array of their own type.

    Raises
    ------
    InputError
        If a label is missing or of a kind that is no label, or kinds are mixed.
    """
    plain = [check_label(row, label) for row, label in enumerate(labels)]
    kinds = sorted({_kind(label) for label in plain})
    if len(kinds) > 1 and kinds != ["float", "int"]:
        firsts = [next(label for label in plain if _kind(label) == kind) for kind in kinds]
        raise InputError(
            f"Labels mix {' and '.join(kinds)}: {', '.join(map(repr, firsts))}. "
            "Convert them to one type, for example str."
        )
    found = set(plain)
    if kinds == ["tuple"]:
        return _object_array(sorted(found, key=repr))
    in_order: AnyArray = np.array(sorted(found))
    return in_order


def check_label(row: int, label: Any) -> Plain:
    """Give a label as a plain Python value.

    Raises
    ------
    InputError
        If it is missing (None, NaN) or of a kind that is no label.
    """
    value = label.item() if isinstance(label, np.generic) else label
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"Label at row {row} is missing ({value!r}). Drop the row or fill it in.")
    if isinstance(value, tuple):
        return tuple(check_label(row, part) for part in value)
    if isinstance(value, str | bool | int | float):
        return value
    raise InputError(
        f"Label at row {row} is {value!r} ({type(value).__name__}). "
        "Labels are str, bool, int, float or tuples of these; for several labels a text, "
        "give every text a list."
    )


def key_of(label: Any) -> Any:
    """Give the value under which a label is looked up: a plain one, so 1 and np.int64(1) meet."""
    return label.item() if isinstance(label, np.generic) else label


def same_labels(first: Any, second: Any) -> bool:
    """Tell whether two labels, or two collections of labels, are the same."""
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    if _is_label_list(first):
        return {key_of(label) for label in first} == {key_of(label) for label in second}
    return bool(key_of(first) == key_of(second))


def as_values(labels: Any) -> list[Any] | AnyArray:
    """Give labels as a list, or as an (n, k) array of zeros and ones.

    Raises
    ------
    InputError
        If they come in no container known here.
    """
    if isinstance(labels, str | bytes) or labels is None:
        raise InputError(f"Expected a list of labels, got {labels!r}. Wrap it in a list.")
    array = labels.to_numpy() if hasattr(labels, "to_numpy") else labels
    if hasattr(array, "toarray"):  # a sparse indicator
        array = array.toarray()
    if isinstance(array, np.ndarray):
        return _from_array(array)
    try:
        return list(array)
    except TypeError as problem:
        kind = type(labels).__name__
        raise InputError(f"Expected a list of labels, got {kind} {labels!r}.") from problem


def values_at(values: list[Any] | AnyArray, rows: IntArray) -> list[Any] | AnyArray:
    """Give some of the labels that ``as_values`` gave, in the form they have."""
    return values[rows] if isinstance(values, np.ndarray) else [values[i] for i in rows]


def joined_values(values: list[Any] | AnyArray, others: Any) -> list[Any] | AnyArray:
    """Give labels with others of the same form after them.

    Raises
    ------
    InputError
        If one is an array of zeros and ones and the other is not, or of another width.
    """
    further = as_values(others)
    if isinstance(values, np.ndarray) and isinstance(further, np.ndarray):
        if values.shape[1] == further.shape[1]:
            return np.concatenate([values, further])
    elif isinstance(values, list) and isinstance(further, list):
        return [*values, *further]
    raise InputError(f"Labels of one form were expected, got {_form(values)} and {_form(further)}.")


def _form(values: list[Any] | AnyArray) -> str:
    if isinstance(values, list):
        return f"a list such as {values[:2]}"
    return f"zeros and ones of shape {values.shape}"


def _from_array(array: AnyArray) -> list[Any] | AnyArray:
    if array.ndim == 2 and array.shape[1] > 1:
        if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
            raise InputError(
                f"Labels of shape {array.shape} must be zeros and ones, one column a class, "
                f"got values such as {array.ravel()[:4].tolist()}."
            )
        return array.astype(np.int64)
    if array.ndim > 2:
        raise InputError(f"Labels must have one or two dimensions, got shape {array.shape}.")
    values: list[Any] = array.ravel().tolist()
    return values


def _is_label_list(value: Any) -> bool:
    return isinstance(value, list | set | frozenset | np.ndarray)


def _check_label_lists(values: Sequence[Any] | AnyArray) -> None:
    for row, value in enumerate(values):
        if not _is_label_list(value) and not isinstance(value, tuple):
            raise InputError(
                f"Label at row {row} is {value!r}, but other rows hold lists of labels. "
                "Give every text a list, also for one label or none."
            )


def _kind(label: Plain) -> str:
    return type(label).__name__


def _object_array(values: Sequence[Any]) -> AnyArray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
