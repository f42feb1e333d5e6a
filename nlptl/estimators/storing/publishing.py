"""Models go to the Hugging Face Hub and come back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from typing_extensions import Self

from nlptl.base.errors import ConfigError
from nlptl.base.names import suggest
from nlptl.encoders.contextual.encoder import TransformerEncoder
from nlptl.estimators.storing.folder import versions
from nlptl.evaluation.intervals import share_interval
from nlptl.hub.fetching import fetch_folder
from nlptl.hub.publishing import Publication, publish_folder
from nlptl.reports.card import CardFacts, Evaluation, model_card
from nlptl.storage.manifest import write_manifest

_TOLD = (
    "dataset",
    "encoder",
    "example",
    "format",
    "languages",
    "license",
    "says",
    "transfer",
    "verdict",
)
"""What an author may tell of a model in the card."""


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
            the rows of ``test`` are called), ``says``, ``example``, ``encoder``, ``transfer``,
            ``verdict``.
        format : {"nlptl", "transformers", "peft"}
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
        with tempfile.TemporaryDirectory() as place:
            folder = _written(self, Path(place) / "model", format)
            told = {"format": format, **(about or {})}
            card = model_card(facts_of(self, repo, test=test, about=told))
            (folder / "README.md").write_text(card, encoding="utf-8")
            return publish_folder(folder, repo, private=private, dry_run=dry_run)

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
    named = isinstance(name_or_path, str) and name_or_path.count("/") == 1
    if path.is_dir() or not named or name_or_path[0] in "./~":  # type: ignore[index]
        return path
    return fetch_folder(str(name_or_path), revision=revision)


def _written(model: Any, folder: Path, format: str) -> Path:  # noqa: A002
    """Write a model as it is to be published, with its manifest."""
    if format == "nlptl":
        return Path(model.save(folder))
    if not hasattr(model, "fitted_") or not hasattr(model, "export"):
        raise ConfigError(f"format={format!r} is for classifiers of one task.")
    model.export(folder, format=format)
    write_manifest(folder, kind=f"export for {format}", version=version("nlptl"))
    return folder


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
    fitted = getattr(model, "fitted_", None)
    if fitted is None:
        named = ", ".join(sorted(getattr(model, "models_", {})))
        return {"task": "text-classification", "says": f"Answers several questions: {named}."}
    numeric = not hasattr(model, "classes_")
    encoder, audit = fitted.features.encoder, model.audit_
    classes = [str(label) for label in ([] if numeric else model.classes_.tolist())]
    verdict = model.transfer_verdict_
    return {
        "task": "text-classification",
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
