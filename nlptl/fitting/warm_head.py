"""The head that was fitted on frozen features, as the network that training starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from nlptl.base.arrays import FloatArray, Groups
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError
from nlptl.data.targets import Targets
from nlptl.fitting.fitted import FittedHead
from nlptl.heads.calibration.decision import Decision
from nlptl.heads.linear import LogisticHead, OrdinalHead, RidgeHead
from nlptl.heads.solver_fit import (
    OneVsRest,
    linear_map_of,
)
from nlptl.training.history import History
from nlptl.training.networks.feature_network import FeatureNetwork, NetworkRecipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class WarmHead:
    """Network to train, made of a head that was fitted to frozen features.

    Attributes
    ----------
    recipe : NetworkRecipe
        Components of the network.
    head : FeatureNetwork
        The network with the fitted weights.
    decision : Decision
        Decision of the fitted head. It applies until one is fitted to held-out rows.
    spec : head
        The unfitted head that the user gets to see.
    """

    recipe: NetworkRecipe
    head: FeatureNetwork
    decision: Decision
    spec: Any

    def ended(self, module: nn.Module, decision: Decision, history: History) -> FittedHead:
        """Return the fitted head after training."""
        network = FeatureNetwork(module.eval(), self.head.scale)
        return FittedHead(self.spec, network, decision, self.recipe, history)


def warm_head(scorer: FittedHead, targets: Targets, groups: Groups) -> WarmHead:
    """Make a network of a head that was fitted to frozen features."""
    recipe = scorer.recipe
    if recipe is None:
        recipe = NetworkRecipe(_layer_of(scorer, targets), None, groups, targets.n_outputs)
    # The user sees the order of the labels, not the order of the codes.
    spec = scorer.head if isinstance(recipe.head, OrdinalHead) else recipe.head
    if scorer.recipe is not None:
        return WarmHead(recipe, scorer.fitted, scorer.decision, spec)
    # _as_network divides the linear weights by the temperature, so the decision must not.
    decision = replace(scorer.decision, temperature=1.0)
    return WarmHead(recipe, _as_network(recipe, scorer), decision, spec)


def _layer_of(scorer: FittedHead, targets: Targets) -> Any:
    """Return the head that builds the layers for a fitted linear head."""
    if isinstance(scorer.fitted, OrdinalHead):
        return clone(scorer.fitted)
    return RidgeHead() if targets.numeric else LogisticHead()


def _as_network(recipe: NetworkRecipe, scorer: FittedHead) -> FeatureNetwork:
    """Build the linear layer that returns the calibrated logits of a fitted linear head.

    Raises
    ------
    ConfigError
        If the head is not linear.
    """
    import torch

    weights, offset = (part / scorer.decision.temperature for part in linear_map(scorer.fitted))
    with sheltered():
        module = recipe.build()
    if isinstance(recipe.head, OrdinalHead):
        recipe.head.hand_to(module, weights, offset)
        return FeatureNetwork(module, 1.0)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(weights))
        module.bias.copy_(torch.from_numpy(offset))
    return FeatureNetwork(module, 1.0)


def linear_map(fitted: object) -> tuple[FloatArray, FloatArray]:
    """Return the weights (n_outputs, n_features) and offset (n_outputs,) of a linear head.

    Raises
    ------
    ConfigError
        If the head is not linear.
    """
    if isinstance(fitted, OneVsRest):
        return _linear_of_several(fitted)
    if not hasattr(fitted, "coef_"):
        raise ConfigError(
            f"Expected a linear head or a network, got {type(fitted).__name__}. Leave the head "
            "out, or use LogisticHead, BlendHead, DiscriminantHead or MLPHead."
        )
    return linear_map_of(fitted)


def _linear_of_several(fitted: OneVsRest) -> tuple[FloatArray, FloatArray]:
    """Return one linear map from features to the log odds of each label."""
    linear_heads = [head for head in fitted.heads_ if not isinstance(head, float)]
    width = linear_map(linear_heads[0])[0].shape[1]
    weights = np.zeros((len(fitted.heads_), width))
    offset = np.zeros(len(fitted.heads_))
    for label, head in enumerate(fitted.heads_):
        if isinstance(head, float):
            offset[label] = np.sign(head) * 5.0  # confident, but training can still change it
        else:
            coef, intercept = linear_map(head)
            weights[label], offset[label] = coef[1] - coef[0], intercept[1] - intercept[0]
    return weights, offset
