"""What a model says of texts, as plain values for JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import ConfigError
from nlptl.data.rows import Text
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.encoder_folder import Held, finding_once

Answer = dict[str, Any]

_SAMPLES: dict[bool, Text] = {False: "A first text.", True: ("A first text.", "A second one.")}


def answers(model: Any, texts: Sequence[Text], *, held: Held | None = None) -> list[Answer]:
    """Give one answer a text, in their order.

    Vectors of texts are neither looked for in the cache on disk nor kept there.

    Parameters
    ----------
    model : TextClassifier, TextRegressor, MultiTaskModel or alike
    texts : sequence of str, or of (str, str)
    held : dict, optional
        Keeps the encoders that were found: given again, a model answers as it did, though its
        files be replaced.

    Returns
    -------
    list of dict
        ``label``, ``probability`` (of that label; none where a text has several) and
        ``probabilities`` (of every class, in the order of ``classes_``); or ``number``; or
        ``tasks``, with one of these for each task that takes such texts.
    """
    with without_cache(), finding_once({} if held is None else held):
        if hasattr(model, "answer"):
            return _of_tasks(model, texts)
        if not hasattr(model, "classes_"):
            return _numbers(model.predict(texts))
        shares = model.predict_proba(texts)
        decode = getattr(model, "decode", None)
        labels = model.predict(texts) if decode is None else decode(shares)
        return _labelled(model.classes_, labels, shares)


def shapes_of(model: Any, *, held: Held | None = None) -> frozenset[bool]:
    """Say which texts a model takes, by asking it: False is single ones, True is pairs.

    Parameters
    ----------
    model : TextClassifier, TextRegressor, MultiTaskModel or alike
    held : dict, optional
        As in ``answers``.

    Raises
    ------
    ConfigError
        If it answers for neither.
    """
    refusals = {pairs: _refusal(model, sample, held) for pairs, sample in _SAMPLES.items()}
    taken = frozenset(pairs for pairs, problem in refusals.items() if problem is None)
    if not taken:
        raise ConfigError(
            f"This {type(model).__name__} answers neither for a text nor for a pair of texts, "
            f"so it cannot be served: {refusals[False]}"
        ) from refusals[False]
    return taken


def _refusal(model: Any, sample: Text, held: Held | None) -> Exception | None:
    try:
        answers(model, [sample], held=held)
    except Exception as problem:  # whatever it is, such texts get no answer
        return problem
    return None


def check_classes(classes: Any) -> None:
    """Refuse classes that no answer could name.

    Raises
    ------
    ConfigError
        If JSON cannot hold one: an infinite number, or half of a character.
    """
    try:
        json.dumps(classes, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as problem:
        raise ConfigError(
            f"The classes {classes!r:.200} cannot be served, because JSON cannot hold them "
            f"({problem}). Train the model on labels that are texts."
        ) from problem


def classes_of(model: Any) -> Any:
    """Give the classes of a model, or of each task, as plain values; None for numbers."""
    if hasattr(model, "models_"):
        return {name: classes_of(one) for name, one in model.models_.items()}
    classes = getattr(model, "classes_", None)
    return None if classes is None else np.asarray(classes).tolist()


def _of_tasks(model: Any, texts: Sequence[Text]) -> list[Answer]:
    columns = {}
    for name, said in model.outputs(texts).items():
        found, task = model.answer(name, said), model.models_[name]
        known = hasattr(task, "classes_")
        columns[name] = _labelled(task.classes_, found, said) if known else _numbers(found)
    rows = zip(*columns.values(), strict=True)
    return [{"tasks": dict(zip(columns, row, strict=True))} for row in rows]


def _numbers(found: Any) -> list[Answer]:
    return [{"number": float(number)} for number in found]


def _labelled(classes: Any, labels: Iterable[Any], shares: AnyArray) -> list[Answer]:
    names = [_name(label) for label in np.asarray(classes).tolist()]
    rows = np.asarray(shares, np.float64).round(6).tolist()
    return [_answer(_plain(label), names, row) for label, row in zip(labels, rows, strict=True)]


def _answer(label: Any, names: Sequence[str], row: Sequence[float]) -> Answer:
    probabilities = dict(zip(names, row, strict=True))
    if isinstance(label, list):
        return {"label": label, "probabilities": probabilities}
    sure = probabilities[_name(label)]
    return {"label": label, "probability": sure, "probabilities": probabilities}


def _plain(label: Any) -> Any:
    return label.tolist() if isinstance(label, np.generic | np.ndarray) else label


def _name(label: Any) -> str:
    """Give a label as a key of a JSON object."""
    return label if isinstance(label, str) else json.dumps(label)
