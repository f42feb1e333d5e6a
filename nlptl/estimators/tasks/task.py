"""One of several tasks: what it asks, how it is scored, how much it counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlptl.base.errors import ConfigError, InputError
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
"""What a task is scored by where its user does not say."""


@dataclass(frozen=True)
class Task(Spec):
    """One of the tasks of ``MultiTaskModel``.

    Parameters
    ----------
    kind : {"auto", "single_label", "multi_label", "ordinal", "regression", "language_model"}
        What the answers are; ``"auto"`` reads it from them: lists of labels are several, numbers
        with decimals are numbers, all else is one label a text. ``"language_model"`` takes texts
        alone, and guesses words hidden in them.
    head : head or None
        As in ``TextClassifier`` and ``TextRegressor``; None is theirs, and ``OrdinalHead`` for
        ``"ordinal"``.
    metric : str or None
        The figure by which the task is judged; None is accuracy, ``micro_f1`` for several labels
        and ``pearson`` for numbers.
    weight : float
        What its loss counts beside those of the others.
    imbalance : {"balanced", "focal", "logit_adjust"} or None
        As in ``TextClassifier``.
    """

    kind: str = "auto"
    head: Any = None
    metric: str | None = None
    weight: float = 1.0
    imbalance: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind={self.kind!r} is not known. {suggest(str(self.kind), KINDS)}")
        if not self.weight > 0:
            raise ConfigError(f"weight must be above 0, got {self.weight}.")

    @property
    def reads_only(self) -> bool:
        """Whether there is nothing to answer, only text to read."""
        return self.kind == "language_model"

    def known(self, answers: Any) -> Task:
        """Give the task with its kind and figure read from answers."""
        kind = _kind_of(answers) if self.kind == "auto" else self.kind
        metric = self.metric or FIGURES.get(kind)
        head = OrdinalHead() if kind == "ordinal" and self.head is None else self.head
        return Task(kind, head, metric, self.weight, self.imbalance)

    def model(self, options: Mapping[str, Any]) -> TextModel:
        """Give the model that would learn this task alone, not fitted."""
        if self.kind == "regression":
            if self.imbalance is not None:
                raise ConfigError(f"imbalance={self.imbalance!r} is for classes, and not numbers.")
            return TextRegressor(head=self.head, **options)
        return TextClassifier(head=self.head, imbalance=self.imbalance, **options)


@dataclass(frozen=True)
class TaskData:
    """What one task learns from, as it was given.

    Attributes
    ----------
    texts : texts
    answers : labels, numbers or None
    """

    texts: Any
    answers: Any = field(default=None)

    @classmethod
    def read(cls, name: str, given: Any, *, reads_only: bool) -> TaskData:
        """Read what a user gave for a task.

        Raises
        ------
        InputError
            If it is neither a pair of texts and answers nor a ``Corpus``.
        """
        if isinstance(given, Corpus):
            found = cls(given.rows.texts, given.labels)
        elif reads_only and not (isinstance(given, tuple) and len(given) == 2):
            found = cls(given)
        elif isinstance(given, tuple | list) and len(given) == 2:
            found = cls(given[0], given[1])
        else:
            raise InputError(
                f"Task {name!r} needs (texts, labels) or a Corpus, got {type(given).__name__}."
            )
        if reads_only:
            return cls(read_once(found.texts))
        if found.answers is None:
            raise InputError(f"Task {name!r} was given texts without labels.")
        return cls(read_once(found.texts), read_once(found.answers))


def as_tasks(tasks: Any) -> dict[str, Task]:
    """Read the tasks of a model: objects or names of kinds, by name.

    Raises
    ------
    ConfigError
        If they are no mapping of names, or there are none.
    """
    if not isinstance(tasks, Mapping) or not tasks:
        raise ConfigError(f"tasks must be {{name: Task(...)}}, at least one, got {tasks!r}.")
    found = {}
    for name, task in tasks.items():
        if not isinstance(name, str) or not name:
            raise ConfigError(f"Names of tasks are texts, got {name!r}.")
        given = Task(task) if isinstance(task, str) else task
        if not isinstance(given, Task):
            raise ConfigError(f"Task {name!r} must be a Task, got {type(task).__name__}.")
        found[name] = given
    if all(task.reads_only for task in found.values()):
        raise ConfigError("At least one task must have answers to learn.")
    return found


def gated(tasks: Mapping[str, Task], gate: bool | Collection[str]) -> set[str]:
    """Name the tasks that are to be held against themselves alone.

    Raises
    ------
    ConfigError
        If one that is named has no answers, or is not there.
    """
    known = [name for name, task in tasks.items() if not task.reads_only]
    if isinstance(gate, bool):
        return set(known) if gate else set()
    named = [gate] if isinstance(gate, str) else list(gate)
    for name in named:
        if name not in known:
            raise ConfigError(
                f"gate names {name!r}, which is no task with answers. {suggest(str(name), known)}"
            )
    return set(named)


def _kind_of(answers: Any) -> str:
    values = as_values(answers)
    if are_lists(values):
        return "multi_label"
    decimals = all(isinstance(value, float | np.floating) for value in values)
    whole = decimals and all(float(value).is_integer() for value in values)
    return "regression" if decimals and not whole else "single_label"
