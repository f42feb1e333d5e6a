"""Fit a solver head, with one or several labels per text, and its decision rule."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from inspect import signature
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features, Fittable
from nlptl.base.threads import map_in_threads
from nlptl.data.splits import stratified_folds, stratified_sample
from nlptl.data.targets import Targets
from nlptl.heads.calibration.decision import Decision, best_temperature, best_thresholds
from nlptl.heads.calibration.imbalance import Imbalance
from nlptl.heads.calibration.strength import MAX_ROWS_TO_CHOOSE_ON, HeldOut, of_all_classes
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead

_FOLDS = 5
MIN_ROWS_TO_CALIBRATE = 10
_LOG_ODDS_OF_ALWAYS = 30.0
"""Log odds of a label that all training rows have."""


class OneVsRest:
    """One head per label, for texts that may have several labels.

    Parameters
    ----------
    head : SolverHead
        Copied for each label.
    imbalance : Imbalance or None
        Weights the rows of each label separately.

    Attributes
    ----------
    heads_ : list
        One fitted head per label, or its constant log odds if the label never (-30) or always
        (30) occurs.
    held_out_ : HeldOut or None
        Log odds of held-out rows, if all heads store held-out logits.
    """

    def __init__(self, head: Fittable, imbalance: Imbalance | None = None) -> None:
        if isinstance(head, LogisticHead):
            # Always predicting "no" is accurate for a rare label, so accuracy cannot choose C.
            head = clone(head).set_params(criterion="log_loss")
        self.head = head
        self.imbalance = imbalance
        self.heads_: list[Any] = []
        self.held_out_: HeldOut | None = None

    def fit(self, X: Features, targets: Targets) -> Self:
        """Fit one copy of the head per label."""
        rows = stratified_sample(targets.codes, MAX_ROWS_TO_CHOOSE_ON, seed=0)
        labels = [targets.label(index) for index in range(targets.n_outputs)]
        fitted = [self._fit_label(X, label, rows) for label in labels]
        self.heads_ = [head for head, _ in fitted]
        held_out = [part for _, part in fitted if part is not None]
        if len(held_out) == len(fitted):
            self.held_out_ = _joined(rows, held_out)
        return self

    def logits(self, X: Features) -> FloatArray:
        """Return the log odds of each label, an array of shape (n, n_labels)."""
        columns = []
        for head in self.heads_:
            if isinstance(head, float):
                columns.append(np.full(X.shape[0], head))
            else:
                scores = logits_of(head, X)
                columns.append(scores[:, 1] - scores[:, 0])
        return np.stack(columns, axis=1)

    def _fit_label(self, X: Features, label: Targets, rows: IntArray) -> tuple[Any, HeldOut | None]:
        """Return the fitted head of one label and its held-out log odds of ``rows``, or None.

        The rows of the log odds are positions in ``rows``.
        """
        if not label.counts.all():
            constant = _LOG_ODDS_OF_ALWAYS if label.counts[1] else -_LOG_ODDS_OF_ALWAYS
            return constant, HeldOut(np.arange(len(rows)), np.full(len(rows), constant))
        head, weighted = clone(self.head), weigh_rows(label, self.imbalance)
        if not isinstance(head, LogisticHead) or head.C != "cv":
            return fit_one(head, X, weighted), None
        sample = weighted.take(rows)
        if not sample.counts.all():
            return fit_one(head.set_params(C=DEFAULT_C), X, weighted), None
        # All labels choose their strength on the same rows, so that their log odds can be stacked.
        head = fit_one(head, X[rows], sample)
        odds: HeldOut | None = head.held_out_
        if odds is not None:
            odds = HeldOut(odds.rows, odds.logits[:, 1] - odds.logits[:, 0])
        if len(rows) < len(label):
            head = fit_one(clone(head).set_params(C=head.C_), X, weighted)
        return head, odds


def _joined(rows: IntArray, held_out: list[HeldOut]) -> HeldOut | None:
    """Join the log odds of all labels on the rows that all of them held out.

    A row is missing for a label if its fold has no other row with the same value of the label.
    """
    common = reduce(np.intersect1d, [part.rows for part in held_out])
    if not len(common):
        return None
    columns = [part.logits[np.searchsorted(part.rows, common)] for part in held_out]
    return HeldOut(rows[common], np.stack(columns, axis=1))


def fit_solver(
    head: Fittable,
    X: Features,
    targets: Targets,
    *,
    imbalance: Imbalance | None,
    seed: int,
    unseen: bool = True,
) -> tuple[Any, Decision]:
    """Fit a head to all rows and its decision rule to held-out rows.

    Parameters
    ----------
    head : SolverHead
        Any head of nlptl or any scikit-learn classifier. It is copied.
    X : ndarray or csr_matrix of shape (n, n_features)
    targets : Targets
        Targets of the n rows.
    imbalance : Imbalance or None
        Treatment of rare classes.
    seed : int
        Seed of the assignment of rows to folds.
    unseen : bool
        True if the encoder was not trained on these labels. If False, no rows can be held out.
        Then the temperature is the ``tuned_temperature`` of the head, if it has one, and
        ``imbalance`` uses its default offsets.

    Returns
    -------
    scorer, decision
        The fitted head and its decision rule.
    """
    scorer = _fit_any(head, X, targets, imbalance)
    if targets.numeric:
        return scorer, undecided(targets, imbalance)
    if not unseen:
        temperature = getattr(scorer, "tuned_temperature", 1.0)
        return scorer, undecided(targets, imbalance).with_temperature(temperature)
    held_out: HeldOut | None = getattr(scorer, "held_out_", None)
    if held_out is None:
        held_out = _hold_out(head, X, targets, imbalance, seed)
    if held_out is None:
        return scorer, undecided(targets, imbalance)
    return scorer, learn_decision(held_out.logits, targets.take(held_out.rows), imbalance)


def learn_decision(logits: FloatArray, targets: Targets, imbalance: Imbalance | None) -> Decision:
    """Fit temperature, offsets and thresholds to held-out logits.

    For numbers, the decision has its default values.
    """
    if targets.numeric:
        return undecided(targets)
    temperature = best_temperature(logits, targets.codes)
    if targets.several:
        calibrated = Decision(temperature, thresholds=np.full(targets.n_outputs, 0.5))
        thresholds = best_thresholds(calibrated.probabilities(logits), targets.codes)
        return Decision(temperature, thresholds=thresholds)
    offsets = None
    if imbalance is not None:
        offsets = imbalance.offsets(logits / temperature, targets.codes)
    return Decision(temperature, offsets)


def undecided(targets: Targets, imbalance: Imbalance | None = None) -> Decision:
    """Return the default decision, used without held-out rows."""
    if targets.several:
        return Decision(thresholds=np.full(targets.n_outputs, 0.5))
    if imbalance is None or targets.numeric:
        return Decision()
    return Decision(offsets=imbalance.untried_offsets(targets.counts))


def weigh_rows(targets: Targets, imbalance: Imbalance | None) -> Targets:
    """Multiply the row weights of the user by those of the treatment of rare classes."""
    class_weights = imbalance.row_weights(targets.codes) if imbalance is not None else None
    if class_weights is None:
        return targets
    row_weights = 1.0 if targets.weights is None else targets.weights
    return replace(targets, weights=class_weights * row_weights)


def fit_one(head: Fittable, X: Features, targets: Targets) -> Any:
    """Fit a head and pass row weights only if there are any.

    Raises
    ------
    ConfigError
        If there are row weights and the head does not accept any.
    """
    if targets.weights is None:
        return head.fit(X, targets.codes)
    name, fitted_last = head.steps[-1] if isinstance(head, Pipeline) else ("", head)
    parameters = signature(fitted_last.fit).parameters.values()
    if not any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise ConfigError(
            f"The fit method of {type(fitted_last).__name__} does not accept row weights. "
            "sample_weight, imbalance='balanced', SourceRows(), WordEdits() and SelfTraining() "
            "need them. Choose another head."
        )
    option = f"{name}__sample_weight" if name else "sample_weight"
    return head.fit(X, targets.codes, **{option: targets.weights})


def logits_of(head: Any, X: Features) -> FloatArray:
    """Return logits (n, n_classes) of any head of nlptl or any scikit-learn classifier.

    For a scikit-learn regressor, its predictions are the only column.
    """
    if hasattr(head, "logits"):
        scores: FloatArray = head.logits(X)
        return scores
    if hasattr(head, "predict_proba"):
        logs: FloatArray = np.log(np.maximum(head.predict_proba(X), 1e-12))
        return logs
    if not hasattr(head, "decision_function"):
        return np.asarray(head.predict(X), dtype=np.float64).reshape(-1, 1)
    margin: FloatArray = head.decision_function(X)
    return margin if margin.ndim == 2 else np.stack([-margin / 2, margin / 2], axis=1)


def linear_map_of(head: Any) -> tuple[FloatArray, FloatArray]:
    """Return the weights (n_outputs, n_features) and offset (n_outputs,) of a linear head.

    scikit-learn stores one row for two classes. The result has one row per class.
    """
    if hasattr(head, "linear_map"):
        weights_and_offset: tuple[FloatArray, FloatArray] = head.linear_map()
        return weights_and_offset
    weights, offset = np.atleast_2d(head.coef_), np.atleast_1d(head.intercept_)
    offset = np.broadcast_to(offset, len(weights))
    if len(weights) == 1 and len(getattr(head, "classes_", ())) == 2:
        weights, offset = (np.concatenate([-a, a]) / 2 for a in (weights, offset))
    return weights, offset


def _fit_any(head: Fittable, X: Features, targets: Targets, imbalance: Imbalance | None) -> Any:
    if targets.several:
        return OneVsRest(head, imbalance).fit(X, targets)
    return fit_one(clone(head), X, weigh_rows(targets, imbalance))


def _hold_out(
    head: Fittable, X: Features, targets: Targets, imbalance: Imbalance | None, seed: int
) -> HeldOut | None:
    """Return cross-validated logits of a head, or None if there are too few rows."""
    if len(targets) < MIN_ROWS_TO_CALIBRATE or targets.counts.max() < 2:
        return None
    folds = stratified_folds(targets.codes, _FOLDS, seed=seed)

    def fit_fold(fold: int) -> tuple[IntArray, FloatArray]:
        training, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        subset = targets.take(training)
        present = np.flatnonzero(subset.counts)
        if len(present) < 2 and not subset.several:
            return np.empty(0, dtype=np.int64), np.empty((0, targets.n_outputs))
        scores = logits_of(_fit_any(head, X[training], subset, imbalance), X[held_out])
        # With several labels or class names, all columns get logits.
        if scores.shape[1] == targets.n_outputs:
            return held_out, scores
        is_counted = np.isin(targets.codes[held_out], present)
        return held_out[is_counted], of_all_classes(scores, present, targets.n_outputs)[is_counted]

    parts = map_in_threads(fit_fold, range(_FOLDS))
    rows = np.concatenate([rows for rows, _ in parts])
    return HeldOut(rows, np.concatenate([logits for _, logits in parts])) if len(rows) else None
