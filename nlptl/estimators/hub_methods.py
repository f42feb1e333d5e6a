"""Methods of the estimators that publish on the Hugging Face Hub and load from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import Self

from nlptl.base.inputs import LabelledTexts
from nlptl.hub.model_place import place_of
from nlptl.hub.publishing import Publication
from nlptl.saving.model_publication import PublicationOptions, publish_model
from nlptl.training.cost import Cost


class HubMethods:
    """Add ``push_to_hub`` and ``from_pretrained`` to a model with ``save`` and ``load``.

    Attributes
    ----------
    cost_ : Cost or None
        Cost of ``fit``; None if it was not measured.
    """

    cost_: Cost | None = None

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
        options = PublicationOptions(format, private, dry_run)
        return publish_model(self, repo, options, test=test, about=about)

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
