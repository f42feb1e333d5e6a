"""Measure methods with more and more labels, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import is_regressor

from nlptl.base.arrays import AnyArray, IntArray
from nlptl.base.errors import InputError
from nlptl.base.inputs import LabelsLike, TextsLike
from nlptl.base.progress import progress_bar, trial_fits
from nlptl.data.corpus import Corpus
from nlptl.data.labels import LabelValues, as_values, values_at
from nlptl.data.rows import as_model_input
from nlptl.data.splits import codes_split, nested_order
from nlptl.evaluation.curve_scores import CurveScores
from nlptl.evaluation.paired_fits import (
    Judged,
    Score,
    answer_codes,
    check_fit_params,
    default_score,
    fit_and_score,
)

_SMALLEST = 8
_ROWS_PER_CLASS = 2
_MAX_OVERLAP = 0.8
"""Largest overlap of draws for the intervals; with all rows, all draws are the same."""


class TransferCurve(CurveScores):
    """Scores of several estimators with more and more labels.

    It shows whether a transfer starts higher, and how many labels it saves. The first estimators
    use a transfer; the last one is the baseline. In each draw, all are fitted on the same training
    rows, and each training set contains the smaller ones.

    Parameters
    ----------
    estimators : mapping of str to estimator
        The estimators by name, the baseline last. They are cloned for each fit.
    texts, labels
        Texts and their labels or numbers, as for ``TextClassifier.fit``.
    sizes : sequence of int, optional
        Numbers of labels. By default they double, from 8 or two per class, as long as there are
        training rows. With ``test``, they end at half of the rows.
    draws : int
        Number of random draws of training rows, at least 2.
    test : Corpus, optional
        Labelled test rows, which are texts or pairs. By default, each draw keeps back a share of
        the rows. With ``test``, draws of most of the rows hardly differ, and their intervals are
        too narrow.
    test_share : float
        The share of the rows that a draw keeps back. It is not used with ``test``.
    score : callable, optional
        Function from a fitted estimator, texts and labels to a number, where higher is better. The
        default is ``estimator.score``.
    fit_params : mapping of str to mapping, optional
        Additional arguments of ``fit``, by estimator name, such as ``source``.
    seed : int
        Seed of the draws.

    Raises
    ------
    InputError
        If there are fewer than two estimators or draws, fewer training rows than a size, no test
        rows, ``fit_params`` of an unknown estimator, or a score that is not a finite number.

    Examples
    --------
    >>> from nlptl import Corpus, TextClassifier, support_requests
    >>> texts, labels = support_requests()
    >>> source = Corpus(*support_requests(domain="energy"))
    >>> curve = TransferCurve(
    ...     {
    ...         "with source": TextClassifier("tfidf", transfer="source"),
    ...         "without": TextClassifier("tfidf"),
    ...     },
    ...     texts,
    ...     labels,
    ...     sizes=[12, 24],
    ...     draws=2,
    ...     fit_params={"with source": {"source": source}},
    ... )
    >>> curve.start().value > 0
    True
    """

    def __init__(
        self,
        estimators: Mapping[str, Judged],
        texts: TextsLike,
        labels: LabelsLike,
        sizes: Sequence[int] | None = None,
        *,
        draws: int = 5,
        test: Corpus | None = None,
        test_share: float = 0.25,
        score: Score | None = None,
        fit_params: Mapping[str, Mapping[str, object]] | None = None,
        seed: int = 0,
    ) -> None:
        if len(estimators) < 2 or draws < 2:
            raise InputError(
                f"A curve needs at least two estimators and two draws, got {len(estimators)} "
                f"estimators and {draws} draws. Pass the baseline as the last estimator."
            )
        check_fit_params(fit_params, estimators, of="a curve")
        rows, answers = as_model_input(texts), as_values(labels)
        if len(rows) != len(answers):
            raise InputError(
                f"Each text needs one answer, got {len(rows)} texts and {len(answers)} answers."
            )
        numeric = all(is_regressor(model) for model in estimators.values())
        codes = answer_codes(answers, numeric=numeric)
        held_out = None if test is None else _labelled(test)
        orders = [_order(codes, None if test else test_share, seed + draw) for draw in range(draws)]
        n_rows, n_test = len(orders[0][0]), len(held_out[0] if held_out else orders[0][1])
        chosen = _sizes(sizes, codes, n_rows, n_rows // 2 if test else n_rows)
        measure, scores = score or default_score, np.zeros((draws, len(chosen), len(estimators)))
        total = draws * len(chosen)
        with progress_bar(total=total, unit="fit", description="Curve") as bar, trial_fits():
            for draw, (order, testing_rows) in enumerate(orders):
                testing = held_out or _rows_at(rows, answers, testing_rows)
                for position, size in enumerate(chosen):
                    training = _rows_at(rows, answers, order[:size])
                    scores[draw, position] = _finite(
                        fit_and_score(estimators, training, testing, measure, fit_params)[0], size
                    )
                    bar.update(1)
        shared = [min(size / n_rows, _MAX_OVERLAP) if test else test_share for size in chosen]
        is_accuracy = score is None and not numeric
        super().__init__(
            tuple(estimators),
            chosen,
            scores,
            shared,
            lowest=0.0 if is_accuracy else -np.inf,
            limit=1.0 if score is None else np.inf,
            resolution=1 / n_test if is_accuracy else 0.0,
        )


def _labelled(test: Corpus) -> tuple[Any, LabelValues]:
    """Return texts and labels of fixed test rows."""
    if not isinstance(test, Corpus) or test.labels is None:
        raise InputError(f"test needs texts with labels, got {test!r}. Pass Corpus(texts, labels).")
    return test.rows, as_values(test.labels)


def _order(codes: AnyArray, test_share: float | None, seed: int) -> tuple[IntArray, IntArray]:
    """Return the training rows of a draw in nested order, and its test rows.

    Raises
    ------
    InputError
        If there are no test rows.
    """
    if test_share is None:
        return nested_order(codes, seed=seed), np.arange(0)
    train, held_out = codes_split(codes, test_share=test_share, seed=seed)
    if not len(held_out):
        raise InputError(
            f"{len(codes)} rows leave no test rows with test_share={test_share}. Add labelled "
            "rows, or pass test."
        )
    return train[nested_order(codes[train], seed=seed)], held_out


def _rows_at(rows: Any, answers: LabelValues, numbers: IntArray) -> tuple[Any, LabelValues]:
    return rows.take(numbers), values_at(answers, numbers)


def _finite(scores: list[float], size: int) -> list[float]:
    """Return the scores of a size, or raise ``InputError`` if one is not a finite number."""
    if not np.isfinite(scores).all():
        raise InputError(
            f"A score with {size} labels is not a finite number, got {scores}. Use larger sizes, "
            "more test rows or another score."
        )
    return scores


def _sizes(sizes: Sequence[int] | None, codes: AnyArray, n_rows: int, most: int) -> tuple[int, ...]:
    """Return the sizes in ascending order: those of the user, or doubling ones up to ``most``."""
    if sizes is None:
        n_classes = codes.shape[1] if codes.ndim == 2 else len(np.unique(codes))
        per_class = 0 if codes.dtype.kind == "f" else _ROWS_PER_CLASS * n_classes
        smallest = min(max(_SMALLEST, per_class), most)
        n_doublings = int(np.log2(most / smallest)) if smallest else 0
        sizes = [smallest * 2**step for step in range(n_doublings + 1)]
    ascending = tuple(sorted({int(size) for size in sizes}))
    if not ascending or ascending[0] < 2 or ascending[-1] > n_rows:
        raise InputError(
            f"Sizes must lie between 2 and the {n_rows} training rows, got {list(sizes)}. "
            "Pass other sizes, or more rows."
        )
    return ascending
