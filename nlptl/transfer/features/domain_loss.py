"""Losses that compare the source rows of a training step with its target rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import BoundTransfer, Outputs

if TYPE_CHECKING:
    from torch import Tensor

TASK, UNLABELED = "task", "unlabeled"
"""Names of the streams of labelled rows and of unlabelled target rows."""


@dataclass(frozen=True, eq=False)
class DomainRows:
    """Outputs of the network for the rows of a step, divided by domain.

    Attributes
    ----------
    source, target : Tensor of shape (n_source, n_features) and (n_target, n_features)
        Features of the rows of all sources, and of the target: unlabelled rows, then labelled rows.
    source_logits, target_logits : Tensor of shape (n_source, n_outputs) and (n_target, n_outputs)
        Output of the head for the same rows.
    n_unlabeled : int
        Number of the unlabelled rows, which are the first rows of the target.
    """

    source: Tensor
    target: Tensor
    source_logits: Tensor
    target_logits: Tensor
    n_unlabeled: int

    @property
    def unlabeled_logits(self) -> Tensor:
        """Output of the head for the unlabelled rows of the target."""
        return self.target_logits[: self.n_unlabeled]


@dataclass(frozen=True, eq=False)
class DomainLoss(BoundTransfer):
    """Loss of a transfer that compares domains, with a stream of unlabelled target rows.

    Attributes
    ----------
    unlabeled : LabelledWindows
        Tokenized unlabelled rows of the target.
    weight : float
        Factor on the loss.
    ramp : float
        Share of the training in which the factor rises from 0 to ``weight``.
    """

    compares_rows: ClassVar[bool] = True
    unlabeled: Any
    weight: float
    ramp: float

    def streams(self) -> Mapping[str, Any]:
        """Return the unlabelled rows of the target. All losses of this kind share the stream."""
        return {UNLABELED: self.unlabeled}

    def loss(self, outputs: Mapping[str, Outputs], progress: float) -> Tensor | None:
        """Return the weighted loss of a step, or None if the step has too few rows of a domain."""
        import torch

        if TASK not in outputs or UNLABELED not in outputs:  # a stage without these streams
            return None
        rows = rows_by_domain(outputs)
        with torch.autocast(rows.target.device.type, enabled=False):
            value = self.value(rows, progress)
        return None if value is None else self.weight * linear_ramp(progress, self.ramp) * value

    def value(self, rows: DomainRows, progress: float) -> Tensor | None:
        """Return the loss of a step without its weight, or None with too few rows."""
        raise NotImplementedError


def rows_by_domain(outputs: Mapping[str, Outputs]) -> DomainRows:
    """Divide the rows of a step by domain.

    Labelled rows of domain 0 belong to the target. All sources count as one source.
    """
    import torch

    labelled, unlabeled = outputs[TASK], outputs[UNLABELED]
    is_target = labelled.batch.domains == 0
    features, logits = labelled.features.float(), labelled.logits.float()
    return DomainRows(
        features[~is_target],
        torch.cat([unlabeled.features.float(), features[is_target]]),
        logits[~is_target],
        torch.cat([unlabeled.logits.float(), logits[is_target]]),
        len(unlabeled.logits),
    )


def linear_ramp(progress: float, ramp: float) -> float:
    """Return a factor that rises from 0 to 1 during the first part of the training.

    Parameters
    ----------
    progress : float
        Completed share of the training, from 0 to 1.
    ramp : float
        Share of the training in which the factor rises. 0 returns 1.

    Examples
    --------
    >>> [linear_ramp(progress, 0.5) for progress in (0.0, 0.25, 0.5, 1.0)]
    [0.0, 0.5, 1.0, 1.0]
    """
    return min(progress / ramp, 1.0) if ramp else 1.0


def check_weight(weight: float, ramp: float) -> None:
    """Check the weight and the ramp of a loss.

    Raises
    ------
    ConfigError
        If one of them is out of range.
    """
    if not 0 < weight < inf:
        raise ConfigError(f"weight must be above 0, got {weight}.")
    if not 0 <= ramp <= 1:
        raise ConfigError(f"ramp must be from 0 to 1, got {ramp}.")
