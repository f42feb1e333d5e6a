"""The classifier of texts that every rung of the ladder stands behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.specs import NestedParams
from nlptl.data.audit import AuditReport, audit
from nlptl.data.corpus import as_corpora
from nlptl.data.labels import LabelCodec, as_values, same_labels
from nlptl.data.rows import Rows, as_rows
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.encoder import TransformerEncoder
from nlptl.encoders.fused import FusedEncoder
from nlptl.encoders.static.encoder import StaticEncoder
from nlptl.encoders.static.tokens import Coverage
from nlptl.estimators.choosing import (
    check_head,
    default_head,
    dense,
    fusion_of,
    imbalance_for,
    is_solver,
    labelled_rows,
    suited,
    targets_of,
    token_lengths,
    with_options,
)
from nlptl.estimators.folder import load_classifier, save_classifier
from nlptl.estimators.scoring import (
    FitPlan,
    Fitted,
    FittedScorer,
    fit_network_scorer,
    fit_solver_scorer,
)
from nlptl.estimators.tuning import TUNING, Tuner, frozen_start
from nlptl.evaluation.scores import ClassScore, class_scores
from nlptl.training.config import TrainingConfig
from nlptl.training.network import NetworkRecipe
from nlptl.transfer.features.frozen import Frozen, FrozenFeatures
from nlptl.transfer.parameters.full import FullFineTune

_PROBE = 8


class TextClassifier(ClassifierMixin, NestedParams):  # type: ignore[misc]
    """Classify texts with knowledge carried over from elsewhere.

    Follows the scikit-learn contract: ``clone``, ``get_params``, ``GridSearchCV`` and
    ``Pipeline`` work, with parameters of nested objects as ``transfer__layers``, ``head__C``.

    Parameters
    ----------
    encoder : str, Path, encoder or None
        A Hub name, a local folder, or a spec (``TransformerEncoder``, ``StaticEncoder``,
        ``TfidfEncoder``, ``FusedEncoder``); None is ``sentence-transformers/all-MiniLM-L6-v2``.
    transfer : Frozen, FullFineTune or None
        How the knowledge is carried over; None is ``Frozen()``.
    head : head or None
        ``BlendHead``, ``LogisticHead``, ``MLPHead``, ``PrototypeHead``, ``DiscriminantHead``, or
        any scikit-learn classifier (which then cannot be saved). None is ``BlendHead``, and
        ``LogisticHead`` for several labels a text, word counts and trained fusions.
    training : TrainingConfig or None
        For what is trained step by step: networks as heads, fusions, tuned encoders.
    seed : int
        The same seed and data give the same model.
    imbalance : {"balanced", "logit_adjust"} or None
        Rare classes weigh more in training, or predictions are moved towards them.
    long_texts : {"windows", "cut"}
        Read texts longer than the encoder's window in overlapping windows, or cut them. An
        encoder spec that says ``"cut"`` itself stays so.
    device : str or None
        Torch device; None is the first accelerator, else the processor.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels as given, sorted; the columns of ``predict_proba``.
    audit_ : AuditReport
        What a look at the training data found.
    history_ : History or None
        Losses and scores, where a network was trained.
    notes_ : dict
        What was given to ``save`` beside the model.

    Examples
    --------
    >>> from nlptl.data.samples import support_requests
    >>> texts, labels = support_requests()
    >>> clf = TextClassifier().fit(texts[::4], labels[::4])
    >>> clf.predict(["How do I add a second calendar?", "I was charged twice."]).tolist()
    ['how_to', 'billing']
    """

    def __init__(
        self,
        encoder: Any = None,
        *,
        transfer: Any = None,
        head: Any = None,
        training: TrainingConfig | None = None,
        seed: int = 0,
        imbalance: str | None = None,
        long_texts: str = "windows",
        device: str | None = None,
    ) -> None:
        self.encoder = encoder
        self.transfer = transfer
        self.head = head
        self.training = training
        self.seed = seed
        self.imbalance = imbalance
        self.long_texts = long_texts
        self.device = device

    def fit(
        self,
        texts: Any,
        labels: Any,
        *,
        source: Any = None,
        unlabeled: Any = None,
        validation: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Learn from labelled texts.

        Parameters
        ----------
        texts : list, array, Series, column, DataFrame or Dataset of length n
            Texts, or pairs of texts as tuples. A DataFrame where ``FusedEncoder`` names columns.
        labels : sequence of length n
            str, bool, int, float or tuples of these; or a list of them a text; or an (n, k)
            array of zeros and ones.
        source, validation : Corpus or dict of them, optional
            For transfers that use them: ``validation`` for ``FullFineTune``.
        unlabeled : Corpus or dict of them, optional
            Text without labels, for encoders that learn from text.
        sample_weight : sequence of length n, optional
            Weight of each row, 0 or more.

        Raises
        ------
        InputError
            If the data cannot be used as it is.
        ConfigError
            If options contradict each other, or an argument is given that nothing uses.
        """
        encoder, transfer = self._encoder(), self._transfer()
        check_head(self.head)
        tunes = isinstance(transfer, FullFineTune)
        self._refuse_unused(transfer, source=source, validation=None if tunes else validation)
        rows = self._rows(texts)
        codec = LabelCodec.learn(labels)
        targets = targets_of(codec, labels, sample_weight, rows)
        further = self._further(unlabeled, encoder)
        report = self.audit(rows, labels)
        if tunes:
            features = frozen_start(transfer, encoder, rows, targets)
        else:
            features = transfer.learn(encoder, rows, targets, further=further)
        plan, scorer = self._fit_scorer(encoder, features, rows, targets)
        if tunes:
            unseen = labelled_rows(validation, codec)
            tuner = Tuner(transfer, features, replace(plan, config=self.training or TUNING))
            features, scorer = tuner.fit(scorer, rows, targets, validation=unseen)
        # Nothing of this object changes before all of it is there.
        probe = rows.take(np.arange(min(_PROBE, len(rows))))
        self.fitted_ = Fitted(codec, features, scorer, probe)
        self.classes_, self.audit_, self.history_ = codec.classes, report, scorer.history
        self.notes_: dict[str, Any] = {}
        return self

    def audit(
        self, texts: Any, labels: Any = None, *, others: dict[str, Any] | None = None
    ) -> AuditReport:
        """Look at data before training on it, as ``fit`` does.

        Parameters
        ----------
        texts, labels
            As for ``fit``.
        others : dict of name to texts, optional
            Further splits, to be searched for rows of ``texts``.

        Returns
        -------
        AuditReport
        """
        rows = self._rows(texts)
        return audit(rows, labels, others=others, **token_lengths(self._encoder(), rows))

    def coverage(self, texts: Any) -> Coverage | None:
        """Say what share of the words of some texts the word vectors know.

        Returns
        -------
        Coverage or None
            None where the encoder reads every text, as transformers and distilled vectors do.
        """
        check_is_fitted(self, "classes_")
        encoder = self.fitted_.features.encoder
        if not isinstance(encoder, StaticEncoder) or encoder.is_complete:
            return None
        rows = self._rows(texts)
        sides = [rows.side(0), rows.side(1)] if rows.are_pairs else [rows]
        return encoder.coverage([str(text) for side in sides for text in side.texts])

    def predict(self, texts: Any) -> Any:
        """Give the label of each text, as labels were given to ``fit``.

        Returns
        -------
        ndarray of shape (n,), list of lists, or ndarray of shape (n, k)
            In the form of the training labels.
        """
        return self.decode(self.predict_proba(texts))

    def decode(self, probabilities: FloatArray) -> Any:
        """Give the labels that belong to probabilities (n, n_classes) from ``predict_proba``."""
        return self.fitted_.codec.decode(self._codes(probabilities))

    def predict_proba(self, texts: Any) -> FloatArray:
        """Give the probability of each class.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns in the order of ``classes_``. Rows sum to 1 where a text has one label.
        """
        check_is_fitted(self, "classes_")
        rows = self._rows(texts)
        if rows.are_pairs != self.fitted_.probe.are_pairs:
            kinds = {True: "pairs of texts", False: "single texts"}
            raise InputError(
                f"This model was trained on {kinds[self.fitted_.probe.are_pairs]}, got "
                f"{kinds[rows.are_pairs]}, the first being {rows[0]!r}."
            )
        return self.fitted_.scorer.probabilities(self.fitted_.features.transform(rows))

    def predict_log_proba(self, texts: Any) -> FloatArray:
        """Give the log probability of each class: (n, n_classes)."""
        return np.log(np.maximum(self.predict_proba(texts), 1e-300))

    def score(self, texts: Any, labels: Any, sample_weight: Any = None) -> float:
        """Give the share of texts whose label (or whole set of labels) is right.

        As in scikit-learn, a label that was never seen in training counts as wrong, so that a
        fold of a cross-validation without some rare class can be scored.
        """
        predicted, given = self.predict(texts), as_values(labels)
        if len(predicted) != len(given):
            raise InputError(
                f"Each text needs one label, got {len(predicted)} texts and {len(given)} labels."
            )
        right = [same_labels(*pair) for pair in zip(predicted, given, strict=True)]
        return float(np.average(right, weights=sample_weight))

    def evaluate(self, texts: Any, labels: Any) -> dict[str, float]:
        """Give every figure of merit on labelled texts.

        Returns
        -------
        dict
            accuracy, macro_f1, micro_f1, matthews, log_loss, calibration_error.
        """
        from nlptl.evaluation.metrics import measure

        truth, probabilities = self._truth(labels), self.predict_proba(texts)
        return measure(truth, probabilities, self._codes(probabilities))

    def class_scores(self, texts: Any, labels: Any) -> list[ClassScore]:
        """Give precision, recall and F1 of each class on labelled texts."""
        chosen = self._codes(self.predict_proba(texts))
        names = [str(label) for label in self.classes_.tolist()]
        return class_scores(self._truth(labels), chosen, names)

    def save(self, folder: str | Path, *, notes: dict[str, Any] | None = None) -> Path:
        """Write the model into a folder, and prove that it can be read back.

        The folder appears whole or not at all. Before this returns, the model is read from it
        and its probabilities are compared with this one's.

        Parameters
        ----------
        folder : str or Path
            A new folder, or one that holds a model saved before, which is then replaced.
        notes : dict, optional
            Plain JSON values to keep with the model; ``load`` gives them as ``notes_``.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        StorageError
            If the folder holds something else, cannot be written, or the model cannot be saved.
        """
        check_is_fitted(self, "classes_")
        return save_classifier(self, Path(folder), notes=notes)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model that ``save`` wrote, checking every file.

        Raises
        ------
        StorageError
            If there is no model, or a newer release wrote it.
        IntegrityError
            If a file is missing or was changed; it is named.
        """
        return load_classifier(cls, Path(folder))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "classes_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        return tags

    def _fit_scorer(
        self, encoder: Any, features: FrozenFeatures, rows: Rows, targets: Targets
    ) -> tuple[FitPlan, FittedScorer]:
        found = features.transform(rows)
        head = default_head(self.head, encoder, found, targets, seed=self.seed)
        solver, tunes = is_solver(head, encoder), isinstance(self._transfer(), FullFineTune)
        imbalance = imbalance_for(self.imbalance, targets, solver=solver and not tunes)
        plan = FitPlan(self.training or TrainingConfig(), imbalance, self.seed, self.device)
        if solver:
            return plan, fit_solver_scorer(suited(head, found), found, targets, plan)
        recipe = NetworkRecipe(head, fusion_of(encoder), features.groups(rows), targets.n_outputs)
        return plan, fit_network_scorer(recipe, dense(found), targets, plan)

    def _encoder(self) -> Any:
        given = self.encoder
        named = given is None or isinstance(given, str | Path)
        encoder = TransformerEncoder(given) if named else given
        if not hasattr(encoder, "transform"):
            raise ConfigError(
                f"encoder must be a name, a folder or an encoder, got {type(given).__name__}."
            )
        return with_options(encoder, device=self.device, long_texts=self.long_texts)

    def _transfer(self) -> Any:
        chosen = self.transfer
        if isinstance(chosen, list | tuple) and len(chosen) == 1:
            chosen = chosen[0]
        if chosen is None:
            return Frozen()
        if not isinstance(chosen, Frozen | FullFineTune) and not hasattr(chosen, "learn"):
            raise ConfigError(f"transfer must be a transfer such as Frozen(), got {chosen!r}.")
        return chosen

    def _rows(self, texts: Any) -> Rows:
        # A fused encoder says which columns of a table are read.
        given = self.encoder
        return given.rows(texts) if isinstance(given, FusedEncoder) else as_rows(texts)

    def _further(self, unlabeled: Any, encoder: Any) -> Rows:
        corpora = as_corpora(unlabeled, argument="unlabeled")
        if corpora and not getattr(encoder, "learns_from_text", True):
            self._refuse("unlabeled", f"this {type(encoder).__name__} learns nothing from text")
        return Rows([text for corpus in corpora.values() for text in corpus.rows.texts])

    def _refuse_unused(self, transfer: Any, **given: Any) -> None:
        for name, value in given.items():
            if value is not None:
                as_corpora(value, argument=name)
                self._refuse(name, f"{type(transfer).__name__}() does not use it")

    @staticmethod
    def _refuse(name: str, reason: str) -> None:
        raise ConfigError(f"fit was given {name}=..., but {reason}. Leave it out.")

    def _truth(self, labels: Any) -> IntArray:
        check_is_fitted(self, "classes_")
        return self.fitted_.codec.encode(labels)

    def _codes(self, probabilities: FloatArray) -> IntArray:
        return self.fitted_.scorer.decision.choose(probabilities)

    fitted_: Fitted
    classes_: AnyArray
