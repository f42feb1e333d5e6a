"""Multi-layer perceptron as a head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlptl.base.errors import ConfigError
from nlptl.base.specs import Spec


@dataclass(frozen=True)
class MLPHead(Spec):
    """Multi-layer perceptron with batch normalisation and dropout.

    Parameters
    ----------
    hidden : tuple of int
        Width of each hidden layer.
    dropout : float
        Share of activations set to 0 during training, from 0 to below 1.
    batch_norm : bool
        True if each hidden layer is normalised over the batch.
    """

    hidden: tuple[int, ...] = (256,)
    dropout: float = 0.3
    batch_norm: bool = True

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden) or not 0 <= self.dropout < 1:
            raise ConfigError(
                "MLPHead expects widths of at least 1 in hidden and dropout from 0 to below 1, got "
                f"hidden={self.hidden}, dropout={self.dropout}."
            )

    def build(self, n_features: int, n_outputs: int) -> Any:
        """Build the untrained network, which maps (n, n_features) to logits (n, n_outputs)."""
        from torch import nn

        layers: list[nn.Module] = []
        n_inputs = n_features
        for width in self.hidden:
            layers.append(nn.Linear(n_inputs, width))
            if self.batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers += [nn.ReLU(), nn.Dropout(self.dropout)]
            n_inputs = width
        return nn.Sequential(*layers, nn.Linear(n_inputs, n_outputs))
