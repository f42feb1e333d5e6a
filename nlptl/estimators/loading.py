"""Load a saved model of any kind."""

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
    """Load a saved model with one task, or one task of a multi-task model.

    Parameters
    ----------
    folder : str or Path
        A folder or a Hub name. The manifest there names the kind of model.
    task : str, optional
        Name of the task to load from a model with several tasks.

    Raises
    ------
    StorageError
        If the folder holds no model, or a model of an unknown kind.
    ConfigError
        If ``task`` is missing for a model with several tasks, or is set for a model with one
        task. Also if the folder holds an exported graph, which can only predict.
    """
    model = load_every(folder)
    if isinstance(model, OnnxClassifier):
        raise ConfigError(
            f"{str(folder)!r} holds an exported graph, which can only predict. "
            "Pass the folder of the model that was exported."
        )
    if not isinstance(model, MultiTaskModel):
        if task is not None:
            raise ConfigError(
                f"{str(folder)!r} has only one task, which has no name, got task={task!r}. "
                "Leave task out."
            )
        return model
    if task not in model.models_:
        names = list(model.models_)
        advice = (
            f"No task is called {task!r}. {suggest(task, names)}" if task else f"Name one: {names}."
        )
        raise ConfigError(f"{str(folder)!r} has several tasks. {advice}")
    return model.models_[task]


def load_graph(folder: str | Path) -> OnnxClassifier | None:
    """Load an exported graph from a folder or the Hub. Return None for other kinds of models."""
    folder = place_of(folder)
    return OnnxClassifier.load(folder) if read_manifest(folder)["kind"] == KIND else None


def load_every(folder: str | Path) -> TextModel | MultiTaskModel | OnnxClassifier:
    """Load a single-task model, a multi-task model or a graph, from a folder or the Hub.

    Raises
    ------
    StorageError
        If the folder holds no model, or a model of an unknown kind.
    """
    folder = place_of(folder)
    saved_kind = read_manifest(folder)["kind"]
    if saved_kind == MultiTaskModel.kind:
        return MultiTaskModel.load(folder)
    if saved_kind == KIND:
        return OnnxClassifier.load(folder)
    kinds = {kind.kind: kind for kind in KINDS}
    return kinds.get(saved_kind, TextClassifier).load(folder)
