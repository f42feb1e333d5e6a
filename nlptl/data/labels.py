"""Convert labels of all supported types to class codes and back to their original values."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, IntArray
from nlptl.base.described import entry
from nlptl.base.errors import InputError
from nlptl.base.inputs import JsonObject, LabelsLike
from nlptl.base.suggestions import suggest
from nlptl.data.columns import as_list, column_names, read_values
from nlptl.data.indicators import Indicator, read_rows
from nlptl.data.rows import is_missing

Plain = str | bool | int | float | tuple[Any, ...]

_PLAIN_TYPES = (str, bool, int, float)

_SHOWN = 5
"""Maximum number of classes named in a message."""


class SingleLabels(list[Any]):
    """Labels that were read, one per text."""


class LabelLists(list[Any]):
    """Lists of labels, one list per text, that are never read as zeros and ones."""


LabelValues: TypeAlias = list[Any] | Indicator
"""Labels after reading: ``SingleLabels``, ``LabelLists``, or columns of zeros and ones."""


@dataclass(frozen=True)
class LabelCodec:
    """Label set of a task, which encodes labels as class codes and decodes them.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The distinct labels in sorted order, with their original types. For an indicator, the names
        of the columns in their order, or 0, 1, 2, ... if the columns have no names.
    form : {"single", "lists", "indicator"}
        One label per text, a list of labels per text, or an (n, n_classes) array of zeros and ones.
    """

    classes: AnyArray
    form: str

    numeric: ClassVar[bool] = False
    """False: these answers are classes."""

    @property
    def n_outputs(self) -> int:
        """Number of classes or labels."""
        return len(self.classes)

    @staticmethod
    def read(labels: LabelsLike) -> LabelValues:
        """Read labels once and keep their form: see ``as_values``."""
        return as_values(labels)

    @classmethod
    def learn(cls, labels: LabelsLike, *, least: int = 2) -> Self:
        """Build the label set from training labels.

        Parameters
        ----------
        labels
            As for ``TextClassifier.fit``.
        least : int
            Minimum number of different labels, if each text has one label.

        Raises
        ------
        InputError
            If a label is missing or has an unsupported type, or there are too few different labels.
        """
        values = as_values(labels)
        if isinstance(values, Indicator):
            return cls(_names_of(values), "indicator")
        if isinstance(values, LabelLists):
            flat = _flat(values)
            classes, form = _distinct(flat), "lists"
        else:
            flat, classes, form = values, _distinct(values), "single"
        _refuse_equals(flat, classes)
        if len(classes) < least and form == "single":
            only = f"all {len(values)} are {classes.tolist()[0]!r}" if len(classes) else "got none"
            raise InputError(
                f"Expected at least two different labels, but {only}. "
                "Add examples of at least two classes."
            )
        if not len(classes) and form == "lists":
            raise InputError(
                "Expected at least one label, but every text has an empty list of labels. Add some."
            )
        return cls(classes, form)

    def values(self, labels: LabelsLike) -> LabelValues:
        """Read labels in the form of the training labels.

        Raises
        ------
        InputError
            If the labels have another form or other columns.
        """
        values = as_values(labels, form=self.form)
        if self.form == "indicator" and not isinstance(values, Indicator):
            raise InputError(
                f"Expected labels as an array of zeros and ones of shape (n, {self.n_outputs}), as "
                f"in training, got {len(values)} labels such as {values[:2]!r}. Pass such an array."
            )
        if self.form != "indicator" and isinstance(values, Indicator):
            raise InputError(
                "Expected one label per text, or lists of labels, as in training, got an array of "
                f"shape {values.shape}. Pass the labels themselves."
            )
        if self.form == "single" and isinstance(values, LabelLists):
            raise InputError(
                f"Expected one label per text, as in training, got lists such as {values[0]!r}. "
                "Pass the labels themselves."
            )
        if isinstance(values, Indicator):
            by_position = self.classes.tolist() == list(range(self.n_outputs))
            names = None if by_position else tuple(self.classes.tolist())
            return Indicator(values.aligned(self.classes), names)
        return values

    def encode(self, labels: LabelsLike, *, allow_unseen: bool = False) -> IntArray:
        """Return class codes (n,), or zeros and ones (n, n_classes) for several labels per text.

        Parameters
        ----------
        labels
            As for ``TextClassifier.fit``, in the form of the training labels.
        allow_unseen : bool
            Encode labels that do not occur in training as -1 instead of raising an error. A row of
            several labels that contains such a label is -1 in all columns.

        Raises
        ------
        InputError
            If a label is missing, has another type than the classes, or does not occur in training.
            Also if the labels have another form.
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
        """Return the labels of class codes, or of an array of zeros and ones, in original form."""
        if self.form == "single":
            return self.classes[codes]
        if self.form == "indicator":
            return codes
        return [self.classes[np.flatnonzero(row)].tolist() for row in codes]

    def to_json(self) -> dict[str, Any]:
        """Return the codec as plain JSON values."""
        dtype = "object" if self.classes.dtype.kind == "O" else self.classes.dtype.str
        return {"form": self.form, "dtype": dtype, "classes": self.classes.tolist()}

    @classmethod
    def from_json(cls, described: JsonObject) -> Self:
        """Build the codec from the result of ``to_json``."""
        form, dtype = (entry(described, name, str) for name in ("form", "dtype"))
        classes = entry(described, "classes", list)
        if dtype != "object":
            return cls(np.array(classes, dtype), form)
        return cls(_object_array([_tuples(label) for label in classes]), form)

    def _codes(
        self,
        position: Mapping[object, int],
        labels: Sequence[object],
        rows: IntArray,
        *,
        allow_unseen: bool,
    ) -> IntArray:
        """Return the codes of labels; ``rows`` are the row numbers for messages."""
        try:
            codes = np.array([position.get(label, -1) for label in labels], np.int64)
        except TypeError:  # a list or another value that cannot be a label
            for row, label in zip(rows, labels, strict=True):
                check_label(int(row), label)
            raise
        unseen = np.flatnonzero(codes < 0)
        families = {_family(label) for label in position} if len(unseen) else set()
        for index in unseen:
            row, label = int(rows[index]), labels[int(index)]
            if _family(check_label(row, label)) not in families:
                raise _of_another_type(row, label, list(position))
            if not allow_unseen:
                names = [str(name) for name in list(position)[:50]]
                raise InputError(
                    f"Label {label!r} at row {row} was never seen in training. "
                    f"{suggest(str(label), names)}"
                )
        return codes


def are_lists(answers: Iterable[object]) -> bool:
    """Return True if any answer is a list of labels or a row of zeros and ones."""
    return any(isinstance(answer, list | set | frozenset | np.ndarray) for answer in answers)


def distinct(labels: Iterable[object]) -> AnyArray:
    """Return the distinct labels in sorted order, in an array of their type.

    Raises
    ------
    InputError
        If a label is missing or has an unsupported type, or if the labels have mixed types.
    """
    return _distinct(as_list(labels))


def _distinct(values: list[Any]) -> AnyArray:
    """Return the distinct labels of a list, as ``distinct`` does."""
    if len(set(map(type, values))) == 1 and type(values[0]) in _PLAIN_TYPES:
        # In reverse order, so that each label keeps its first row.
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


def check_label(row: int, label: object) -> Plain:
    """Return a label as a plain Python value.

    Raises
    ------
    InputError
        If the label is missing (None, NaN, a blank text) or has an unsupported type. Also if it
        holds half of a character (a lone surrogate), which cannot be saved in a file.
    """
    value: Any = label
    if isinstance(label, np.generic) and label.dtype.kind in "biuf":
        value = label.item()
    value = str(value) if isinstance(value, np.str_) else value
    if not value.strip() if isinstance(value, str) else is_missing(value):
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
            f"Label at row {row} is {value!r} ({type(value).__name__}), expected str, bool, int, "
            "float or a tuple of these. Convert it. For several labels per text, pass one list per "
            "text."
        )
    if not _can_be_written(value):
        raise InputError(
            f"Label at row {row} is {_shown(value)}, which cannot be saved: it holds half of a "
            "character, or is a number of thousands of digits. Repair or convert it."
        )
    plain: Plain = value
    return plain


def _part_of_label(row: int, part: object) -> Plain:
    """Return one element of a tuple as a plain value; elements may be blank texts."""
    return part if type(part) is str and not part.strip() else check_label(row, part)


def _can_be_written(value: Plain) -> bool:
    try:
        str(value).encode()  # fails for half of a character and numbers of thousands of digits
    except ValueError:
        return False
    return True


def _shown(value: Plain) -> str:
    return f"a number of {value.bit_length()} bits" if isinstance(value, int) else repr(value)


def check_lengths(truth: IntArray, chosen: IntArray) -> None:
    """Check that there is one label per text.

    Raises
    ------
    InputError
        If the lengths differ.
    """
    if len(truth) != len(chosen):
        raise InputError(
            f"Each text needs one label, got {len(chosen)} texts and {len(truth)} labels."
        )


def key_of(label: object) -> Any:
    """Return a label as a plain value for look-ups, so that 1 and np.int64(1) are the same."""
    return label.item() if isinstance(label, np.generic) else label


def as_values(labels: LabelsLike, *, form: str | None = None) -> LabelValues:
    """Read labels from any container: ``SingleLabels``, ``LabelLists`` or an ``Indicator``.

    Parameters
    ----------
    labels
        As for ``TextClassifier.fit``; an iterator is read once.
    form : {"single", "lists", "indicator"} or None
        Form of the training labels, if it is known. Without it, rows of zeros and ones with equal
        lengths could also be lists of labels, or tuples.

    Raises
    ------
    InputError
        If the container has no order, or rows of zeros and ones can be read in two ways.
    """
    if isinstance(labels, LabelLists | Indicator):
        return labels
    if isinstance(labels, SingleLabels) and form in (None, "single"):
        return labels
    values = read_values(labels)
    if isinstance(values, list):
        return _read_rows(values, form)
    if not isinstance(values, np.ndarray):
        return Indicator.of_table(values, column_names(values) or ())
    if values.ndim > 2:
        raise InputError(
            f"Labels must have one or two dimensions, got shape {values.shape}. Reshape them."
        )
    return Indicator.of_array(values)


def _read_rows(values: list[Any], form: str | None) -> LabelValues:
    """Return labels, lists of labels or an indicator, depending on the type of the rows."""
    kinds = set(map(type, values))
    lists = any(issubclass(kind, list | set | frozenset) for kind in kinds)
    sequences = bool(values) and all(isinstance(value, list | tuple) for value in values)
    if sequences and (form == "indicator" or (form is None and (lists or kinds == {tuple}))):
        indicator = read_rows(values, indicator=True if form == "indicator" else None)
        if indicator is not None:
            return indicator
    return LabelLists(values) if lists or form == "lists" else SingleLabels(values)


def values_at(values: LabelValues, rows: IntArray) -> LabelValues:
    """Return some of the labels that ``as_values`` returned, in the same form."""
    if isinstance(values, Indicator):
        return values.take(rows)
    return type(values)(values[i] for i in rows)


def joined_values(values: LabelValues, others: LabelValues) -> LabelValues:
    """Return labels followed by other labels of the same form.

    Raises
    ------
    InputError
        If only one of them has columns of zeros and ones, or their columns differ.
    """
    if isinstance(values, Indicator) and isinstance(others, Indicator):
        return values.followed_by(others)
    if isinstance(values, Indicator) or isinstance(others, Indicator):
        raise InputError(
            f"Expected labels of one form, got {_form(values)} and {_form(others)}. "
            "Convert one of them."
        )
    return type(values)([*values, *others])


def _form(values: LabelValues) -> str:
    if isinstance(values, Indicator):
        return f"zeros and ones of shape {values.shape}"
    return f"a list such as {values[:2]}"


def _flat(values: Sequence[Iterable[object]]) -> list[Any]:
    """Return the labels of all lists after a check of every label."""
    for row, value in enumerate(values):
        if not isinstance(value, list | tuple | set | frozenset):
            raise InputError(
                f"Label at row {row} is {value!r}, but other rows hold lists of labels. "
                "Pass a list for every text, also for one label or none."
            )
        for label in value:
            check_label(row, label)
    return [label for value in values for label in value]


def _names_of(indicator: Indicator) -> AnyArray:
    """Return the classes of columns: their names, or their positions if they have no names."""
    if indicator.names is None:
        return np.arange(indicator.shape[1])
    try:
        distinct(indicator.names)
        return _array_of([check_label(0, name) for name in indicator.names])
    except InputError as problem:
        raise InputError(
            f"The label columns {list(indicator.names)[:_SHOWN]!r} cannot be classes: {problem}"
        ) from problem


def _refuse_equals(labels: Sequence[object], classes: AnyArray) -> None:
    """Refuse labels that are equal but not identical, such as 1 and 1.0, and would be merged."""
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
                f"Labels hold both {first!r} and {label!r}, which are equal and would become one "
                "class. Convert the labels to one type."
            )


def _of_another_type(row: int, label: object, classes: Sequence[object]) -> InputError:
    return InputError(
        f"Label at row {row} is {label!r}, of another type than the classes of the model, which "
        f"are {', '.join(map(repr, classes[:_SHOWN]))}. Convert the labels to the type of the "
        "training labels."
    )


def _family(label: object) -> Hashable:
    """Return the type family of a label; only labels of the same family can be equal."""
    if isinstance(label, tuple):
        return frozenset(_family(part) for part in label)
    return "number" if isinstance(label, bool | int | float) else "text"


def _kind(label: Plain) -> str:
    return type(label).__name__


def _array_of(labels: Sequence[object]) -> AnyArray:
    """Return labels as an array of their type if it is exact, else as an array of objects."""
    for dtype in (None, np.uint64):
        try:
            array: AnyArray = np.array(labels, dtype)
        except (OverflowError, ValueError):
            continue
        values = array.tolist()
        if array.dtype.kind != "O" and values == labels and _types(values) == _types(labels):
            return array
    return _object_array(labels)


def _types(values: Iterable[object]) -> list[type]:
    return list(map(type, values))


def _object_array(values: Sequence[object]) -> AnyArray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _tuples(value: object) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
