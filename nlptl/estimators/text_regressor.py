"""The regressor of texts: numbers instead of classes."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import InputError
from nlptl.data.number_scale import NumberScale
from nlptl.data.numbers import as_numbers, as_weights
from nlptl.estimators.text_model import TextModel
from nlptl.training.config import TrainingConfig


class TextRegressor(RegressorMixin, TextModel):  # type: ignore[misc]
    """Predict a number for each text (or pair) with knowledge carried over from elsewhere.

    Follows the scikit-learn contract: ``clone``, ``get_params``, ``GridSearchCV`` and
    ``Pipeline`` work, with parameters of nested objects as ``transfer__layers``, ``head__alpha``.

    Parameters
    ----------
    encoder : str, Path, encoder or None
        As in ``TextClassifier``.
    transfer : transfer, list of transfers or None
        How the knowledge is carried over: ``Frozen``, ``FullFineTune`` or ``LoRA``, with ``L2SP``
        beside it in a list; ``Auto`` or ``"auto"`` lets the rows at hand decide. None is
        ``Frozen()``.
    head : head or None
        ``RidgeHead``, ``MLPHead``, or any scikit-learn regressor (which then cannot be saved).
        None is ``RidgeHead``.
    training : TrainingConfig or None
        For what is trained step by step: networks as heads, fusions, tuned encoders. The squared
        error is what they make small.
    seed : int
        The same seed and data give the same model (but for ``Auto``, which goes by the clock).
    long_texts : {"windows", "cut"}
        Read texts longer than the encoder's window in overlapping windows, or cut them.
    pair_encoding : {"auto", "separate", "joint"}
        Read the two texts of a pair one by one, and compare their vectors u and v as
        [u, v, |u - v|, u * v, cosine]; or as one text. ``"auto"`` does so where the encoder
        is tuned and was not made for sentence vectors.
    device : str or None
        Torch device; None is the first accelerator, else the processor.

    Attributes
    ----------
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
        encoder: Any = None,
        *,
        transfer: Any = None,
        head: Any = None,
        training: TrainingConfig | None = None,
        seed: int = 0,
        long_texts: str = "windows",
        pair_encoding: str = "auto",
        device: str | None = None,
    ) -> None:
        self.encoder = encoder
        self.transfer = transfer
        self.head = head
        self.training = training
        self.seed = seed
        self.long_texts = long_texts
        self.pair_encoding = pair_encoding
        self.device = device

    def fit(
        self,
        texts: Any,
        numbers: Any,
        *,
        source: Any = None,
        unlabeled: Any = None,
        validation: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Learn from texts with their numbers.

        Parameters
        ----------
        texts : list, array, Series, column, DataFrame or Dataset of length n
            Texts, or pairs of texts as tuples. A DataFrame where ``FusedEncoder`` names columns.
        numbers : sequence of length n
            int or float, one a text.
        source : Corpus or dict of them, optional
            Labelled rows of another domain or language, for ``SourceRows``.
        unlabeled : Corpus or dict of them, optional
            Text without numbers, for encoders that learn from text.
        validation : Corpus or dict of them, optional
            Rows that choose the epoch, where encoder and head learn together, with the numbers as
            their labels.
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
            numbers,
            source=source,
            unlabeled=unlabeled,
            validation=validation,
            sample_weight=sample_weight,
        )

    def predict(self, texts: Any) -> FloatArray:
        """Give the number of each text, in the units of the training numbers.

        Returns
        -------
        ndarray of shape (n,), float64
            Not confined to the range of the training numbers.
        """
        check_is_fitted(self)
        numbers: FloatArray = self.fitted_.decode(self.fitted_.outputs(texts))
        return numbers

    def score(self, texts: Any, numbers: Any, sample_weight: Any = None) -> float:
        """Give R²: 1 is perfect, 0 no better than the mean of ``numbers``."""
        truth, found = as_numbers(numbers), self.predict(texts)
        if len(truth) != len(found):
            raise InputError(
                f"Each text needs one number, got {len(found)} texts and {len(truth)} numbers."
            )
        return float(r2_score(truth, found, sample_weight=as_weights(sample_weight, len(truth))))

    def evaluate(self, texts: Any, numbers: Any) -> dict[str, float]:
        """Give every figure of merit on texts with known numbers.

        Returns
        -------
        dict
            pearson, spearman, rmse, mae, r2.
        """
        check_is_fitted(self)
        return self.fitted_.figures(self.fitted_.outputs(texts), numbers)
