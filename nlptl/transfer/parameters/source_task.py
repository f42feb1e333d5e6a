"""Joint training with a source whose labels differ from those of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.streams import Stream
from nlptl.base.transfer import (
    BoundTransfer,
    Context,
    Outputs,
    SourceTexts,
    Transfer,
    WeightGroup,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

_HEADS = "source_heads"
_RATE = 10.0
"""Factor on the learning rate of the heads, which start at random."""


@dataclass(frozen=True)
class SourceTask(Transfer):
    """Train the encoder on a source with other labels, by a head of its own [1]_.

    Pass the labelled texts to ``fit`` as ``source``. Their labels may be other classes than those
    of the target, lists of labels, or numbers; whole numbers are classes. Each step has rows of the
    target and of the source. Both train the encoder, and each has its own head. The heads of the
    sources are thrown away at the end. For a source with the labels of the target, use
    ``SourceRows``.

    Combine it with a transfer that chooses the trained weights: ``[FullFineTune(), SourceTask()]``.
    Alone, it trains all weights.

    Parameters
    ----------
    weight : float
        Factor on the loss of the source, above 0.
    ratio : float
        Number of source rows per step relative to the number of target rows, above 0. Several
        sources share them.

    References
    ----------
    .. [1] Caruana, "Multitask Learning", Machine Learning 28, 1997.
    """

    weight: float = 1.0
    ratio: float = 1.0

    trains_encoder: ClassVar[bool] = True
    trains_source_head: ClassVar[bool] = True
    carries: ClassVar[str] = "parameters"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "source"})
    supports: ClassVar[frozenset[str]] = frozenset({"pairs", "several labels", "numbers"})
    paper: ClassVar[str] = "Caruana 1997, Machine Learning 28"

    def __post_init__(self) -> None:
        for name in ("weight", "ratio"):
            if not 0 < getattr(self, name) < inf:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}.")

    def bind(self, context: Context) -> BoundTransfer:
        """Return the loss of the sources for one network, with a new head for each."""
        return _Bound(self, context)


class _Bound(BoundTransfer):
    """Heads of the sources of one network, and their loss."""

    def __init__(self, spec: SourceTask, context: Context) -> None:
        self.spec = spec
        self.sources = {f"source {i}": source for i, source in enumerate(context.sources, 1)}
        self.rows = {name: context.rows_of(part.texts) for name, part in self.sources.items()}
        self.heads: Any = _heads(context.network.head, self.sources)

    def modules(self) -> Mapping[str, nn.Module]:
        """Return the heads of the sources."""
        return {_HEADS: self.heads}

    def weight_groups(self, names: Sequence[str]) -> list[WeightGroup]:
        """Return the weights of the heads and all others; the former are trained faster."""
        start = f"extras.{_HEADS}."
        heads = [name for name in names if name.startswith(start)]
        others = [name for name in names if not name.startswith(start)]
        return [WeightGroup(heads, _RATE), WeightGroup(others)]

    def streams(self) -> Mapping[str, Stream]:
        """Return the rows of each source."""
        ratio = self.spec.ratio / len(self.rows)
        return {name: Stream(rows, ratio) for name, rows in self.rows.items()}

    def loss(self, outputs: Mapping[str, Outputs], progress: float) -> Tensor | None:
        """Return the mean loss of the rows of all sources in a step, or None without such rows."""
        import torch

        losses = []
        for name, source in self.sources.items():
            if name not in outputs:  # a stage without this stream
                continue
            part = outputs[name]
            with torch.autocast(part.features.device.type, enabled=False):
                scores = self.heads[name](part.features.float())
                values = source.row_losses(scores, part.batch.numbers)
            losses.append((values * part.batch.mean_weights).sum())
        return self.spec.weight * sum(losses) / len(self.sources) if losses else None


def _heads(head: nn.Module, sources: Mapping[str, SourceTexts]) -> Any:
    """Build a linear head for each source, for the same features as the head of the target."""
    from torch import nn

    width = next(part for part in head.modules() if isinstance(part, nn.Linear)).in_features
    return nn.ModuleDict(
        {name: nn.Linear(width, source.n_outputs) for name, source in sources.items()}
    )
