"""Fit, evaluate, save and publish a text regressor."""

from __future__ import annotations

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import (
    LabelsLike,
    LongTexts,
    OnHarm,
    PairEncoding,
    TextsLike,
    WeightsLike,
)
from nlptl.base.protocols import EncoderLike, HeadLike
from nlptl.base.transfer import TransferLike
from nlptl.data.corpus import CorpusLike
from nlptl.data.number_scale import NumberScale
from nlptl.data.numbers import as_numbers, as_weights
from nlptl.estimators.text_model import TextModel
from nlptl.training.config import TrainingConfig


class TextRegressor(RegressorMixin, TextModel):  # type: ignore[misc]
    """Predict one number for each text, or pair of texts, with transfer learning.

    A regressor has three parts. The encoder turns texts into vectors. The transfer decides what
    is carried over and which weights are trained. The head turns vectors into numbers.

    The class follows the scikit-learn contract: ``clone``, ``get_params``, ``GridSearchCV`` and
    ``Pipeline`` work. Parameters of nested objects are called ``transfer__layers``,
    ``head__alpha``.

    Parameters
    ----------
    encoder : str, Path, encoder or None
        As in ``TextClassifier``.
    transfer : transfer, str, list of them or None
        Transfer method: ``Frozen``, ``FullFineTune`` or ``LoRA``. A list combines it with
        ``L2SP``. ``Auto`` chooses methods by comparing them on splits of the training rows. A
        name is the method with its default settings: ``"lora"``, ``"auto"``. None is ``Frozen()``.
    head : head, str or None
        ``RidgeHead``, ``MLPHead``, or any scikit-learn regressor. A model with a scikit-learn
        regressor cannot be saved. None is ``RidgeHead``.
    training : TrainingConfig or None
        Settings of gradient training: for neural heads, trained fusions and tuned encoders. They
        minimise the squared error.
    seed : int
        The same seed and data give the same model, except with ``Auto``: its choice depends on
        measured times.
    long_texts : {"windows", "cut"}
        Read texts longer than the encoder's window in overlapping windows, or truncate them.
    pair_encoding : {"auto", "separate", "joint"}
        ``"separate"`` encodes the two texts of a pair as vectors u and v, and uses the features
        ``[u, v, |u - v|, u * v, cosine]``. ``"joint"`` encodes both as one text. ``"auto"`` is
        ``"joint"`` if the encoder is tuned and was not made for sentence vectors.
    device : str or None
        Torch device. None is the first accelerator, or the CPU if there is none.
    on_harm : {"roll-back", "warn"} or None
        As in ``TextClassifier``: leave a source and unlabelled texts out if they do not help, or
        warn if they hurt.

    Attributes
    ----------
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
    >>> texts, _ = support_requests()
    >>> lengths = [len(text) for text in texts]
    >>> model = TextRegressor().fit(texts[::2], lengths[::2])
    >>> model.score(texts[1::2], lengths[1::2]) > 0.5
    True
    """

    kind = "text-regressor"
    codec_kind = NumberScale

    def __init__(
        self,
        encoder: EncoderLike | None = None,
        *,
        transfer: TransferLike | None = None,
        head: HeadLike | None = None,
        training: TrainingConfig | None = None,
        seed: int = 0,
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
        self.long_texts = long_texts
        self.pair_encoding = pair_encoding
        self.device = device
        self.on_harm = on_harm

    def fit(
        self,
        texts: TextsLike,
        numbers: LabelsLike,
        *,
        source: CorpusLike | None = None,
        unlabeled: CorpusLike | None = None,
        validation: CorpusLike | None = None,
        sample_weight: WeightsLike | None = None,
    ) -> Self:
        """Fit the regressor to texts with their numbers.

        Parameters
        ----------
        texts : list, array, Series, column, DataFrame or Dataset of length n
            Texts, or pairs of texts as tuples. A DataFrame if ``FusedEncoder`` names its columns.
        numbers : sequence of length n
            One int or float per text.
        source : Corpus or dict of them, optional
            Labelled rows of another domain or language, for ``SourceRows``.
        unlabeled : Corpus or dict of them, optional
            Texts without numbers, for encoders that are trained on text.
        validation : Corpus or dict of them, optional
            Rows that choose the epoch if encoder and head are trained together. Their labels are
            the numbers.
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
            numbers,
            source=source,
            unlabeled=unlabeled,
            validation=validation,
            sample_weight=sample_weight,
        )

    def predict(self, texts: TextsLike) -> FloatArray:
        """Return the predicted number of each text, in the units of the training numbers.

        Parameters
        ----------
        texts : str, list, array, Series, column, DataFrame or Dataset
            Texts, or pairs of texts as tuples, as for ``fit``. One text counts as a list of one
            text, and the list may be empty: the result has one entry per text.

        Returns
        -------
        ndarray of shape (n,), float64
            Predictions can lie outside the range of the training numbers.
        """
        outputs = self._outputs(texts)
        numbers: FloatArray = self.fitted_.decode(outputs)
        return numbers

    def score(
        self, texts: TextsLike, numbers: LabelsLike, sample_weight: WeightsLike | None = None
    ) -> float:
        """Return R²: 1 is perfect, 0 is no better than the mean of ``numbers``."""
        check_is_fitted(self)
        truth, predicted = as_numbers(numbers), self.predict(self.fitted_.rows(texts))
        if len(truth) != len(predicted):
            raise InputError(
                f"Each text needs one number, got {len(predicted)} texts and {len(truth)} numbers. "
                "Pass lists of the same length."
            )
        weights = as_weights(sample_weight, len(truth))
        return float(r2_score(truth, predicted, sample_weight=weights))

    def evaluate(self, texts: TextsLike, numbers: LabelsLike) -> dict[str, float]:
        """Return all metrics on texts with known numbers.

        Returns
        -------
        dict
            pearson, spearman, rmse, mae, r2.
        """
        check_is_fitted(self)
        return self.fitted_.figures(self.fitted_.outputs(texts), numbers)
