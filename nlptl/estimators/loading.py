"""Load a saved model of any kind."""

from __future__ import annotations

from pathlib import Path

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.estimators.model_cascade import Cascade
from nlptl.estimators.multi_task import MultiTaskModel
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_model import TextModel
from nlptl.estimators.text_regressor import TextRegressor
from nlptl.hub.model_place import place_of
from nlptl.saving.onnx.onnx_classifier import KIND, OnnxClassifier
from nlptl.storage.manifest import read_manifest

KINDS: tuple[type[TextModel], ...] = (TextClassifier, TextRegressor)


def load_any(folder: str | Path, *, task: str | None = None) -> TextModel:
    """Load a saved model that was fitted, or one task of a multi-task model.

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
        task. Also if the folder holds an exported graph or a cascade, which can only predict.
    """
    model = load_every(folder)
    if isinstance(model, OnnxClassifier):
        raise ConfigError(
            f"{str(folder)!r} holds an exported graph, which can only predict. "
            "Pass the folder of the model that was exported."
        )
    if isinstance(model, Cascade):
        raise ConfigError(
            f"{str(folder)!r} holds a cascade, which can only predict. Pass the folder of one of "
            "its models."
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
            f"Save one of them in Python: MultiTaskModel.load({str(folder)!r})"
            f".models_[{names[0]!r}].save(FOLDER). nlptl evaluate has the option --task."
        )
        if task:
            advice = f"No task is called {task!r}. {suggest(task, names)}"
        raise ConfigError(f"{str(folder)!r} has several tasks: {', '.join(names)}. {advice}")
    return model.models_[task]


def load_predictor(folder: str | Path) -> OnnxClassifier | Cascade | None:
    """Load an exported graph or a cascade. Return None for models that were fitted to texts."""
    folder = place_of(folder)
    kind = read_manifest(folder)["kind"]
    fixed: dict[str, type[OnnxClassifier] | type[Cascade]] = {
        KIND: OnnxClassifier,
        Cascade.kind: Cascade,
    }
    return fixed[kind].load(folder) if kind in fixed else None


def load_every(folder: str | Path) -> TextModel | MultiTaskModel | OnnxClassifier | Cascade:
    """Load a saved model of any kind, from a folder or the Hub.

    Raises
    ------
    StorageError
        If the folder holds no model, or a model of an unknown kind.
    """
    folder = place_of(folder)
    saved_kind = read_manifest(folder)["kind"]
    if saved_kind == MultiTaskModel.kind:
        return MultiTaskModel.load(folder)
    fixed = load_predictor(folder)
    if fixed is not None:
        return fixed
    kinds = {kind.kind: kind for kind in KINDS}
    return kinds.get(saved_kind, TextClassifier).load(folder)
