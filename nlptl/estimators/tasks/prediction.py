"""What the tasks of a model answer, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base import clock
from nlptl.base.arrays import FloatArray
from nlptl.base.errors import InputError
from nlptl.base.protocols import Features
from nlptl.base.suggestions import suggest
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache

if TYPE_CHECKING:
    from nlptl.estimators.text_model import TextModel

Models = Mapping[str, "TextModel"]

_KINDS = {True: "pairs of texts", False: "single texts"}
_MIB = 2**20


def check_known(models: Models, name: str) -> None:
    """Refuse a task that is not there.

    Raises
    ------
    InputError
        If it is not; the nearest one is suggested.
    """
    if name not in models:
        raise InputError(f"No task is called {name!r}. {suggest(name, list(models))}")


def asked(models: Models, rows: Rows, tasks: Iterable[str] | None) -> list[str]:
    """Give the tasks that answer for such rows.

    Raises
    ------
    InputError
        If a task is not known or takes other rows, or none takes these.
    """
    fits = _taking(models, pairs=rows.are_pairs)
    if tasks is None:
        if not fits:
            raise InputError(f"No task takes {_KINDS[rows.are_pairs]}.")
        return fits
    names = [tasks] if isinstance(tasks, str) else list(tasks)
    for name in names:
        check_known(models, name)
        if name not in fits:
            raise InputError(
                f"Task {name!r} takes {_KINDS[not rows.are_pairs]}, got {_KINDS[rows.are_pairs]}."
            )
    return names


def outputs_of(models: Models, rows: Rows, names: Iterable[str]) -> dict[str, FloatArray]:
    """Give what the heads of some tasks say; those that share an encoder take one pass."""
    passed: dict[Any, Features] = {}
    found = {}
    for name in names:
        model = models[name]
        features = model.fitted_.features
        encoder = features.encoder
        layers = repr(encoder.chosen_pooling), features.weights.tobytes()
        key = id(encoder.weights), features.joint, layers
        if key not in passed:
            passed[key] = features.transform(rows)
        found[name] = model.fitted_.outputs_of(passed[key])
    return found


def passes_of(models: Models, *, pairs: bool) -> int:
    """Count the passes that it takes to answer all tasks of texts, or of pairs."""
    return len({id(_weights(models[name])) for name in _taking(models, pairs=pairs)})


def costs_of(models: Models, rows: Rows | None = None) -> dict[str, dict[str, float]]:
    """Compare the tasks as they stand with a model each.

    Parameters
    ----------
    models : mapping of str to TextModel
    rows : Rows or None
        Are answered both ways, with a clock beside.
    """
    together: dict[str, float] = {
        "passes": passes_of(models, pairs=False),
        "passes of pairs": passes_of(models, pairs=True),
        "MiB of encoders": _size(models.values(), shared=True),
    }
    separate: dict[str, float] = {
        "passes": len(_taking(models, pairs=False)),
        "passes of pairs": len(_taking(models, pairs=True)),
        "MiB of encoders": _size(models.values(), shared=False),
    }
    if rows is not None:
        names = asked(models, rows, None)
        with without_cache():
            outputs_of(models, rows.take(np.arange(min(len(rows), 8))), names)  # kernels chosen
            together["texts a second"] = _speed(models, rows, [names])
            separate["texts a second"] = _speed(models, rows, [[name] for name in names])
    return {"together": together, "separate": separate}


def _taking(models: Models, *, pairs: bool) -> list[str]:
    return [name for name, model in models.items() if model.fitted_.probe.are_pairs == pairs]


def _weights(model: TextModel) -> Any:
    return model.fitted_.features.encoder.weights


def _size(models: Iterable[TextModel], *, shared: bool) -> float:
    """Give the memory of the encoders of models, in MiB."""
    loaded = [model.fitted_.features.encoder.loaded() for model in models]
    counted = {id(one): one for one in loaded}.values() if shared else loaded
    weights = [weight for one in counted for weight in one.model.parameters()]
    return float(sum(weight.nbytes for weight in weights)) / _MIB


def _speed(models: Models, rows: Rows, runs: list[list[str]]) -> float:
    began = clock.seconds()
    for names in runs:
        outputs_of(models, rows, names)
    return len(rows) / (clock.seconds() - began)
