"""Models go to the Hugging Face Hub and come back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from typing_extensions import Self

from nlptl.base.errors import ConfigError
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
    """What lets a kind of model be published; it saves into a folder and loads from one.

    Attributes
    ----------
    cost_ : Cost or None
        What ``fit`` cost; None where nobody measured it.
    """

    cost_: Cost | None = None

    def push_to_hub(
        self,
        repo: str,
        *,
        test: tuple[Any, Any] | None = None,
        about: Mapping[str, Any] | None = None,
        format: str = "nlptl",  # noqa: A002
        private: bool | None = None,
        dry_run: bool = False,
    ) -> Publication:
        """Publish the model with a card, in one commit; where nothing changed there is none.

        The token is that of ``hf auth login``, or of ``HF_TOKEN``.

        Parameters
        ----------
        repo : str
            ``"user/name"``; it is made where it does not exist.
        test : (texts, labels), optional
            Rows that the model has not seen: the card tells what it is worth on them.
        about : mapping, optional
            For the card: ``license`` (that of the base model where it is left out),
            ``languages`` (a list of ISO 639-1 codes), ``dataset`` (what the rows of ``test`` are
            called), ``verdict`` (what ``judge`` found), ``says``, ``encoder``, ``transfer``,
            ``base_license`` (where the Hub does not tell).
        format : {"nlptl", "transformers", "peft", "onnx", "sentence-transformers"}
            The model as it is saved; or as ``export`` writes it, for those without nlptl.
        private : bool, optional
            For a new repository.
        dry_run : bool
            List files, sizes and hashes, and talk to nobody.

        Raises
        ------
        ConfigError
            If ``repo`` is no name of a repository, ``about`` has an unknown entry, or the license
            does not go with that of the base model.
        HubError
            If the Hub cannot be reached or refuses; nothing is half-published.
        """
        check_name(repo)
        if format not in ("nlptl", *FORMATS):
            raise ConfigError(f"format={format!r} is not known. {suggest(format, FORMATS)}")
        told = {"format": format, **(about or {})}
        facts = facts_of(self, repo, test=test, about=told, asks=not dry_run)
        files = {"README.md": model_card(facts).encode(), **facts.pictures}

        def published() -> dict[str, Any]:
            with tempfile.TemporaryDirectory() as place:
                folder = _written(self, Path(place) / "model", format)
                for name, content in files.items():
                    (folder / name).write_bytes(content)
                done = publish_folder(folder, repo, private=private, dry_run=dry_run)
            return done.to_json()

        return Publication.from_json(from_main(published))

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, *, revision: str | None = None) -> Self:
        """Read a model from the Hub, its cache or a folder, every file checked.

        Parameters
        ----------
        name_or_path : str or Path
            ``"user/name"`` on the Hub, or a folder.
        revision : str, optional
            Commit, branch or tag on the Hub.

        Raises
        ------
        HubError
            If it cannot be fetched and is not in the cache.
        IntegrityError
            If a file is not what was published; it is named.
        StorageError
            If it holds another kind of model.
        """
        found: Self = cls.load(place_of(name_or_path, revision=revision))  # type: ignore[attr-defined]
        return found


def _written(model: Any, folder: Path, format: str) -> Path:  # noqa: A002
    """Write a model as it is to be published, with its manifest."""
    _check_entailment(model)
    if format == "nlptl":
        if not hasattr(model, "notes_"):
            return Path(model.save(folder))
        run = model.notes_.get("run", {})  # files and folders of a run are nobody else's business
        kept = {"run": {name: value for name, value in run.items() if "column" in name}}
        return Path(model.save(folder, notes=kept if run else {}))
    if not hasattr(model, "fitted_") or not hasattr(model, "export"):
        raise ConfigError(f"format={format!r} is for classifiers of one task.")
    if format == "peft" and model.fitted_.features.encoder.folder.origin is None:
        raise ConfigError(
            "peft finds what an adapter stands beside by its name on the Hub, and this encoder "
            "came from a folder. Publish format='nlptl', or LoRA(merge=True) as 'transformers'."
        )
    model.export(folder, format=format)
    if format != "onnx":  # which has a manifest of its own
        write_manifest(folder, kind=f"export for {format}", version=version("nlptl"))
    return folder


def _check_entailment(model: Any) -> None:
    """Refuse a model that reads something from a folder of this machine."""
    given = getattr(model, "transfer_", None)
    for one in given if isinstance(given, list | tuple) else [given]:
        place = getattr(one, "entailment", None)
        if place is not None and (not is_name(str(place)) or user_path(str(place)).is_dir()):
            raise ConfigError(
                f"The model reads an entailment model from the folder {str(place)!r}, which nobody "
                "else has. Publish that first, and give its name."
            )
