"""Fit several estimators on the same rows and score them on the same other rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone

from nlptl.base import clock
from nlptl.base.arrays import AnyArray, IntArray
from nlptl.base.errors import InputError
from nlptl.base.suggestions import suggest
from nlptl.data.indicators import Indicator
from nlptl.data.labels import LabelValues, are_lists, key_of

Score = Callable[[Any, Any, Any], float]
"""Function from a fitted estimator, texts and answers to a number, where higher is better."""


class Judged(Protocol):
    """Protocol of estimators that can be judged, of nlptl or of another library.

    They need the parameters of a scikit-learn estimator, so that they can be cloned.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        ...

    def score(self, X: Any, y: Any) -> float:
        """Return a score, where higher is better."""
        ...


def fit_and_score(
    models: Mapping[str, Judged],
    training: tuple[Any, LabelValues],
    testing: tuple[Any, LabelValues],
    measure: Score,
    fit_params: Mapping[str, Mapping[str, object]] | None,
) -> tuple[list[float], list[tuple[float, float]]]:
    """Fit a clone of each estimator on the same rows.

    Parameters
    ----------
    models : mapping of str to estimator
        Estimators by name.
    training, testing : tuple of texts and answers
        The rows to fit on, and the rows to score on.
    measure : callable
        The score.
    fit_params : mapping of str to mapping, optional
        Additional arguments of ``fit``, by estimator name.

    Returns
    -------
    scores, seconds
        Score of each estimator, and its seconds of fit and score.
    """
    options, fitted, moments = fit_params or {}, [], [clock.seconds()]
    for name, model in models.items():
        fitted.append(clone(model).fit(*training, **options.get(name, {})))
        moments.append(clock.seconds())
    scores = []
    for model in fitted:
        scores.append(measure(model, *testing))
        moments.append(clock.seconds())
    durations, n = np.diff(moments).tolist(), len(fitted)
    return scores, list(zip(durations[:n], durations[n:], strict=True))


def default_score(model: Judged, rows: Any, answers: LabelValues) -> float:
    """Return the score of the estimator: by default accuracy, or R² for numbers."""
    return float(model.score(rows, answers))


def answer_codes(answers: LabelValues, *, numeric: bool = False) -> AnyArray:
    """Return codes of answers, by which rows are assigned to folds and draws.

    Returns
    -------
    ndarray of shape (n,) or (n, n_classes)
        An integer code per distinct label, zeros and ones for several labels per row, or numbers.
    """
    if numeric:
        return np.array(answers, np.float64)
    if isinstance(answers, Indicator):
        return answers.codes
    if not are_lists(answers):
        names = [repr(key_of(answer)) for answer in answers]
        codes: IntArray = np.unique(names, return_inverse=True)[1]
        return codes
    rows = [{repr(key_of(label)) for label in answer} for answer in answers]
    columns = {name: column for column, name in enumerate(sorted(set().union(*rows)))}
    matrix = np.zeros((len(rows), len(columns)), np.int64)
    for number, labels in enumerate(rows):
        matrix[number, [columns[label] for label in labels]] = 1
    return matrix


def check_fit_params(
    fit_params: Mapping[str, object] | None, names: Collection[str], *, of: str
) -> None:
    """Refuse arguments of ``fit`` for an estimator that does not exist.

    Raises
    ------
    InputError
        If a name is not among those of the estimators.
    """
    unknown = [name for name in fit_params or () if name not in names]
    if unknown:
        raise InputError(
            f"fit_params of {of} names {unknown[0]!r}, which is no estimator. "
            f"{suggest(unknown[0], names)}"
        )
