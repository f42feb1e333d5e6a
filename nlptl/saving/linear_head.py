"""Fitted heads as one linear map to calibrated logits, for the formats of other libraries."""

from __future__ import annotations

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.fitting.fitted import FittedHead, FittedModel
from nlptl.fitting.warm_head import linear_map
from nlptl.heads.linear import OrdinalHead
from nlptl.heads.solver_fit import OneVsRest
from nlptl.training.networks.feature_network import FeatureNetwork


def head_on_layer(fitted: FittedModel) -> tuple[FloatArray, FloatArray]:
    """Return the head of a model that reads one layer, as a map from the vector of that layer.

    Returns
    -------
    weights, offset
        Arrays of shape (n_labels, n_features) and (n_labels,).
    """
    weights, offset = calibrated_head(fitted.scorer)
    layers = fitted.features.weights
    return weights * layers[np.flatnonzero(layers)[0]], offset


def head_on_groups(
    fitted: FittedModel, encoder: TransformerEncoder
) -> tuple[FloatArray, FloatArray]:
    """Return the head as a map from the vectors of all layers, side by side.

    Returns
    -------
    weights, offset
        Arrays of shape (n_labels, n_columns) and (n_labels,), float32.
    """
    weights, offset = calibrated_head(fitted.scorer)
    scales = np.repeat(fitted.features.weights, [width for _, width in encoder.groups])
    whole = np.zeros((len(weights), len(scales)))
    whole[:, scales != 0] = weights * scales[scales != 0]
    if encoder.projection is not None:
        whole = whole @ encoder.projection.T
    return whole.astype(np.float32), offset.astype(np.float32)


def calibrated_head(scorer: FittedHead) -> tuple[FloatArray, FloatArray]:
    """Return the weights and the offset of a head, including its calibration.

    Raises
    ------
    ConfigError
        If the head is not linear.
    """
    fitted, decision = scorer.fitted, scorer.decision
    if isinstance(fitted, FeatureNetwork):
        arrays: dict[str, FloatArray] = fitted.arrays()
        if isinstance(scorer.head, OrdinalHead):
            arrays["weight"] = arrays.pop("ranks.weight") @ arrays.pop("direction.weight")
            arrays["bias"] = arrays.pop("ranks.bias")
        if set(arrays) != {"weight", "bias", "scale"}:
            raise _not_linear(scorer.head)
        weights, offset = arrays["weight"] * float(arrays["scale"][0]), arrays["bias"]
    elif isinstance(fitted, OneVsRest):
        weights, offset = linear_map(fitted)
        for column, head in enumerate(fitted.heads_):
            if isinstance(head, float):  # a constant: all rows had the label, or no row had it
                offset[column] = head
    elif hasattr(fitted, "coef_"):
        weights, offset = linear_map(fitted)
    else:
        raise _not_linear(scorer.head)
    shift = 0.0 if decision.offsets is None else decision.offsets
    return weights / decision.temperature, offset / decision.temperature + shift


def _not_linear(head: object) -> ConfigError:
    return ConfigError(
        f"An export needs a linear head, and {type(head).__name__} is not linear. Fit with a "
        "linear head, such as LogisticHead() (nlptl train: --head logistic), or save the model."
    )
