"""Encoder whose features measure how strongly a text entails each hypothesis sentence."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.described import make
from nlptl.base.errors import ConfigError, EncoderNotFoundError, InputError, IntegrityError
from nlptl.base.inputs import JsonObject
from nlptl.base.progress import progress_bar
from nlptl.base.specs import Spec, pipeline_step
from nlptl.encoders.contextual.encoder_checks import foreign_errors
from nlptl.encoders.contextual.encoder_folder import EncoderFolder, find_encoder
from nlptl.encoders.contextual.loaded import default_device
from nlptl.encoders.contextual.weight_checks import refuse_untrained
from nlptl.encoders.contextual.weight_reading import read_weights
from nlptl.encoders.contextual.windows import TOKENIZER_LOCK
from nlptl.storage.places import fixed_path

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedModel

_SCALE = 10.0
"""Divisor of the log odds. It makes them about as long as the vectors of other encoders."""

_WEIGHTS = "weights"
_PROBE = "The order arrived late."


@pipeline_step
@dataclass(frozen=True)
class EntailmentEncoder(Spec):
    """Encoder that scores whether each text entails each hypothesis sentence [1]_.

    The model is a cross-encoder trained on natural language inference. It needs one forward pass
    per text and hypothesis. A sentence encoder needs one forward pass per text.
    ``LabelMeaning(entailment=...)`` combines it with another encoder and uses one hypothesis per
    class.

    Parameters
    ----------
    name_or_path : str or Path
        Hub name or folder of a model that classifies pairs. One of its labels must be
        ``entailment``. Example: ``cross-encoder/nli-MiniLM2-L6-H768``.
    hypotheses : sequence of str
        The hypothesis sentences.
    batch_size : int
        Number of pairs per forward pass.
    device : str or None
        Torch device. None means the first accelerator, or the CPU if there is none.

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
            raise ConfigError(
                f"hypotheses must be a list of at least one sentence, got {self.hypotheses!r}. "
                "Write hypotheses=[sentence]."
            )
        object.__setattr__(self, "name_or_path", fixed_path(self.name_or_path))
        object.__setattr__(self, "hypotheses", tuple(self.hypotheses))
        if self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {self.batch_size}.")

    @property
    def folder(self) -> EncoderFolder:
        """Folder of the model on disk."""
        return find_encoder(self.name_or_path)

    def fit(self, texts: Sequence[str], y: object = None) -> Self:
        """Return self: this encoder has nothing to fit."""
        return self

    def transform(self, texts: Sequence[str]) -> FloatArray:
        """Return the log odds of entailment against contradiction, divided by 10.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        ndarray of shape (n, n_hypotheses), float32

        Raises
        ------
        InputError
            If a row is not a single text.
        EncoderNotFoundError
            If the model has no label for entailment, or more than one.
        """
        non_text = next((text for text in texts if not isinstance(text, str)), None)
        if isinstance(texts, str) or non_text is not None:
            raise InputError(
                f"EntailmentEncoder expects a list of single texts, got {non_text or texts!r}. "
                "Pass a list of strings."
            )
        texts = list(texts)  # a Series is indexed by its labels
        log_odds = np.zeros((len(texts), len(self.hypotheses)), dtype=np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")
        size = max(self.batch_size // len(self.hypotheses), 1)
        with progress_bar(total=len(texts), unit="text", description="Entailing") as bar:
            for start in range(0, len(texts), size):
                rows = order[start : start + size]
                log_odds[rows] = self._log_odds([texts[int(row)] for row in rows]) / _SCALE
                bar.update(len(rows))
        return log_odds

    @property
    def groups(self) -> Groups:
        """One column group with one column per hypothesis."""
        return (("entailment", len(self.hypotheses)),)

    @property
    def learns_from_text(self) -> bool:
        """False: the model is already trained and ``fit`` changes nothing."""
        return False

    def save(self, folder: Path) -> dict[str, Any]:
        """Copy the model into a folder and return the settings as plain JSON."""
        for path in self.folder.files:
            target = folder / _WEIGHTS / path.relative_to(self.folder.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        return {"hypotheses": list(self.hypotheses), "batch_size": self.batch_size}

    @classmethod
    def load(cls, folder: Path, described: JsonObject) -> Self:
        """Load what ``save`` wrote. The weights are read when they are first needed.

        Raises
        ------
        EncoderNotFoundError, IntegrityError
            If the folder does not contain a model that classifies pairs.
        """
        if not (folder / _WEIGHTS).is_dir():
            raise IntegrityError(
                f"Folder {str(folder / _WEIGHTS)!r} of the model is missing. Restore a copy."
            )
        encoder = make(cls, {"name_or_path": folder / _WEIGHTS, **described})
        with foreign_errors(f"Encoder {encoder.folder.name!r} cannot be used"):
            encoder._prove()
        return encoder

    def _prove(self) -> None:
        """Check that the model runs, on shapes alone if its family allows that."""
        tokens = self._tokens([_PROBE]).to("meta")
        model = _read(self.folder, "meta")
        try:
            width = model(input_ids=tokens["input_ids"]).logits.shape[1]
            entails, against = _columns(self.folder)
            if max(entails, *against) >= width:
                raise ValueError(f"{width} labels")
        except Exception:
            self.transform([_PROBE])

    def _tokens(self, texts: list[str]) -> BatchEncoding:
        """Tokenize the pairs of each text with each hypothesis."""
        pairs = [(text, sentence) for text in texts for sentence in self.hypotheses]
        with TOKENIZER_LOCK:
            return self.folder.tokenizer(
                [text for text, _ in pairs],
                [sentence for _, sentence in pairs],
                truncation="only_first",
                max_length=self.folder.tokenization.window,
                padding=True,
                return_tensors="pt",
            )

    def _log_odds(self, texts: list[str]) -> FloatArray:
        """Compute the log odds of each text and hypothesis: (n, n_hypotheses)."""
        import torch

        folder, device = self.folder, self.device or default_device()
        model = _loaded(str(folder.path), folder.fingerprint, device)
        tokens = self._tokens(texts)
        entails, against = _columns(folder)
        with torch.inference_mode():
            logits = model(**tokens.to(device)).logits.float()
            odds = logits[:, entails] - torch.logsumexp(logits[:, against], dim=1)
        log_odds: FloatArray = odds.cpu().numpy().reshape(len(texts), len(self.hypotheses))
        return log_odds


def _columns(folder: EncoderFolder) -> tuple[int, list[int]]:
    """Return the column of entailment and the columns to compare it with.

    These are the columns of contradiction, or all other columns if there is none.
    """
    names = {int(column): str(name).lower() for column, name in folder.config.id2label.items()}
    entails = [column for column, name in names.items() if name in ("entailment", "entail")]
    if len(entails) != 1:
        raise EncoderNotFoundError(
            f"Expected a model with one label called entailment, but {folder.name!r} has the "
            f"labels {', '.join(names.values())}. Choose a model trained on natural language "
            "inference."
        )
    contradicts = [column for column, name in names.items() if name.startswith("contradict")]
    return entails[0], contradicts or [column for column in names if column != entails[0]]


@lru_cache(maxsize=2)
def _loaded(path: str, _fingerprint: str, device: str) -> PreTrainedModel:
    """Load the weights. The fingerprint is part of the cache key, so that new files are read."""
    return _read(find_encoder(path), device).to(device)


def _read(folder: EncoderFolder, device: str) -> PreTrainedModel:
    from transformers import AutoModelForSequenceClassification

    model, report = read_weights(AutoModelForSequenceClassification, folder, device)
    refuse_untrained(model, model, report, folder.name)
    return model.eval()
