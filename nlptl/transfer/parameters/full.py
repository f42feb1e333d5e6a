"""Fine-tuning: train the weights of the encoder together with the head."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import BoundTransfer, Context, Stage, Transfer, WeightGroup

if TYPE_CHECKING:
    from torch import nn

FEATURES = ("top", "weighted", "all")
_LAYER = re.compile(r"(?:^|\.)(?:layers?|blocks?|h)\.(\d+)\.")


@dataclass(frozen=True)
class FullFineTune(Transfer):
    """Train the encoder together with a head that is first fitted on frozen features.

    A new head with random weights sends noise through the pretrained weights in its first steps.
    The head is therefore fitted on frozen features first. Training then continues with all
    weights [1]_.

    Parameters
    ----------
    layers : int or None
        Number of layers to train, counted from the last. None trains all layers and the
        embeddings.
    layer_decay : float
        Factor on the learning rate from each layer to the layer below it [2]_; above 0 and at
        most 1.
    features : {"top", "weighted", "all"}
        Input of the head, as in ``Frozen``.
    head_first : bool
        True fits the head on frozen features before training. False starts it at random.
    gradual : bool
        True trains the last layer first and adds one layer after another [2]_. In the second half
        of the training, all layers are trained.
    reinit_layers : int
        Number of last layers that start at random [3]_. Above 0, the head starts at random, too.
    freeze_embeddings : bool
        True keeps the word embeddings fixed, which is faster and needs less memory.

    References
    ----------
    .. [1] Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
       Out-of-Distribution", ICLR 2022, arXiv:2202.10054.
    .. [2] Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification",
       ACL 2018, arXiv:1801.06146.
    .. [3] Zhang et al., "Revisiting Few-sample BERT Fine-tuning", ICLR 2021, arXiv:2006.05987.
    """

    layers: int | None = None
    layer_decay: float = 1.0
    features: str = "top"
    head_first: bool = True
    gradual: bool = False
    reinit_layers: int = 0
    freeze_embeddings: bool = False

    carries: ClassVar[str] = "parameters"
    trains_encoder: ClassVar[bool] = True
    chooses_weights: ClassVar[bool] = True
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    paper: ClassVar[str] = "Kumar et al. 2022, arXiv:2202.10054"

    def __post_init__(self) -> None:
        if self.layers is not None and self.layers < 1:
            raise ConfigError(f"layers must be at least 1, or None for all, got {self.layers}.")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"layer_decay must be above 0 and at most 1, got {self.layer_decay}.")
        if self.reinit_layers < 0:
            raise ConfigError(f"reinit_layers must be at least 0, got {self.reinit_layers}.")
        if self.features not in FEATURES:
            hint = suggest(str(self.features), FEATURES)
            raise ConfigError(f"features={self.features!r} is not known. {hint}")

    @property
    def only_occurring_words(self) -> bool:
        """True, because words outside the training data get no gradient."""
        return True

    @property
    def keeps_head(self) -> bool:
        """True if training starts from the head that was fitted on frozen features."""
        return self.head_first and not self.reinit_layers

    @property
    def averages_weights(self) -> bool:
        """True if two trainings start from the same weights, so that averaging them works."""
        return self.keeps_head

    def bind(self, context: Context) -> BoundTransfer:
        """Bind the transfer to one network.

        Raises
        ------
        ConfigError
            If ``reinit_layers`` is above the number of layers.
        """
        if self.reinit_layers > context.n_layers:
            raise ConfigError(
                f"reinit_layers must be at most {context.n_layers}, the number of layers of the "
                f"encoder, got {self.reinit_layers}."
            )
        if self.reinit_layers:
            _initialise_again(context, context.n_layers - self.reinit_layers)
        return _BoundLayers(self, context.n_layers)


@dataclass(frozen=True)
class _BoundLayers(BoundTransfer):
    """Fine-tuning of one network: its trained weights, learning rates and stages."""

    spec: FullFineTune
    n_layers: int

    def weight_groups(self, names: Sequence[str]) -> list[WeightGroup]:
        """Return the weights to train; the learning rate falls from layer to layer."""
        layers = self.spec.layers
        lowest = 0 if layers is None else max(self.n_layers - layers + 1, 1)
        lowest = max(lowest, 1 if self.spec.freeze_embeddings else 0)
        groups: dict[float, list[str]] = {}
        for name in self._from(lowest, names):
            depth = self._depth(name)
            above = 0 if depth is None else self.n_layers - depth
            groups.setdefault(float(self.spec.layer_decay**above), []).append(name)
        return [WeightGroup(members, rate) for rate, members in groups.items()]

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage, or one per layer from the last to the first and one for all layers."""
        if not self.spec.gradual:
            return (Stage(),)
        share = 0.5 / self.n_layers
        steps = [
            Stage(f"from layer {lowest}", share, partial(self._from, lowest), fresh_schedule=first)
            for lowest in range(self.n_layers, 0, -1)
            for first in [lowest == self.n_layers]
        ]
        return (*steps, Stage("all layers", 0.5, fresh_schedule=False))

    def _from(self, lowest: int, names: Sequence[str]) -> list[str]:
        """Return the weights outside the encoder and those of a layer and the layers above it."""
        depths = {name: self._depth(name) for name in names}
        return [name for name, depth in depths.items() if depth is None or depth >= lowest]

    def _depth(self, name: str) -> int | None:
        """Return the layer number of a weight; None for weights outside the encoder."""
        part, _, rest = name.partition(".")
        return depth_of(rest, self.n_layers) if part == "encoder" else None


def _initialise_again(context: Context, above: int) -> None:
    """Initialise all layers above a layer at random, as the model does before pretraining."""
    model = context.network.encoder
    for name, part in model.named_modules():
        weights = dict(part.named_parameters(recurse=False))
        if weights and depth_of(f"{name}.weight", context.n_layers) > above:
            for weight in weights.values():
                weight._is_hf_initialized = False
            part._is_hf_initialized = False
            model._init_weights(part)


def blocks_of(encoder: nn.Module) -> list[str]:
    """Return the names of the layers of an encoder, the lowest first."""
    matches = {name: _LAYER.search(f"{name}.") for name, _ in encoder.named_modules()}
    numbers = {n: int(m.group(1)) for n, m in matches.items() if m and m.end() == len(n) + 1}
    return sorted(numbers, key=lambda name: numbers[name])


def depth_of(name: str, n_layers: int) -> int:
    """Return the layer number of a weight: 0 for embeddings, 1 to n for layers, n for all above.

    Examples
    --------
    >>> depth_of("embeddings.word_embeddings.weight", 6), depth_of("encoder.layer.2.x", 6)
    (0, 3)
    """
    match = _LAYER.search(name)
    if match is not None:
        return min(int(match.group(1)) + 1, n_layers)
    return 0 if "embed" in name else n_layers
