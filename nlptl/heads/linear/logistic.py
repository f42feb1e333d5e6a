"""Logistic regression that chooses its penalty strength by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import Features
from nlptl.base.threads import SharedContext, map_in_threads
from nlptl.heads.calibration.strength import CRITERIA, Chooser, Fold
from nlptl.heads.linear import block_solver
from nlptl.heads.linear.block_solver import BlockProblem, RowsInFrame
from nlptl.heads.linear.frame import Frame
from nlptl.heads.score_heads import LinearScores

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
DEFAULT_C = 10.0
"""Used if there are too few rows to choose. With 4 to 8 rows per class, choosing is no better."""
MAX_WEIGHTS_FOR_LBFGS = 4_000_000
"""Maximum number of weights in one lbfgs fit, which needs 205 to 245 bytes per weight.

Twice as many weights may be fitted at the same time during cross-validation.
"""


class LogisticHead(LinearScores):
    """Logistic regression with a penalty on the squared weights.

    All features are divided by one number, so that ``C`` has the same effect for every encoder.
    If there are more columns than rows, dense features are first rotated onto at most ``n_rows``
    axes. This makes the fit faster and leaves the solution unchanged.

    Parameters
    ----------
    C : float or "cv"
        Inverse strength of the penalty. ``"cv"`` chooses from ``strengths`` by cross-validation
        on at most 3,000 rows. With fewer than 20 rows, or one row per class, 10 is used.
    strengths : tuple of float
        Candidate values of ``C`` for ``"cv"``.
    criterion : {"accuracy", "log_loss"}
        Score of the cross-validation. ``"accuracy"`` breaks ties by log loss.
    folds : int
        Number of cross-validation folds, at least 2.
    seed : int
        Seed of the assignment of rows to folds.

    Attributes
    ----------
    C_ : float
        Inverse strength used.
    coef_ : ndarray of shape (n_classes, n_features)
    intercept_ : ndarray of shape (n_classes,)
    held_out_ : HeldOut or None
        Logits of held-out rows from the cross-validation that chose the strength.
    """

    def __init__(
        self,
        *,
        C: float | str = "cv",
        strengths: tuple[float, ...] = STRENGTHS,
        criterion: str = "accuracy",
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.C = C
        self.strengths = strengths
        self.criterion = criterion
        self.folds = folds
        self.seed = seed

    def fit(self, X: Features, y: AnyArray, sample_weight: FloatArray | None = None) -> Self:
        """Choose the penalty strength and fit the classifier.

        Parameters
        ----------
        X : ndarray or csr_matrix of shape (n, n_features)
        y : array of shape (n,)
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        ConfigError
            If a parameter is out of range.
        """
        self._check_parameters()
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float32, np.float64])
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Expected at least 2 classes, got 1 class: {self.classes_[0]!r}.")
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
        frame = Frame.of(X, weights)
        if _is_large(X):
            return self._fit_in_blocks(X, codes, weights, frame)
        Z = frame.into(X)
        n_weights = len(self.classes_) * Z.shape[1]
        if n_weights > MAX_WEIGHTS_FOR_LBFGS:  # a sparse matrix divided by a number is float64
            Z = Z.astype(X.dtype, copy=False)
        self.C_, self.held_out_ = (DEFAULT_C if self.C == "cv" else float(self.C)), None
        if self.C == "cv":
            at_once = max(1, 2 * MAX_WEIGHTS_FOR_LBFGS // n_weights)
            chooser = Chooser(self.criterion, self.folds, self.seed, at_once)
            with _QUIET_SOLVER:
                chosen = chooser.choose(Z, codes, weights, self.strengths, _path)
            self.C_, self.held_out_ = chosen or (DEFAULT_C, None)
        solution = _solve(Z, codes, weights, self.C_, iterations=1000)
        self.coef_, self.intercept_ = frame.back(
            *_balanced_form(solution.coef_, solution.intercept_)
        )
        return self

    def _fit_in_blocks(
        self, X: FloatArray, codes: IntArray, weights: FloatArray | None, frame: Frame
    ) -> Self:
        """Choose the strength on a sample, then fit to all rows without a copy of the features."""
        self.C_, self.held_out_ = (DEFAULT_C if self.C == "cv" else float(self.C)), None
        if self.C == "cv":
            chooser = Chooser(self.criterion, self.folds, self.seed)
            with _QUIET_SOLVER:
                chosen = chooser.choose(
                    RowsInFrame(X, frame), codes, weights, self.strengths, _path
                )
            self.C_, self.held_out_ = chosen or (DEFAULT_C, None)
        problem = BlockProblem(X, frame, codes, weights, self.C_)
        self.coef_, self.intercept_ = frame.back(*_balanced_form(*problem.solve(iterations=1000)))
        return self

    def predict_log_proba(self, X: Features) -> FloatArray:
        """Return log probabilities, an array of shape (n, n_classes)."""
        scores = self.logits(X)
        logs: FloatArray = scores - logsumexp(scores, axis=1, keepdims=True)
        return logs

    def like(self, coef: FloatArray, intercept: FloatArray) -> LogisticHead:
        """Return a fitted head with the classes of this one and other weights.

        Parameters
        ----------
        coef : ndarray of shape (n_classes, n_features)
        intercept : ndarray of shape (n_classes,)
        """
        head = LogisticHead(**self.get_params())
        head.classes_, head.C_, head.held_out_ = self.classes_, self.C_, None
        head.coef_, head.intercept_ = coef, intercept
        head.n_features_in_ = coef.shape[1]
        return head

    def build(self, n_features: int, n_outputs: int) -> Any:
        """Build the same classifier as a torch layer, for training together with a fusion layer."""
        import torch

        return torch.nn.Linear(n_features, n_outputs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _check_parameters(self) -> None:
        if self.C != "cv" and (isinstance(self.C, str) or self.C <= 0):
            raise ConfigError(f"C must be above 0 or 'cv', got {self.C!r}.")
        if self.criterion not in CRITERIA:
            raise ConfigError(
                f"criterion must be one of {', '.join(CRITERIA)}, got {self.criterion!r}."
            )
        if self.folds < 2 or not len(self.strengths):
            raise ConfigError(
                "Cross-validation needs at least 2 folds and one value in strengths, got "
                f"folds={self.folds}, strengths={self.strengths}. Raise folds or add strengths."
            )


def _path(fold: Fold, strengths: Sequence[float]) -> list[FloatArray]:
    """Fit from strong to weak penalty. Each fit starts from the previous solution."""
    n_classes = int(fold.codes.max()) + 1
    if sparse.issparse(fold.X) and _solver_for(n_classes, fold.X) != "lbfgs":
        fold = _without_empty_columns(fold)
    solver = _solver_for(n_classes, fold.X)
    model = LogisticRegression(max_iter=200, warm_start=True, solver=solver)
    logits: dict[float, FloatArray] = {}
    for strength in sorted(strengths):
        model.C = strength
        model.fit(fold.X, fold.codes, sample_weight=fold.weights)
        coef, intercept = _balanced_form(model.coef_, model.intercept_)
        logits[strength] = fold.asked @ coef.T + intercept
    return [logits[strength] for strength in strengths]


def _solve(
    Z: Features, codes: IntArray, weights: FloatArray | None, strength: float, *, iterations: int
) -> LogisticRegression:
    solver = _solver_for(int(codes.max()) + 1, Z)
    model = LogisticRegression(C=strength, max_iter=iterations, solver=solver)
    with _QUIET_SOLVER:
        solved: list[LogisticRegression] = map_in_threads(
            lambda model: model.fit(Z, codes, sample_weight=weights), [model]
        )
    return solved[0]


def _solver_for(n_classes: int, X: Features) -> str:
    """Choose the solver by the size of the problem.

    newton-cg needs less memory per weight than lbfgs: 75 bytes if the features are float32.
    """
    return "lbfgs" if n_classes * X.shape[1] <= MAX_WEIGHTS_FOR_LBFGS else "newton-cg"


def _without_empty_columns(fold: Fold) -> Fold:
    """Return a sparse fold without the columns that are 0 in all training rows.

    The penalty keeps the weights of these columns at 0. A small fold contains few of the words,
    so most columns are empty.
    """
    filled = np.unique(fold.X.nonzero()[1])
    return replace(fold, X=fold.X[:, filled], asked=fold.asked[:, filled])


@contextmanager
def _without_solver_warnings() -> Iterator[None]:
    """Silence convergence warnings: the last digits of a weight do not change predictions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # In float32 the steps of the line search may become too small, which also ends newton-cg.
        warnings.filterwarnings("ignore", message="(?i).*line search")
        yield


_QUIET_SOLVER = SharedContext(_without_solver_warnings)


def _is_large(X: Features) -> bool:
    """Return True if dense features are fitted in blocks."""
    n_rows, n_columns = X.shape
    return not sparse.issparse(X) and n_rows > n_columns and X.size >= block_solver.MANY_NUMBERS


def _balanced_form(coef: FloatArray, intercept: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return one weight row per class, also for two classes, where scikit-learn has one row."""
    if len(coef) > 1:
        return coef, intercept
    half = coef / 2, intercept / 2
    return np.concatenate([-half[0], half[0]]), np.concatenate([-half[1], half[1]])
