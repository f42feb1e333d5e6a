"""An encoder that learns further languages from its own vectors."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import ConfigError, InputError, StorageError
from nlptl.base.paths import user_path
from nlptl.base.specs import NestedParams
from nlptl.data.languages.parallel import ParallelText
from nlptl.data.targets import Targets
from nlptl.encoders.bilingual.retrieval import share_found
from nlptl.encoders.bilingual.vocabulary import MADE, NewVocabulary
from nlptl.encoders.contextual.encoder_shelf import empty_shelf
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.fitting.fitted import TrainingPlan
from nlptl.fitting.transfers import Transfers, as_transfers
from nlptl.fitting.tuned_encoder import TunedEncoder
from nlptl.saving.model_folder import CLOSE
from nlptl.storage.atomic import new_folder
from nlptl.storage.drafts import sweep_drafts
from nlptl.storage.hashing import fingerprint, has_checksums, write_checksums
from nlptl.storage.places import cache_root
from nlptl.training.config import LoopConfig, TrainingConfig
from nlptl.training.processes import from_main
from nlptl.transfer.features.frozen import TextFeatures
from nlptl.transfer.features.language_distillation import LanguageDistillation

DISTILLING = LoopConfig(
    epochs=1, batch_size=64, learning_rate=2e-4, weight_decay=0.01, warmup_share=0.1, patience=1
)
"""What is taken where ``TrainingConfig`` leaves it open."""

_MAX_HELD_OUT_PAIRS = 1_000
_PROBE = ("The order arrived late.", "Die Bestellung kam zu spät.")


@dataclass(frozen=True)
class Retrieval:
    """How often the nearest sentence is the translation.

    Attributes
    ----------
    to_source, to_target : float
        From translations to sentences, and back: shares of the rows, from 0 to 1.
    rows : int
    """

    to_source: float
    to_target: float
    rows: int

    @property
    def mean(self) -> float:
        """Of both directions."""
        return (self.to_source + self.to_target) / 2


class LanguageStudent(NestedParams):
    """Teach an encoder further languages by sentences and their translations.

    A copy of the encoder learns to give a translation the vector that the encoder itself gives
    the sentence [1]_. A classifier that was trained on the encoder then reads the new languages:
    ``clf.with_encoder(student.encoder_)``.

    Parameters
    ----------
    teacher : str, Path, TransformerEncoder or None
        As in ``TextClassifier``; its vectors are those of one layer.
    transfer : transfer, list of transfers or None
        ``LanguageDistillation``, alone or beside what says which weights learn (``FullFineTune``,
        ``LoRA``); None is the former.
    vocabulary : NewVocabulary, int or None
        Give the student further pieces of words, learnt from the translations; a number is how
        many for each language at most. Made once, they are kept in the cache folder of nlptl.
        None leaves the teacher's.
    keeps : float
        So many sentences of the teacher's language are learnt from for each translation, to keep
        their vectors.
    training : TrainingConfig or None
        What is left open is one epoch of 64 rows a step at a rate of 2e-4.
    seed : int
    device : str or None

    Attributes
    ----------
    encoder_ : TransformerEncoder
        With the weights of the student, in memory.
    before_, after_ : dict of str to Retrieval
        Of each language of which pairs were held out (a thousand a language in the mean, at most
        a tenth of all), by teacher and student.
    history_ : History

    References
    ----------
    .. [1] Reimers and Gurevych, "Making Monolingual Sentence Embeddings Multilingual using
       Knowledge Distillation", EMNLP 2020, arXiv:2004.09813.
    """

    def __init__(
        self,
        teacher: Any = None,
        *,
        transfer: Any = None,
        vocabulary: NewVocabulary | int | None = None,
        keeps: float = 0.25,
        training: TrainingConfig | None = None,
        seed: int = 0,
        device: str | None = None,
    ) -> None:
        self.teacher = teacher
        self.transfer = transfer
        self.vocabulary = vocabulary
        self.keeps = keeps
        self.training = training
        self.seed = seed
        self.device = device

    def fit(self, pairs: Any) -> Self:
        """Learn from pairs of sentences.

        Parameters
        ----------
        pairs : list of (str, str), DataFrame, Dataset, str, Path, dict or ParallelText
            Each a sentence of the teacher's language and its translation; a dict has those of
            each language.

        Raises
        ------
        InputError
            If the pairs cannot be read.
        ConfigError
            If the teacher is no transformer, or options contradict each other.
        """
        teacher, transfers = self._teacher(), self._transfers()
        seen, held = (
            ParallelText.read(pairs).distinct().held_out(_MAX_HELD_OUT_PAIRS, seed=self.seed)
        )
        if not len(seen):
            raise InputError("No pair is left to learn from: both sides of each are the same.")
        start = self._start(teacher, seen)
        body = self._body(start, transfers)
        texts, targets = self._rows(teacher, seen)
        rows = body.windows(texts, targets)
        from nlptl.training.networks.text_training import Tuning, tune

        told = {
            "transfer": [repr(one) for one in transfers],
            "teacher": [teacher.fingerprint, start.fingerprint],
            "rows": fingerprint(rows.windows.ids),
            "seed": self.seed,
        }
        how = Tuning(body.plan.config, self.seed, self.device, settings=told)
        build = partial(body.headless, targets.n_outputs, rows.windows.ids)
        network, self.history_ = tune(build, rows, how)
        self.encoder_: TransformerEncoder = body.features(network).encoder
        self.before_ = retrieval(teacher, held)
        self.after_ = retrieval(self.encoder_, held)
        return self

    def score(self, pairs: Any) -> float:
        """Give how often the nearest sentence is the translation, mean of both directions."""
        check_is_fitted(self)
        found = retrieval(self.encoder_, ParallelText.read(pairs))
        return float(np.mean([one.mean for one in found.values()]))

    def save(self, folder: str | Path) -> Path:
        """Write the student as a folder that ``TransformerEncoder`` reads, and read it back.

        Raises
        ------
        StorageError
            If the folder holds something else, cannot be written, or gives other vectors.
        """
        check_is_fitted(self)
        place = user_path(folder)
        with new_folder(place) as draft:
            self.encoder_.write(draft)
            self._prove(draft)
        return place

    def _prove(self, draft: Path) -> None:
        """Read the student from the draft and compare what it gives."""
        with empty_shelf():
            again = TransformerEncoder(draft, dtype="float32", cache=None)
            apart = float(np.abs(again.transform(_PROBE) - self.encoder_.transform(_PROBE)).max())
        if not apart <= CLOSE:
            raise StorageError(
                f"The student was not saved: read back it gives other vectors, by {apart:.2g}. A "
                "pooling that the teacher was given is in no folder: save a classifier instead."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")

    def _teacher(self) -> TransformerEncoder:
        given = self.teacher
        if given is None or isinstance(given, str | Path):
            given = TransformerEncoder(given)
        if not isinstance(given, TransformerEncoder):
            raise ConfigError(
                f"Only a transformer learns further languages, got {type(given).__name__}. Word "
                "vectors are aligned: StaticEncoder.align."
            )
        if len(given.groups) > 1 or given.chosen_pooling.dimension is not None:
            raise ConfigError("The teacher gives more than one vector a text, or a reduced one.")
        if given.folder.layers_after_pooling:
            raise ConfigError("The teacher has a linear layer after its pooling: it cannot learn.")
        return given

    def _start(self, teacher: TransformerEncoder, seen: ParallelText) -> TransformerEncoder:
        """Give what the student begins as: the teacher, or one that reads further pieces."""
        if self.vocabulary is None:
            return teacher
        given = self.vocabulary
        vocabulary = NewVocabulary(given) if isinstance(given, int) else given
        told = [MADE, teacher.fingerprint, repr(vocabulary), seen.rows(), self.seed]
        name = fingerprint(told)

        def extend(root: Path) -> str:
            folder = root / "vocabularies" / name
            sweep_drafts(folder.parent, name)
            if not has_checksums(folder):
                vocabulary.extend(teacher, seen, folder, seed=self.seed)
                write_checksums(folder)
            return str(folder)

        def made() -> str:
            try:
                return extend(cache_root())
            except StorageError as problem:
                warnings.warn(f"The vocabulary is not kept: {problem}", stacklevel=2)
            return extend(_folder_of_this_process())

        return replace(teacher, name_or_path=from_main(made), revision=None, weights=None)

    def _transfers(self) -> Transfers:
        given = LanguageDistillation() if self.transfer is None else self.transfer
        found = as_transfers(given, translations=True)
        if not any(isinstance(one, LanguageDistillation) for one in found.beside):
            raise ConfigError("transfer needs LanguageDistillation(), alone or in a list.")
        return found

    def _body(self, teacher: TransformerEncoder, transfers: Transfers) -> TunedEncoder:
        if self.keeps < 0:
            raise ConfigError(f"keeps must be at least 0, got {self.keeps}.")
        config = (self.training or TrainingConfig()).over(DISTILLING)
        if config.keep == "best":
            raise ConfigError("A student learns a set number of steps: leave keep='best' out.")
        start = TextFeatures(teacher, np.ones(1))
        return TunedEncoder(transfers, start, TrainingPlan(config, None, self.seed, self.device))

    def _rows(self, teacher: TransformerEncoder, seen: ParallelText) -> tuple[list[str], Targets]:
        """Give what is learnt from: translations, and sentences that are to stay where they are."""
        sentences = sorted(set(seen.source))
        place = {sentence: i for i, sentence in enumerate(sentences)}
        vectors = teacher.transform(sentences)
        rng = np.random.default_rng(self.seed)
        n_kept = min(round(self.keeps * len(seen)), len(sentences))
        kept = np.sort(rng.permutation(len(sentences))[:n_kept])
        texts = [*seen.target, *(sentences[i] for i in kept)]
        of_row: AnyArray = np.append([place[sentence] for sentence in seen.source], kept)
        return texts, Targets(vectors[of_row.astype(np.int64)], vectors.shape[1])


def _folder_of_this_process() -> Path:
    """Make a temporary folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="nlptl-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def retrieval(encoder: Any, pairs: ParallelText) -> dict[str, Retrieval]:
    """Measure for each language how often the nearest sentence is the translation.

    Sentences of which several have the same text count as one.
    """
    found = {}
    for language in sorted(set(pairs.languages)):
        rows = np.flatnonzero(np.array(pairs.languages) == language)
        own = pairs.take(rows)
        left, right = (normalize(encoder.transform(side)) for side in (own.source, own.target))
        found[language] = Retrieval(
            share_found(right, left, own.source), share_found(left, right, own.target), len(own)
        )
    return found
