"""Task of a multi-task model: kind of its labels, head, metric and weight."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import ImbalanceName, LabelsLike
from nlptl.base.protocols import HeadLike
from nlptl.base.specs import Spec
from nlptl.base.suggestions import suggest
from nlptl.data.columns import read_once
from nlptl.data.corpus import Corpus
from nlptl.data.labels import are_lists, as_values
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_model import TextModel
from nlptl.estimators.text_regressor import TextRegressor
from nlptl.heads.linear import OrdinalHead

KINDS = ("auto", "single_label", "multi_label", "ordinal", "regression", "language_model")
FIGURES = {
    "single_label": "accuracy",
    "multi_label": "micro_f1",
    "ordinal": "accuracy",
    "regression": "pearson",
}
"""Default metric of each kind of task."""


@dataclass(frozen=True)
class Task(Spec):
    """One of the tasks of ``MultiTaskModel``.

    Parameters
    ----------
    kind : {"auto", "single_label", "multi_label", "ordinal", "regression", "language_model"}
        Kind of the labels. ``"auto"`` infers it: lists of labels are ``"multi_label"``, numbers
        with decimals are ``"regression"``, anything else is ``"single_label"``.
        ``"language_model"`` takes unlabelled texts, and predicts hidden words in them.
    head : head, str or None
        As in ``TextClassifier`` and ``TextRegressor``. None uses ``OrdinalHead`` for
        ``"ordinal"``, and the default head of these classes for other kinds.
    metric : str or None
        Metric that scores the task. None uses ``micro_f1`` for several labels per text,
        ``pearson`` for numbers, and accuracy otherwise.
    weight : float
        Factor on the loss of this task when the losses of all tasks are combined. Above 0.
    imbalance : {"balanced", "focal", "logit_adjust"} or None
        As in ``TextClassifier``.
    """

    kind: str = "auto"
    head: HeadLike | None = None
    metric: str | None = None
    weight: float = 1.0
    imbalance: ImbalanceName | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind={self.kind!r} is not known. {suggest(str(self.kind), KINDS)}")
        if not self.weight > 0:
            raise ConfigError(f"weight must be above 0, got {self.weight}.")

    @property
    def reads_only(self) -> bool:
        """True if the task has only texts and no labels."""
        return self.kind == "language_model"

    def known(self, answers: LabelsLike) -> Task:
        """Return the task with its kind, metric and head filled in from its labels or numbers."""
        kind = _kind_of(answers) if self.kind == "auto" else self.kind
        metric = self.metric or FIGURES.get(kind)
        head = OrdinalHead() if kind == "ordinal" and self.head is None else self.head
        return Task(kind, head, metric, self.weight, self.imbalance)

    def model(self, options: Mapping[str, Any]) -> TextModel:
        """Return an unfitted model of this task alone."""
        if self.kind == "regression":
            if self.imbalance is not None:
                raise ConfigError(
                    f"imbalance={self.imbalance!r} applies to classes, but a task of kind "
                    "'regression' has numbers. Leave imbalance out."
                )
            return TextRegressor(head=self.head, **options)
        return TextClassifier(head=self.head, imbalance=self.imbalance, **options)


@dataclass(frozen=True)
class TaskData:
    """Data of one task as the user passed it.

    Attributes
    ----------
    texts : texts
    answers : labels, numbers or None
        None for an unlabelled task.
    """

    texts: Any
    answers: Any = None

    @classmethod
    def read(cls, name: str, data: object, *, reads_only: bool) -> TaskData:
        """Read the data that a user passed for a task.

        Raises
        ------
        InputError
            If the data are neither a pair of texts and labels (or numbers) nor a ``Corpus``, or
            labels are missing.
        """
        if isinstance(data, Corpus):
            parts = cls(data.rows.texts, data.labels)
        elif reads_only and not (isinstance(data, tuple) and len(data) == 2):
            parts = cls(data)
        elif isinstance(data, tuple | list) and len(data) == 2:
            parts = cls(data[0], data[1])
        else:
            raise InputError(
                f"Task {name!r} needs (texts, labels) or a Corpus, got {type(data).__name__}."
            )
        if reads_only:
            return cls(read_once(parts.texts))
        if parts.answers is None:
            raise InputError(f"Task {name!r} needs labels, got texts alone. Pass (texts, labels).")
        return cls(read_once(parts.texts), read_once(parts.answers))


def as_tasks(tasks: object) -> dict[str, Task]:
    """Return the tasks of a model by name. A kind such as ``"auto"`` becomes a ``Task``.

    Raises
    ------
    ConfigError
        If ``tasks`` is not a mapping of names to tasks, is empty, or has no task with labels or
        numbers.
    """
    if not isinstance(tasks, Mapping) or not tasks:
        raise ConfigError(
            f"tasks must be a dict {{name: Task(...)}} with at least one task, got {tasks!r}."
        )
    checked = {}
    for name, task in tasks.items():
        if not isinstance(name, str) or not name:
            raise ConfigError(f"Each task name must be a non-empty string, got {name!r}.")
        checked_task = Task(task) if isinstance(task, str) else task
        if not isinstance(checked_task, Task):
            raise ConfigError(
                f"Task {name!r} must be a Task or the name of a kind, got {type(task).__name__}."
            )
        checked[name] = checked_task
    if all(task.reads_only for task in checked.values()):
        raise ConfigError(
            "At least one task must have labels or numbers, got only unlabelled tasks: "
            f"{list(checked)}. Add a task of another kind than 'language_model'."
        )
    return checked


def gated(tasks: Mapping[str, Task], gate: bool | Collection[str]) -> set[str]:
    """Return the names of the tasks whose joint training is compared with other variants.

    Raises
    ------
    ConfigError
        If ``gate`` names an unlabelled task, or one that does not exist.
    """
    labelled = [name for name, task in tasks.items() if not task.reads_only]
    if isinstance(gate, bool):
        return set(labelled) if gate else set()
    names = [gate] if isinstance(gate, str) else list(gate)
    for name in names:
        if name not in labelled:
            raise ConfigError(
                f"gate names {name!r}, which is not a task with labels or numbers. "
                f"{suggest(str(name), labelled)}"
            )
    return set(names)


def _kind_of(answers: LabelsLike) -> str:
    values = as_values(answers)
    if are_lists(values):
        return "multi_label"
    decimals = all(isinstance(value, float | np.floating) for value in values)
    whole = decimals and all(float(value).is_integer() for value in values)
    return "regression" if decimals and not whole else "single_label"
