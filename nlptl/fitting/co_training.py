"""Fit one head per view of the texts; each view is trained on the labels of the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.special import softmax

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features
from nlptl.data.targets import Targets
from nlptl.encoders.fused import FusedEncoder
from nlptl.fitting.domain_features import stacked
from nlptl.fitting.fitted import FittedHead
from nlptl.fitting.head_inputs import HeadInputs
from nlptl.fitting.plan import FitPlan
from nlptl.heads.calibration.decision import spread_of
from nlptl.heads.calibration.imbalance import Imbalance
from nlptl.heads.linear.logistic import DEFAULT_C, LogisticHead
from nlptl.heads.solver_fit import weigh_rows
from nlptl.transfer.instances import CoTraining
from nlptl.transfer.instances.selftraining import estimated_shares, most_confident


def co_trained(
    spec: CoTraining,
    inputs: HeadInputs,
    head: FittedHead,
    *,
    tuned: bool = False,
    imbalance: Imbalance | None = None,
) -> FittedHead:
    """Fit one head per view to the labels of the other views, and add the heads.

    Parameters
    ----------
    spec : CoTraining
    inputs : HeadInputs
        Features of the labelled rows and of at least one unlabelled row.
    head : FittedHead
        Head fitted to the labelled rows. Its calibration is kept.
    tuned : bool
        True if the encoder was tuned on the labelled rows.
    imbalance : Imbalance or None
        Treatment of rare classes. Class shares are not estimated with it.

    Raises
    ------
    ConfigError
        If the head is not a ``LogisticHead``, or the views are mixed.
    """
    targets, pool = weigh_rows(inputs.targets, imbalance), inputs.pool
    views = _views(inputs, head, targets)
    shares = labelled_shares = inputs.targets.class_shares
    if spec.class_shares == "estimated" and imbalance is None and (shares > 0).all():
        shares = estimated_shares(head.probabilities(pool), labelled_shares)
        views = [view.weighed_by((shares / labelled_shares)[targets.codes]) for view in views]
    heads = [view.fitted_to_labelled() for view in views]
    by_all = spec.labelled_by_all(tuned=tuned)
    for share in spec.share:
        logits = [view.unlabeled_logits(part) for view, part in zip(views, heads, strict=True)]
        heads = [
            view.fitted_with(
                *_labelled(logits, share, shares, without=None if by_all else number),
                weight=spec.weight * targets.total_weight,
            )
            for number, view in enumerate(views)
        ]
    return replace(head, fitted=_added(views, heads, head.logits(pool)))


def check_views(plan: FitPlan) -> None:
    """Check that the encoder has several views of a text, if ``CoTraining`` is used.

    Raises
    ------
    ConfigError
        If it has one view, or reads numeric columns.
    """
    if not isinstance(plan.transfers.selftraining, CoTraining):
        return
    if not isinstance(plan.encoder, FusedEncoder):
        raise ConfigError(
            "CoTraining() needs two or more views of a text, got the features of one encoder. Use "
            "FusedEncoder((TransformerEncoder(), TfidfEncoder())), or SelfTraining()."
        )
    if plan.encoder.numeric_columns:
        raise ConfigError(
            "CoTraining() labels unlabelled texts, which have no numbers, but the encoder reads "
            f"the columns {', '.join(plan.encoder.numeric_columns)}. Leave numeric_columns out, or "
            "use SelfTraining()."
        )


@dataclass(frozen=True, eq=False)
class _View:
    """Some columns of the features.

    Attributes
    ----------
    columns : ndarray of shape (n_columns,)
    X : ndarray or csr_matrix of shape (n, n_columns)
        Features of the labelled rows.
    unlabeled : ndarray or csr_matrix of shape (n_unlabeled, n_columns)
    targets : Targets
        Classes of the labelled rows.
    C : float
    """

    columns: IntArray
    X: Features
    unlabeled: Features
    targets: Targets
    C: float

    def weighed_by(self, factors: FloatArray) -> _View:
        """Return the view with the weights of its labelled rows multiplied by factors."""
        return replace(self, targets=self.targets.weighed_by(factors))

    def fitted_to_labelled(self) -> LogisticHead:
        """Return the head of this view, fitted to the labelled rows."""
        return LogisticHead(C=self.C).fit(self.X, self.targets.codes, self.targets.weights)

    def fitted_with(self, rows: IntArray, codes: IntArray, *, weight: float) -> LogisticHead:
        """Return the head fitted to the labelled rows and to unlabelled rows with classes."""
        weights: FloatArray = np.full(len(rows), weight / max(len(rows), 1))
        predicted = Targets(codes, self.targets.n_outputs, weights)
        targets = self.targets.followed_by(predicted)
        X = stacked(self.X, self.unlabeled[rows])
        return LogisticHead(C=self.C).fit(X, targets.codes, targets.weights)

    def unlabeled_logits(self, head: LogisticHead) -> FloatArray:
        """Return the logits of the unlabelled rows, with a standard deviation of 1."""
        logits = head.logits(self.unlabeled)
        return logits / spread_of(logits)


def _views(inputs: HeadInputs, head: FittedHead, targets: Targets) -> list[_View]:
    """Divide the features into views."""
    if not isinstance(head.head, LogisticHead):
        raise ConfigError(
            f"CoTraining() needs LogisticHead, got {type(head.head).__name__}. Leave head out."
        )
    if not isinstance(head.fitted, LogisticHead):
        raise ConfigError(
            "CoTraining() needs separate views, but the fusion of this encoder mixes them. Use "
            "FusedEncoder(..., fusion=Concatenation())."
        )
    rows, _ = inputs.data.all_rows
    columns = inputs.features.views(rows)
    C = DEFAULT_C if isinstance(head.head.C, str) else head.head.C
    return [
        _View(some, _part(inputs.X, some), _part(inputs.pool, some), targets, C) for some in columns
    ]


def _part(features: Features, columns: IntArray) -> Features:
    """Return some columns, as an array if most of their entries are filled."""
    part: Any = features[:, columns]
    if issparse(part) and 2 * part.nnz > part.shape[0] * part.shape[1]:
        return np.asarray(part.toarray())
    return part


def _labelled(
    logits: list[FloatArray], share: float, shares: FloatArray, *, without: int | None
) -> tuple[IntArray, IntArray]:
    """Return the rows that the views are most confident about, and their classes.

    ``without`` is the number of a view that does not take part.
    """
    parts = [part for number, part in enumerate(logits) if number != without]
    return most_confident(softmax(np.sum(parts, axis=0), axis=1), share, shares)


def _added(views: list[_View], heads: list[LogisticHead], reference: FloatArray) -> LogisticHead:
    """Return one linear head that adds the logits of all views.

    Every view counts the same. The logits have the spread of ``reference``, so that its
    calibration still applies.
    """
    logits = [view.unlabeled_logits(head) for view, head in zip(views, heads, strict=True)]
    scale = spread_of(reference) / spread_of(np.sum(logits, axis=0))
    factors = [
        scale / spread_of(head.logits(view.unlabeled))
        for view, head in zip(views, heads, strict=True)
    ]
    n_columns = sum(len(view.columns) for view in views)
    coef = np.zeros((len(heads[0].classes_), n_columns))
    for view, head, factor in zip(views, heads, factors, strict=True):
        coef[:, view.columns] = factor * head.coef_
    intercepts = [factor * head.intercept_ for factor, head in zip(factors, heads, strict=True)]
    return heads[0].like(coef, np.sum(intercepts, axis=0))
