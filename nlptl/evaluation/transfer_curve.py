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
from nlptl.data.splits import nested_order, number_split, stratified_split
from nlptl.evaluation.curve_scores import CurveScores
from nlptl.evaluation.paired_fits import Judged, Score, answer_codes, default_score, fit_and_score

_SMALLEST = 8
_SIZES_PER_CLASS = 2


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
        Numbers of labels. By default they double, from 8 or two per class to all training rows.
    draws : int
        Number of random draws of training rows, at least 2.
    test : Corpus, optional
        Labelled test rows. By default, each draw keeps back a share of the rows.
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
        If there are fewer than two estimators or draws, or fewer training rows than a size.

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
        rows, answers = as_model_input(texts), as_values(labels)
        if len(rows) != len(answers):
            raise InputError(
                f"Each text needs one answer, got {len(rows)} texts and {len(answers)} answers."
            )
        numeric = all(is_regressor(model) for model in estimators.values())
        codes = np.array(answers, np.float64) if numeric else answer_codes(answers)
        orders = [_order(codes, None if test else test_share, seed + draw) for draw in range(draws)]
        chosen = _sizes(sizes, codes, len(orders[0][0]), numeric=numeric)
        measure = score or default_score
        held_out = None if test is None else (test.rows, as_values(_labels_of(test)))
        scores = np.zeros((draws, len(chosen), len(estimators)))
        total = draws * len(chosen)
        with progress_bar(total=total, unit="fit", description="Curve") as bar, trial_fits():
            for draw, (order, testing_rows) in enumerate(orders):
                testing = held_out or _rows_at(rows, answers, testing_rows)
                for position, size in enumerate(chosen):
                    training = _rows_at(rows, answers, order[:size])
                    scores[draw, position] = fit_and_score(
                        estimators, training, testing, measure, fit_params
                    )[0]
                    bar.update(1)
        super().__init__(
            tuple(estimators),
            chosen,
            scores,
            None if test else test_share,
            1.0 if score is None else np.inf,
        )


def _order(codes: AnyArray, test_share: float | None, seed: int) -> tuple[IntArray, IntArray]:
    """Return the training rows of a draw in nested order, and its test rows."""
    if test_share is None:
        return nested_order(codes, seed=seed), np.arange(0)
    split = number_split if codes.dtype.kind == "f" else stratified_split
    train, held_out = split(codes, test_share=test_share, seed=seed)
    return train[nested_order(codes[train], seed=seed)], held_out


def _rows_at(rows: Any, answers: LabelValues, numbers: IntArray) -> tuple[Any, LabelValues]:
    return rows.take(numbers), values_at(answers, numbers)


def _labels_of(test: Corpus) -> Any:
    if test.labels is None:
        raise InputError(f"test needs labels, got {test!r}. Pass Corpus(texts, labels).")
    return test.labels


def _sizes(
    sizes: Sequence[int] | None, codes: AnyArray, n_rows: int, *, numeric: bool
) -> tuple[int, ...]:
    """Return the sizes in ascending order: those of the user, or doubling ones."""
    if sizes is None:
        n_classes = 1 if numeric else len(np.unique(codes))
        smallest = max(_SMALLEST, _SIZES_PER_CLASS * n_classes)
        n_doublings = int(np.log2(max(n_rows / smallest, 1)))
        sizes = [smallest * 2**step for step in range(n_doublings + 1)]
    ascending = tuple(sorted({int(size) for size in sizes}))
    if not ascending or ascending[0] < 2 or ascending[-1] > n_rows:
        raise InputError(
            f"Sizes must lie between 2 and the {n_rows} training rows, got {list(sizes)}. "
            "Pass other sizes, or more rows."
        )
    return ascending
