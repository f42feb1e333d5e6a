"""Fit, evaluate, save and publish a text classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.inputs import (
    ImbalanceName,
    LabelledTexts,
    LabelsLike,
    LongTexts,
    OnHarm,
    PairEncoding,
    TextsLike,
    WeightsLike,
)
from nlptl.base.paths import user_path
from nlptl.base.protocols import Encoder, EncoderLike, HeadLike
from nlptl.base.transfer import TransferLike
from nlptl.data.corpus import CorpusLike
from nlptl.data.labels import LabelCodec, check_lengths
from nlptl.data.numbers import as_weights
from nlptl.estimators.plans import keep
from nlptl.estimators.text_model import TextModel
from nlptl.evaluation.class_metrics import ClassScores
from nlptl.evaluation.error_report import ErrorReport
from nlptl.fitting.class_names import with_classes
from nlptl.fitting.transfers import as_transfers
from nlptl.saving.exporting import export_classifier
from nlptl.saving.onnx.onnx_writing import OnnxExport
from nlptl.training.config import TrainingConfig
from nlptl.transfer.instances.selection import choose_rows
from nlptl.transfer.relations.label_meaning import LabelMeaning


class TextClassifier(ClassifierMixin, TextModel):  # type: ignore[misc]
    """Classify texts or pairs of texts with transfer learning.

    A classifier has three parts. The encoder turns texts into vectors. The transfer decides what
    is carried over and which weights are trained. The head turns vectors into probabilities.

    The class follows the scikit-learn contract: ``clone``, ``get_params``, ``GridSearchCV`` and
    ``Pipeline`` work. Parameters of nested objects are called ``transfer__layers``, ``head__C``.

    Parameters
    ----------
    encoder : str, Path, encoder or None
        A Hub name, a local folder, ``"static"``, ``"tfidf"``, a spec (``TransformerEncoder``,
        ``StaticEncoder``, ``TfidfEncoder``, ``FusedEncoder``), or a ``SentenceTransformer`` that
        was loaded from a folder or the Hub. None is ``sentence-transformers/all-MiniLM-L6-v2``.
    transfer : transfer, str, list of them or None
        Transfer method: ``Frozen``, ``FullFineTune`` or ``LoRA``. A list combines it with
        ``Contrastive``, ``LabelMeaning``, ``WordEdits``, ``SelfTraining`` or ``L2SP``, or with a
        method for labels of another domain or unlabelled texts (see ``help(nlptl)``).
        ``Auto`` chooses methods by comparing them on splits of the training rows. A name is the
        method with its default settings: ``"contrastive"``, ``"contrastive+lora"``, ``"auto"``.
        None is ``Frozen()``.
    head : head, str or None
        ``BlendHead``, ``LogisticHead``, ``MLPHead``, ``PrototypeHead``, ``DiscriminantHead``,
        ``OrdinalHead`` for ordered labels, their names (``"logistic"``), or any scikit-learn
        classifier. A model with a scikit-learn classifier cannot be saved. None is
        ``BlendHead``, with these exceptions. It is ``LogisticHead`` for several labels per text,
        word counts, trained fusions, ``Contrastive``, ``WordEdits`` and ``SelfTraining``, and for
        ``LabelMeaning`` with fewer than 16 rows per class.
    training : TrainingConfig or None
        Settings of gradient training: for neural heads, trained fusions and tuned encoders.
    seed : int
        The same seed and data give the same model, except with ``Auto``: its choice depends on
        measured times.
    imbalance : {"balanced", "focal", "logit_adjust"} or None
        Treatment of rare classes. ``"balanced"`` increases their weight in training. ``"focal"``
        reduces the weight of rows that are already classified correctly, if the encoder is
        tuned. ``"logit_adjust"`` shifts predictions towards rare classes.
    long_texts : {"windows", "cut"}
        Read texts longer than the encoder's window in overlapping windows, or truncate them. An
        encoder spec with ``long_texts="cut"`` always truncates.
    pair_encoding : {"auto", "separate", "joint"}
        ``"separate"`` encodes the two texts of a pair as vectors u and v, and uses the features
        ``[u, v, |u - v|, u * v, cosine]``. ``"joint"`` encodes both as one text. ``"auto"`` is
        ``"joint"`` if the encoder is tuned and was not made for sentence vectors.
    device : str or None
        Torch device. None is the first accelerator, or the CPU if there is none. On a CPU,
        ``torch.set_num_threads`` or the variable ``OMP_NUM_THREADS`` sets the number of threads.
    on_harm : {"roll-back", "warn"} or None
        Compare the fit with the same fit without other data (a source, unlabelled texts, class
        names), on splits of the labelled rows. ``"roll-back"`` leaves out what has a negative mean
        gain: one of several sources, or all other data. ``"warn"`` keeps everything, and warns
        (``HarmWarning``) if it clearly hurts. A frozen encoder is fitted twice on each of ten
        splits, a tuned one on five. ``transfer_verdict_`` has the gains.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The training labels, sorted. They name the columns of ``predict_proba``.
    audit_ : AuditReport
        Problems and statistics of the training data.
    history_ : History or None
        Losses and scores of the training. None if no network was trained.
    transfer_ : transfer, list of transfers or None
        The transfer in use: ``transfer``, the recommended ones for a source, or the choice of
        ``Auto``.
    transfer_verdict_ : Choice or None
        The trials of ``Auto`` or of ``on_harm``. None without both.
    weights_ : SourceWeights or None
        Weights of the source rows with their texts, from ``DensityRatioWeights`` and similar
        methods. They are not saved with the model.
    notes_ : dict
        Notes that were saved with the model. Empty after ``fit``.

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
    kept_options = ("seed", "imbalance", "long_texts", "pair_encoding", "on_harm")

    def __init__(
        self,
        encoder: EncoderLike | None = None,
        *,
        transfer: TransferLike | None = None,
        head: HeadLike | None = None,
        training: TrainingConfig | None = None,
        seed: int = 0,
        imbalance: ImbalanceName | None = None,
        long_texts: LongTexts = "windows",
        pair_encoding: PairEncoding = "auto",
        device: str | None = None,
        on_harm: OnHarm | None = None,
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
        self.on_harm = on_harm

    def fit(
        self,
        texts: TextsLike,
        labels: LabelsLike,
        *,
        source: CorpusLike | None = None,
        unlabeled: CorpusLike | None = None,
        validation: CorpusLike | None = None,
        sample_weight: WeightsLike | None = None,
    ) -> Self:
        """Fit the classifier to labelled texts.

        Parameters
        ----------
        texts : list, array, Series, column, DataFrame or Dataset of length n
            Texts, or pairs of texts as tuples. A DataFrame if ``FusedEncoder`` names its columns.
        labels : sequence of length n
            One label per text: str, bool, int, float, or a tuple of these. Or several labels per
            text: a list of labels for each text, or an (n, k) array or table of zeros and ones.
            The column names of a table are the classes. Texts and labels may both be empty if
            there is a source, or if ``LabelMeaning`` names the classes.
        source : Corpus or dict of them, optional
            Labelled rows of other domains or languages. Without ``transfer``, the recommended
            transfers for them are used.
        unlabeled : Corpus or dict of them, optional
            Unlabelled texts of the target, for transfers that use them and for encoders that are
            trained on text.
        validation : Corpus or dict of them, optional
            Rows that choose the epoch if encoder and head are trained together.
        sample_weight : sequence of length n, optional
            Weight of each row, 0 or more.

        Raises
        ------
        InputError
            If the data cannot be used as it is.
        ConfigError
            If options contradict each other, or no part of the model uses an argument.
        """
        return self._fit(
            texts,
            labels,
            source=source,
            unlabeled=unlabeled,
            validation=validation,
            sample_weight=sample_weight,
        )

    def predict(self, texts: TextsLike) -> Any:
        """Return the label of each text, in the form of the training labels.

        Parameters
        ----------
        texts : str, list, array, Series, column, DataFrame or Dataset
            Texts, or pairs of texts as tuples, as for ``fit``. One text counts as a list of one
            text, and the list may be empty: the result has one entry per text.

        Returns
        -------
        ndarray of shape (n,), list of lists, or ndarray of shape (n, k)
            One label per text, several labels per text, or zeros and ones. For one text as a
            string, ``predict(text)[0]`` is its label.
        """
        probabilities = self.predict_proba(texts)
        return self.fitted_.decode(probabilities)

    def predict_proba(self, texts: TextsLike) -> FloatArray:
        """Return the probability of each class.

        Parameters
        ----------
        texts : str, list, array, Series, column, DataFrame or Dataset
            As for ``predict``.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns in the order of ``classes_``. Rows sum to 1 if each text has one label.
        """
        probabilities: FloatArray = self._outputs(texts)
        return probabilities

    def predict_log_proba(self, texts: TextsLike) -> FloatArray:
        """Return the log probability of each class: (n, n_classes)."""
        return np.log(np.maximum(self.predict_proba(texts), 1e-300))

    def score(
        self, texts: TextsLike, labels: LabelsLike, sample_weight: WeightsLike | None = None
    ) -> float:
        """Return the accuracy: the share of texts whose label, or whole label set, is correct.

        As in scikit-learn, a label that is not in the training data counts as wrong. So a
        cross-validation fold can be scored even if its training rows lack a rare class.

        Raises
        ------
        InputError
            If a label is missing or of another type than the classes, or lengths differ.
        """
        check_is_fitted(self)
        truth = self.fitted_.codec.encode(labels, allow_unseen=True)
        chosen = self.fitted_.scorer.decision.choose(self.fitted_.outputs(texts))
        check_lengths(truth, chosen)
        same = truth == chosen
        right = same.all(axis=1) if same.ndim == 2 else same
        return float(np.average(right, weights=as_weights(sample_weight, len(right))))

    def evaluate(self, texts: TextsLike, labels: LabelsLike) -> dict[str, float]:
        """Return all metrics on labelled texts.

        Returns
        -------
        dict
            accuracy, macro_f1, micro_f1, matthews, log_loss, calibration_error. With
            ``OrdinalHead`` also mean_rank_error: the mean distance in ranks from the true label.
        """
        check_is_fitted(self)
        return self.fitted_.figures(self.fitted_.outputs(texts), labels)

    def class_scores(self, texts: TextsLike, labels: LabelsLike) -> ClassScores:
        """Return precision, recall and F1 of each class on labelled texts."""
        check_is_fitted(self)
        return self.fitted_.class_scores(self.fitted_.outputs(texts), labels)

    def errors(self, texts: TextsLike, labels: LabelsLike) -> ErrorReport:
        """Return the mistakes on labelled texts, the most confident first, and confused classes.

        Returns
        -------
        ErrorReport
            ``print`` shows a summary. ``rows`` and ``confused`` are DataFrames.

        Raises
        ------
        InputError
            As for ``evaluate``.
        """
        check_is_fitted(self)
        rows = self.fitted_.rows(texts)
        return self.fitted_.errors(rows, self.fitted_.outputs(rows), labels)

    def add_classes(self, names: Mapping[str, object] | Sequence[tuple[object, object]]) -> Self:
        """Add classes that have a name but no labelled texts, without a new fit.

        The constructor parameters do not change, so another ``fit`` starts without these classes.

        Parameters
        ----------
        names : mapping or sequence of (label, text)
            The meaning of each new class, as in ``LabelMeaning``. It is added to the names there.

        Raises
        ------
        ConfigError
            If the model was not fitted with ``LabelMeaning``, or ``names`` is empty.
        InputError
            If the model already has one of the classes.

        Examples
        --------
        >>> clf = TextClassifier(transfer=LabelMeaning({"food": "food", "money": "money"}))
        >>> clf.fit([], []).add_classes({"sport": "sports and games"}).classes_.tolist()
        ['food', 'money', 'sport']
        """
        check_is_fitted(self)
        transfers = as_transfers(self.transfer_)
        if transfers.meaning is None:
            raise ConfigError(
                "add_classes() needs a model fitted with LabelMeaning(), got "
                f"transfer={self.transfer_!r}. Fit it with transfer=LabelMeaning()."
            )
        more = LabelMeaning(names, transfers.meaning.templates)
        if not more.names:
            raise ConfigError(
                "add_classes() needs at least one class, got none. Pass {label: text}."
            )
        fitted, notes = with_classes(self.fitted_, transfers.meaning, more), self.notes_
        meaning = replace(transfers.meaning, names=(*transfers.meaning.names, *more.names))
        self.transfer_ = _with_meaning(self.transfer_, meaning)
        keep(self, fitted, self.audit_)
        self.notes_ = notes
        return self

    def with_encoder(self, encoder: Encoder) -> Self:
        """Return a new classifier with the same head and another encoder of the same space.

        An example is word vectors of another language, aligned with the vectors of the encoder
        that the head was fitted on (``StaticEncoder.align``). This classifier does not change.

        Raises
        ------
        ConfigError
            If the encoder returns other groups of columns than the encoder of this classifier.
        """
        check_is_fitted(self)
        features = self.fitted_.features
        expected, received = (
            tuple(width for _, width in spec.groups) for spec in (features.encoder, encoder)
        )
        if expected != received:
            raise ConfigError(
                f"The head expects groups of {list(expected)} columns, and the encoder returns "
                f"{list(received)}. Fit the classifier with transfer=Frozen('top') to use only "
                "sentence vectors."
            )
        other: Self = clone(self).set_params(encoder=encoder)
        other.transfer_, other.transfer_verdict_ = self.transfer_, self.transfer_verdict_
        fitted = replace(self.fitted_, features=replace(features, encoder=encoder))
        keep(other, fitted, self.audit_)
        return other

    def suggest(self, texts: TextsLike, n: int, *, strategy: str = "both") -> IntArray:
        """Choose the texts whose labels would improve the model most (active learning).

        Parameters
        ----------
        texts
            Unlabelled texts, as for ``predict``.
        n : int
            Number of texts to choose.
        strategy : {"both", "uncertain", "diverse"}
            Choose texts with uncertain predictions, texts that differ from each other, or texts
            with both properties [1]_.

        Returns
        -------
        ndarray of shape (n,)
            Indices into ``texts``, in the order of choice.

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
        probe: LabelledTexts | None = None,
        tolerance: float = 0.005,
    ) -> Path:
        """Write the model into a new folder in the format of another library.

        Other libraries read the exported model without nlptl. ``"onnx"`` needs nlptl without torch.

        Parameters
        ----------
        folder : str or Path
            A new or empty folder.
        format : {"transformers", "peft", "onnx", "sentence-transformers"}
            ``"transformers"`` is a classifier that ``pipeline("text-classification", folder)``
            reads, with calibrated probabilities. It needs an encoder with
            ``Pooling(tokens="stock", normalize=False)``. ``"peft"`` is the adapter of
            ``LoRA(merge=False)`` with its head. ``"sentence-transformers"`` is the encoder, with
            the head in a separate file. ``"onnx"`` is a graph for ``OnnxClassifier``.
        precision : {"fp32", "int8"}
            Number format of an ONNX graph. ``"int8"`` is faster and less exact.
        probe : tuple of (texts, labels), optional
            Rows on which an ONNX graph is compared with the model. Labels may be None.
        tolerance : float
            Accuracy that an ONNX graph may lose on the probe.

        Raises
        ------
        ConfigError
            If the format is unknown or cannot represent this model.
        StorageError
            If the folder is not empty, or the written model predicts differently or worse.
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
        """Labels in the order of the columns of ``predict_proba``."""
        classes: AnyArray = self.fitted_.codec.classes
        return classes


def _with_meaning(transfer: TransferLike | None, meaning: LabelMeaning) -> Any:
    """Return the transfer, or list of transfers, with this ``LabelMeaning``."""
    if not isinstance(transfer, list | tuple):
        return meaning
    return [meaning if isinstance(part, LabelMeaning) else part for part in transfer]
