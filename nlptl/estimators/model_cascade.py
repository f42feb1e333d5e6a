"""A fast model that answers where it is sure, and an accurate model for the other texts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.inputs import LabelsLike, TextsLike, WeightsLike
from nlptl.base.paths import user_path
from nlptl.base.specs import NestedParams
from nlptl.data.labels import LabelCodec, check_lengths
from nlptl.data.numbers import as_weights
from nlptl.data.rows import Rows, as_rows, rows_to_predict
from nlptl.estimators.cascade_folder import load_cascade, save_cascade
from nlptl.estimators.hub_methods import HubMethods
from nlptl.estimators.prediction_timing import timed_prediction
from nlptl.evaluation.answer_threshold import (
    AnswerThreshold,
    choose_threshold,
    losses_of,
    texts_needed,
)
from nlptl.evaluation.cascade_report import CascadeReport
from nlptl.evaluation.class_metrics import ClassScores, class_scores
from nlptl.evaluation.error_report import ErrorReport, error_report
from nlptl.training.processes import from_main

logger = logging.getLogger("nlptl")

_MAX_UNKNOWN_SHARE = 0.05
"""Maximum share of held-out labels that are no class of the accurate model."""

_MIN_SPEEDUP = 1.05
"""Expected speed, relative to the accurate model, from which the fast model is used at all."""


@dataclass(frozen=True)
class Routes:
    """Predictions of a cascade, and which model made them.

    Attributes
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Columns in the order of ``classes_``.
    passed_on : ndarray of bool of shape (n,)
        True for the texts that the accurate model answered.
    """

    probabilities: FloatArray
    passed_on: AnyArray

    @property
    def share_passed_on(self) -> float:
        """Share of the texts that the accurate model answered."""
        return float(self.passed_on.mean())


class Cascade(ClassifierMixin, HubMethods, NestedParams):  # type: ignore[misc]
    """Let a fast model answer where it is sure, and an accurate model answer the other texts.

    Both models are fitted already, on other texts than those that ``fit`` receives. ``fit`` chooses
    the lowest probability from which the fast model answers, so that the loss of accuracy is at
    most ``max_loss``. If the fast model would save no time, the accurate model answers everything.

    ``accurate.distill(texts)`` makes a fast model out of an accurate one.

    Parameters
    ----------
    fast : TextClassifier or OnnxClassifier
        A fitted model with one label per text. It may lack some classes of the accurate model.
    accurate : TextClassifier or OnnxClassifier
        A fitted model with one label per text.
    max_loss : float
        Maximum loss of accuracy against the accurate model, as a share of all texts; above 0 and
        below 1.
    confidence : float
        Probability, approximately, that the loss stays below ``max_loss`` on other texts of the
        same kind; at least .5 and below 1.

    Attributes
    ----------
    threshold_ : float
        Lowest probability of an answer of the fast model. Infinite if it never answers.
    report_ : CascadeReport
        Share of the held-out texts that were passed on, loss of accuracy and speed.
    classes_ : ndarray of shape (n_classes,)
        Labels in the order of the columns of ``predict_proba``.

    References
    ----------
    .. [1] Viola and Jones, "Rapid Object Detection Using a Boosted Cascade of Simple Features",
       CVPR 2001.
    .. [2] Varshney and Baral, "Model Cascading: Towards Jointly Improving Efficiency and Accuracy
       of NLP Systems", EMNLP 2022, arXiv:2210.05528.

    Examples
    --------
    >>> from nlptl import StaticEncoder, TextClassifier
    >>> from nlptl.data.samples import support_requests
    >>> texts, labels = support_requests()
    >>> accurate = TextClassifier().fit(texts[::4], labels[::4])
    >>> fast = accurate.distill(texts[1::4])
    >>> cascade = Cascade(fast, accurate, max_loss=0.03).fit(texts[2::4], labels[2::4])
    >>> cascade.predict(["I was charged twice."]).tolist()
    ['billing']
    """

    kind = "cascade"

    def __init__(
        self, fast: Any, accurate: Any, *, max_loss: float = 0.005, confidence: float = 0.9
    ) -> None:
        self.fast = fast
        self.accurate = accurate
        self.max_loss = max_loss
        self.confidence = confidence

    def fit(self, texts: TextsLike, labels: LabelsLike | None = None) -> Self:
        """Choose the threshold on held-out texts. Neither model is changed.

        Parameters
        ----------
        texts : list, array, Series, column or Dataset of length n
            Held-out texts, which neither model was trained on. The smaller ``max_loss``, the more
            are needed: at least 460 for the default.
        labels : sequence of length n, optional
            Without labels, every answer of the fast model that differs from that of the accurate
            model counts as a loss. So fewer texts are answered by the fast model.

        Raises
        ------
        ConfigError
            If a model is not fitted, predicts numbers or several labels per text, or the fast model
            has other classes.
        InputError
            If there are too few texts, or texts or labels cannot be used.
        """
        self._check_parts()
        rows = self._rows(texts)
        self.check_number(len(rows))
        truth = None if labels is None else self._truth(labels, len(rows))
        fast, fast_speed = timed_prediction(self._fast_probabilities, rows)
        accurate, accurate_speed = timed_prediction(self.accurate.predict_proba, rows)
        chosen, sure = fast.argmax(axis=1), fast.max(axis=1)
        losses = losses_of(chosen, accurate.argmax(axis=1), truth)
        threshold = choose_threshold(
            sure, losses, max_loss=self.max_loss, confidence=self.confidence
        )
        speeds = fast_speed, accurate_speed
        report = _report(threshold, len(rows), speeds, has_labels=truth is not None)
        # The times differ between the processes of a launch, so the main process decides.
        saves_time = from_main(lambda: report.speed >= _MIN_SPEEDUP * report.accurate_speed)
        if not saves_time:
            _warn(threshold)
            threshold = AnswerThreshold(float("inf"), 0.0, 0.0, 0.0)
            report = _report(threshold, len(rows), speeds, has_labels=truth is not None)
        self.threshold_, self.report_ = threshold.value, report
        return self

    def check_number(self, n_texts: int) -> None:
        """Check that a number of held-out texts is enough for ``fit``.

        Raises
        ------
        ConfigError
            If ``max_loss`` or ``confidence`` is out of range.
        InputError
            If there are too few texts.
        """
        if not (_is_number(self.max_loss) and 0 < self.max_loss < 1):
            raise ConfigError(f"max_loss must be above 0 and below 1, got {self.max_loss!r}.")
        if not (_is_number(self.confidence) and 0.5 <= self.confidence < 1):
            raise ConfigError(
                f"confidence must be at least 0.5 and below 1, got {self.confidence!r}."
            )
        n_least = texts_needed(self.max_loss, self.confidence)
        if n_texts < n_least:
            raise InputError(
                f"max_loss={self.max_loss} with confidence={self.confidence} needs at least "
                f"{n_least} held-out texts, got {n_texts}. Add some, or allow a larger loss."
            )

    def route(self, texts: TextsLike) -> Routes:
        """Predict probabilities, and report which texts were passed on to the accurate model.

        Returns
        -------
        Routes
        """
        check_is_fitted(self)
        rows = rows_to_predict(texts, self._rows)
        if not np.isfinite(self.threshold_):
            return Routes(self.accurate.predict_proba(rows), np.ones(len(rows), dtype=bool))
        probabilities = self._fast_probabilities(rows)
        passed_on = probabilities.max(axis=1) < self.threshold_
        if passed_on.any():
            some = np.flatnonzero(passed_on)
            probabilities[some] = self.accurate.predict_proba(rows.take(some))
        return Routes(probabilities, passed_on)

    def predict(self, texts: TextsLike) -> AnyArray:
        """Return the label of each text: (n,). One text counts as a list of one text."""
        return self.decode(self.predict_proba(texts))

    def predict_proba(self, texts: TextsLike) -> FloatArray:
        """Return the probability of each class: (n, n_classes)."""
        return self.route(texts).probabilities

    def decode(self, probabilities: FloatArray) -> AnyArray:
        """Return the labels for probabilities of shape (n, n_classes)."""
        labels: AnyArray = self._codec.decode(probabilities.argmax(axis=1))
        return labels

    def predict_log_proba(self, texts: TextsLike) -> FloatArray:
        """Return the log probability of each class: (n, n_classes)."""
        return np.log(np.maximum(self.predict_proba(texts), 1e-300))

    def score(
        self, texts: TextsLike, labels: LabelsLike, sample_weight: WeightsLike | None = None
    ) -> float:
        """Return the accuracy. A label that is no class of the accurate model counts as wrong.

        Raises
        ------
        InputError
            If a label is missing or of another type than the classes, or lengths differ.
        """
        truth = self._codec.encode(labels, allow_unseen=True)
        chosen = self.predict_proba(self._rows(texts)).argmax(axis=1)
        check_lengths(truth, chosen)
        weights = as_weights(sample_weight, len(chosen))
        return float(np.average(truth == chosen, weights=weights))

    def evaluate(self, texts: TextsLike, labels: LabelsLike) -> dict[str, float]:
        """Return all metrics on labelled texts, and ``passed_on``, the share of passed-on texts."""
        from nlptl.evaluation.metrics import measure

        truth, routes = self._codec.encode(labels), self.route(self._rows(texts))
        check_lengths(truth, routes.passed_on)
        metrics = measure(truth, routes.probabilities, routes.probabilities.argmax(axis=1))
        return {**metrics, "passed_on": routes.share_passed_on}

    def class_scores(self, texts: TextsLike, labels: LabelsLike) -> ClassScores:
        """Return precision, recall and F1 of each class on labelled texts."""
        truth = self._codec.encode(labels)
        chosen = self.predict_proba(self._rows(texts)).argmax(axis=1)
        check_lengths(truth, chosen)
        return class_scores(truth, chosen, [str(label) for label in self.classes_.tolist()])

    def errors(self, texts: TextsLike, labels: LabelsLike) -> ErrorReport:
        """Return the mistakes on labelled texts, as ``TextClassifier.errors`` does."""
        rows, truth = self._rows(texts), self._codec.encode(labels)
        probabilities = self.predict_proba(rows)
        chosen = probabilities.argmax(axis=1)
        check_lengths(truth, chosen)
        return error_report(self._codec, rows, truth, chosen, probabilities)

    def save(self, folder: str | Path, *, notes: Mapping[str, object] | None = None) -> Path:
        """Write both models and the threshold into a folder, and check that it reads back equal.

        Parameters
        ----------
        folder : str or Path
            A new folder, or a folder with a saved model, which is then replaced.
        notes : dict, optional
            Plain JSON values to store with the model. ``load`` restores them as ``notes_``.

        Raises
        ------
        StorageError
            If the folder holds something else, cannot be written, or a model cannot be saved.
        """
        check_is_fitted(self)
        return save_cascade(self, user_path(folder), notes=notes)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a model that ``save`` wrote, and check every file.

        Raises
        ------
        StorageError
            If the folder holds no such model.
        IntegrityError
            If a file is missing or was changed. The message names the file.
        """
        return load_cascade(cls, folder)

    @property
    def classes_(self) -> AnyArray:
        """Labels in the order of the columns of ``predict_proba``."""
        return self._codec.classes

    @property
    def notes_(self) -> dict[str, Any]:
        """Notes of the accurate model, such as the columns of the table that it was trained on."""
        notes: dict[str, Any] = self.accurate.notes_
        return notes

    @property
    def seed(self) -> int:
        """Seed of the accurate model."""
        return int(getattr(self.accurate, "seed", 0))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "threshold_")

    def __sklearn_clone__(self) -> Self:
        """Return a cascade of the same fitted models, without a threshold."""
        return type(self)(**self.get_params(deep=False))

    @property
    def _codec(self) -> LabelCodec:
        codec: LabelCodec = _codec_of(self.accurate)
        return codec

    def _rows(self, texts: TextsLike) -> Rows:
        fitted = getattr(self.accurate, "fitted_", None)
        return as_rows(texts) if fitted is None else fitted.rows(texts)

    def _fast_probabilities(self, rows: Rows) -> FloatArray:
        """Return the probabilities of the fast model, in the order of ``classes_``."""
        probabilities = np.zeros((len(rows), len(self.classes_)))
        position = {label: column for column, label in enumerate(self.classes_.tolist())}
        columns = [position[label] for label in self.fast.classes_.tolist()]
        probabilities[:, columns] = self.fast.predict_proba(rows)
        return probabilities

    def _check_parts(self) -> None:
        """Check that both models can be used together."""
        for name in ("fast", "accurate"):
            _check_model(name, getattr(self, name))
        others = set(self.fast.classes_.tolist()) - set(self.classes_.tolist())
        if others:
            raise ConfigError(
                f"The fast model predicts {sorted(map(repr, others))[0]}, which is no class of the "
                "accurate model. Fit both models to the same labels."
            )
        pairs = zip(_columns_of(self.fast), _columns_of(self.accurate), strict=True)
        if any(columns and columns != other for columns, other in pairs):
            raise ConfigError(
                "Both models must read the same columns of a table, got "
                f"{_columns_of(self.fast)} and {_columns_of(self.accurate)}. Fit the fast model "
                "to the columns of the accurate one."
            )

    def _truth(self, labels: LabelsLike, n_texts: int) -> IntArray:
        """Return the class codes of the held-out labels; -1 for a few unknown ones.

        An unknown label counts as a loss if the answers differ. Most labels must be known: others
        are probably written in another way.
        """
        truth = self._codec.encode(labels, allow_unseen=True)
        check_lengths(truth, np.zeros(n_texts, dtype=np.int64))
        if (truth < 0).mean() > _MAX_UNKNOWN_SHARE:
            self._codec.encode(labels)  # its error names the label
        return truth


def _codec_of(model: Any) -> Any:
    """Return the codec of the labels of a model; None without one."""
    return getattr(getattr(model, "fitted_", model), "codec", None)


def _columns_of(model: Any) -> tuple[Any, Any]:
    """Return the text columns and the numeric columns that a model reads from a table."""
    features = getattr(getattr(model, "fitted_", None), "features", None)
    encoder = getattr(features, "encoder", None)
    return getattr(encoder, "text_columns", ()), getattr(encoder, "numeric_columns", ())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _warn(threshold: AnswerThreshold) -> None:
    """Warn that the accurate model answers all texts, and why."""
    if not threshold.answered:
        reason = "its most confident answers already differ too often. Use more held-out texts"
    else:
        reason = "this saves no time. Use a faster model"
    logger.warning(
        "The fast model could answer %.0f %% of the texts, but %s or a larger max_loss. The "
        "accurate model answers all of them.",
        100 * threshold.answered,
        reason,
    )


def _check_model(name: str, model: Any) -> None:
    """Check that a part of a cascade is a fitted classifier with one label per text."""
    codec = _codec_of(model)
    if codec is None or not (codec.numeric or hasattr(model, "predict_proba")):
        raise ConfigError(
            f"{name} must be a fitted TextClassifier or OnnxClassifier, got {model!r:.200}. "
            "Fit or load one."
        )
    if codec.numeric or codec.form != "single":
        kind = "numbers" if codec.numeric else "several labels per text"
        raise ConfigError(
            f"Cascade needs models with one label per text, but {name} predicts {kind}. Use other "
            "models."
        )


def _report(
    threshold: AnswerThreshold, n_texts: int, speeds: tuple[float, float], *, has_labels: bool
) -> CascadeReport:
    passed_on = 1 - threshold.answered
    return CascadeReport(n_texts, has_labels, passed_on, threshold.loss, threshold.bound, *speeds)
