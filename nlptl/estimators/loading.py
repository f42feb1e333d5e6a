"""The kinds of models, and reading a saved one of whichever kind."""

from __future__ import annotations

from pathlib import Path

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.estimators.multi_task import MultiTaskModel
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_model import TextModel
from nlptl.estimators.text_regressor import TextRegressor
from nlptl.hub.model_place import place_of
from nlptl.saving.onnx.onnx_classifier import KIND, OnnxClassifier
from nlptl.storage.manifest import read_manifest

KINDS: tuple[type[TextModel], ...] = (TextClassifier, TextRegressor)


def load_any(folder: str | Path, *, task: str | None = None) -> TextModel:
    """Read a saved model of whichever kind its manifest names.

    Parameters
    ----------
    folder : str or Path
    task : str, optional
        Which one of a model of several tasks.

    Raises
    ------
    StorageError
        If there is no model, or one of no kind known here.
    ConfigError
        If the model has several tasks and none of them is named, or the other way round; or if
        it is an exported graph, which answers and does nothing else.
    """
    found = load_every(folder)
    if isinstance(found, OnnxClassifier):
        raise ConfigError(
            f"{str(folder)!r} holds an exported graph, which answers and does nothing else. "
            "Give the folder of the model that it was made of."
        )
    if not isinstance(found, MultiTaskModel):
        if task is not None:
            raise ConfigError(f"{str(folder)!r} has one task, which has no name. Leave it out.")
        return found
    if task not in found.models_:
        names = list(found.models_)
        told = (
            f"No task is called {task!r}. {suggest(task, names)}" if task else f"Name one: {names}."
        )
        raise ConfigError(f"{str(folder)!r} has several tasks. {told}")
    return found.models_[task]


def load_graph(folder: str | Path) -> OnnxClassifier | None:
    """Read an exported graph from a folder or the Hub; None where something else is there."""
    folder = place_of(folder)
    return OnnxClassifier.load(folder) if read_manifest(folder)["kind"] == KIND else None


def load_every(folder: str | Path) -> TextModel | MultiTaskModel | OnnxClassifier:
    """Read a saved model of one task or of several, or a graph, from a folder or the Hub.

    Raises
    ------
    StorageError
        If there is no model, or one of no kind known here.
    """
    folder = place_of(folder)
    found = read_manifest(folder)["kind"]
    if found == MultiTaskModel.kind:
        return MultiTaskModel.load(folder)
    if found == KIND:
        return OnnxClassifier.load(folder)
    kinds = {kind.kind: kind for kind in KINDS}
    return kinds.get(found, TextClassifier).load(folder)
