"""Publish fitted models on the Hugging Face Hub."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.inputs import JsonObject, LabelledTexts
from nlptl.base.paths import user_path
from nlptl.base.suggestions import suggest
from nlptl.hub.client import check_name, is_name
from nlptl.hub.publishing import Publication, publish_folder
from nlptl.reports.card import EXAMPLE, CardFacts, model_card
from nlptl.saving.card_facts import facts_of
from nlptl.saving.exporting import FORMATS
from nlptl.storage.manifest import write_manifest
from nlptl.training.processes import from_main

CARD = "README.md"
"""File of the model card."""


@dataclass(frozen=True)
class PublicationOptions:
    """Form in which a model is published.

    Attributes
    ----------
    format : {"nlptl", "transformers", "peft", "onnx", "sentence-transformers"}
    private : bool or None
        True to make a new repository private.
    dry_run : bool
        True to list files, sizes and hashes without any request to the Hub.
    """

    format: str = "nlptl"
    private: bool | None = None
    dry_run: bool = False


def publish_model(
    model: Any,
    repo: str,
    options: PublicationOptions,
    *,
    test: LabelledTexts | None = None,
    about: Mapping[str, object] | None = None,
) -> Publication:
    """Publish a fitted model with a card in one commit, or without a commit if nothing changed.

    Parameters
    ----------
    model : estimator
        A fitted model with ``save``.
    repo : str
        ``"user/name"``.
    options : PublicationOptions
    test : (texts, labels), optional
        Labelled rows for the scores of the card.
    about : mapping, optional
        Entries of the card.

    Raises
    ------
    ConfigError
        If ``repo`` is not a valid repository name, the format is not known, ``about`` has an
        unknown entry, or the license is not compatible with the license of the base model.
    HubError
        If the Hub cannot be reached or refuses the request. Nothing is published in part.
    """
    check_name(repo)
    if options.format not in ("nlptl", *FORMATS):
        raise ConfigError(
            f"format={options.format!r} is not known. "
            f"{suggest(options.format, ('nlptl', *FORMATS))}"
        )
    entries = {"format": options.format, **(about or {})}
    files = card_files(model, repo, test=test, about=entries, asks=not options.dry_run)

    def publish() -> JsonObject:
        with tempfile.TemporaryDirectory() as parent:
            folder = _written(model, Path(parent) / "model", options.format)
            for name, content in files.items():
                (folder / name).write_bytes(content)
            publication = publish_folder(
                folder, repo, private=options.private, dry_run=options.dry_run
            )
        return publication.to_json()

    return Publication.from_json(from_main(publish))


def card_files(
    model: Any,
    repo: str,
    *,
    test: LabelledTexts | None = None,
    about: Mapping[str, object],
    asks: bool = False,
) -> dict[str, bytes]:
    """Return the model card and its pictures, by file name.

    Parameters
    ----------
    model, repo, test
        As for ``publish_model``.
    about : mapping
        Entries of the card, with the format of the published files.
    asks : bool
        True to ask the Hub for the license of the base model.

    Raises
    ------
    ConfigError
        As for ``publish_model``.
    """
    facts = facts_of(model, repo, test=test, about=about, asks=asks)
    facts = replace(facts, answer=_answer(model, facts))
    return {CARD: model_card(facts).encode(), **facts.pictures}


def _answer(model: Any, facts: CardFacts) -> str:
    """Return the result of the call on the card as Python code; empty if it needs several texts."""
    if facts.call is not None or hasattr(model, "models_"):
        return ""
    if facts.format == "transformers":
        [shares] = model.predict_proba([EXAMPLE]).tolist()
        score, label = max(zip(shares, map(str, model.classes_.tolist()), strict=True))
        answer: Any = [{"label": label, "score": round(score, 3)}]
    else:
        prediction = model.predict([EXAMPLE])
        prediction = prediction if hasattr(model, "classes_") else prediction.round(3)
        answer = prediction if isinstance(prediction, list) else prediction.tolist()
    return repr(answer).replace("`", "'")  # a label must not end the block of code


def _written(model: Any, folder: Path, format: str) -> Path:  # noqa: A002
    """Write a model with its manifest in the format in which it is published."""
    _check_entailment(model)
    if format == "nlptl":
        if not hasattr(model, "notes_"):
            return Path(model.save(folder))
        run = model.notes_.get("run", {})  # paths of files and folders stay private
        notes = {"run": {name: value for name, value in run.items() if "column" in name}}
        return Path(model.save(folder, notes=notes if run else {}))
    if not hasattr(model, "fitted_") or not hasattr(model, "export"):
        raise ConfigError(
            f"format={format!r} needs a classifier of one task, got a {type(model).__name__}. "
            "Publish format='nlptl'."
        )
    if format == "peft" and model.fitted_.features.encoder.folder.origin is None:
        raise ConfigError(
            "format='peft' needs a base encoder that peft can load by its name on the Hub, but "
            "this encoder came from a folder. Publish format='nlptl', or fit with "
            "LoRA(merge=True) and publish format='transformers'."
        )
    model.export(folder, format=format)
    if format != "onnx":  # the ONNX export writes its manifest itself
        write_manifest(folder, kind=f"export for {format}", version=version("nlptl"))
    return folder


def _check_entailment(model: object) -> None:
    """Raise an error if the model needs an entailment model from a local folder."""
    parts = (getattr(model, name, None) for name in ("fast", "accurate"))
    transfers = [getattr(part, "transfer_", None) for part in (model, *parts)]
    methods = [t if isinstance(t, list | tuple) else [t] for t in transfers]
    for method in (method for several in methods for method in several):
        name = getattr(method, "entailment", None)
        if name is not None and (not is_name(str(name)) or user_path(str(name)).is_dir()):
            raise ConfigError(
                "Expected an entailment model on the Hub, got the local folder "
                f"{str(name)!r}, which other users do not have. Publish the entailment model "
                "first, then fit with its name on the Hub."
            )
