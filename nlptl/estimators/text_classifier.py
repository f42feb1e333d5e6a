"""The classifier of texts that every rung of the ladder stands behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.paths import user_path
from nlptl.data.labels import LabelCodec, check_lengths
from nlptl.data.numbers import as_weights
from nlptl.estimators.plans import keep
from nlptl.estimators.text_model import TextModel
from nlptl.evaluation.class_metrics import ClassScore
from nlptl.fitting.class_names import with_classes
from nlptl.fitting.transfers import as_transfers
from nlptl.saving.exporting import export_classifier
from nlptl.saving.onnx.onnx_writing import OnnxExport
from nlptl.training.config import TrainingConfig
from nlptl.transfer.instances.selection import choose_rows
from nlptl.transfer.relations.label_meaning import LabelMeaning


class TextClassifier(ClassifierMixin, TextModel):  # type: ignore[misc]
    """Classify texts with knowledge carried over from elsewhere.

    Follows the scikit-learn contract: ``clone``, ``get_params``, ``GridSearchCV`` and
    ``Pipeline`` work, with parameters of nested objects as ``transfer__layers``, ``head__C``.

    Parameters
    ----------
    encoder : str, Path, encoder or None
        A Hub name, a local folder, or a spec (``TransformerEncoder``, ``StaticEncoder``,
        ``TfidfEncoder``, ``FusedEncoder``); None is ``sentence-transformers/all-MiniLM-L6-v2``.
    transfer : transfer, list of transfers or None
        How the knowledge is carried over: ``Frozen``, ``FullFineTune`` or ``LoRA``, in a list with
        ``Contrastive``, ``LabelMeaning``, ``WordEdits``, ``SelfTraining`` or ``L2SP`` beside it;
        ``Auto`` or ``"auto"`` lets the rows at hand decide. None is ``Frozen()``.
    head : head or None
        ``BlendHead``, ``LogisticHead``, ``MLPHead``, ``PrototypeHead``, ``DiscriminantHead``,
        ``OrdinalHead`` for labels with an order, or any scikit-learn classifier (which then
        cannot be saved). None is ``BlendHead``, and ``LogisticHead`` for several labels a text,
        word counts, trained fusions, ``Contrastive``, ``WordEdits``, ``SelfTraining``, and names
        with fewer than 16 rows a class.
    training : TrainingConfig or None
        For what is trained step by step: networks as heads, fusions, tuned encoders.
    seed : int
        The same seed and data give the same model (but for ``Auto``, which goes by the clock).
    imbalance : {"balanced", "focal", "logit_adjust"} or None
        Rare classes weigh more in training, rows that are right already weigh less (where the
        encoder is tuned), or predictions are moved towards rare classes.
    long_texts : {"windows", "cut"}
        Read texts longer than the encoder's window in overlapping windows, or cut them. An
        encoder spec that says ``"cut"`` itself stays so.
    pair_encoding : {"auto", "separate", "joint"}
        Read the two texts of a pair one by one, and compare their vectors u and v as
        [u, v, |u - v|, u * v, cosine]; or as one text. ``"auto"`` does so where the encoder
        is tuned and was not made for sentence vectors.
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
    transfer_ : transfer, list of transfers or None
        What was carried over: ``transfer``, or what ``Auto`` chose.
    transfer_verdict_ : Choice or None
        What ``Auto`` tried.
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

    kind = "text-classifier"
    codec_kind = LabelCodec
    kept_options = ("seed", "imbalance", "long_texts", "pair_encoding")

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
        pair_encoding: str = "auto",
        device: str | None = None,
    ) -> None:
        self.encoder = encoder
        self.transfer = transfer
        self.head = head
        self.training = training
        self.seed = seed
        self.imbalance = imbalance
        self.long_texts = long_texts
        self.pair_encoding = pair_encoding
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
            array or table of zeros and ones, whose named columns are the classes. Both may be
            empty where ``LabelMeaning`` names the classes.
        source : Corpus or dict of them, optional
            Labelled rows of another domain or language, for ``SourceRows``.
        unlabeled : Corpus or dict of them, optional
            Text without labels, for encoders that learn from text, ``SelfTraining`` and ``Auto``.
        validation : Corpus or dict of them, optional
            Rows that choose the epoch, where encoder and head learn together.
        sample_weight : sequence of length n, optional
            Weight of each row, 0 or more.

        Raises
        ------
        InputError
            If the data cannot be used as it is.
        ConfigError
            If options contradict each other, or an argument is given that nothing uses.
        """
        return self._fit(
            texts,
            labels,
            source=source,
            unlabeled=unlabeled,
            validation=validation,
            sample_weight=sample_weight,
        )

    def predict(self, texts: Any) -> Any:
        """Give the label of each text, as labels were given to ``fit``.

        Returns
        -------
        ndarray of shape (n,), list of lists, or ndarray of shape (n, k)
            In the form of the training labels.
        """
        return self.fitted_.decode(self.predict_proba(texts))

    def predict_proba(self, texts: Any) -> FloatArray:
        """Give the probability of each class.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns in the order of ``classes_``. Rows sum to 1 where a text has one label.
        """
        check_is_fitted(self)
        return self.fitted_.outputs(texts)

    def predict_log_proba(self, texts: Any) -> FloatArray:
        """Give the log probability of each class: (n, n_classes)."""
        return np.log(np.maximum(self.predict_proba(texts), 1e-300))

    def score(self, texts: Any, labels: Any, sample_weight: Any = None) -> float:
        """Give the share of texts whose label (or whole set of labels) is right.

        As in scikit-learn, a label that was never seen in training counts as wrong, so that a
        fold of a cross-validation without some rare class can be scored.

        Raises
        ------
        InputError
            If a label is missing or of another type than the classes, or lengths differ.
        """
        check_is_fitted(self)
        truth = self.fitted_.codec.encode(labels, allow_unseen=True)
        chosen = self.fitted_.scorer.decision.choose(self.predict_proba(texts))
        check_lengths(truth, chosen)
        same = truth == chosen
        right = same.all(axis=1) if same.ndim == 2 else same
        return float(np.average(right, weights=as_weights(sample_weight, len(right))))

    def evaluate(self, texts: Any, labels: Any) -> dict[str, float]:
        """Give every figure of merit on labelled texts.

        Returns
        -------
        dict
            accuracy, macro_f1, micro_f1, matthews, log_loss, calibration_error; with
            ``OrdinalHead`` also mean_rank_error, by how many ranks predictions are off.
        """
        check_is_fitted(self)
        return self.fitted_.figures(self.predict_proba(texts), labels)

    def class_scores(self, texts: Any, labels: Any) -> list[ClassScore]:
        """Give precision, recall and F1 of each class on labelled texts."""
        check_is_fitted(self)
        return self.fitted_.class_scores(self.predict_proba(texts), labels)

    def add_classes(self, names: Any) -> Self:
        """Add classes that are known by their names alone, without training again.

        The parameters of the constructor do not change: another ``fit`` starts without them.

        Parameters
        ----------
        names : mapping or sequence of (label, text)
            What each new class means, as in ``LabelMeaning``; they join its names.

        Raises
        ------
        ConfigError
            If the model was not fitted with ``LabelMeaning``, or nothing is named.
        InputError
            If a class is there already.

        Examples
        --------
        >>> clf = TextClassifier(transfer=LabelMeaning({"food": "food", "money": "money"}))
        >>> clf.fit([], []).add_classes({"sport": "sports and games"}).classes_.tolist()
        ['food', 'money', 'sport']
        """
        check_is_fitted(self)
        transfers = as_transfers(self.transfer_)
        if transfers.meaning is None:
            raise ConfigError("add_classes() needs a model fitted with LabelMeaning().")
        more = LabelMeaning(names, transfers.meaning.templates)
        if not more.names:
            raise ConfigError("add_classes() was given no name. Pass {label: text}.")
        fitted, notes = with_classes(self.fitted_, transfers.meaning, more), self.notes_
        meaning = replace(transfers.meaning, names=(*transfers.meaning.names, *more.names))
        self.transfer_ = _with_meaning(self.transfer_, meaning)
        keep(self, fitted, self.audit_)
        self.notes_ = notes
        return self

    def with_encoder(self, encoder: Any) -> Self:
        """Give a classifier with the same head on another encoder of the same space.

        Such as word vectors of another language that were aligned with those it learnt from
        (``StaticEncoder.align``). This one stays as it is.

        Raises
        ------
        ConfigError
            If what the encoder gives is not made up as what the head learnt from.
        """
        check_is_fitted(self)
        features = self.fitted_.features
        known, given = (tuple(w for _, w in one.groups) for one in (features.encoder, encoder))
        if known != given:
            raise ConfigError(
                f"The head reads groups of {list(known)} columns, and the encoder gives "
                f"{list(given)}. Fit it with transfer=Frozen('top') to read sentence vectors alone."
            )
        other: Self = clone(self).set_params(encoder=encoder)
        other.transfer_, other.transfer_verdict_ = self.transfer_, self.transfer_verdict_
        fitted = replace(self.fitted_, features=replace(features, encoder=encoder))
        keep(other, fitted, self.audit_)
        return other

    def suggest(self, texts: Any, n: int, *, strategy: str = "both") -> IntArray:
        """Choose the texts whose labels would teach the model most.

        Parameters
        ----------
        texts
            Texts without labels, as for ``predict``.
        n : int
            How many to choose.
        strategy : {"both", "uncertain", "diverse"}
            The model is unsure about them, they differ from each other, or both [1]_.

        Returns
        -------
        ndarray of shape (n,)
            Places in ``texts``, the first chosen first.

        References
        ----------
        .. [1] Zhdanov, "Diverse mini-batch Active Learning", 2019, arXiv:1901.05954.

        Examples
        --------
        >>> clf = TextClassifier(transfer=LabelMeaning({"food": "food", "money": "money"}))
        >>> clf.fit([], []).suggest(["Soup.", "Tea.", "Food for money."], 1).tolist()
        [2]
        """
        check_is_fitted(self)
        fitted = self.fitted_
        features = fitted.features.transform(fitted.rows(texts))
        probabilities, thresholds = fitted.outputs_of(features), fitted.scorer.decision.thresholds
        return choose_rows(
            features, probabilities, n, thresholds=thresholds, strategy=strategy, seed=self.seed
        )

    def export(
        self,
        folder: str | Path,
        *,
        format: str = "transformers",  # noqa: A002
        precision: str = "fp32",
        probe: tuple[Any, Any] | None = None,
        tolerance: float = 0.005,
    ) -> Path:
        """Write the model into a new folder for those who do not have nlptl, or not torch.

        Parameters
        ----------
        folder : str or Path
        format : {"transformers", "peft", "onnx", "sentence-transformers"}
            ``"transformers"`` is a classifier that ``pipeline("text-classification", folder)``
            reads, with calibrated probabilities; the encoder needs ``Pooling(tokens="stock",
            normalize=False)``. ``"peft"`` is the adapter of ``LoRA(merge=False)`` with its head;
            ``"sentence-transformers"`` the encoder, its head beside; ``"onnx"`` a graph for
            ``OnnxClassifier``.
        precision : {"fp32", "int8"}
            Of a graph: eight bits are faster, and coarser.
        probe : tuple of (texts, labels), optional
            Rows on which a graph is held against the model; labels may be None.
        tolerance : float
            So much accuracy on the probe may a graph lose.

        Raises
        ------
        ConfigError
            If the format is not known, or could not hold this model.
        StorageError
            If the folder is taken, or what was written reads differently, or worse.
        """
        check_is_fitted(self)
        graph = OnnxExport(precision, probe, tolerance)
        return export_classifier(self, user_path(folder), format=format, graph=graph)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @property
    def classes_(self) -> AnyArray:
        """The labels, in the order of the columns of ``predict_proba``."""
        classes: AnyArray = self.fitted_.codec.classes
        return classes


def _with_meaning(transfer: Any, meaning: LabelMeaning) -> Any:
    """Return a transfer, or a list of them, with other names of classes."""
    if not isinstance(transfer, list | tuple):
        return meaning
    return [meaning if isinstance(part, LabelMeaning) else part for part in transfer]
