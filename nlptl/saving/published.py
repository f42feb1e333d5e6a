"""Publish models on the Hugging Face Hub, and load published models."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from typing_extensions import Self

from nlptl.base.errors import ConfigError
from nlptl.base.inputs import LabelledTexts
from nlptl.base.paths import user_path
from nlptl.base.suggestions import suggest
from nlptl.hub.client import check_name, is_name
from nlptl.hub.model_place import place_of
from nlptl.hub.publishing import Publication, publish_folder
from nlptl.reports.card import model_card
from nlptl.saving.card_facts import facts_of
from nlptl.saving.exporting import FORMATS
from nlptl.storage.manifest import write_manifest
from nlptl.training.cost import Cost
from nlptl.training.processes import from_main


class Published:
    """A mixin for models with ``save`` and ``load`` that adds publishing on the Hub.

    Attributes
    ----------
    cost_ : Cost or None
        Cost of ``fit``; None if it was not measured.
    """

    cost_: Cost | None = None
    seed: int

    def push_to_hub(
        self,
        repo: str,
        *,
        test: LabelledTexts | None = None,
        about: Mapping[str, object] | None = None,
        format: str = "nlptl",  # noqa: A002
        private: bool | None = None,
        dry_run: bool = False,
    ) -> Publication:
        """Publish the model with a card in one commit, or without a commit if nothing changed.

        The token comes from ``hf auth login`` or from ``HF_TOKEN``.

        Parameters
        ----------
        repo : str
            ``"user/name"``. The repository is created if it does not exist.
        test : (texts, labels), optional
            Labelled rows that were not used for training. The card reports the scores on them.
        about : mapping, optional
            Entries of the card: ``license`` (default: the license of the base model),
            ``languages`` (a list of ISO 639-1 codes), ``dataset`` (the name of the rows of
            ``test``), ``verdict`` (the result of ``judge``), ``says`` (a sentence on what the
            model predicts), ``encoder``, ``transfer``, ``base_license`` (if the Hub does not name
            it).
        format : {"nlptl", "transformers", "peft", "onnx", "sentence-transformers"}
            ``"nlptl"`` publishes the saved model. The others publish an export for users without
            nlptl, see ``export``.
        private : bool, optional
            True to make a new repository private.
        dry_run : bool
            True to list files, sizes and hashes without any request to the Hub.

        Raises
        ------
        ConfigError
            If ``repo`` is not a valid repository name, ``about`` has an unknown entry, or the
            license is not compatible with the license of the base model.
        HubError
            If the Hub cannot be reached or refuses the request. Nothing is published in part.
        """
        check_name(repo)
        if format not in ("nlptl", *FORMATS):
            raise ConfigError(
                f"format={format!r} is not known. {suggest(format, ('nlptl', *FORMATS))}"
            )
        entries = {"format": format, **(about or {})}
        facts = facts_of(self, repo, test=test, about=entries, asks=not dry_run)
        files = {"README.md": model_card(facts).encode(), **facts.pictures}

        def published() -> dict[str, Any]:
            with tempfile.TemporaryDirectory() as parent:
                folder = _written(self, Path(parent) / "model", format)
                for name, content in files.items():
                    (folder / name).write_bytes(content)
                publication = publish_folder(folder, repo, private=private, dry_run=dry_run)
            return publication.to_json()

        return Publication.from_json(from_main(published))

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, *, revision: str | None = None) -> Self:
        """Load a model from the Hub, its cache or a folder, after a check of every file.

        Parameters
        ----------
        name_or_path : str or Path
            ``"user/name"`` on the Hub, or a folder.
        revision : str, optional
            Commit, branch or tag on the Hub.

        Raises
        ------
        HubError
            If the model cannot be fetched and is not in the cache.
        IntegrityError
            If a file differs from the published one. The message names the file.
        StorageError
            If the folder contains another kind of model.
        """
        model: Self = cls.load(place_of(name_or_path, revision=revision))  # type: ignore[attr-defined]
        return model


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
    transfer = getattr(model, "transfer_", None)
    for method in transfer if isinstance(transfer, list | tuple) else [transfer]:
        name = getattr(method, "entailment", None)
        if name is not None and (not is_name(str(name)) or user_path(str(name)).is_dir()):
            raise ConfigError(
                "Expected an entailment model on the Hub, got the local folder "
                f"{str(name)!r}, which other users do not have. Publish the entailment model "
                "first, then fit with its name on the Hub."
            )
