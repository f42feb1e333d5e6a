"""Fine-tuning: the weights of the encoder learn too."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.suggestions import suggest
from nlptl.base.transfer import BoundTransfer, Context, Stage, Transfer

FEATURES = ("top", "weighted", "all")
_LAYER = re.compile(r"(?:^|\.)(?:layers?|blocks?|h)\.(\d+)\.")


@dataclass(frozen=True)
class FullFineTune(Transfer):
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
    head_first : bool
        Fit the head on frozen features before all learn together; otherwise it starts at random.
    gradual : bool
        Let the last layer learn first, and one more after the other [2]_; all of them learn in
        the second half of the training.
    reinit_layers : int
        Start so many of the last layers at random [3]_; the head then starts at random too.
    freeze_embeddings : bool
        Leave the embeddings of words as they are: faster, and less memory.

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
            raise ConfigError(f"layer_decay must lie above 0 and up to 1, got {self.layer_decay}.")
        if self.reinit_layers < 0:
            raise ConfigError(f"reinit_layers must be at least 0, got {self.reinit_layers}.")
        if self.features not in FEATURES:
            known = suggest(str(self.features), FEATURES)
            raise ConfigError(f"features={self.features!r} is not known. {known}")

    @property
    def only_occurring_words(self) -> bool:
        """True: other words get no gradient."""
        return True

    @property
    def keeps_head(self) -> bool:
        """True if training starts from the head that was fitted on frozen features."""
        return self.head_first and not self.reinit_layers

    @property
    def averages_weights(self) -> bool:
        """True if two trainings start from the same weights, so that these can be averaged."""
        return self.keeps_head

    def bind(self, context: Context) -> BoundTransfer:
        """Bind the transfer to one network.

        Raises
        ------
        ConfigError
            If more layers are to start at random than there are.
        """
        if self.reinit_layers > context.n_layers:
            raise ConfigError(
                f"reinit_layers={self.reinit_layers}, but there are {context.n_layers} layers."
            )
        if self.reinit_layers:
            _initialise_again(context, context.n_layers - self.reinit_layers)
        return _BoundLayers(self, context.n_layers)


@dataclass(frozen=True)
class _BoundLayers(BoundTransfer):
    """Which weights are trained, at which rate and in which stages."""

    spec: FullFineTune
    n_layers: int

    def trains(self, name: str) -> bool:
        """Train the head, and the layers that were asked for."""
        depth = self._depth(name)
        if depth is None:
            return True
        layers = self.spec.layers
        lowest = 0 if layers is None else max(self.n_layers - layers + 1, 1)
        return depth >= max(lowest, 1 if self.spec.freeze_embeddings else 0)

    def rate(self, name: str) -> float:
        """Return the factor of a layer: lower layers are trained more slowly."""
        depth = self._depth(name)
        above = 0 if depth is None else self.n_layers - depth
        return float(self.spec.layer_decay**above)

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage, or one per layer from the last to the first."""
        if not self.spec.gradual:
            return (Stage(),)
        each = 0.5 / self.n_layers
        steps = [
            Stage(f"from layer {lowest}", each, self._from(lowest), fresh_schedule=first)
            for lowest in range(self.n_layers, 0, -1)
            for first in [lowest == self.n_layers]
        ]
        return (*steps, Stage("all layers", 0.5, fresh_schedule=False))

    def _from(self, lowest: int) -> Callable[[str], bool]:
        def trains(name: str) -> bool:
            depth = self._depth(name)
            return depth is None or depth >= lowest

        return trains

    def _depth(self, name: str) -> int | None:
        """Return the layer of a weight; None for weights outside the encoder."""
        part, _, rest = name.partition(".")
        return depth_of(rest, self.n_layers) if part == "encoder" else None


def _initialise_again(context: Context, above: int) -> None:
    """Initialise the layers above a layer at random, as the model does before pretraining."""
    model = context.network.encoder
    for name, part in model.named_modules():
        weights = dict(part.named_parameters(recurse=False))
        if weights and depth_of(f"{name}.weight", context.n_layers) > above:
            for weight in weights.values():
                weight._is_hf_initialized = False
            part._is_hf_initialized = False
            model._init_weights(part)


def blocks_of(encoder: Any) -> list[str]:
    """Return the names of the layers of an encoder, the lowest first."""
    numbers = {name: _LAYER.search(f"{name}.") for name, _ in encoder.named_modules()}
    whole = {n: int(m.group(1)) for n, m in numbers.items() if m and m.end() == len(n) + 1}
    return sorted(whole, key=lambda name: whole[name])


def depth_of(name: str, n_layers: int) -> int:
    """Return the layer of a weight: 0 for embeddings, 1 to n for layers, n for all above.

    Examples
    --------
    >>> depth_of("embeddings.word_embeddings.weight", 6), depth_of("encoder.layer.2.x", 6)
    (0, 3)
    """
    match = _LAYER.search(name)
    if match is not None:
        return min(int(match.group(1)) + 1, n_layers)
    return 0 if "embed" in name else n_layers
