"""The kinds of models, and reading a saved one of whichever kind."""

from __future__ import annotations

from pathlib import Path

from nlptl.estimators.text_classifier import TextClassifier
from nlptl.estimators.text_model import TextModel
from nlptl.estimators.text_regressor import TextRegressor
from nlptl.storage.manifest import read_manifest

KINDS: tuple[type[TextModel], ...] = (TextClassifier, TextRegressor)


def load_any(folder: str | Path) -> TextModel:
    """Read a saved model of whichever kind its manifest names.

    Raises
    ------
    StorageError
        If there is no model, or one of no kind known here.
    """
    found = read_manifest(Path(folder))["kind"]
    kinds = {kind.kind: kind for kind in KINDS}
    return kinds.get(found, TextClassifier).load(folder)
