"""An encoder and a head as one network. Imports torch: import it where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.protocols import BoundTransfer
from nlptl.data.batches import by_length
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.forward import layer_vectors, padded
from nlptl.encoders.contextual.pooling import TOKEN_POOLINGS, Pooling
from nlptl.encoders.contextual.windows import Windows
from nlptl.encoders.pair_features import pair_tensors
from nlptl.training.losses import as_truth, row_losses
from nlptl.training.networks.gather import from_all

_TOKENS_PER_EVALUATION_BATCH = 8192
ROW_ENTRIES = ("owners", "sides")
"""Inputs that say which windows make a row; the encoder takes the others."""


class TextNetwork(nn.Module):
    """From tokens to logits.

    Parameters
    ----------
    encoder : torch.nn.Module
        A transformers model.
    head : torch.nn.Module
        Takes (n, n_features), gives (n, n_outputs).
    pooling : Pooling
        How hidden states become features, as in ``TransformerEncoder``.
    weights : ndarray of shape (n_groups,)
        What each layer counts; layers of weight 0 are left out.
    scale : float
        Features are multiplied by it before the head.
    """

    def __init__(
        self, encoder: Any, head: Any, *, pooling: Pooling, weights: FloatArray, scale: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.extras = nn.ModuleDict()
        self.pooling = pooling
        self.weights = [float(weight) for weight in weights]
        self.scale = scale
        self.adapter: Any = None
        """What a transfer learnt beside the weights of the encoder."""
        self.merged = False
        """The encoder has the adapter in its weights, and nothing is stored by itself."""

    def train(self, mode: bool = True) -> Self:
        """Let dropout and the like work, or not; a normalisation of batches stays as it is.

        A pass may be of one row, from which no mean could be learnt.
        """
        super().train(mode)
        for part in self.head.modules():
            if isinstance(part, _BatchNorm):
                part.eval()
        return self

    def forward(self, inputs: dict[str, Any]) -> torch.Tensor:
        """Give logits (n, n_outputs) of a padded batch."""
        logits: torch.Tensor = self.head(self.features(inputs))
        return logits

    def features(self, inputs: dict[str, Any]) -> torch.Tensor:
        """Give what the head sees of a padded batch: (n, n_features).

        Parameters
        ----------
        inputs : dict of str to Tensor
            From ``padded``; with ``owners`` where texts have several windows, and ``sides``
            where the two texts of a pair are read one by one.
        """
        given = {name: part for name, part in inputs.items() if name not in ROW_ENTRIES}
        pool = TOKEN_POOLINGS[self.pooling.tokens]
        vectors = layer_vectors(self.encoder, given, layers=self.pooling.layers, pool=pool)
        if "owners" in inputs:
            vectors = self._joined(vectors, inputs["owners"], given["attention_mask"])
        if self.pooling.join == "mean":
            vectors = vectors.mean(dim=1, keepdim=True)
        if self.pooling.normalize:
            vectors = nn.functional.normalize(vectors, dim=2)
        kept = [vectors[:, i] * weight for i, weight in enumerate(self.weights) if weight]
        joined = torch.cat(kept, dim=1).float()
        if "sides" in inputs:
            first, second = joined[inputs["sides"]].unbind(dim=1)
            joined = pair_tensors(first, second, width=vectors.shape[2])
        return joined * self.scale

    def _joined(self, vectors: torch.Tensor, owners: Any, mask: Any) -> torch.Tensor:
        """Pool the windows of each row as ``join_windows`` does."""
        shape = (int(owners.max()) + 1, *vectors.shape[1:])
        if self.pooling.tokens == "max":
            index = owners[:, None, None].expand_as(vectors)
            return vectors.new_zeros(shape).scatter_reduce(
                0, index, vectors, "amax", include_self=False
            )
        weights = mask.sum(dim=1).to(vectors.dtype)[:, None, None]
        summed = vectors.new_zeros(shape).index_add(0, owners, vectors * weights)
        return summed / vectors.new_zeros(shape[0], 1, 1).index_add(0, owners, weights)


@dataclass(frozen=True)
class LabelledWindows:
    """Tokenized rows with their labels.

    Attributes
    ----------
    windows : Windows
        One or several windows a text, in the order of the texts.
    targets : Targets or None
        Of the same rows; None for text without labels.
    padding : int
        Token id to pad with.
    sides : int
        Texts a row: 2 where those of a pair are read one by one, else 1.
    """

    windows: Windows
    targets: Targets | None
    padding: int
    sides: int = 1

    def __post_init__(self) -> None:
        rows = self.windows.text_of_window // self.sides
        starts = np.searchsorted(rows, np.arange(int(rows.max(initial=-1)) + 2))
        object.__setattr__(self, "starts", starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> IntArray:
        """Tokens of each row: its windows times the longest of them."""
        if len(self) == len(self.windows.sizes):
            return self.windows.sizes
        longest: IntArray = np.maximum.reduceat(self.windows.sizes, self.starts[:-1])
        return longest * np.diff(self.starts)

    def inputs(self, some: IntArray, where: Any) -> dict[str, Any]:
        """Give the windows of some rows as padded tensors on a device."""
        if len(self) == len(self.windows.sizes):
            parts = padded(self.windows, some, padding=self.padding)
        else:
            spans = [np.arange(self.starts[row], self.starts[row + 1]) for row in some]
            shown = np.concatenate(spans)
            parts = padded(self.windows, shown, padding=self.padding)
            _, owners = np.unique(
                np.repeat(np.arange(len(some)), [len(span) for span in spans]) * self.sides
                + self.windows.text_of_window[shown] % self.sides,
                return_inverse=True,
            )
            parts["owners"] = torch.from_numpy(owners)
            if self.sides > 1:
                texts = np.arange(len(some) * self.sides).reshape(len(some), self.sides)
                parts["sides"] = torch.from_numpy(texts)
        return {name: part.to(where) for name, part in parts.items()}

    starts: IntArray = field(init=False, repr=False)


@dataclass(frozen=True)
class Batch:
    """The rows of one stream in one forward pass.

    Attributes
    ----------
    inputs : list of dict of str to Tensor
        Token ids and masks, in parts: one after the other they are all rows.
    truth : Tensor or None
        Codes or numbers to be learnt.
    weights : Tensor of shape (n,)
        They sum to 1 over all passes of a step, times the number of processes.
    """

    inputs: list[dict[str, Any]]
    truth: Any
    weights: Any


@dataclass(frozen=True)
class Outputs:
    """What the network gave for a batch.

    Attributes
    ----------
    features : Tensor of shape (n, n_features)
        What the head sees.
    logits : Tensor of shape (n, n_outputs)
    batch : Batch
        What it was given.
    """

    features: Any
    logits: Any
    batch: Batch


class Objective(nn.Module):
    """The loss of a network on a pass, as the loop wants it.

    Parameters
    ----------
    network : TextNetwork
    loss : callable
        Takes logits and truth; gives the loss of each row.
    transfers : sequence of BoundTransfer
        Their losses are added, their modules learn too.
    """

    def __init__(
        self,
        network: TextNetwork,
        loss: Callable[[Any, Any], Any] = row_losses,
        transfers: Sequence[BoundTransfer] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.transfers = list(transfers)
        self._no_split_modules = getattr(network.encoder, "_no_split_modules", None)
        self.replaced = any(transfer.replaces_loss for transfer in self.transfers)
        for transfer in self.transfers:
            for name, module in transfer.modules().items():
                network.extras[name] = module

    def on(self, network: TextNetwork) -> Objective:
        """Give the same on another network."""
        return Objective(network, self.loss, self.transfers)

    def forward(self, passed: tuple[Mapping[str, Batch], float], progress: float) -> torch.Tensor:
        """Give the loss: the weighted sum over rows, and the share of this pass in the rest."""
        batches, share = passed
        outputs = {name: self._outputs(batch) for name, batch in batches.items()}
        total = torch.zeros((), device=next(self.network.head.parameters()).device)
        for found in outputs.values():
            if found.batch.truth is not None and not self.replaced:
                losses = self.loss(found.logits, found.batch.truth)
                total = total + (losses * found.batch.weights).sum()
        for transfer in self.transfers:
            seen = (
                {n: _of_all(o) for n, o in outputs.items()} if transfer.compares_rows else outputs
            )
            further = transfer.loss(seen, progress)
            if further is not None:
                total = total + further * share
        return total

    def _outputs(self, batch: Batch) -> Outputs:
        parts = [self.network.features(part) for part in batch.inputs]
        features = parts[0] if len(parts) == 1 else torch.cat(parts)
        return Outputs(features, self.network.head(features), batch)


def _of_all(found: Outputs) -> Outputs:
    """Give the rows of all processes in this pass; rows of weight 0 stand for none."""
    weights = from_all(found.batch.weights)
    counts = weights > 0
    truth = found.batch.truth
    shown = None if truth is None else from_all(truth)[counts]
    batch = replace(found.batch, inputs=[], truth=shown, weights=weights[counts])
    return Outputs(from_all(found.features)[counts], from_all(found.logits)[counts], batch)


def logits_of(
    network: TextNetwork, rows: LabelledWindows, *, some: IntArray | None = None
) -> FloatArray:
    """Give the logits of each row, or of some rows, in order: (n, n_outputs)."""
    return _of_each(network, network, rows, some)


def features_of(
    network: TextNetwork, rows: LabelledWindows, *, some: IntArray | None = None
) -> FloatArray:
    """Give what the head sees of each row, or of some rows, in order: (n, n_features)."""
    return _of_each(network, network.features, rows, some)


def _of_each(
    network: TextNetwork,
    answer: Callable[[dict[str, Any]], torch.Tensor],
    rows: LabelledWindows,
    some: IntArray | None,
) -> FloatArray:
    chosen = np.arange(len(rows)) if some is None else some
    where = next(network.parameters()).device
    was_training = network.training
    network.eval()
    parts, order = [], []
    with torch.no_grad():  # what FSDP2 gathers in inference mode could not be trained any more
        for places in by_length(rows.sizes[chosen], tokens_per_batch=_TOKENS_PER_EVALUATION_BATCH):
            inputs = rows.inputs(chosen[places], where)
            parts.append(answer(inputs).float().cpu().numpy())
            order.append(places)
    network.train(was_training)
    found: FloatArray = np.concatenate(parts)
    return found[np.argsort(np.concatenate(order))]


def log_loss(network: TextNetwork, rows: LabelledWindows) -> float:
    """Give the mean loss of labelled rows that are not learnt from."""
    targets = rows.targets
    if targets is None:
        return 0.0
    logits = torch.from_numpy(logits_of(network, rows))
    losses = row_losses(logits, as_truth(targets.codes)).numpy()
    return float(np.average(losses, weights=targets.weights))
