"""Expected accuracy on unlabelled texts of another domain, without target labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.data.corpus import Corpus
from nlptl.data.rows import TableRows, as_model_input


class ProbabilityModel(Protocol):
    """Fitted classifier with one label per text."""

    @property
    def classes_(self) -> AnyArray:
        """Labels in the order of the columns of ``predict_proba``."""
        ...

    def predict_proba(self, texts: TextsLike) -> FloatArray:
        """Return the probability of each class: (n, n_classes)."""
        ...

    def score(self, texts: TextsLike, labels: LabelsLike) -> float:
        """Return the accuracy on labelled texts."""
        ...


@dataclass(frozen=True, eq=False)
class ExpectedAccuracy:
    """Scorer that estimates the accuracy of a classifier on unlabelled texts.

    It is made by ``expected_accuracy`` and can be the ``scoring`` of scikit-learn's
    ``GridSearchCV`` and ``cross_val_score``.

    Attributes
    ----------
    unlabeled : Rows or table
        Unlabelled texts of the target.
    """

    unlabeled: Any

    def __call__(self, model: ProbabilityModel, texts: TextsLike, labels: LabelsLike) -> float:
        """Return the expected accuracy on the unlabelled texts, from 0 to 1.

        Parameters
        ----------
        model : classifier
            Fitted classifier.
        texts, labels
            Labelled rows that the classifier was not trained on, for example of the source.

        Raises
        ------
        InputError
            If there is no labelled row, or the rows cannot be used.
        """
        held_out = _read(texts)
        accuracy = float(model.score(held_out, labels))
        return thresholded_confidence(
            model.predict_proba(held_out), accuracy, model.predict_proba(self.unlabeled)
        )


def expected_accuracy(unlabeled: Corpus | TextsLike) -> ExpectedAccuracy:
    """Return a scorer that estimates the accuracy on unlabelled texts of another domain [1]_.

    The scorer finds the confidence that the correct share of held-out labelled rows reaches. The
    share of unlabelled texts that reach it is the expected accuracy. Its mean error over 12
    pairs of review domains is in docs/domains.md.

    Parameters
    ----------
    unlabeled : Corpus or texts
        Unlabelled texts of the target.

    Returns
    -------
    ExpectedAccuracy
        Call it with a fitted model and labelled rows that the model was not trained on. Or pass it
        as ``scoring`` to scikit-learn.

    Raises
    ------
    InputError
        If there are no texts.

    References
    ----------
    .. [1] Garg et al., "Leveraging Unlabeled Data to Predict Out-of-Distribution Performance",
       ICLR 2022, arXiv:2201.04234.

    Examples
    --------
    >>> from nlptl import TextClassifier, TfidfEncoder
    >>> texts, labels = ["good film", "bad film"] * 10, [1, 0] * 10
    >>> model = TextClassifier(TfidfEncoder()).fit(texts, labels)
    >>> expected_accuracy(["good food", "bad food"])(model, texts, labels)
    0.0
    """
    return ExpectedAccuracy(unlabeled.rows if isinstance(unlabeled, Corpus) else _read(unlabeled))


def _read(texts: TextsLike) -> Any:
    """Read texts; leave a table with several columns to the model."""
    read = as_model_input(texts)
    return read.table if isinstance(read, TableRows) else read


def thresholded_confidence(held_out: FloatArray, accuracy: float, unlabeled: FloatArray) -> float:
    """Compute the average thresholded confidence (ATC) of unlabelled rows [1]_.

    Parameters
    ----------
    held_out : ndarray of shape (n_held_out, n_classes)
        Probabilities of labelled rows that the model was not trained on.
    accuracy : float
        Accuracy on these rows.
    unlabeled : ndarray of shape (n_unlabeled, n_classes)
        Probabilities of the unlabelled rows.

    Returns
    -------
    float
        Expected accuracy on the unlabelled rows. The confidence of a row is its negative entropy.

    References
    ----------
    .. [1] Garg et al., "Leveraging Unlabeled Data to Predict Out-of-Distribution Performance",
       ICLR 2022, arXiv:2201.04234.
    """
    confidences = np.sort(negative_entropy(held_out))
    n_wrong = round((1 - accuracy) * len(confidences))
    if n_wrong >= len(confidences):
        return 0.0
    return float((negative_entropy(unlabeled) >= confidences[n_wrong]).mean())


def negative_entropy(probabilities: FloatArray) -> FloatArray:
    """Return the confidence of each row: its negative entropy, at most 0. Shape (n,)."""
    logs = np.log(np.maximum(probabilities, 1e-300))
    entropy: FloatArray = (probabilities * logs).sum(axis=1)
    return entropy
