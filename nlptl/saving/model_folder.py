"""Write a model to a folder and load it; saving reads it back, and loading checks each file."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from nlptl.base.described import checked, entry, make, plain_value
from nlptl.base.errors import StorageError
from nlptl.base.paths import user_path
from nlptl.data.audit import AuditReport
from nlptl.data.labels import LabelCodec
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.encoder_shelf import empty_shelf
from nlptl.evaluation.choice import Choice
from nlptl.fitting.fitted import FittedHead, FittedModel, example_rows
from nlptl.saving.description_checks import check_labels, read_notes
from nlptl.saving.run_record import (
    cost_of,
    history_of,
    read_cost,
    read_history,
    read_training,
    training_of,
)
from nlptl.saving.saved_model import AnswerCodec, SavedModel, TransferMethods
from nlptl.storage.atomic import new_folder, saved_folder
from nlptl.storage.manifest import (
    MANIFEST,
    files_of,
    read_manifest,
    verify_manifest,
    write_manifest,
)
from nlptl.storage.outputs import check_output_folder
from nlptl.storage.tensors import load_arrays, save_arrays
from nlptl.storage.untrusted import interpreting, read_json
from nlptl.transfer import registry
from nlptl.transfer.features.frozen import TextFeatures

Kind = TypeVar("Kind", bound=SavedModel)
Model = TypeVar("Model")

_MODEL = "model.json"
_ARRAYS = "head.safetensors"
_ENCODER = "encoder"
CLOSE = 1e-4

_OF_THE_SYSTEM = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that file managers write into any folder."""


def save_model(
    model: SavedModel, folder: Path, *, notes: Mapping[str, object] | None = None
) -> Path:
    """Write a fitted model to a folder, and check that the loaded model gives the same outputs."""
    refuse_foreign(folder)
    with new_folder(folder) as draft:
        save_arrays(draft / _ARRAYS, model.fitted_.scorer.arrays())
        described = {**_describe(model, draft), "notes": model.notes_ if notes is None else notes}
        write_described(draft, model.kind, described)
        _prove(model, draft)
    return folder


def write_described(folder: Path, kind: str, described: Mapping[str, object]) -> None:
    """Write the JSON description of a model next to its arrays, then the manifest of the folder."""
    described = {**described, "made_with": versions()}
    text = json.dumps(described, indent=1, ensure_ascii=False, default=plain_value)
    # File names that are not UTF-8 contain halves of characters, which JSON writes as escapes.
    (folder / _MODEL).write_bytes(text.encode("utf-8", "backslashreplace"))
    write_manifest(folder, kind=kind, version=version("nlptl"))


def versions() -> dict[str, str]:
    """Return the versions of Python, nlptl and the libraries that a model depends on."""
    packages = ("nlptl", "numpy", "scikit-learn", "torch", "transformers")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def load_model(kind: type[Kind], folder: str | Path) -> Kind:
    """Load a model from a folder, after a check of every file."""
    return read_described(saved_folder(folder), kind.kind, partial(_restore, kind))


def read_described(
    folder: Path, kind: str, restore: Callable[[dict[str, object], Path], Model]
) -> Model:
    """Check every file of a model folder, and build the model from its description.

    Parameters
    ----------
    folder : Path
    kind : str
        The kind of model that the manifest must name.
    restore : callable
        Takes the description from ``write_described`` and the folder, and returns the model.

    Raises
    ------
    StorageError
        If the folder has no model of this kind.
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


def _restore(kind: type[Kind], described: dict[str, object], folder: Path) -> Kind:
    codec = read_codec(kind, described["codec"])
    features = TextFeatures.load(folder / _ENCODER, entry(described, "features", dict[str, Any]))
    with interpreting(folder / _ARRAYS):
        arrays = load_arrays(folder / _ARRAYS)
        scorer = FittedHead.restore(entry(described, "scorer", dict[str, Any]), arrays, codec=codec)
    options = entry(described, "options", dict[str, Any])
    foreign = set(options) - set(kind.kept_options)
    if foreign:
        raise ValueError(f"the option {min(foreign)!r} is not one of {sorted(kind.kept_options)}")
    parts: dict[str, Any] = {"encoder": features.encoder, "head": scorer.head}
    parts["transfer"] = read_spec(described["transfer"])
    parts["training"] = read_training(described["training"])
    model = make(kind, {**options, **parts})
    fitted = fitted_of(codec, features, scorer, pairs=entry(described, "pairs", bool))
    model.fitted_ = replace(fitted, history=read_history(described))
    model.audit_, model.history_ = make(AuditReport, described["audit"]), model.fitted_.history
    verdict = entry(described, "verdict", dict[str, Any] | None)
    model.transfer_ = model.transfer
    model.transfer_verdict_ = verdict and Choice.from_json(verdict, model.transfer)
    model.notes_, model.cost_ = read_notes(described), read_cost(described)
    return model


def read_codec(kind: type[SavedModel], described: object) -> Any:
    """Read the classes that a model predicts, or the scale of its numbers for regression."""
    if kind.codec_kind is LabelCodec:
        check_labels(described)
    codec = kind.codec_kind.from_json(described)
    if codec.n_outputs < 1:
        raise ValueError("expected at least one class, got none")
    return codec


def fitted_of(
    codec: AnswerCodec, features: TextFeatures, scorer: FittedHead, *, pairs: bool
) -> FittedModel:
    """Build a fitted model from its parts, after a check that encoder and head fit together."""
    probe = example_rows(features.encoder, pairs=pairs)
    n_features = sum(width for _, width in features.groups(probe))
    if not n_features or scorer.n_features not in (None, n_features):
        raise ValueError(
            f"the head expects {scorer.n_features} features, got {n_features} from the encoder"
        )
    return FittedModel(codec, features, scorer, probe)


def spec_of(transfer: TransferMethods) -> Any:
    """Return the options of a transfer method, or of each method in a list."""
    if isinstance(transfer, list | tuple):
        return [spec_of(method) for method in transfer]
    if transfer is None:
        return None
    return {"kind": type(transfer).__name__, **transfer.get_params(deep=False)}


def read_spec(described: object) -> Any:
    """Build the transfer methods from the options that ``spec_of`` wrote."""
    if isinstance(described, list):
        return [read_spec(spec) for spec in described]
    if described is None:
        return None
    kinds = {method.kind.__name__: method.kind for method in registry.METHODS}
    options = dict(checked(described, dict[str, Any], "transfer"))
    return make(kinds[checked(options.pop("kind"), str, "kind")], options)


def _prove(model: SavedModel, draft: Path) -> None:
    """Load the model from the draft folder, and compare its outputs with the original.

    Raises
    ------
    StorageError
        If the outputs differ by more than ``CLOSE``, or the classes differ.
    """
    # The two models share neither weights in memory nor vectors in the cache.
    with without_cache():
        expected = model.fitted_.outputs(model.fitted_.probe)
    with without_cache(), empty_shelf():
        loaded = load_model(type(model), draft)
        outputs = loaded.fitted_.outputs(model.fitted_.probe)
    difference = float(np.abs(outputs - expected).max())
    same = loaded.fitted_.codec.to_json() == model.fitted_.codec.to_json()
    if not difference <= CLOSE or not same:
        raise StorageError(
            "The model was not saved. A loaded copy must give the same outputs and classes, but "
            f"its outputs differ by {difference:.2g} on {len(expected)} texts. Please report this."
        )


def check_model_folder(
    output: str | Path, *, inputs: Iterable[object] = (), overwrite: bool
) -> None:
    """Check, before long work, that a model can be saved in a folder.

    Parameters
    ----------
    output, inputs, overwrite
        As for ``check_output_folder``.

    Raises
    ------
    StorageError
        If the folder is not empty and ``overwrite`` is False, contains an input, or holds anything
        that is not part of a saved model.
    """
    check_output_folder(output, inputs=inputs, overwrite=overwrite)
    refuse_foreign(user_path(output))


def refuse_foreign(folder: Path) -> None:
    """Raise an error if the folder has content that is not a model saved by nlptl."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir() or not (folder / MANIFEST).is_file():
        raise StorageError(
            f"{str(folder)!r} exists and is not a model saved by nlptl. Choose a new folder."
        )
    names = files_of(folder) - {MANIFEST, *read_manifest(folder)["files"]}
    others = sorted(name for name in names if PurePosixPath(name).name not in _OF_THE_SYSTEM)
    if others:
        raise StorageError(
            f"{str(folder)!r} also holds {others[0]!r}, which would be lost. Choose a new folder, "
            "or move it."
        )
