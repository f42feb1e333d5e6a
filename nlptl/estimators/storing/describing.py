"""What the card of a model tells: gathered from the model, its rows and its author."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.names import suggest
from nlptl.encoders.contextual.encoder import TransformerEncoder
from nlptl.encoders.contextual.folder import DEFAULT_ENCODER
from nlptl.estimators.storing.folder import training_of, versions
from nlptl.evaluation.intervals import share_interval
from nlptl.evaluation.scores import class_scores
from nlptl.hub.client import license_of
from nlptl.reports.card import CONFUSION, CURVE, CardFacts, Evaluation
from nlptl.reports.licenses import inherited
from nlptl.reports.pictures import confusion_picture, curve_picture, has_pictures
from nlptl.training.config import TrainingConfig

_TOLD = (
    "base_license",
    "dataset",
    "encoder",
    "format",
    "languages",
    "license",
    "says",
    "transfer",
    "verdict",
)
"""What an author may tell of a model in the card."""

_KNOWN = {DEFAULT_ENCODER: "apache-2.0"}
"""Licenses that need no asking."""

_EXAMPLE = "The order arrived late."


def facts_of(
    model: Any,
    repo: str,
    *,
    test: tuple[Any, Any] | None,
    about: Mapping[str, Any],
    asks: bool = False,
) -> CardFacts:
    """Gather what the card tells of a model.

    Parameters
    ----------
    model : fitted model
    repo : str
        ``"user/name"``.
    test : (texts, labels) or None
        Rows for figures.
    about : mapping
        What the author tells.
    asks : bool
        Ask the Hub for the license of the base model.

    Raises
    ------
    ConfigError
        If ``about`` has an entry that no card has, or the license does not go with that of the
        base model.
    """
    unknown = [name for name in about if name not in _TOLD]
    if unknown:
        raise ConfigError(
            f"The card has no entry {unknown[0]!r}. {suggest(str(unknown[0]), _TOLD)}"
        )
    told = dict(about)
    dataset = str(told.pop("dataset", "rows held out by the author"))
    evaluation, confusion = (None, {}) if test is None else _evaluated(model, test, dataset)
    found = {
        "loads_by": type(model).__name__,
        "made_with": versions(),
        "seed": model.seed,
        "evaluation": evaluation,
        **_own_facts(model),
    }
    base = told.pop("base_license", None) or _license(found.get("base_model"), asks=asks)
    own = {
        "license": inherited(told.pop("license", None), base),
        "base_license": base,
        "verdict": str(told.pop("verdict", found.get("verdict", ""))),
        "pictures": {**confusion, **_curve(model)},
    }
    return CardFacts(repo=repo, **{**found, **told, **own})


def _license(base: str | None, *, asks: bool) -> str | None:
    """Give the license of what a model was made from, as far as that can be told."""
    if base is None:
        return None
    told = license_of(base) if asks else None
    return told or _KNOWN.get(base)


def _own_facts(model: Any) -> dict[str, Any]:
    """Tell what a model of one task is made of; of others what they have in common."""
    fitted, named = getattr(model, "fitted_", None), sorted(getattr(model, "models_", {}))
    if hasattr(model, "joint_"):
        call = f'model.predict(["{_EXAMPLE}"], ["{named[0]}"])'
        own = {"call": call, "command": False, "languages": named}
        return {**_own_facts(model.joint_), **own}
    if fitted is None:
        encoder = model.shared_
        return {
            "says": f"Answers several questions: {', '.join(named)}.",
            "encoder": _described(encoder),
            "base_model": encoder.folder.origin,
            "cost": "" if model.cost_ is None else str(model.cost_),
        }
    numeric = not hasattr(model, "classes_")
    encoder, audit = fitted.features.encoder, model.audit_
    classes = [str(label) for label in ([] if numeric else model.classes_.tolist())]
    verdict = model.transfer_verdict_
    pairs = fitted.probe.are_pairs
    transfer = repr(model.transfer_) if model.transfer_ is not None else "Frozen()"
    return {
        "task": None if numeric else "text-classification",
        "call": f'model.predict([("{_EXAMPLE}", "{_EXAMPLE}")])' if pairs else None,
        "command": not pairs,
        "several": not numeric and fitted.scorer.decision.thresholds is not None,
        "stock": isinstance(encoder, TransformerEncoder)
        and encoder.chosen_pooling.tokens == "stock",
        "says": "Gives a number for a text." if numeric else f"Sorts texts into: {_few(classes)}.",
        "encoder": _described(encoder),
        "base_model": encoder.folder.origin if isinstance(encoder, TransformerEncoder) else None,
        "base_revision": getattr(encoder, "revision", None),
        "transfer": transfer,
        "made_by": _made_by(model, _described(encoder), transfer),
        "cost": "" if model.cost_ is None else str(model.cost_),
        "labels": dict(audit.class_counts),
        "rows": audit.n_rows,
        "repeated": audit.repeated,
        "conflicts": audit.n_conflicts,
        "verdict": "" if verdict is None else f"{verdict.name} was chosen on splits of the rows",
    }


def _evaluated(
    model: Any, test: tuple[Any, Any], dataset: str
) -> tuple[Evaluation, dict[str, bytes]]:
    """Give figures of labelled rows, with a picture of what was taken for what."""
    if not hasattr(model, "fitted_"):
        raise ConfigError("test=(texts, labels) is for models of one task. Leave it out.")
    texts, labels = test
    outputs = model.outputs(texts)
    figures = model.figures(outputs, labels)
    if not hasattr(model, "classes_"):
        return Evaluation(dataset, len(labels), figures), {}
    interval = share_interval(round(figures["accuracy"] * len(labels)), len(labels))
    truth, chosen = model._truth(labels), model._codes(outputs)
    names = [str(label) for label in model.classes_.tolist()]
    classes = class_scores(truth, chosen, names)
    found = Evaluation(dataset, len(labels), figures, interval, classes)
    if truth.ndim > 1 or not has_pictures():
        return found, {}
    return found, {CONFUSION: confusion_picture(truth, chosen, names)}


def _curve(model: Any) -> dict[str, bytes]:
    """Draw how training went, where a network was trained for more than an epoch."""
    history = getattr(model, "history_", None)
    if history is None or len(history.losses) < 2 or not has_pictures():
        return {}
    return {CURVE: curve_picture(history.losses, history.scores, history.best_epoch)}


def _made_by(model: Any, encoder: str, transfer: str) -> str:
    """Tell the call that made a model."""
    given = training_of(model.training) or {}
    plain = TrainingConfig().get_params()
    chosen = [f"{name}={value!r}" for name, value in given.items() if value != plain[name]]
    training = f", training=TrainingConfig({', '.join(chosen)})" if chosen else ""
    return f"{type(model).__name__}({encoder}, transfer={transfer}{training}, seed={model.seed})"


def _described(encoder: Any) -> str:
    """Name an encoder without any path of this machine."""
    if isinstance(encoder, TransformerEncoder):
        return f"TransformerEncoder({encoder.folder.origin or 'of its own'})"
    return type(encoder).__name__


def _few(names: list[str], most: int = 12) -> str:
    told = ", ".join(names[:most])
    return told if len(names) <= most else f"{told} and {len(names) - most} more"
