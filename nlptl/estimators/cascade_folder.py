"""Folder of a cascade: its two models in folders of their own, and the threshold."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nlptl.base.described import entry, make
from nlptl.base.errors import StorageError
from nlptl.base.inputs import JsonObject
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.encoder_shelf import empty_shelf
from nlptl.estimators.text_classifier import TextClassifier
from nlptl.evaluation.cascade_report import CascadeReport
from nlptl.fitting.fitted import example_rows
from nlptl.saving.model_folder import (
    CLOSE,
    read_described,
    refuse_foreign,
    write_described,
)
from nlptl.saving.onnx.onnx_classifier import KIND, OnnxClassifier
from nlptl.storage.atomic import new_folder, saved_folder
from nlptl.storage.manifest import MANIFEST, read_manifest

Kind = TypeVar("Kind")

PARTS = ("fast", "accurate")


def save_cascade(model: Any, folder: Path, *, notes: Mapping[str, object] | None) -> Path:
    """Write a fitted cascade into a folder, and check that it reads back equal."""
    refuse_foreign(folder)
    with new_folder(folder) as draft:
        _check_notes(model.accurate, notes)
        _save_part(model.fast, draft / "fast", notes={})
        _save_part(model.accurate, draft / "accurate", notes=notes)
        infinite = not np.isfinite(model.threshold_)
        described = {
            "options": {
                "max_loss": float(model.max_loss),
                "confidence": float(model.confidence),
            },
            "threshold": None if infinite else float(model.threshold_),
            "report": model.report_.to_json(),
        }
        write_described(draft, model.kind, described)
        _prove(model, draft)
    return folder


def load_cascade(kind: type[Kind], folder: str | Path) -> Kind:
    """Load a cascade from a folder, after a check of every file."""
    name: str = kind.kind  # type: ignore[attr-defined]
    return read_described(saved_folder(folder), name, partial(_restore, kind))


def _restore(kind: type[Kind], described: JsonObject, folder: Path) -> Kind:
    parts = {name: _load_part(folder / name) for name in PARTS}
    model: Any = make(kind, {**entry(described, "options", dict[str, Any]), **parts})
    threshold = entry(described, "threshold", float | None)
    model.threshold_ = float("inf") if threshold is None else threshold
    model.report_ = CascadeReport.from_json(described["report"])
    restored: Kind = model
    return restored


def _save_part(part: Any, folder: Path, *, notes: Mapping[str, object] | None) -> None:
    if isinstance(part, OnnxClassifier):  # its folder has everything
        if not part.folder.is_dir():
            raise StorageError(
                f"The folder {str(part.folder)!r} of the exported graph is needed to save it, but "
                "it is gone. Export the graph again."
            )
        folder.mkdir()
        for file in (MANIFEST, *read_manifest(part.folder)["files"]):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(part.folder / file, folder / file)
        return
    part.save(folder, notes=notes)


def _check_notes(accurate: Any, notes: Mapping[str, object] | None) -> None:
    """Check that the notes can be stored with the accurate model."""
    if notes and isinstance(accurate, OnnxClassifier):
        raise StorageError(
            "An exported graph stores no notes, got notes for a cascade whose accurate model is a "
            "graph. Leave them out."
        )


def _load_part(folder: Path) -> TextClassifier | OnnxClassifier:
    if read_manifest(folder)["kind"] == KIND:
        return OnnxClassifier.load(folder)
    return TextClassifier.load(folder)


def _prove(model: Any, draft: Path) -> None:
    """Load the cascade from the draft folder, and compare the outputs of both models."""
    with without_cache(), empty_shelf():
        loaded = load_cascade(type(model), draft)
        for name in PARTS:
            original, copy = (getattr(part, name) for part in (model, loaded))
            probe = _probe_of(original)
            outputs = copy.predict_proba(probe)
            difference = float(np.abs(outputs - original.predict_proba(probe)).max())
            same = copy.classes_.tolist() == original.classes_.tolist()
            if not difference <= CLOSE or not same:
                raise StorageError(
                    f"The cascade was not saved. A loaded copy of its {name} model must give the "
                    f"same outputs and classes, but its outputs differ by {difference:.2g}. Please "
                    "report this."
                )


def _probe_of(model: Any) -> Any:
    """Return a few texts of the kind that a model expects."""
    if hasattr(model, "fitted_"):
        return model.fitted_.probe
    return example_rows(model, pairs=model.reading.pairs)
