"""The loss that training minimises, and the score that chooses the epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.data.targets import Targets
from nlptl.heads.calibration.imbalance import FocalLoss, Imbalance
from nlptl.heads.solver_fit import (
    undecided,
)
from nlptl.training.losses import LabelLosses, focal_losses, row_losses

LESS_IS_BETTER = ("log_loss", "calibration_error", "rmse", "mae")


def score_by(name: str, held_out: Any) -> Callable[[Any], float]:
    """Return a function that scores a network on held-out rows; higher is better.

    Raises
    ------
    ConfigError
        If the metric is not known.
    """
    from nlptl.evaluation.metrics import measure, measure_numbers
    from nlptl.training.networks.text_network import log_loss, logits_of

    targets = held_out.targets
    if name == "log_loss":
        return lambda network: -log_loss(network, held_out)
    decision = undecided(targets)

    def figures(logits: FloatArray) -> dict[str, float]:
        if targets.numeric:
            return measure_numbers(targets.codes, logits[:, 0])
        probabilities = decision.probabilities(logits)
        return measure(targets.codes, probabilities, decision.choose(probabilities))

    metrics = figures(np.zeros((len(targets), targets.n_outputs)))
    if name not in metrics:  # raise before hours of training
        raise ConfigError(f"metric={name!r} is not known. {suggest(name, metrics)}")
    sign = -1 if name in LESS_IS_BETTER else 1
    return lambda network: sign * figures(logits_of(network, held_out))[name]


def loss_of(imbalance: Imbalance | None, targets: Targets) -> Callable[[Any, Any], Any]:
    """Return the function that computes the loss of each row.

    With one label per text, class weights are not in the loss. They are in the weights of the rows.
    """
    if isinstance(imbalance, FocalLoss):
        return focal_losses
    if imbalance is None or not targets.several:
        return row_losses
    class_weights = np.ones((2, targets.n_outputs))
    for label in range(targets.n_outputs):
        codes = targets.label(label).codes
        weights = imbalance.row_weights(codes)
        if weights is None:
            return row_losses
        class_weights[:, label] = [weights[codes == code].max(initial=0.0) for code in (0, 1)]
    return LabelLosses(*class_weights)
