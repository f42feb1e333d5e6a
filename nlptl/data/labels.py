"""Labels of every kind users have, as codes and back as they were given."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, IntArray
from nlptl.base.errors import InputError
from nlptl.base.suggestions import suggest
from nlptl.data.columns import as_array, as_list, column_names, is_column, read_once
from nlptl.data.indicators import Indicator, read_rows
from nlptl.data.rows import is_missing

Plain = str | bool | int | float | tuple[Any, ...]

_PLAIN_TYPES = (str, bool, int, float)

_SHOWN = 5
"""Maximum number of classes named in a message."""


class LabelLists(list[Any]):
    """Lists of labels, one per text, that are never read as zeros and ones."""


LabelValues: TypeAlias = list[Any] | Indicator
"""Labels that were read: one per text, ``LabelLists``, or columns of zeros and ones."""


@dataclass(frozen=True)
class LabelCodec:
    """The label set of a task, learnt from its training labels.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The distinct labels in sorted order, as they were given; the names of the columns in their
        order, or 0, 1, 2 where columns have no names.
    form : {"single", "lists", "indicator"}
        One label a text; a list of labels a text; or an (n, n_classes) array of zeros and ones.
    """

    classes: AnyArray
    form: str

    numeric: ClassVar[bool] = False
    """False: these answers are classes."""

    @property
    def n_outputs(self) -> int:
        """Classes or labels there are."""
        return len(self.classes)

    @staticmethod
    def read(labels: Any) -> LabelValues:
        """Read labels once, in the form in which they are: see ``as_values``."""
        return as_values(labels)

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
        if isinstance(values, Indicator):
            return cls(_names_of(values), "indicator")
        if isinstance(values, LabelLists):
            flat = _flat(values)
            classes, form = distinct(flat), "lists"
        else:
            flat, classes, form = values, distinct(values), "single"
        _refuse_equals(flat, classes)
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

    def values(self, labels: Any) -> LabelValues:
        """Read labels in the form of the training labels.

        Raises
        ------
        InputError
            If they are in another form, or have other columns.
        """
        values = as_values(labels, form=self.form)
        if self.form == "indicator" and not isinstance(values, Indicator):
            raise InputError(
                f"Expected labels as an array of zeros and ones of shape (n, {self.n_outputs}), as "
                f"in training, got {len(values)} labels such as {values[:2]!r}."
            )
        if self.form != "indicator" and isinstance(values, Indicator):
            raise InputError(
                f"Expected one label a text, or lists of labels, as in training; got an array of "
                f"shape {values.shape}."
            )
        if self.form == "single" and isinstance(values, LabelLists):
            raise InputError(
                f"Expected one label a text, as in training, got lists such as {values[0]!r}. Pass "
                "the labels themselves."
            )
        if isinstance(values, Indicator):
            by_place = self.classes.tolist() == list(range(self.n_outputs))
            names = None if by_place else tuple(self.classes.tolist())
            return Indicator(values.aligned(self.classes), names)
        return values

    def encode(self, labels: Any, *, allow_unseen: bool = False) -> IntArray:
        """Turn labels into codes (n,), or zeros and ones (n, n_classes) for several a text.

        Parameters
        ----------
        labels
            As for ``TextClassifier.fit``, in the form of the training labels.
        allow_unseen : bool
            Code labels that were never seen in training as -1 instead of refusing them; a row of
            several labels with one of them is -1 in all columns.

        Raises
        ------
        InputError
            If a label is missing, of another type than the classes, or was never seen in
            training, or if the form differs.
        """
        values = self.values(labels)
        if isinstance(values, Indicator):
            return values.codes
        position = {key_of(label): code for code, label in enumerate(self.classes.tolist())}
        if self.form == "single":
            return self._codes(position, values, np.arange(len(values)), allow_unseen=allow_unseen)
        flat = _flat(values)
        rows = np.repeat(np.arange(len(values)), [len(several) for several in values])
        codes = self._codes(position, flat, rows, allow_unseen=allow_unseen)
        indicator = np.zeros((len(values), len(self.classes)), np.int64)
        indicator[rows[codes >= 0], codes[codes >= 0]] = 1
        indicator[rows[codes < 0]] = -1
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
        dtype = "object" if self.classes.dtype.kind == "O" else self.classes.dtype.str
        return {"form": self.form, "dtype": dtype, "classes": self.classes.tolist()}

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> Self:
        """Read what ``to_json`` wrote."""
        if described["dtype"] != "object":
            return cls(np.array(described["classes"], described["dtype"]), described["form"])
        return cls(_object_array([_tuples(c) for c in described["classes"]]), described["form"])

    def _codes(
        self,
        position: dict[Any, int],
        labels: list[Any],
        rows: IntArray,
        *,
        allow_unseen: bool,
    ) -> IntArray:
        """Look labels up; ``rows`` are their rows, for messages."""
        try:
            codes = np.array([position.get(label, -1) for label in labels], np.int64)
        except TypeError:  # a list or another value that cannot be a label
            for row, label in zip(rows, labels, strict=True):
                check_label(int(row), label)
            raise
        unseen = np.flatnonzero(codes < 0)
        families = {_family(label) for label in position} if len(unseen) else set()
        for place in unseen:
            row, label = int(rows[place]), labels[place]
            if _family(check_label(row, label)) not in families:
                raise _of_another_type(row, label, list(position))
            if not allow_unseen:
                names = [str(known) for known in list(position)[:50]]
                raise InputError(
                    f"Label {label!r} at row {row} was never seen in training. "
                    f"{suggest(str(label), names)}"
                )
        return codes


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
    values = as_list(labels)
    if len(set(map(type, values))) == 1 and type(values[0]) in _PLAIN_TYPES:
        # Looked up backwards, so that each label keeps its first row.
        first_rows = dict(zip(reversed(values), range(len(values) - 1, -1, -1), strict=True))
        for label, row in sorted(first_rows.items(), key=lambda entry: entry[1]):
            check_label(row, label)
        return _array_of(sorted(first_rows))
    plain = [check_label(row, label) for row, label in enumerate(values)]
    kinds = sorted({_kind(label) for label in plain})
    if len(kinds) > 1 and kinds != ["float", "int"]:
        firsts = [next(label for label in plain if _kind(label) == kind) for kind in kinds]
        raise InputError(
            f"Labels mix {' and '.join(kinds)}: {', '.join(map(repr, firsts))}. "
            "Convert them to one type, for example str."
        )
    classes = dict.fromkeys(plain)
    if kinds == ["tuple"]:
        return _object_array(sorted(classes, key=repr))
    return _array_of(sorted(classes))


def check_label(row: int, label: Any) -> Plain:
    """Return a label as a plain Python value.

    Raises
    ------
    InputError
        If it is missing (None, NaN, a blank text), of a kind that is no label, or a text that holds
        half of a character, which no file can hold.
    """
    value = label.item() if isinstance(label, np.generic) and label.dtype.kind in "biuf" else label
    value = str(value) if isinstance(value, np.str_) else value
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        raise InputError(f"Label at row {row} is missing ({value!r}). Drop the row or fill it in.")
    if type(value) is tuple:
        return tuple(_part_of_label(row, part) for part in value)
    if isinstance(value, enum.Enum):
        raise InputError(
            f"Label at row {row} is {value!r}, a member of an enumeration. Pass its value: "
            "[label.value for label in labels]."
        )
    if type(value) not in _PLAIN_TYPES:
        raise InputError(
            f"Label at row {row} is {value!r} ({type(value).__name__}). "
            "Convert it: labels are str, bool, int, float or tuples of these; for several labels a "
            "text, give every text a list."
        )
    if not _can_be_written(value):
        raise InputError(
            f"Label at row {row} is {_shown(value)}, which cannot be saved: half of a character, "
            "or a number of thousands of digits. Repair or convert it."
        )
    plain: Plain = value
    return plain


def _part_of_label(row: int, part: Any) -> Plain:
    """Return a part of a tuple as a plain value; some levels of a label may be blank."""
    return part if type(part) is str and not part.strip() else check_label(row, part)


def _can_be_written(value: Plain) -> bool:
    try:
        str(value).encode()  # fails on half of a character, and on numbers of thousands of digits
    except ValueError:
        return False
    return True


def _shown(value: Plain) -> str:
    return f"a number of {value.bit_length()} bits" if isinstance(value, int) else repr(value)


def check_lengths(truth: IntArray, chosen: IntArray) -> None:
    """Refuse codes of another number of rows.

    Raises
    ------
    InputError
        If lengths differ.
    """
    if len(truth) != len(chosen):
        raise InputError(
            f"Each text needs one label, got {len(chosen)} texts and {len(truth)} labels."
        )


def key_of(label: Any) -> Any:
    """Return the value under which a label is looked up: a plain one, so 1 and np.int64(1) meet."""
    return label.item() if isinstance(label, np.generic) else label


def as_values(labels: Any, *, form: str | None = None) -> LabelValues:
    """Read labels from any container: one per text, ``LabelLists`` or an ``Indicator``.

    Parameters
    ----------
    labels
        As for ``TextClassifier.fit``; an iterator is read once.
    form : {"single", "lists", "indicator"} or None
        Form of the training labels, where it is known: equally long rows of zeros and ones could
        otherwise be lists of labels, or tuples.

    Raises
    ------
    InputError
        If the container has no order, or rows of zeros and ones could be read in two ways.
    """
    if isinstance(labels, LabelLists | Indicator):
        return labels
    values = as_array(read_once(labels))
    names = column_names(values)
    if names is not None and len(names) != 1:
        return Indicator.of_table(values, names)
    if isinstance(values, np.ndarray) and values.ndim > 2:
        raise InputError(f"Labels must have one or two dimensions, got shape {values.shape}.")
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] > 1:
        return Indicator.of_array(values)
    return _read_rows(as_list(values), form)


def _read_rows(values: list[Any], form: str | None) -> LabelValues:
    """Return labels, lists of labels or an indicator, by what the rows are."""
    kinds = set(map(type, values))
    rows_of_arrays = any(is_column(kind) for kind in kinds)
    lists = rows_of_arrays or any(issubclass(kind, list | set | frozenset) for kind in kinds)
    if rows_of_arrays:
        values = [as_list(value) if is_column(type(value)) else value for value in values]
    sequences = bool(values) and all(isinstance(value, list | tuple) for value in values)
    if sequences and (form == "indicator" or (form is None and (lists or kinds == {tuple}))):
        indicator = read_rows(values, indicator=True if form == "indicator" else None)
        if indicator is not None:
            return indicator
    return LabelLists(values) if lists or form == "lists" else values


def values_at(values: LabelValues, rows: IntArray) -> LabelValues:
    """Give some of the labels that ``as_values`` gave, in the form they have."""
    if isinstance(values, Indicator):
        return values.take(rows)
    return type(values)(values[i] for i in rows)


def joined_values(values: LabelValues, others: LabelValues) -> LabelValues:
    """Give labels with others of the same form after them.

    Raises
    ------
    InputError
        If one has columns of zeros and ones and the other has not, or has other columns.
    """
    if isinstance(values, Indicator) and isinstance(others, Indicator):
        return values.followed_by(others)
    if isinstance(values, Indicator) or isinstance(others, Indicator):
        raise InputError(
            f"Labels of one form were expected, got {_form(values)} and {_form(others)}."
        )
    return type(values)([*values, *others])


def _form(values: LabelValues) -> str:
    if isinstance(values, Indicator):
        return f"zeros and ones of shape {values.shape}"
    return f"a list such as {values[:2]}"


def _flat(values: Sequence[Any]) -> list[Any]:
    """Return the labels of all lists, after every one was checked with its row."""
    for row, value in enumerate(values):
        if not isinstance(value, list | tuple | set | frozenset):
            raise InputError(
                f"Label at row {row} is {value!r}, but other rows hold lists of labels. "
                "Give every text a list, also for one label or none."
            )
        for label in value:
            check_label(row, label)
    return [label for value in values for label in value]


def _names_of(indicator: Indicator) -> AnyArray:
    """Return the classes of columns: their names, or their places."""
    if indicator.names is None:
        return np.arange(indicator.shape[1])
    try:
        distinct(indicator.names)
        return _array_of([check_label(0, name) for name in indicator.names])
    except InputError as problem:
        raise InputError(
            f"The label columns {list(indicator.names)[:_SHOWN]!r} cannot be classes: {problem}"
        ) from problem


def _refuse_equals(labels: Sequence[Any], classes: AnyArray) -> None:
    """Refuse labels that are equal and not the same, such as 1 and 1.0: one would be lost."""
    if classes.dtype.kind not in "fO" and len(set(map(type, labels))) == 1:
        return
    plain = [check_label(row, label) for row, label in enumerate(labels)]
    exact = {repr(label): label for label in plain}
    if len(exact) == len(classes):
        return
    firsts: dict[Any, Any] = {}
    for label in exact.values():
        first = firsts.setdefault(label, label)
        if first is not label:
            raise InputError(
                f"Labels hold both {first!r} and {label!r}, which are equal, so that one of them "
                "would be lost. Convert the labels to one type."
            )


def _of_another_type(row: int, label: Any, classes: list[Any]) -> InputError:
    return InputError(
        f"Label at row {row} is {label!r}, of another type than the classes of the model, which "
        f"are {', '.join(map(repr, classes[:_SHOWN]))}. Convert the labels to the type that the "
        "model was trained on."
    )


def _family(label: Any) -> Any:
    """Return what labels need to have in common to be equal."""
    if isinstance(label, tuple):
        return frozenset(_family(part) for part in label)
    return "number" if isinstance(label, bool | int | float) else "text"


def _kind(label: Plain) -> str:
    return type(label).__name__


def _array_of(labels: list[Any]) -> AnyArray:
    """Return labels as an array of their own type that holds them exactly, else of objects."""
    for dtype in (None, np.uint64):
        try:
            array: AnyArray = np.array(labels, dtype)
        except (OverflowError, ValueError):
            continue
        kept = array.tolist()
        if array.dtype.kind != "O" and kept == labels and _types(kept) == _types(labels):
            return array
    return _object_array(labels)


def _types(values: list[Any]) -> list[type]:
    return list(map(type, values))


def _object_array(values: Sequence[Any]) -> AnyArray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
