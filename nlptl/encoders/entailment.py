"""How strongly a text entails each of some sentences, as features."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.errors import ConfigError, EncoderNotFoundError, InputError, IntegrityError
from nlptl.base.progress import progress_bar
from nlptl.base.specs import Spec, pipeline_step
from nlptl.encoders.contextual.encoder_checks import foreign_errors
from nlptl.encoders.contextual.encoder_folder import EncoderFolder, find_encoder
from nlptl.encoders.contextual.loaded import default_device, read_weights
from nlptl.encoders.contextual.weight_checks import refuse_untrained
from nlptl.storage.places import fixed_path

_SCALE = 10.0
"""Log odds are divided by it: they are then about as long as the vectors of other encoders."""

_WEIGHTS = "weights"
_PROBE = "The order arrived late."


@pipeline_step
@dataclass(frozen=True)
class EntailmentEncoder(Spec):
    """Read every text together with each of some sentences, and say whether it entails it [1]_.

    The model is a cross-encoder trained on natural language inference: it costs a forward pass
    for each text and sentence, where an encoder of sentences costs one a text.
    ``LabelMeaning(entailment=...)`` puts one beside an encoder, with a sentence for each class.

    Parameters
    ----------
    name_or_path : str or Path
        Hub name or folder of a model that classifies pairs, one of its labels being
        ``entailment``; for example ``cross-encoder/nli-MiniLM2-L6-H768``.
    hypotheses : sequence of str
        The sentences.
    batch_size : int
        Pairs a forward pass.
    device : str or None
        Torch device; None is the first accelerator, else the processor.

    References
    ----------
    .. [1] Yin, Hay and Roth, "Benchmarking Zero-shot Text Classification", EMNLP 2019,
       arXiv:1909.00161.
    """

    name_or_path: str | Path
    hypotheses: tuple[str, ...]
    batch_size: int = 64
    device: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.hypotheses, str) or not len(self.hypotheses):
            raise ConfigError(f"hypotheses must be a list of sentences, got {self.hypotheses!r}.")
        object.__setattr__(self, "name_or_path", fixed_path(self.name_or_path))
        object.__setattr__(self, "hypotheses", tuple(self.hypotheses))
        if self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {self.batch_size}.")

    @property
    def folder(self) -> EncoderFolder:
        """The model on disk."""
        return find_encoder(self.name_or_path)

    def fit(self, texts: Sequence[str], y: Any = None) -> Self:
        """Give itself: nothing is learnt from text."""
        return self

    def transform(self, texts: Sequence[str]) -> FloatArray:
        """Give log odds of entailment against contradiction, divided by 10.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        ndarray of shape (n, n_hypotheses), float32

        Raises
        ------
        InputError
            If a row is no single text.
        EncoderNotFoundError
            If the model has no label for entailment.
        """
        strange = next((text for text in texts if not isinstance(text, str)), None)
        if isinstance(texts, str) or strange is not None:
            raise InputError(f"EntailmentEncoder reads single texts, got {strange or texts!r}.")
        found = np.zeros((len(texts), len(self.hypotheses)), dtype=np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")
        size = max(self.batch_size // len(self.hypotheses), 1)
        with progress_bar(total=len(texts), unit="text", description="Entailing") as bar:
            for start in range(0, len(texts), size):
                rows = order[start : start + size]
                found[rows] = self._log_odds([texts[int(row)] for row in rows]) / _SCALE
                bar.update(len(rows))
        return found

    @property
    def groups(self) -> Groups:
        """One, with a column for each sentence."""
        return (("entailment", len(self.hypotheses)),)

    @property
    def learns_from_text(self) -> bool:
        """False: what it knows, it knows already."""
        return False

    def save(self, folder: Path) -> dict[str, Any]:
        """Copy the model into a folder; give the rest as plain JSON."""
        for path in self.folder.files:
            target = folder / _WEIGHTS / path.relative_to(self.folder.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        return {"hypotheses": list(self.hypotheses), "batch_size": self.batch_size}

    @classmethod
    def load(cls, folder: Path, described: dict[str, Any]) -> Self:
        """Describe what ``save`` wrote; weights are loaded when they are first needed.

        Raises
        ------
        EncoderNotFoundError, IntegrityError
            If the folder holds no model that classifies pairs.
        """
        if not (folder / _WEIGHTS).is_dir():
            raise IntegrityError(f"Folder {str(folder / _WEIGHTS)!r} is missing. Restore a copy.")
        encoder = cls(folder / _WEIGHTS, **described)
        with foreign_errors(f"Encoder {encoder.folder.name!r} cannot be used"):
            encoder._prove()
        return encoder

    def _prove(self) -> None:
        """Run shapes through the model; its weights where a family cannot run on shapes."""
        tokens = self._tokens([_PROBE]).to("meta")
        model = _read(self.folder, "meta")
        try:
            width = model(input_ids=tokens["input_ids"]).logits.shape[1]
            entails, against = _columns(self.folder)
            if max(entails, *against) >= width:
                raise ValueError(f"{width} labels")
        except Exception:
            self.transform([_PROBE])

    def _tokens(self, texts: list[str]) -> Any:
        """Pair each text with each sentence."""
        pairs = [(text, sentence) for text in texts for sentence in self.hypotheses]
        return self.folder.tokenizer(
            [text for text, _ in pairs],
            [sentence for _, sentence in pairs],
            truncation="only_first",
            max_length=self.folder.window,
            padding=True,
            return_tensors="pt",
        )

    def _log_odds(self, texts: list[str]) -> FloatArray:
        """Read each text with each sentence: (n, n_hypotheses)."""
        import torch

        folder, place = self.folder, self.device or default_device()
        model = _loaded(str(folder.path), folder.fingerprint, place)
        tokens = self._tokens(texts)
        for_it, against = _columns(folder)
        with torch.inference_mode():
            logits = model(**tokens.to(place)).logits.float()
            odds = logits[:, for_it] - torch.logsumexp(logits[:, against], dim=1)
        found: FloatArray = odds.cpu().numpy().reshape(len(texts), len(self.hypotheses))
        return found


def _columns(folder: EncoderFolder) -> tuple[int, list[int]]:
    """Find the label of entailment, and those it is held against: contradiction, or all others."""
    names = {int(place): str(name).lower() for place, name in folder.config.id2label.items()}
    entails = [place for place, name in names.items() if name in ("entailment", "entail")]
    if len(entails) != 1:
        raise EncoderNotFoundError(
            f"{folder.name!r} has the labels {', '.join(names.values())}, none of them for "
            "entailment. Choose a model trained on natural language inference."
        )
    contrary = [place for place, name in names.items() if name.startswith("contradict")]
    return entails[0], contrary or [place for place in names if place != entails[0]]


@lru_cache(maxsize=2)
def _loaded(path: str, _: str, place: str) -> Any:
    """Load the weights; a fingerprint between the two tells one content from the next."""
    return _read(find_encoder(path), place).to(place)


def _read(folder: EncoderFolder, place: str) -> Any:
    from transformers import AutoModelForSequenceClassification

    model, report = read_weights(AutoModelForSequenceClassification, folder, place)
    refuse_untrained(model, model, report, folder.name)
    return model.eval()
