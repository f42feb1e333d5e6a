"""Correlation alignment: give the features of source and target the same covariance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.transfer import BoundTransfer, Context, DomainFeatures, Transfer
from nlptl.transfer.features.domain_loss import DomainLoss, DomainRows, check_weight

if TYPE_CHECKING:
    from torch import Tensor

STRENGTHS = (0.0, 0.25, 0.5, 1.0)
"""Strengths that ``"auto"`` chooses from."""


@dataclass(frozen=True)
class CORAL(Transfer):
    """Align mean and covariance of source features with those of unlabelled target texts.

    Pass the target texts to ``fit`` as ``unlabeled``. The method has two forms:

    - With ``Frozen``, the features of each source are mapped to the mean and the covariance of
      the target before the head is fitted [1]_. This takes seconds. A full alignment can hurt, so
      that ``strength`` sets how much of it is used.
    - With ``[FullFineTune(), CORAL()]`` or ``LoRA``, a loss on the rows of each step makes the
      covariances equal while the encoder is trained [2]_. ``weight`` and ``ramp`` set how much it
      counts. A step needs two rows per domain; other steps have no such loss. Several sources
      count as one.

    Parameters
    ----------
    strength : float or "auto"
        Strength of the alignment of frozen features, from 0 (``MeanAlignment``) to 1 (mean and
        covariance). ``"auto"`` chooses from 0, 0.25, 0.5 and 1 without target labels: the one with
        the highest expected accuracy, but 0 if its gain over 0 is below 0.05. For several labels
        per text and for numbers, it is 0.
    weight : float
        Factor on the loss in training, above 0. The loss is divided by the squared number of
        features, so it is small.
    ramp : float
        Share of the training in which the factor rises from 0 to ``weight``; from 0 to 1.

    References
    ----------
    .. [1] Sun, Feng and Saenko, "Return of Frustratingly Easy Domain Adaptation", AAAI 2016,
       arXiv:1511.05547.
    .. [2] Sun and Saenko, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation", ECCV
       Workshops 2016, arXiv:1607.01719.
    """

    strength: float | str = "auto"
    weight: float = 10.0
    ramp: float = 0.3

    trains_encoder: ClassVar[bool] = True
    compares_domains: ClassVar[bool] = True
    aligns_source: ClassVar[bool] = True
    carries: ClassVar[str] = "features"
    setting: ClassVar[str] = "transductive"
    needs: ClassVar[frozenset[str]] = frozenset({"unlabeled"})
    accepts: ClassVar[frozenset[str]] = frozenset({"source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Sun, Feng and Saenko 2016, arXiv:1511.05547"

    def __post_init__(self) -> None:
        is_number = not isinstance(self.strength, str) and 0 <= self.strength <= 1
        if self.strength != "auto" and not is_number:
            raise ConfigError(
                f"strength must be a number from 0 to 1, or 'auto', got {self.strength!r}."
            )
        check_weight(self.weight, self.ramp)

    def variants(self) -> tuple[CORAL, ...]:
        """Return the transfer with each strength that ``"auto"`` chooses from."""
        if self.strength != "auto":
            return ()
        return tuple(replace(self, strength=strength) for strength in STRENGTHS)

    def align(self, features: DomainFeatures) -> FloatArray:
        """Return the features of the source rows in the space of the target features.

        Raises
        ------
        ConfigError
            If the strength is ``"auto"`` and was not chosen yet.
        InputError
            If the strength is above 0 and a domain has a single row.
        """
        if isinstance(self.strength, str):
            raise ConfigError(
                f"align needs a number as strength, got {self.strength!r}. Use one of variants()."
            )
        return coral_map(features.source, features.target, strength=self.strength)

    def bind(self, context: Context) -> BoundTransfer:
        """Return the loss for one network."""
        return _Bound(context.rows_of(context.unlabeled), self.weight, self.ramp)


def coral_map(source: FloatArray, target: FloatArray, *, strength: float) -> FloatArray:
    """Map source features to the mean and the covariance of target features [1]_.

    Covariances are estimated with shrinkage [2]_, after each feature was divided by its standard
    deviation.

    Parameters
    ----------
    source, target : ndarray of shape (n_source, n_features) and (n_target, n_features)
    strength : float
        Share of the mapping of the covariance, from 0 to 1. The rest keeps the covariance.

    Returns
    -------
    ndarray of shape (n_source, n_features)

    Raises
    ------
    InputError
        If the strength is above 0 and a domain has a single row.

    References
    ----------
    .. [1] Sun, Feng and Saenko, "Return of Frustratingly Easy Domain Adaptation", AAAI 2016,
       arXiv:1511.05547.
    .. [2] Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional Covariance
       Matrices", Journal of Multivariate Analysis 88(2), 2004.

    Examples
    --------
    >>> source, target = np.array([[0.0], [2.0]]), np.array([[5.0], [9.0]])
    >>> coral_map(source, target, strength=0.0).ravel().tolist()
    [6.0, 8.0]
    >>> coral_map(source, target, strength=1.0).ravel().round(6).tolist()
    [5.0, 9.0]
    """
    centre = target.mean(axis=0)
    centred: FloatArray = source - source.mean(axis=0)
    if not strength:
        shifted: FloatArray = centred + centre
        return shifted
    if min(len(source), len(target)) < 2:
        raise InputError(
            f"CORAL() needs two rows per domain for a covariance, got {len(source)} source rows "
            f"and {len(target)} target rows. Use strength=0."
        )
    whiten, colour = _power(covariance(source), -0.5), _power(covariance(target), 0.5)
    mapped = (1 - strength) * centred + strength * (centred @ whiten @ colour) + centre
    return np.asarray(mapped, dtype=source.dtype)


def covariance(features: FloatArray) -> FloatArray:
    """Return the covariance matrix of features, with Ledoit-Wolf shrinkage of the correlations."""
    from sklearn.covariance import ledoit_wolf

    rows = features.astype(np.float64)
    spread = rows.std(axis=0)
    shrunk, _ = ledoit_wolf((rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
    matrix: FloatArray = spread[:, None] * shrunk * spread[None, :]
    return matrix


def _power(symmetric: FloatArray, power: float) -> FloatArray:
    """Return a power of a symmetric matrix; eigenvalues of almost 0 are raised to a minimum."""
    values, vectors = np.linalg.eigh(symmetric)
    values = np.maximum(values, max(values[-1], 1e-300) * 1e-12)
    matrix: FloatArray = (vectors * values**power) @ vectors.T
    return matrix


@dataclass(frozen=True, eq=False)
class _Bound(DomainLoss):
    """Difference between the covariances of the source rows and the target rows of a step."""

    def value(self, rows: DomainRows, progress: float) -> Tensor | None:
        """Return the loss of scaled features; None if a domain has fewer than two rows.

        The mean variance within the domains becomes 1. Without this, the loss would be smaller for
        smaller features. The variance between the domains must not count: the encoder could then
        lower the loss by moving the domains apart.
        """
        if min(len(rows.source), len(rows.target)) < 2:
            return None
        variance = (rows.source.var(dim=0) + rows.target.var(dim=0)).mean() / 2
        scale = variance.clamp(min=1e-12).rsqrt()
        return coral_loss(rows.source * scale, rows.target * scale)


def coral_loss(source: Tensor, target: Tensor) -> Tensor:
    """Compute the squared distance of two covariance matrices, as in Deep CORAL [1]_.

    Parameters
    ----------
    source, target : Tensor of shape (n_source, n_features) and (n_target, n_features)
        At least two rows each.

    Returns
    -------
    Tensor
        A scalar: the squared Frobenius norm of the difference, divided by ``4 * n_features ** 2``.

    References
    ----------
    .. [1] Sun and Saenko, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation", ECCV
       Workshops 2016, arXiv:1607.01719.
    """
    difference = _covariance(source) - _covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def _covariance(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(dim=0)
    return centred.T @ centred / (len(rows) - 1)
