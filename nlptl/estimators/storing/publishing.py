"""Models go to the Hugging Face Hub and come back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from typing_extensions import Self

from nlptl.base.errors import ConfigError, HubError
from nlptl.base.names import suggest
from nlptl.encoders.contextual.encoder import TransformerEncoder
from nlptl.estimators.storing.exporting import FORMATS
from nlptl.estimators.storing.folder import versions
from nlptl.evaluation.intervals import share_interval
from nlptl.hub.client import check_name, is_name
from nlptl.hub.fetching import fetch_folder
from nlptl.hub.publishing import Publication, publish_folder
from nlptl.reports.card import CardFacts, Evaluation, model_card
from nlptl.storage.manifest import write_manifest
from nlptl.training.processes import from_main

_TOLD = (
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

_EXAMPLE = "The order arrived late."


class Published:
    """What lets a kind of model be published; it saves into a folder and loads from one."""

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
            For the card: ``license``, ``languages`` (a list of ISO 639-1 codes), ``dataset`` (what
            the rows of ``test`` are called), ``says``, ``encoder``, ``transfer``,
            ``verdict``.
        format : {"nlptl", "transformers", "peft", "onnx"}
            The model as it is saved; or as ``export`` writes it, for those without nlptl.
        private : bool, optional
            For a new repository.
        dry_run : bool
            List files, sizes and hashes, and talk to nobody.

        Raises
        ------
        ConfigError
            If ``repo`` is no name of a repository, or ``about`` has an unknown entry.
        HubError
            If the Hub cannot be reached or refuses; nothing is half-published.
        """
        check_name(repo)
        if format not in ("nlptl", *FORMATS):
            raise ConfigError(f"format={format!r} is not known. {suggest(format, FORMATS)}")
        told = {"format": format, **(about or {})}
        card = model_card(facts_of(self, repo, test=test, about=told))

        def published() -> dict[str, Any]:
            with tempfile.TemporaryDirectory() as place:
                folder = _written(self, Path(place) / "model", format)
                (folder / "README.md").write_text(card, encoding="utf-8")
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


def place_of(name_or_path: str | Path, *, revision: str | None = None) -> Path:
    """Give the folder of a model: the one named, or that of a model on the Hub."""
    path = Path(name_or_path).expanduser()
    if path.is_dir() or isinstance(name_or_path, Path) or not is_name(name_or_path):
        return path
    try:
        return fetch_folder(name_or_path, revision=revision)
    except HubError as problem:
        raise HubError(f"There is no folder {name_or_path!r}. {problem}") from problem


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
        if place is not None and Path(str(place)).expanduser().is_dir():
            raise ConfigError(
                f"The model reads an entailment model from the folder {str(place)!r}, which nobody "
                "else has. Publish that first, and give its name."
            )


def facts_of(
    model: Any, repo: str, *, test: tuple[Any, Any] | None, about: Mapping[str, Any]
) -> CardFacts:
    """Gather what the card tells of a model."""
    unknown = [name for name in about if name not in _TOLD]
    if unknown:
        raise ConfigError(
            f"The card has no entry {unknown[0]!r}. {suggest(str(unknown[0]), _TOLD)}"
        )
    told = dict(about)
    dataset = str(told.pop("dataset", "rows held out by the author"))
    found = {
        "loads_by": type(model).__name__,
        "made_with": versions(),
        "seed": model.seed,
        "evaluation": None if test is None else _evaluated(model, test, dataset),
        **_own_facts(model),
    }
    return CardFacts(repo=repo, **{**found, **told})


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
        }
    numeric = not hasattr(model, "classes_")
    encoder, audit = fitted.features.encoder, model.audit_
    classes = [str(label) for label in ([] if numeric else model.classes_.tolist())]
    verdict = model.transfer_verdict_
    pairs = fitted.probe.are_pairs
    return {
        "task": None if numeric else "text-classification",
        "call": f'model.predict([("{_EXAMPLE}", "{_EXAMPLE}")])' if pairs else None,
        "command": not pairs,
        "stock": isinstance(encoder, TransformerEncoder)
        and encoder.chosen_pooling.tokens == "stock",
        "says": "Gives a number for a text." if numeric else f"Sorts texts into: {_few(classes)}.",
        "encoder": _described(encoder),
        "base_model": encoder.folder.origin if isinstance(encoder, TransformerEncoder) else None,
        "base_revision": getattr(encoder, "revision", None),
        "transfer": repr(model.transfer_) if model.transfer_ is not None else "Frozen()",
        "labels": dict(audit.class_counts),
        "rows": audit.n_rows,
        "repeated": audit.repeated,
        "conflicts": audit.n_conflicts,
        "verdict": "" if verdict is None else f"{verdict.name} was chosen on splits of the rows",
    }


def _evaluated(model: Any, test: tuple[Any, Any], dataset: str) -> Evaluation:
    if not hasattr(model, "fitted_"):
        raise ConfigError("test=(texts, labels) is for models of one task. Leave it out.")
    texts, labels = test
    figures = model.evaluate(texts, labels)
    if not hasattr(model, "classes_"):
        return Evaluation(dataset, len(labels), figures)
    right = round(figures["accuracy"] * len(labels))
    interval = share_interval(right, len(labels))
    return Evaluation(dataset, len(labels), figures, interval, model.class_scores(texts, labels))


def _described(encoder: Any) -> str:
    """Name an encoder without any path of this machine."""
    if isinstance(encoder, TransformerEncoder):
        return f"TransformerEncoder({encoder.folder.origin or 'of its own'})"
    return type(encoder).__name__


def _few(names: list[str], most: int = 12) -> str:
    told = ", ".join(names[:most])
    return told if len(names) <= most else f"{told} and {len(names) - most} more"
