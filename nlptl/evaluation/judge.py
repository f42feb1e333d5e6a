"""Compare methods with a baseline: on splits of the same rows, or on the same held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import is_regressor

from nlptl.base.arrays import IntArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.base.progress import progress_bar, trial_fits
from nlptl.data.labels import LabelValues, as_values, values_at
from nlptl.data.rows import as_model_input
from nlptl.data.splits import stratified_folds
from nlptl.evaluation.intervals import Figure, bootstrap_interval, resampled_interval
from nlptl.evaluation.method_cost import MethodCost
from nlptl.evaluation.paired_fits import (
    Judged,
    answer_codes,
    check_fit_params,
    default_score,
    fit_and_score,
)
from nlptl.evaluation.verdict import KEEP_BEST, Verdict


def judge(
    models: Mapping[str, Judged],
    texts: TextsLike,
    answers: LabelsLike,
    *,
    splits: Splits | None = None,
    score: Callable[[Any, Any, Any], float] | None = None,
    fit_params: Mapping[str, Mapping[str, object]] | None = None,
) -> Verdict:
    """Compare estimators with a baseline on repeated splits of the same rows [1]_.

    Parameters
    ----------
    models : mapping of str to estimator
        The estimators to judge, each by its name, in order of preference. The last one is the
        baseline. All need ``fit`` and ``score`` and are cloned for each split.
    texts, answers
        Texts and their labels or numbers, as for ``TextClassifier.fit``.
    splits : Splits, optional
        Training and test rows, by default two rounds of five folds. If the iteration over
        ``splits.of`` ends early, the verdict is based on the splits so far.
    score : callable, optional
        Function from a fitted estimator, texts and answers to a number, where higher is better.
        The default is ``estimator.score``.
    fit_params : mapping of str to mapping, optional
        Additional arguments of ``fit``, by estimator name.

    Returns
    -------
    Verdict
        The intervals of its gains take into account that splits share rows. ``leaderboard()`` is
        a table of all estimators with their times.

    Raises
    ------
    InputError
        If there are fewer than two estimators, fewer rows than folds, or ``fit_params`` of an
        unknown estimator.

    References
    ----------
    .. [1] Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 2003.
    """
    if len(models) < 2:
        raise InputError(
            f"judge compares estimators with a baseline, got {len(models)} estimator. Pass at "
            "least two by name, the baseline last."
        )
    check_fit_params(fit_params, models, of="judge")
    rows, values = as_model_input(texts), as_values(answers)
    if len(rows) != len(values):
        raise InputError(
            f"Each text needs one answer, got {len(rows)} texts and {len(values)} answers."
        )
    measure = score or default_score
    numeric = all(is_regressor(model) for model in models.values())
    row_splits = (splits or Splits()).of(values, numeric=numeric)
    split_scores, split_seconds, test_shares = [], [], []
    bar = progress_bar(total=len(row_splits), unit="split", description="Judging")
    with bar, trial_fits():
        for train, test in row_splits:
            training = rows.take(train), values_at(values, train)
            testing = rows.take(test), values_at(values, test)
            scores_here, seconds_here = fit_and_score(
                models, training, testing, measure, fit_params
            )
            split_scores.append(scores_here)
            split_seconds.append(seconds_here)
            test_shares.append(len(test) / len(rows))
            bar.update(1)
    scores = np.array(split_scores)
    share = float(np.mean(test_shares))
    is_accuracy = score is None and not numeric
    bounds = {"resolution": 1 / (share * len(rows)), "limit": 1.0} if is_accuracy else {}
    names = list(models)
    gains = {
        name: resampled_interval(column - scores[:, -1], test_share=share, **bounds)
        for name, column in zip(names[:-1], scores.T[:-1], strict=True)
    }
    verdict = Verdict.decide(names, scores, gains, n_rows=len(rows))
    seconds = np.median(split_seconds, axis=0).tolist()
    costs = {name: MethodCost(*pair) for name, pair in zip(names, seconds, strict=True)}
    return replace(verdict, costs=costs)


def judge_fitted(
    figures: Mapping[str, Figure],
    n_rows: int,
    *,
    metric: str,
    lower_is_better: bool = False,
    keep: str = KEEP_BEST,
    seed: int = 0,
) -> Verdict:
    """Compare fitted models with a baseline on the same held-out rows, by a paired bootstrap [1]_.

    Parameters
    ----------
    figures : mapping of str to callable
        Functions from row numbers to the metric of a model on these rows, by the name of the
        model. The order is that of preference; the last one is the baseline. One function alone
        is kept without a comparison.
    n_rows : int
        Number of held-out rows, at least 2.
    metric : str
    lower_is_better : bool
    keep : {"best", "if_helps", "unless_hurts"}
        Rule of ``Verdict.decide``.
    seed : int
        Seed of the bootstrap samples.

    References
    ----------
    .. [1] Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.
    """
    rows = np.arange(n_rows)
    *methods, baseline = figures
    gains = {
        name: bootstrap_interval(figures[name], figures[baseline], n_rows, seed=seed)
        for name in methods
    }
    if lower_is_better:
        gains = {name: -gain for name, gain in gains.items()}
    scores = np.array([[figure(rows) for figure in figures.values()]])
    return Verdict.decide(list(figures), scores, gains, keep=keep, metric=metric, n_rows=n_rows)


@dataclass(frozen=True)
class Splits:
    """Repeated stratified cross-validation.

    Attributes
    ----------
    folds : int
        Number of folds per round, at least 2.
    rounds : int
        Number of times the rows are assigned to folds.
    seed : int
        Seed of the assignment of rows to folds.
    """

    folds: int = 5
    rounds: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2 or self.rounds < 1:
            raise InputError(
                f"Splits need at least two folds and one round, got folds={self.folds}, "
                f"rounds={self.rounds}."
            )

    def of(self, answers: LabelValues, *, numeric: bool = False) -> list[tuple[IntArray, IntArray]]:
        """Return the training rows and the test rows of each split.

        Parameters
        ----------
        answers : list or Indicator
            One answer per row.
        numeric : bool
            True if the answers are numbers. Then each fold gets low and high numbers.

        Raises
        ------
        InputError
            If there are fewer rows than folds.
        """
        if len(answers) < self.folds:
            raise InputError(
                f"{self.folds} folds need at least {self.folds} rows, got {len(answers)}. "
                "Use fewer folds."
            )
        codes = answer_codes(answers, numeric=numeric)
        rounds = [
            stratified_folds(codes, self.folds, seed=self.seed + number)
            for number in range(self.rounds)
        ]
        return [
            (np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
            for folds in rounds
            for fold in range(self.folds)
        ]
