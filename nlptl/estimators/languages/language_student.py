"""Train an encoder to read additional languages, with itself as the teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.errors import ConfigError, InputError, StorageError
from nlptl.base.paths import user_path
from nlptl.base.protocols import EncoderLike
from nlptl.base.specs import NestedParams
from nlptl.base.transfer import TransferLike
from nlptl.data.languages.parallel import PairsLike, ParallelText
from nlptl.data.targets import Targets
from nlptl.encoders.bilingual.vocabulary import NewVocabulary
from nlptl.encoders.contextual.encoder_shelf import empty_shelf
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder, write_encoder
from nlptl.encoders.tunable import is_tunable
from nlptl.estimators.languages.extended_vocabulary import with_vocabulary
from nlptl.estimators.languages.translation_retrieval import retrieval
from nlptl.estimators.named_parts import named_transfer
from nlptl.fitting.distillation_stage import distil, language_transfers
from nlptl.fitting.head_fit import TrainingPlan
from nlptl.saving.model_folder import CLOSE
from nlptl.storage.atomic import new_folder
from nlptl.storage.outputs import check_replaced
from nlptl.training.config import LoopConfig, TrainingConfig

DISTILLING = LoopConfig(
    epochs=1, batch_size=64, learning_rate=2e-4, weight_decay=0.01, warmup_share=0.1, patience=1
)
"""Training settings for the values that ``TrainingConfig`` leaves at None."""

_MAX_HELD_OUT_PAIRS = 1_000
_PROBE = ("The order arrived late.", "Die Bestellung kam zu spät.")


class LanguageStudent(NestedParams):
    """Train an encoder to read additional languages from sentences and their translations.

    The student is a copy of the encoder, and the encoder itself is the teacher. The student is
    trained so that its vector of a translation equals the teacher's vector of the original
    sentence [1]_. A classifier on the teacher can then read the new languages:
    ``clf.with_encoder(student.encoder_)``.

    Parameters
    ----------
    teacher : str, Path, TransformerEncoder or None
        A transformer encoder as in ``TextClassifier``, with the vectors of one layer.
    transfer : transfer, list of transfers or None
        ``LanguageDistillation()``, alone or in a list with ``FullFineTune`` or ``LoRA``, which
        select the trained weights. A list may have names (``"lora"``). None is
        ``LanguageDistillation()``.
    vocabulary : NewVocabulary, int or None
        Additional subword tokens for the student, built from the translations. An int is the
        maximum number of tokens per language. The new vocabulary is stored in the cache folder
        of nlptl and reused. None keeps the teacher's vocabulary.
    keeps : float
        Number of sentences of the teacher's language per translation that the student is trained
        on too, so that their vectors stay the same.
    training : TrainingConfig or None
        Training settings. The defaults here are one epoch, 64 rows per step and a learning rate
        of 2e-4.
    seed : int
    device : str or None
        Torch device. None is the first accelerator, or the CPU if there is none.

    Attributes
    ----------
    encoder_ : TransformerEncoder
        The student, with its weights in memory.
    before_, after_ : dict of str to Retrieval
        Retrieval accuracy of the teacher and of the student, for each language with held-out
        pairs. On average 1,000 pairs per language are held out, and at most a tenth of all pairs.
    history_ : History
        Losses of the training.

    References
    ----------
    .. [1] Reimers and Gurevych, "Making Monolingual Sentence Embeddings Multilingual using
       Knowledge Distillation", EMNLP 2020, arXiv:2004.09813.
    """

    def __init__(
        self,
        teacher: EncoderLike | None = None,
        *,
        transfer: TransferLike | None = None,
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

    def fit(self, pairs: PairsLike) -> Self:
        """Train the student on pairs of sentences.

        Parameters
        ----------
        pairs : list of (str, str), DataFrame, Dataset, str, Path, dict or ParallelText
            Pairs of a sentence in the teacher's language and its translation. A dict holds the
            pairs of each language.

        Raises
        ------
        InputError
            If the pairs cannot be read, or both sides of all pairs are the same.
        ConfigError
            If the teacher is no transformer, or options contradict each other.
        """
        teacher = self._teacher()
        transfers = language_transfers(named_transfer(self.transfer))
        train, test = (
            ParallelText.read(pairs).distinct().held_out(_MAX_HELD_OUT_PAIRS, seed=self.seed)
        )
        if not len(train):
            raise InputError(
                "LanguageStudent needs pairs with two different sides. No pair is left to train "
                "on, as both sides of each pair are the same. Pass sentences with translations."
            )
        plan = self._plan()
        start = self._start(teacher, train)
        texts, targets = self._rows(teacher, train)
        self.encoder_, self.history_ = distil(
            start, transfers, plan, texts, targets, teacher=teacher.fingerprint
        )
        self.before_ = retrieval(teacher, test)
        self.after_ = retrieval(self.encoder_, test)
        return self

    def score(self, pairs: PairsLike) -> float:
        """Return the retrieval accuracy: the mean over both directions and all languages."""
        check_is_fitted(self)
        scores = retrieval(self.encoder_, ParallelText.read(pairs))
        return float(np.mean([score.mean for score in scores.values()]))

    def save(self, folder: str | Path) -> Path:
        """Write the student as a folder for ``TransformerEncoder``, and check it by loading it.

        Raises
        ------
        StorageError
            If the folder holds something else, cannot be written, or the loaded student returns
            other vectors.
        """
        check_is_fitted(self)
        target = user_path(folder)
        with new_folder(target) as draft:
            write_encoder(self.encoder_, draft)
            check_replaced(target, draft)
            self._prove(draft)
        return target

    def _prove(self, draft: Path) -> None:
        """Load the student from the draft and compare its vectors with those in memory."""
        with empty_shelf():
            loaded = TransformerEncoder(draft, precision="float32", cache=None)
            differences = loaded.transform(_PROBE) - self.encoder_.transform(_PROBE)
        distance = float(np.abs(differences).max())
        if not distance <= CLOSE:
            raise StorageError(
                f"The student was not saved, because the loaded one returns other vectors: they "
                f"differ by {distance:.2g}. A folder does not store a pooling that was set on the "
                "teacher. Save a classifier instead."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")

    def _teacher(self) -> TransformerEncoder:
        teacher = self.teacher
        if teacher is None or isinstance(teacher, str | Path):
            teacher = TransformerEncoder(teacher)
        if not is_tunable(teacher):
            raise ConfigError(
                f"Only a transformer can be trained on translations, got {type(teacher).__name__}. "
                "For word vectors use StaticEncoder.align."
            )
        if len(teacher.groups) > 1 or teacher.reader.pooling.dimension is not None:
            raise ConfigError(
                "The teacher must return one full vector per text, but it returns more than one "
                f"vector or a reduced one: groups {list(teacher.groups)}, dimension "
                f"{teacher.reader.pooling.dimension}. Use one layer and no dimension."
            )
        if teacher.folder.sentence.layers_after_pooling:
            raise ConfigError(
                "The teacher has a linear layer after its pooling, and such a layer cannot be "
                "trained. Use an encoder without one."
            )
        return teacher

    def _start(self, teacher: TransformerEncoder, train: ParallelText) -> TransformerEncoder:
        """Return the untrained student: the teacher, or a copy with a larger vocabulary."""
        if self.vocabulary is None:
            return teacher
        size_or_spec = self.vocabulary
        vocabulary = NewVocabulary(size_or_spec) if isinstance(size_or_spec, int) else size_or_spec
        return with_vocabulary(teacher, vocabulary, train, seed=self.seed)

    def _plan(self) -> TrainingPlan:
        if self.keeps < 0:
            raise ConfigError(f"keeps must be at least 0, got {self.keeps}.")
        config = (self.training or TrainingConfig()).over(DISTILLING)
        if config.keep == "best":
            raise ConfigError(
                "A student is trained for a fixed number of steps, got keep='best'. Leave keep out."
            )
        return TrainingPlan(config, None, self.seed, self.device)

    def _rows(self, teacher: TransformerEncoder, train: ParallelText) -> tuple[list[str], Targets]:
        """Return the training texts and their target vectors.

        The texts are the translations, and a random sample of the source sentences: their vectors
        should not change.
        """
        sentences = sorted(set(train.source))
        index_of = {sentence: i for i, sentence in enumerate(sentences)}
        vectors = teacher.transform(sentences)
        rng = np.random.default_rng(self.seed)
        n_kept = min(round(self.keeps * len(train)), len(sentences))
        kept = np.sort(rng.permutation(len(sentences))[:n_kept])
        texts = [*train.target, *(sentences[i] for i in kept)]
        indices = [*(index_of[sentence] for sentence in train.source), *kept.tolist()]
        return texts, Targets(vectors[indices], vectors.shape[1])
