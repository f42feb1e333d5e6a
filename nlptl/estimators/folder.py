"""The folder of a saved classifier: written whole, read back before it counts, checked on load."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nlptl.base.errors import IntegrityError, StorageError
from nlptl.data.audit import AuditReport
from nlptl.data.labels import LabelCodec
from nlptl.data.rows import Rows
from nlptl.encoders.cache import without_cache
from nlptl.encoders.contextual.shelf import empty_shelf
from nlptl.estimators.scoring import Fitted, FittedScorer
from nlptl.storage.atomic import new_folder
from nlptl.storage.manifest import MANIFEST, read_manifest, verify_manifest, write_manifest
from nlptl.storage.tensors import load_arrays, save_arrays
from nlptl.training.config import TrainingConfig
from nlptl.transfer import METHODS
from nlptl.transfer.features.frozen import FrozenFeatures

if TYPE_CHECKING:
    from nlptl.estimators.text_classifier import TextClassifier

Kind = TypeVar("Kind", bound="TextClassifier")

_KIND = "text-classifier"
_MODEL = "model.json"
_ARRAYS = "head.safetensors"
_ENCODER = "encoder"
_CLOSE = 1e-4
_SENTENCES = ("The order arrived late.", "What is this?", "Thank you, all is well now.")


def save_classifier(
    classifier: TextClassifier, folder: Path, *, notes: dict[str, Any] | None = None
) -> Path:
    """Write a fitted classifier into a folder and prove that it reads back equal."""
    _refuse_foreign(folder)
    with new_folder(folder) as draft:
        described = {**_describe(classifier, draft), "notes": notes or classifier.notes_}
        text = json.dumps(described, indent=1, ensure_ascii=False)
        (draft / _MODEL).write_text(text, encoding="utf-8")
        save_arrays(draft / _ARRAYS, classifier.fitted_.scorer.arrays())
        write_manifest(draft, kind=_KIND, version=version("nlptl"))
        _prove(classifier, draft)
    return folder


def load_classifier(kind: type[Kind], folder: Path) -> Kind:
    """Read a classifier from a folder, after every file was checked."""
    verify_manifest(folder, kind=_KIND)
    try:
        described = json.loads((folder / _MODEL).read_text(encoding="utf-8"))
        return _restore(kind, described, folder)
    except (KeyError, TypeError, ValueError) as problem:
        raise IntegrityError(
            f"{str(folder / _MODEL)!r} cannot be understood ({type(problem).__name__}: {problem}). "
            "Save the model again."
        ) from problem


def _describe(classifier: TextClassifier, draft: Path) -> dict[str, Any]:
    return {
        "codec": classifier.fitted_.codec.to_json(),
        "features": classifier.fitted_.features.save(draft / _ENCODER),
        "scorer": classifier.fitted_.scorer.describe(),
        "transfer": _spec(classifier.transfer),
        "training": None if classifier.training is None else classifier.training.get_params(),
        "options": {
            name: getattr(classifier, name) for name in ("seed", "imbalance", "long_texts")
        },
        "pairs": classifier.fitted_.probe.are_pairs,
        "audit": classifier.audit_.to_json(),
        "made_with": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("nlptl", "numpy", "scikit-learn", "torch")},
        },
    }


def _restore(kind: type[Kind], described: dict[str, Any], folder: Path) -> Kind:
    features = FrozenFeatures.load(folder / _ENCODER, described["features"])
    scorer = FittedScorer.restore(described["scorer"], load_arrays(folder / _ARRAYS))
    training = described["training"]
    classifier = kind(
        features.encoder,
        transfer=_transfer(described["transfer"]),
        head=scorer.head,
        training=None if training is None else TrainingConfig(**training),
        **described["options"],
    )
    codec = LabelCodec.from_json(described["codec"])
    probe = _sentences(described["pairs"], features.encoder)
    classifier.fitted_ = Fitted(codec, features, scorer, probe)
    classifier.classes_ = codec.classes
    classifier.audit_ = AuditReport(**described["audit"])
    classifier.history_ = None
    classifier.notes_ = described["notes"]
    return classifier


def _spec(transfer: Any) -> dict[str, Any] | None:
    """Give the options of a transfer, or of the one transfer in a list."""
    one = transfer[0] if isinstance(transfer, list | tuple) else transfer
    return None if one is None else {"kind": type(one).__name__, **one.get_params()}


def _transfer(described: dict[str, Any] | None) -> Any:
    if described is None:
        return None
    kinds = {method.__name__: method for method in METHODS}
    rest = {name: value for name, value in described.items() if name != "kind"}
    return kinds[described["kind"]](**rest)


def _prove(classifier: TextClassifier, draft: Path) -> None:
    """Read the model from the draft and compare probabilities."""
    # Nothing is shared: neither weights in memory nor vectors in the cache.
    with without_cache():
        expected = classifier.predict_proba(classifier.fitted_.probe)
    with without_cache(), empty_shelf():
        again = load_classifier(type(classifier), draft)
        found = again.predict_proba(classifier.fitted_.probe)
    difference = float(np.abs(found - expected).max())
    if not difference <= _CLOSE or again.classes_.tolist() != classifier.classes_.tolist():
        raise StorageError(
            f"The model was not saved: read back, its probabilities differ by {difference:.2g} "
            f"on {len(expected)} texts. Please report this."
        )


def _sentences(pairs: bool, encoder: Any) -> Rows:
    texts: list[Any] = [(text, text) for text in _SENTENCES] if pairs else list(_SENTENCES)
    columns = getattr(encoder, "numeric_columns", ())
    return Rows(texts, np.full((len(texts), len(columns)), np.nan) if columns else None)


def _refuse_foreign(folder: Path) -> None:
    """Replace a model, never anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir() or not (folder / MANIFEST).is_file():
        raise StorageError(
            f"{str(folder)!r} exists and is no model saved by nlptl. Choose another folder."
        )
    read_manifest(folder)
