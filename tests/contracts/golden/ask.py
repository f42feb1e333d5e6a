"""Load a golden folder and ask it, as ``answers.json`` says. It runs with every release."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import nlptl

DIGITS = 8


def ask(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return labels and figures, per task or adapter where there are several.

    Parameters
    ----------
    folder : Path
        The folder of the model, or the one that holds a folder per adapter.
    record : dict
        ``load``: the public name of the class; ``texts`` and, for ``LanguageClassifier``,
        ``languages``.

    Returns
    -------
    dict
        ``labels`` and ``figures`` (probabilities, numbers or vectors), or these by name.
    """
    kind, texts = record["load"], _texts(record["texts"])
    if kind == "TransformerEncoder":
        encoder = nlptl.TransformerEncoder(folder, cache=None, precision="float32")
        return {"labels": [], "figures": _rounded(encoder.transform(texts))}
    if kind == "AdapterStack":
        names = sorted(path.name for path in folder.iterdir())
        stack = nlptl.AdapterStack.load({name: folder / name for name in names}, device="cpu")
        return {
            name: {
                "labels": _plain(stack.predict(texts, adapter=name)),
                "figures": _rounded(stack.predict_proba(texts, adapter=name)),
            }
            for name in names
        }
    model = getattr(nlptl, kind).load(folder)
    if kind == "MultiTaskModel":
        labels = model.predict(texts)
        return {
            name: {
                "labels": _plain(labels[name]) if hasattr(one, "predict_proba") else [],
                "figures": _figures(one, texts),
            }
            for name, one in model.models_.items()
        }
    if kind == "LanguageClassifier":
        asked = texts, record["languages"]
        figures = _rounded(model.predict_proba(*asked))
        return {"labels": _plain(model.predict(*asked)), "figures": figures}
    labels = _plain(model.predict(texts)) if hasattr(model, "predict_proba") else []
    return {"labels": labels, "figures": _figures(model, texts)}


def _texts(texts: Any) -> Any:
    if isinstance(texts, dict):
        return pd.DataFrame(texts).astype({"size": float})
    return [tuple(text) if isinstance(text, list) else text for text in texts]


def _figures(model: Any, texts: Any) -> list[Any]:
    probabilities = hasattr(model, "predict_proba")
    return _rounded(model.predict_proba(texts) if probabilities else model.predict(texts))


def _rounded(figures: Any) -> list[Any]:
    return np.round(np.asarray(figures, np.float64), DIGITS).tolist()


def _plain(labels: Any) -> list[Any]:
    """Return labels as JSON keeps them: tuples become lists."""
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    return [list(value) if isinstance(value, tuple) else value for value in values]
