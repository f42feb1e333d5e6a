"""The folder of a saved model: written whole, read back before it counts, checked on load."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nlptl.base.described import entry, make
from nlptl.base.errors import StorageError
from nlptl.data.audit import AuditReport
from nlptl.data.labels import LabelCodec
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.encoder_shelf import empty_shelf
from nlptl.evaluation.choice import Choice
from nlptl.fitting.fitted import FittedHead, FittedModel
from nlptl.saving.description_checks import check_labels, read_notes
from nlptl.saving.saved_model import SavedModel
from nlptl.storage.atomic import new_folder
from nlptl.storage.manifest import MANIFEST, read_manifest, verify_manifest, write_manifest
from nlptl.storage.tensors import load_arrays, save_arrays
from nlptl.storage.untrusted import interpreting, read_json
from nlptl.training.config import TrainingConfig
from nlptl.training.cost import Cost
from nlptl.training.loop import History
from nlptl.transfer import registry
from nlptl.transfer.features.frozen import TextFeatures

Kind = TypeVar("Kind", bound=SavedModel)
Model = TypeVar("Model")

_MODEL = "model.json"
_ARRAYS = "head.safetensors"
_ENCODER = "encoder"
CLOSE = 1e-4
_SENTENCES = ("The order arrived late.", "What is this?", "Thank you, all is well now.")


def save_model(model: SavedModel, folder: Path, *, notes: dict[str, Any] | None = None) -> Path:
    """Write a fitted model into a folder and prove that it reads back equal."""
    refuse_foreign(folder)
    with new_folder(folder) as draft:
        save_arrays(draft / _ARRAYS, model.fitted_.scorer.arrays())
        described = {**_describe(model, draft), "notes": model.notes_ if notes is None else notes}
        write_described(draft, model.kind, described)
        _prove(model, draft)
    return folder


def write_described(folder: Path, kind: str, described: dict[str, Any]) -> None:
    """Write what a model is made of beside its arrays, and seal the folder."""
    text = json.dumps({**described, "made_with": versions()}, indent=1, ensure_ascii=False)
    (folder / _MODEL).write_text(text, encoding="utf-8")
    write_manifest(folder, kind=kind, version=version("nlptl"))


def versions() -> dict[str, str]:
    """Give the versions that a model is made with."""
    used = ("nlptl", "numpy", "scikit-learn", "torch", "transformers")
    return {"python": platform.python_version(), **{name: version(name) for name in used}}


def load_model(kind: type[Kind], folder: Path) -> Kind:
    """Read a model from a folder, after every file was checked."""
    return read_described(folder, kind.kind, partial(_restore, kind))


def read_described(folder: Path, kind: str, restore: Callable[[Any, Path], Model]) -> Model:
    """Check every file of a model, and make it of what its folder says.

    Parameters
    ----------
    folder : Path
    kind : str
        What its manifest has to say that it is.
    restore : callable
        Takes what ``write_described`` wrote and the folder; gives the model.

    Raises
    ------
    StorageError
        If there is no such model.
    IntegrityError
        If a file was changed, or the description cannot be understood.
    """
    verify_manifest(folder, kind=kind)
    with interpreting(folder / _MODEL):
        return restore(read_json(folder / _MODEL), folder)


def _describe(model: SavedModel, draft: Path) -> dict[str, Any]:
    return {
        "codec": model.fitted_.codec.to_json(),
        "features": model.fitted_.features.save(draft / _ENCODER),
        "scorer": model.fitted_.scorer.describe(),
        "transfer": spec_of(model.transfer_),
        "verdict": model.transfer_verdict_ and model.transfer_verdict_.to_json(),
        "training": training_of(model.training),
        "options": {name: getattr(model, name) for name in model.kept_options},
        "pairs": model.fitted_.probe.are_pairs,
        "audit": model.audit_.to_json(),
        "cost": cost_of(model),
        "history": history_of(model.history_),
    }


def _restore(kind: type[Kind], described: dict[str, Any], folder: Path) -> Kind:
    codec = read_codec(kind, described["codec"])
    features = TextFeatures.load(folder / _ENCODER, described["features"])
    with interpreting(folder / _ARRAYS):
        arrays = load_arrays(folder / _ARRAYS)
        scorer = FittedHead.restore(described["scorer"], arrays, codec=codec)
    options = entry(described, "options", dict[str, Any])
    foreign = set(options) - set(kind.kept_options)
    if foreign:
        raise ValueError(f"an option {min(foreign)!r} that is not saved")
    parts = {"encoder": features.encoder, "head": scorer.head}
    parts["transfer"] = read_spec(described["transfer"])
    parts["training"] = read_training(described["training"])
    model = make(kind, {**options, **parts})
    fitted = fitted_of(codec, features, scorer, pairs=entry(described, "pairs", bool))
    model.fitted_ = replace(fitted, history=read_history(described))
    model.audit_, model.history_ = make(AuditReport, described["audit"]), model.fitted_.history
    verdict, model.transfer_ = described["verdict"], model.transfer
    model.transfer_verdict_ = verdict and Choice.from_json(verdict, model.transfer)
    model.notes_, model.cost_ = read_notes(described), read_cost(described)
    return model


def read_codec(kind: type[SavedModel], described: Any) -> Any:
    """Read the classes, or the scale of the numbers, that a kind of model answers."""
    if kind.codec_kind is LabelCodec:
        check_labels(described)
    codec = kind.codec_kind.from_json(described)
    if codec.n_outputs < 1:
        raise ValueError("no classes")
    return codec


def fitted_of(
    codec: Any, features: TextFeatures, scorer: FittedHead, *, pairs: bool
) -> FittedModel:
    """Join what was read of a model, after the features were compared with what the head takes."""
    probe = sentences(pairs, features.encoder)
    n_features = sum(width for _, width in features.groups(probe))
    if not n_features or scorer.n_features not in (None, n_features):
        raise ValueError(
            f"the encoder gives {n_features} features, and the head takes {scorer.n_features}"
        )
    return FittedModel(codec, features, scorer, probe)


def cost_of(model: Any) -> dict[str, Any] | None:
    """Give what a fit cost as plain JSON values."""
    return None if model.cost_ is None else model.cost_.to_json()


def read_cost(described: dict[str, Any]) -> Cost | None:
    """Read what ``cost_of`` gave."""
    told = described.get("cost")
    return None if told is None else make(Cost, told)


def history_of(history: History | None) -> dict[str, Any] | None:
    """Give losses and scores of the epochs, without what belongs to one run."""
    if history is None:
        return None
    return {name: getattr(history, name) for name in ("losses", "scores", "best_epoch")}


def read_history(described: dict[str, Any]) -> History | None:
    """Read what ``history_of`` gave; older folders do not tell."""
    told = described.get("history")
    return None if told is None else make(History, told)


def training_of(config: TrainingConfig | None) -> dict[str, Any] | None:
    """Give the settings of training, without what belongs to one machine."""
    if config is None:
        return None
    own = ("checkpoints", "log_with", "quiet")
    return {name: value for name, value in config.get_params().items() if name not in own}


def read_training(told: dict[str, Any] | None) -> TrainingConfig | None:
    """Read what ``training_of`` gave."""
    return None if told is None else make(TrainingConfig, told)


def spec_of(transfer: Any) -> Any:
    """Give the options of a transfer, or of each in a list."""
    if isinstance(transfer, list | tuple):
        return [spec_of(one) for one in transfer]
    if transfer is None:
        return None
    return {"kind": type(transfer).__name__, **transfer.get_params(deep=False)}


def read_spec(described: Any) -> Any:
    """Make the transfers that ``spec_of`` told."""
    if isinstance(described, list):
        return [read_spec(one) for one in described]
    if described is None:
        return None
    kinds = {method.kind.__name__: method.kind for method in registry.METHODS}
    rest = {name: value for name, value in described.items() if name != "kind"}
    return make(kinds[entry(described, "kind", str)], rest)


def _prove(model: SavedModel, draft: Path) -> None:
    """Read the model from the draft and compare its answers."""
    # Nothing is shared: neither weights in memory nor vectors in the cache.
    with without_cache():
        expected = model.fitted_.outputs(model.fitted_.probe)
    with without_cache(), empty_shelf():
        again = load_model(type(model), draft)
        found = again.fitted_.outputs(model.fitted_.probe)
    difference = float(np.abs(found - expected).max())
    same = again.fitted_.codec.to_json() == model.fitted_.codec.to_json()
    if not difference <= CLOSE or not same:
        raise StorageError(
            f"The model was not saved: read back, its answers differ by {difference:.2g} "
            f"on {len(expected)} texts. Please report this."
        )


def sentences(pairs: bool, encoder: Any) -> Rows:
    """Give a few rows of the kind that a model takes."""
    texts: list[Any] = [(text, text) for text in _SENTENCES] if pairs else list(_SENTENCES)
    columns = getattr(encoder, "numeric_columns", ())
    return Rows(texts, np.full((len(texts), len(columns)), np.nan) if columns else None)


def refuse_foreign(folder: Path) -> None:
    """Replace a model, never anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir() or not (folder / MANIFEST).is_file():
        raise StorageError(
            f"{str(folder)!r} exists and is no model saved by nlptl. Choose another folder."
        )
    read_manifest(folder)
