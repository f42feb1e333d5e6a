"""Facts about a model for the terminal."""

from __future__ import annotations

from typing import Any

from nlptl.saving.card_facts import model_facts
from nlptl.saving.onnx.onnx_classifier import OnnxClassifier


def about_model(model: Any) -> dict[str, Any]:
    """Return what a fitted model predicts, its parts, its training rows and its cost."""
    if isinstance(model, OnnxClassifier):
        return {"classes": [str(label) for label in model.classes_.tolist()]}
    facts = model_facts(model)
    about = {
        "predicts": facts["says"],
        "encoder": facts["encoder"],
        "transfer": facts.get("transfer"),
        "settings": facts["settings"],
        "training_rows": facts.get("rows"),
        "rows_per_class": {str(label): n for label, n in facts.get("labels", {}).items()},
        "training_cost": facts["cost"],
        "choice": facts.get("verdict"),
    }
    return {name: value for name, value in about.items() if value not in ("", {}, None)}
