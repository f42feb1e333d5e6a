"""Predict texts and return the predictions as plain values for JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, SupportsFloat, TypeGuard

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.inputs import Text
from nlptl.encoders.cache import without_cache

Answer = dict[str, Any]

_SAMPLES: dict[bool, Text] = {False: "A first text.", True: ("A first text.", "A second one.")}


class Predictor(Protocol):
    """A fitted model that predicts texts."""

    def predict(self, texts: Sequence[Text]) -> Any:
        """Return one prediction per text, or the predictions of each task."""
        ...


class Classifier(Predictor, Protocol):
    """A fitted model that predicts one of several classes."""

    @property
    def classes_(self) -> AnyArray:
        """The labels, in the order of the columns of ``predict_proba``."""
        ...

    def predict_proba(self, texts: Sequence[Text]) -> FloatArray:
        """Return the probability of each class: (n, n_classes)."""
        ...


class TasksModel(Protocol):
    """A fitted model of several tasks."""

    @property
    def models_(self) -> Mapping[str, object]:
        """The model of each task."""
        ...

    def outputs(self, texts: Sequence[Text]) -> Mapping[str, FloatArray]:
        """Return the outputs of each task that accepts these texts."""
        ...

    def answer(self, task: str, outputs: FloatArray) -> Any:
        """Convert the outputs of a task to labels or numbers."""
        ...


def _has_classes(model: object) -> TypeGuard[Classifier]:
    return hasattr(model, "classes_")


def _has_tasks(model: object) -> TypeGuard[TasksModel]:
    return hasattr(model, "answer")


def answers(model: Predictor, texts: Sequence[Text]) -> list[Answer]:
    """Return one answer per text, in the order of the texts.

    The vectors of texts are neither read from the cache on disk nor written to it.

    Parameters
    ----------
    model : TextClassifier, TextRegressor, MultiTaskModel or alike
    texts : sequence of str, or of (str, str)

    Returns
    -------
    list of dict
        For a classifier: ``label``, ``probability`` and ``probabilities``. ``probability`` is that
        of the label; it is missing if a text can have several labels. ``probabilities`` has every
        class, in the order of ``classes_``. For a regressor: ``number``. For several tasks:
        ``tasks``, with one such answer per task that accepts these texts.
    """
    with without_cache():
        if _has_tasks(model):
            return _of_tasks(model, texts)
        if not _has_classes(model):
            return _numbers(model.predict(texts))
        probabilities = model.predict_proba(texts)
        decode = getattr(getattr(model, "fitted_", model), "decode", None)
        labels = model.predict(texts) if decode is None else decode(probabilities)
        return _labelled(model.classes_, labels, probabilities)


def shapes_of(model: Predictor) -> frozenset[bool]:
    """Return which kinds of text a model accepts: False for single texts, True for pairs.

    The model predicts a sample of each kind. It accepts a kind if this raises no error.

    Parameters
    ----------
    model : TextClassifier, TextRegressor, MultiTaskModel or alike

    Raises
    ------
    ConfigError
        If the model accepts neither kind.
    """
    refusals = {pairs: _refusal(model, sample) for pairs, sample in _SAMPLES.items()}
    accepted = frozenset(pairs for pairs, problem in refusals.items() if problem is None)
    if not accepted:
        raise ConfigError(
            f"This {type(model).__name__} accepts neither single texts nor pairs of texts, "
            f"so it cannot be served: {refusals[False]}"
        ) from refusals[False]
    return accepted


def _refusal(model: Predictor, sample: Text) -> Exception | None:
    try:
        answers(model, [sample])
    except Exception as problem:  # any error means that the model does not accept such texts
        return problem
    return None


def check_classes(classes: object) -> None:
    """Check that JSON can hold the classes.

    Raises
    ------
    ConfigError
        If JSON cannot hold a class: an infinite number, or half of a character.
    """
    try:
        json.dumps(classes, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as problem:
        raise ConfigError(
            f"The classes {classes!r:.200} cannot be served, because JSON cannot hold them "
            f"({problem}). Train the model on strings as labels."
        ) from problem


def classes_of(model: object) -> Any:
    """Return the classes of a model, or of each task, as plain values; None for a regressor."""
    if hasattr(model, "models_"):
        return {name: classes_of(task) for name, task in model.models_.items()}
    classes = getattr(model, "classes_", None)
    return None if classes is None else np.asarray(classes).tolist()


def _of_tasks(model: TasksModel, texts: Sequence[Text]) -> list[Answer]:
    columns = {}
    for name, output in model.outputs(texts).items():
        predictions, task = model.answer(name, output), model.models_[name]
        if hasattr(task, "classes_"):
            columns[name] = _labelled(task.classes_, predictions, output)
        else:
            columns[name] = _numbers(predictions)
    rows = zip(*columns.values(), strict=True)
    return [{"tasks": dict(zip(columns, row, strict=True))} for row in rows]


def _numbers(predictions: Iterable[SupportsFloat]) -> list[Answer]:
    return [{"number": float(number)} for number in predictions]


def _labelled(classes: AnyArray, labels: Iterable[object], probabilities: AnyArray) -> list[Answer]:
    names = [_name(label) for label in np.asarray(classes).tolist()]
    rows = np.asarray(probabilities, np.float64).round(6).tolist()
    return [_answer(_plain(label), names, row) for label, row in zip(labels, rows, strict=True)]


def _answer(label: object, names: Sequence[str], row: Sequence[float]) -> Answer:
    probabilities = dict(zip(names, row, strict=True))
    if isinstance(label, list):
        return {"label": label, "probabilities": probabilities}
    probability = probabilities[_name(label)]
    return {"label": label, "probability": probability, "probabilities": probabilities}


def _plain(label: object) -> Any:
    return label.tolist() if isinstance(label, np.generic | np.ndarray) else label


def _name(label: object) -> str:
    """Return a label as a key of a JSON object."""
    return label if isinstance(label, str) else json.dumps(label)
