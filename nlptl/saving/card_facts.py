"""Collect the facts for a model card from the model, its test rows and its author."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.inputs import LabelledTexts
from nlptl.base.suggestions import suggest
from nlptl.encoders.contextual.encoder_folder import DEFAULT_ENCODER
from nlptl.encoders.static.static_encoder import StaticEncoder
from nlptl.encoders.tunable import is_tunable
from nlptl.evaluation.class_metrics import confused_pairs
from nlptl.evaluation.intervals import share_interval
from nlptl.hub.client import license_of
from nlptl.reports.card import CONFUSION, CURVE, CardFacts, Evaluation, plain
from nlptl.reports.licenses import inherited
from nlptl.reports.pictures import confusion_picture, curve_picture, has_pictures
from nlptl.saving.model_folder import versions
from nlptl.saving.run_record import training_of
from nlptl.saving.saved_model import PublishedModel, SavedModel
from nlptl.training.config import TrainingConfig
from nlptl.training.processes import from_main
from nlptl.transfer.relations.label_meaning import LabelMeaning

_ENTRIES = (
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
"""Entries of the card that the author may set."""

_KNOWN_LICENSES = {DEFAULT_ENCODER: "apache-2.0"}
"""Licenses of base models that need no request to the Hub."""

_EXAMPLE = "The order arrived late."


def facts_of(
    model: PublishedModel,
    repo: str,
    *,
    test: LabelledTexts | None,
    about: Mapping[str, object],
    asks: bool = False,
) -> CardFacts:
    """Collect the facts for the card of a model.

    Parameters
    ----------
    model : fitted model
    repo : str
        ``"user/name"``.
    test : (texts, labels) or None
        Labelled rows for the evaluation figures.
    about : mapping
        Entries that the author sets.
    asks : bool
        True to ask the Hub for the license of the base model.

    Raises
    ------
    ConfigError
        If ``about`` has an unknown entry, or if the license is not compatible with the license of
        the base model.
    """
    unknown = [name for name in about if name not in _ENTRIES]
    if unknown:
        raise ConfigError(
            f"about has the entry {unknown[0]!r}, which a card does not have. "
            f"{suggest(str(unknown[0]), _ENTRIES)}"
        )
    entries: dict[str, Any] = dict(about)
    dataset = str(entries.pop("dataset", "rows held out by the author"))
    evaluation, confusion = (None, {}) if test is None else _evaluated(model, test, dataset)
    facts = {
        "loads_by": type(model).__name__,
        "made_with": versions(),
        "seed": model.seed,
        "evaluation": evaluation,
        **model_facts(model),
    }
    stated, chosen = entries.pop("base_license", None), entries.pop("license", None)
    bases = [stated] if stated else [_license(name, asks=asks) for name in _bases(model)]
    for base in bases:
        chosen = inherited(chosen, base)
    checked = {
        "license": chosen,
        "base_license": next(iter(bases), None),
        "verdict": str(entries.pop("verdict", facts.get("verdict", ""))),
        "pictures": {**confusion, **_curve(model)},
    }
    return CardFacts(repo=repo, **{**facts, **entries, **checked})


def _bases(model: Any) -> list[str]:
    if hasattr(model, "accurate"):
        return list(dict.fromkeys([*_origins(model.accurate), *_origins(model.fast)]))
    return _origins(getattr(model, "joint_", model))


def _license(base: str, *, asks: bool) -> str | None:
    """Return the license of a base model; None if it is unknown."""
    license_on_hub = from_main(lambda: license_of(base)) if asks else None
    return license_on_hub or _KNOWN_LICENSES.get(base)


def model_facts(model: Any) -> dict[str, Any]:
    """Collect the facts that the model holds; for several tasks those that the tasks share."""
    fitted, named = getattr(model, "fitted_", None), sorted(getattr(model, "models_", {}))
    if hasattr(model, "joint_"):
        call = f'model.predict(["{_EXAMPLE}"], [{named[0]!r}])'
        facts = {"call": call, "command": False, "languages": named, "settings": "", "cost": ""}
        return {**model_facts(model.joint_), **facts}
    if hasattr(model, "accurate"):
        _check_published(model.accurate)
        fitted = getattr(model.fast, "fitted_", None)
        fast = "an exported graph" if fitted is None else _described(fitted.features.encoder)
        passed_on = f"A fast model ({fast}) answers where it is sure. {model.report_}"
        facts = model_facts(model.accurate)
        return {**facts, "stock": False, "cost": "", "says": f"{facts['says']} {passed_on}"}
    cost = "" if model.cost_ is None else str(model.cost_)
    if fitted is None:
        encoder = model.shared_
        return {
            "says": f"Answers several questions: {', '.join(map(plain, named))}.",
            "encoder": _described(encoder),
            "base_model": encoder.folder.origin,
            "settings": _settings(model),
            "cost": cost,
        }
    encoder, audit, verdict = fitted.features.encoder, model.audit_, model.transfer_verdict_
    return {
        **_answers(model),
        "stock": is_tunable(encoder) and encoder.reader.is_stock,
        "encoder": _described(encoder),
        "base_model": next(iter(_origins(model)), None),
        "base_revision": getattr(encoder, "revision", None),
        "transfer": "Frozen()" if model.transfer_ is None else repr(model.transfer_),
        "settings": _settings(model),
        "cost": cost,
        "labels": dict(audit.class_counts),
        "rows": audit.n_rows,
        "repeated": audit.repeated,
        "conflicts": audit.n_conflicts,
        "verdict": ""
        if verdict is None
        else f"{verdict.name} was chosen by comparison on splits of the training rows",
    }


def _check_published(accurate: object) -> None:
    """Check that the accurate model of a cascade has the facts of a card."""
    if not hasattr(accurate, "fitted_"):
        raise ConfigError(
            "A cascade is published with its accurate model as it was fitted, got an exported "
            "graph. Use the model that was exported."
        )


def _answers(model: SavedModel) -> dict[str, Any]:
    """Describe the input and the output of a model of one task, with an example call."""
    fitted, labels = model.fitted_, getattr(model, "classes_", None)
    numeric = labels is None
    classes = [] if labels is None else [str(label) for label in labels.tolist()]
    pairs = fitted.probe.are_pairs
    call = f'model.predict([("{_EXAMPLE}", "{_EXAMPLE}")])' if pairs else None
    columns = getattr(fitted.features.encoder, "numeric_columns", ())
    if columns:
        call = f"model.predict(table)  # a pandas table, with the columns {', '.join(columns)}"
    return {
        "task": None if numeric else "text-classification",
        "call": call,
        "command": call is None,
        "several": not numeric and fitted.scorer.decision.thresholds is not None,
        "pairs": pairs,
        "says": "Predicts a number for each text."
        if numeric
        else f"Sorts texts into: {_few(classes)}.",
    }


def _origins(model: object) -> list[str]:
    """List the names on the Hub of the base models: encoders and entailment models."""
    fitted = getattr(model, "fitted_", None)
    encoder = getattr(model, "shared_", None) if fitted is None else fitted.features.encoder
    parts = getattr(encoder, "encoders", (encoder,))
    names = [part.folder.origin for part in parts if is_tunable(part)]
    names += [part.origin for part in parts if isinstance(part, StaticEncoder)]
    transfer = getattr(model, "transfer_", None)
    methods = transfer if isinstance(transfer, list | tuple) else [transfer]
    names += [method.entailment for method in methods if isinstance(method, LabelMeaning)]
    return [str(name) for name in names if name]


def _evaluated(
    model: object, test: LabelledTexts, dataset: str
) -> tuple[Evaluation, dict[str, bytes]]:
    """Evaluate a model on labelled rows, and draw the confusion matrix where that is possible."""
    answering = getattr(model, "accurate", model)
    if not hasattr(answering, "fitted_"):
        raise ConfigError(
            f"test=(texts, labels) is only for models of one task, got a {type(model).__name__}. "
            "Leave test out."
        )
    texts, labels = test
    fitted, predict = answering.fitted_, getattr(model, "predict_proba", None)
    outputs = fitted.outputs(texts) if predict is None else predict(texts)
    figures = fitted.figures(outputs, labels)
    if fitted.codec.numeric:
        return Evaluation(dataset, len(outputs), figures), {}
    interval = share_interval(round(figures["accuracy"] * len(outputs)), len(outputs))
    truth, chosen = fitted.codec.encode(labels), fitted.scorer.decision.choose(outputs)
    names = [str(label) for label in fitted.codec.classes.tolist()]
    classes = fitted.class_scores(outputs, labels)
    evaluation = Evaluation(dataset, len(outputs), figures, interval, classes)
    if truth.ndim > 1:
        return evaluation, {}
    pairs = [(names[label], names[other], n) for label, other, n in confused_pairs(truth, chosen)]
    evaluation = replace(evaluation, confused=pairs)
    if not has_pictures():
        return evaluation, {}
    return evaluation, {CONFUSION: confusion_picture(truth, chosen, names)}


def _curve(model: object) -> dict[str, bytes]:
    """Draw the training curve of a network that was trained for at least two epochs."""
    history = getattr(model, "history_", None)
    if history is None or len(history.losses) < 2 or not has_pictures():
        return {}
    return {CURVE: curve_picture(history.losses, history.scores, history.best_epoch)}


def _settings(model: Any) -> str:
    """List head, pooling and options, and each training setting that is not the default."""
    plain_training = TrainingConfig().get_params()
    training = {
        name: value
        for name, value in (training_of(model.training) or {}).items()
        if value != plain_training[name]
    }
    fitted = getattr(model, "fitted_", None)
    head = {} if fitted is None else {"head": fitted.scorer.head}
    encoder = model.shared_ if fitted is None else fitted.features.encoder
    pooling = encoder.reader.pooling if is_tunable(encoder) else None
    options = {name: getattr(model, name) for name in ("seed", "long_texts", "pair_encoding")}
    settings = {**head, **({"pooling": pooling} if pooling else {}), **training, **options}
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())


def _described(encoder: object) -> str:
    """Describe an encoder without any path of this machine."""
    if is_tunable(encoder):
        return f"TransformerEncoder({encoder.folder.origin or 'no name on the Hub'})"
    parts = getattr(encoder, "encoders", None)
    if parts is not None:
        return f"{type(encoder).__name__}({', '.join(map(_described, parts))})"
    return type(encoder).__name__


def _few(names: list[str], most: int = 12) -> str:
    listed = ", ".join(map(plain, names[:most]))
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
