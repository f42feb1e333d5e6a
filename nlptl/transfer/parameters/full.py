"""Fine-tuning: the weights of the encoder learn too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.names import suggest
from nlptl.base.specs import Spec

FEATURES = ("top", "weighted", "all")
_LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")


@dataclass(frozen=True)
class FullFineTune(Spec):
    """The weights of the encoder learn too, starting from a head that is fitted first.

    A fresh head sends noise through the pretrained weights in its first steps. So the head is
    solved on frozen features first, and training goes on from there with all weights [1]_.

    Parameters
    ----------
    layers : int or None
        Train the last so many layers only; None trains all, embeddings included.
    layer_decay : float
        Factor on the learning rate from each layer to the one below it [2]_, above 0 and up to 1.
    features : {"top", "weighted", "all"}
        What the head sees, as in ``Frozen``.

    References
    ----------
    .. [1] Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
       Out-of-Distribution", ICLR 2022, arXiv:2202.10054.
    .. [2] Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification",
       ACL 2018, arXiv:1801.06146.
    """

    layers: int | None = None
    layer_decay: float = 1.0
    features: str = "top"

    carries: ClassVar[str] = "parameters"
    setting: ClassVar[str] = "inductive"
    needs_target_labels: ClassVar[bool] = True
    paper: ClassVar[str] = "Kumar et al. 2022, arXiv:2202.10054"

    def __post_init__(self) -> None:
        if self.layers is not None and self.layers < 1:
            raise ConfigError(f"layers must be at least 1, or None for all, got {self.layers}.")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"layer_decay must lie above 0 and up to 1, got {self.layer_decay}.")
        if self.features not in FEATURES:
            known = suggest(str(self.features), FEATURES)
            raise ConfigError(f"features={self.features!r} is not known. {known}")

    def choose_weights(self, model: Any, *, n_layers: int) -> None:
        """Say of each weight of an encoder whether it learns.

        Parameters
        ----------
        model : torch.nn.Module
            The encoder; its ``requires_grad`` flags are set.
        n_layers : int
            How many layers it has.
        """
        lowest = 0 if self.layers is None else max(n_layers - self.layers + 1, 1)
        for name, weight in model.named_parameters():
            weight.requires_grad_(depth_of(name, n_layers) >= lowest)

    def rate(self, name: str, *, n_layers: int) -> float:
        """Give the factor on the learning rate of a weight of the encoder."""
        return float(self.layer_decay ** (n_layers - depth_of(name, n_layers)))


def depth_of(name: str, n_layers: int) -> int:
    """Give the layer of a weight: 0 for embeddings, 1 to n for layers, n for what lies above.

    Examples
    --------
    >>> depth_of("embeddings.word_embeddings.weight", 6), depth_of("encoder.layer.2.x", 6)
    (0, 3)
    """
    found = _LAYER.search(name)
    if found is not None:
        return min(int(found.group(1)) + 1, n_layers)
    return 0 if "embed" in name else n_layers
