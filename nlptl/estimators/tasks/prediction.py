"""Outputs of the tasks of a model, and their cost in passes, memory and time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nlptl.base import clock
from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.protocols import Features
from nlptl.base.suggestions import suggest
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_model import TextModel

Models = Mapping[str, TextModel]

_KINDS = {True: "pairs of texts", False: "single texts"}
_MIB = 2**20


def check_known(models: Models, name: str) -> None:
    """Check that a task exists.

    Raises
    ------
    InputError
        If there is no task of that name. The message suggests the nearest name.
    """
    if name not in models:
        raise InputError(f"No task is called {name!r}. {suggest(name, list(models))}")


def classifier_of(models: Models, name: str) -> TextClassifier:
    """Return the model of a task with labels.

    Raises
    ------
    InputError
        If there is no task of that name.
    ConfigError
        If the task has numbers.
    """
    check_known(models, name)
    model = models[name]
    if not isinstance(model, TextClassifier):
        raise ConfigError(
            f"export writes only tasks with labels, but task {name!r} has numbers. Use save "
            "for the whole model."
        )
    return model


def select_tasks(models: Models, rows: Rows, tasks: Iterable[str] | None) -> list[str]:
    """Return the names of the requested tasks, or of all tasks that take these rows.

    Raises
    ------
    InputError
        If a task does not exist or takes another kind of rows, or no task takes these rows.
    """
    suitable = _names_for(models, pairs=rows.are_pairs)
    if tasks is None:
        if not suitable:
            raise InputError(
                f"No task takes {_KINDS[rows.are_pairs]}. Pass {_KINDS[not rows.are_pairs]}."
            )
        return suitable
    names = [tasks] if isinstance(tasks, str) else list(tasks)
    for name in names:
        check_known(models, name)
        if name not in suitable:
            raise InputError(
                f"Task {name!r} takes {_KINDS[not rows.are_pairs]}, got {_KINDS[rows.are_pairs]}. "
                "Pass such rows or leave the task out."
            )
    return names


def outputs_of(models: Models, rows: Rows, names: Iterable[str]) -> dict[str, FloatArray]:
    """Compute the outputs of some tasks. Tasks that share an encoder share one pass."""
    features_by_encoder: dict[Any, Features] = {}
    outputs = {}
    for name in names:
        model = models[name]
        features = model.fitted_.features
        encoder = features.encoder
        layers = repr(encoder.reader.pooling), features.weights.tobytes()
        key = id(encoder.weights), features.joint, layers
        if key not in features_by_encoder:
            features_by_encoder[key] = features.transform(rows)
        outputs[name] = model.fitted_.outputs_of(features_by_encoder[key])
    return outputs


def passes_of(models: Models, *, pairs: bool) -> int:
    """Count the encoder passes that all tasks of single texts need, or all tasks of pairs."""
    return len({id(_weights(models[name])) for name in _names_for(models, pairs=pairs)})


def costs_of(models: Models, rows: Rows | None = None) -> dict[str, dict[str, float]]:
    """Compare the cost of the tasks together with the cost of one separate model per task.

    Parameters
    ----------
    models : mapping of str to TextModel
    rows : Rows or None
        Rows to time both ways. None measures no time.
    """
    together: dict[str, float] = {
        "passes": passes_of(models, pairs=False),
        "passes of pairs": passes_of(models, pairs=True),
        "MiB of encoders": _size(models.values(), shared=True),
    }
    separate: dict[str, float] = {
        "passes": len(_names_for(models, pairs=False)),
        "passes of pairs": len(_names_for(models, pairs=True)),
        "MiB of encoders": _size(models.values(), shared=False),
    }
    if rows is not None:
        names = select_tasks(models, rows, None)
        with without_cache():
            # Warm-up: the first pass also chooses kernels.
            outputs_of(models, rows.take(np.arange(min(len(rows), 8))), names)
            together["texts per second"] = _speed(models, rows, [names])
            separate["texts per second"] = _speed(models, rows, [[name] for name in names])
    return {"together": together, "separate": separate}


def _names_for(models: Models, *, pairs: bool) -> list[str]:
    return [name for name, model in models.items() if model.fitted_.probe.are_pairs == pairs]


def _weights(model: TextModel) -> Any:
    return model.fitted_.features.encoder.weights


def _size(models: Iterable[TextModel], *, shared: bool) -> float:
    """Return the memory of the encoders of the models, in MiB."""
    loaded = [model.fitted_.features.encoder.reader.loaded for model in models]
    counted = {id(encoder): encoder for encoder in loaded}.values() if shared else loaded
    weights = [weight for encoder in counted for weight in encoder.model.parameters()]
    return float(sum(weight.nbytes for weight in weights)) / _MIB


def _speed(models: Models, rows: Rows, runs: list[list[str]]) -> float:
    start = clock.seconds()
    for names in runs:
        outputs_of(models, rows, names)
    return len(rows) / (clock.seconds() - start)
