"""Fitting a solver head to one label a text or to several, and learning its decision."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
from sklearn.base import clone
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features
from nlptl.base.threads import map_in_threads
from nlptl.data.splits import stratified_folds, stratified_sample
from nlptl.data.targets import Targets
from nlptl.heads.calibration.decision import Decision, best_temperature, best_thresholds
from nlptl.heads.calibration.imbalance import Imbalance
from nlptl.heads.calibration.strength import LOGIT_OF_ABSENT_CLASS, MAX_ROWS_TO_CHOOSE_ON, HeldOut
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead

_FOLDS = 5
MIN_ROWS_TO_CALIBRATE = 10


class OneVsRest:
    """A head a label, for texts that may have several.

    Parameters
    ----------
    head : SolverHead
        Copied for each label.
    imbalance : Imbalance or None
        Weighs the rows of each label for itself.

    Attributes
    ----------
    heads_ : list
        One fitted head a label; a number where a label never (-30) or always (30) occurs.
    held_out_ : HeldOut or None
        Log odds of rows by models that did not see them, where the heads left them.
    """

    def __init__(self, head: Any, imbalance: Imbalance | None = None) -> None:
        if isinstance(head, LogisticHead):
            # For a rare label "never" is accurate, so accuracy cannot tell strengths apart.
            head = clone(head).set_params(criterion="log_loss")
        self.head = head
        self.imbalance = imbalance
        self.heads_: list[Any] = []
        self.held_out_: HeldOut | None = None

    def fit(self, X: Features, targets: Targets) -> Self:
        """Fit a copy of the head to each label."""
        rows = stratified_sample(targets.codes, MAX_ROWS_TO_CHOOSE_ON, seed=0)
        labels = [targets.label(place) for place in range(targets.n_outputs)]
        fitted = [self._fit_label(X, label, rows) for label in labels]
        self.heads_ = [head for head, _ in fitted]
        held = [logits for _, logits in fitted if logits is not None]
        if len(held) == len(fitted):
            self.held_out_ = HeldOut(rows, np.stack(held, axis=1))
        return self

    def logits(self, X: Features) -> FloatArray:
        """Give the log odds of each label: (n, n_labels)."""
        columns = []
        for head in self.heads_:
            if isinstance(head, float):
                columns.append(np.full(X.shape[0], head))
            else:
                scores = logits_of(head, X)
                columns.append(scores[:, 1] - scores[:, 0])
        return np.stack(columns, axis=1)

    def _fit_label(
        self, X: Features, label: Targets, rows: IntArray
    ) -> tuple[Any, FloatArray | None]:
        """Give the head of one label, and its log odds of ``rows`` where it left them."""
        if not label.counts.all():
            certain = -LOGIT_OF_ABSENT_CLASS if label.counts[1] else LOGIT_OF_ABSENT_CLASS
            return certain, np.full(len(rows), certain)
        head, weighed = clone(self.head), weigh_rows(label, self.imbalance)
        if not isinstance(head, LogisticHead) or head.C != "cv":
            return fit_one(head, X, weighed), None
        some = weighed.take(rows)
        if not some.counts.all():
            return fit_one(head.set_params(C=DEFAULT_C), X, weighed), None
        # Every label chooses its strength on the same rows, so that their log odds line up.
        head = fit_one(head, X[rows], some)
        held = head.held_out_
        odds = None if held is None else held.logits[:, 1] - held.logits[:, 0]
        if len(rows) < len(label):
            head = fit_one(clone(head).set_params(C=head.C_), X, weighed)
        return head, odds


def fit_solver(
    head: Any,
    X: Features,
    targets: Targets,
    *,
    imbalance: Imbalance | None,
    seed: int,
    unseen: bool = True,
) -> tuple[Any, Decision]:
    """Fit a head, and learn from held-out rows how its logits are to be read.

    Parameters
    ----------
    head : SolverHead
        Any of nlptl's own, or any scikit-learn classifier. It is copied.
    X : ndarray or csr_matrix of shape (n, n_features)
    targets : Targets
        Of the n rows.
    imbalance : Imbalance or None
        How rare classes are treated.
    seed : int
        Deals rows into folds.
    unseen : bool
        Whether the features come from something that has not seen these labels: otherwise rows
        that are held out are none, and probabilities stay as the head gives them, but for what
        ``imbalance`` adds untried.

    Returns
    -------
    scorer, decision
        The fitted head and its decision.
    """
    scorer = _fit_any(head, X, targets, imbalance)
    if targets.numeric or not unseen:
        return scorer, undecided(targets, imbalance)
    held: HeldOut | None = getattr(scorer, "held_out_", None)
    if held is None:
        held = _hold_out(head, X, targets, imbalance, seed)
    if held is None:
        return scorer, undecided(targets, imbalance)
    return scorer, learn_decision(held.logits, targets.take(held.rows), imbalance)


def learn_decision(logits: FloatArray, targets: Targets, imbalance: Imbalance | None) -> Decision:
    """Learn temperature, offsets and thresholds from logits of held-out rows; none for numbers."""
    if targets.numeric:
        return undecided(targets)
    temperature = best_temperature(logits, targets.codes)
    if targets.several:
        plain = Decision(temperature, thresholds=np.full(targets.n_outputs, 0.5))
        thresholds = best_thresholds(plain.probabilities(logits), targets.codes)
        return Decision(temperature, thresholds=thresholds)
    offsets = None
    if imbalance is not None:
        offsets = imbalance.offsets(logits / temperature, targets.codes)
    return Decision(temperature, offsets)


def undecided(targets: Targets, imbalance: Imbalance | None = None) -> Decision:
    """Give the decision where there was nothing to learn it from."""
    if targets.several:
        return Decision(thresholds=np.full(targets.n_outputs, 0.5))
    if imbalance is None or targets.numeric:
        return Decision()
    return Decision(offsets=imbalance.untried_offsets(targets.counts))


def weigh_rows(targets: Targets, imbalance: Imbalance | None) -> Targets:
    """Join the weights a user gave with those of the treatment of rare classes."""
    own = imbalance.row_weights(targets.codes) if imbalance is not None else None
    if own is None:
        return targets
    given = 1.0 if targets.weights is None else targets.weights
    return Targets(targets.codes, targets.n_outputs, own * given)


def fit_one(head: Any, X: Features, targets: Targets) -> Any:
    """Fit a head, handing it weights only where there are some.

    Raises
    ------
    ConfigError
        If there are some and the head takes none.
    """
    if targets.weights is None:
        return head.fit(X, targets.codes)
    taken = signature(head.fit).parameters.values()
    if not any(one.name == "sample_weight" or one.kind is one.VAR_KEYWORD for one in taken):
        raise ConfigError(
            f"{type(head).__name__} takes no weights of rows, which sample_weight, "
            "imbalance='balanced', SourceRows(), WordEdits() and SelfTraining() need. Choose "
            "another head."
        )
    return head.fit(X, targets.codes, sample_weight=targets.weights)


def logits_of(head: Any, X: Features) -> FloatArray:
    """Give logits (n, n_classes) of nlptl's own heads and of any scikit-learn classifier.

    A scikit-learn regressor gives its numbers as one column.
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
    """Give a fitted linear head as weights (n_outputs, n_features) and offset (n_outputs,).

    scikit-learn keeps one row for two classes: here each class has its own.
    """
    if hasattr(head, "linear_map"):
        own: tuple[FloatArray, FloatArray] = head.linear_map()
        return own
    weights, offset = np.atleast_2d(head.coef_), np.atleast_1d(head.intercept_)
    offset = np.broadcast_to(offset, len(weights))
    if len(weights) == 1 and len(getattr(head, "classes_", ())) == 2:
        weights, offset = (np.concatenate([-one, one]) / 2 for one in (weights, offset))
    return weights, offset


def _fit_any(head: Any, X: Features, targets: Targets, imbalance: Imbalance | None) -> Any:
    if targets.several:
        return OneVsRest(head, imbalance).fit(X, targets)
    return fit_one(clone(head), X, weigh_rows(targets, imbalance))


def _hold_out(
    head: Any, X: Features, targets: Targets, imbalance: Imbalance | None, seed: int
) -> HeldOut | None:
    """Refit a head on folds and ask each for the rows it did not see."""
    if len(targets) < MIN_ROWS_TO_CALIBRATE or targets.counts.max() < 2:
        return None
    folds = stratified_folds(targets.codes, _FOLDS, seed=seed)

    def one_fold(fold: int) -> FloatArray:
        seen, hidden = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        logits = np.full((len(hidden), targets.n_outputs), LOGIT_OF_ABSENT_CLASS)
        some = targets.take(seen)
        # Of several labels every column is answered; of classes only those that were seen.
        known = np.arange(some.n_outputs) if some.several else np.flatnonzero(some.counts)
        if len(known) > 1 or some.several:
            found = logits_of(_fit_any(head, X[seen], some, imbalance), X[hidden])
            # A head that knows the names answers for classes without rows, too.
            logits[:, known if found.shape[1] == len(known) else slice(None)] = found
        return logits

    parts = map_in_threads(one_fold, range(_FOLDS))
    rows = np.concatenate([np.flatnonzero(folds == fold) for fold in range(_FOLDS)])
    return HeldOut(rows, np.concatenate(parts))
