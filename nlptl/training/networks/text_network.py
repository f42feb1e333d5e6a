"""Network of an encoder and a head for texts. Imports torch: import it where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.errors import ConfigError
from nlptl.base.streams import HiddenTokens
from nlptl.base.transfer import BoundTransfer, HiddenStates, NetworkResult
from nlptl.data.batches import by_length
from nlptl.data.targets import Targets
from nlptl.encoders.contextual.forward import encode_batch, padded
from nlptl.encoders.contextual.pooling import TOKEN_POOLINGS, Pooling
from nlptl.encoders.contextual.windows import Windows, first_windows
from nlptl.encoders.pair_features import pair_tensors
from nlptl.training.losses import as_truth, row_losses
from nlptl.training.networks.gather import from_all, n_processes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TOKENS_PER_EVALUATION_BATCH = 8192
ROW_ENTRIES = ("owners", "sides")
"""Inputs that assign windows to rows. The encoder does not receive them."""


class TextNetwork(nn.Module):
    """Network that maps tokens to logits.

    Parameters
    ----------
    encoder : torch.nn.Module
        A transformers model.
    head : torch.nn.Module
        Takes features (n, n_features); returns logits (n, n_outputs).
    pooling : Pooling
        How hidden states become features, as in ``TransformerEncoder``.
    weights : ndarray of shape (n_groups,)
        Weight of each layer; layers of weight 0 are left out.
    scale : float
        Factor on the features before the head.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        head: nn.Module,
        *,
        pooling: Pooling,
        weights: FloatArray,
        scale: float,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.extras = nn.ModuleDict()
        self.pooling = pooling
        self.weights = [float(weight) for weight in weights]
        self.scale = scale
        self.adapter: Any = None
        """Weights that a transfer trained in addition to those of the encoder."""
        self.merged = False
        """True if the adapter is merged into the encoder's weights and is not stored separately."""

    def take(self, result: NetworkResult | None) -> None:
        """Take over what a transfer returns when training is over."""
        if result is None:
            return
        if result.encoder is not None:
            self.encoder = result.encoder
        if result.adapter is not None:
            self.adapter, self.merged = result.adapter, result.merged

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; batch normalisation of the head stays in evaluation.

        A pass may have only one row, which is too few for batch statistics.
        """
        super().train(mode)
        for part in self.head.modules():
            if isinstance(part, _BatchNorm):
                part.eval()
        return self

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the logits of a padded batch, of shape (n, n_outputs)."""
        logits: torch.Tensor = self.head(self.features(inputs))
        return logits

    def features(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the head's input for a padded batch, of shape (n, n_features).

        Parameters
        ----------
        inputs : dict of str to Tensor
            Tensors from ``padded``. They include ``owners`` if texts have several windows, and
            ``sides`` if the two texts of a pair are encoded separately.
        """
        features, _ = self.features_and_states(inputs, keep_states=False)
        return features

    def features_and_states(
        self, inputs: dict[str, torch.Tensor], *, keep_states: bool
    ) -> tuple[torch.Tensor, HiddenStates | None]:
        """Return the features of a padded batch, and its hidden states if they are kept."""
        tokens = {name: part for name, part in inputs.items() if name not in ROW_ENTRIES}
        pool = TOKEN_POOLINGS[self.pooling.tokens]
        encoded = encode_batch(
            self.encoder, tokens, layers=self.pooling.layers, pool=pool, keep_states=keep_states
        )
        features = self._features(encoded.vectors, inputs)
        if encoded.states is None:
            return features, None
        return features, HiddenStates(encoded.states, encoded.mask, _rows_of_windows(inputs))

    def _features(self, vectors: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the head's input for the vectors of the windows of a batch."""
        if "owners" in inputs:
            vectors = self._joined(vectors, inputs["owners"], inputs["attention_mask"])
        if self.pooling.join == "mean":
            vectors = vectors.mean(dim=1, keepdim=True)
        if self.pooling.normalize:
            vectors = nn.functional.normalize(vectors, dim=2)
        weighted = [vectors[:, i] * weight for i, weight in enumerate(self.weights) if weight]
        joined = torch.cat(weighted, dim=1).float()
        if "sides" in inputs:
            first, second = joined[inputs["sides"]].unbind(dim=1)
            joined = pair_tensors(first, second, width=vectors.shape[2])
        return joined * self.scale

    def _joined(
        self, vectors: torch.Tensor, owners: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Pool the windows of each text as ``join_windows`` does."""
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
        One or several windows per text, in the order of the texts.
    targets : Targets or None
        Targets of the same rows; None for unlabelled texts.
    padding : int
        Id of the padding token.
    sides : int
        Number of texts per row: 2 if the texts of a pair are encoded separately, else 1.
    starts : ndarray of shape (n_rows + 1,)
        Number of the first window of each row, and the number of windows at the end.
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
    def labels(self) -> Targets:
        """The targets of labelled rows."""
        if self.targets is None:
            raise ValueError("rows without labels")
        return self.targets

    @property
    def sizes(self) -> IntArray:
        """Tokens of each row: its number of windows times the length of the longest."""
        if len(self) == len(self.windows.sizes):
            return self.windows.sizes
        longest: IntArray = np.maximum.reduceat(self.windows.sizes, self.starts[:-1])
        return longest * np.diff(self.starts)

    @property
    def ids(self) -> list[list[int]]:
        """Token ids of each window."""
        return self.windows.ids

    def by_window(self) -> LabelledWindows:
        """Return every window of these rows as an unlabelled row of its own."""
        rows = np.arange(len(self.windows.ids))
        return LabelledWindows(replace(self.windows, text_of_window=rows), None, self.padding)

    def first_windows(self) -> LabelledWindows:
        """Return the same rows with the first window of each text."""
        return replace(self, windows=first_windows(self.windows, 1))

    def altered(self, ids: Mapping[int, list[int]]) -> LabelledWindows:
        """Return the same rows with other token ids in some windows, by number of the window."""
        changed = list(self.windows.ids)
        for window, tokens in ids.items():
            changed[window] = tokens
        return replace(self, windows=replace(self.windows, ids=changed))

    def windows_of(self, some: IntArray) -> IntArray:
        """Return the numbers of the windows of ``some`` rows, in the order of the rows."""
        if len(self) == len(self.windows.sizes):
            return some
        spans = [np.arange(self.starts[row], self.starts[row + 1]) for row in some]
        windows: IntArray = np.concatenate(spans)
        return windows

    def inputs(self, some: IntArray, where: torch.device | str) -> dict[str, Any]:
        """Return the windows of ``some`` rows as padded tensors on the device ``where``."""
        windows = self.windows_of(some)
        if len(self) == len(self.windows.sizes):
            parts = padded(self.windows, windows, padding=self.padding)
        else:
            parts = padded(self.windows, windows, padding=self.padding)
            counts = self.starts[some + 1] - self.starts[some]
            _, owners = np.unique(
                np.repeat(np.arange(len(some)), counts) * self.sides
                + self.windows.text_of_window[windows] % self.sides,
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
    """Rows of one stream in one forward pass.

    Attributes
    ----------
    inputs : list of dict of str to Tensor
        Token ids and masks, in one or several parts of the rows.
    truth : Tensor or None
        Class codes or numbers to predict.
    weights : Tensor of shape (n,)
        Weights of the rows. Over all passes and processes of a step, they sum to the number of
        processes.
    domains : Tensor of shape (n,) or None
        Domain of each row: 0 for the target, 1 and above for sources. None without labels.
    numbers : Tensor of shape (n,) or None
        Number of each row in its stream.
    mean_weights : Tensor of shape (n,) or None
        Weights for a mean over all rows of the step. They sum to 1 per pass on average.
    hidden : HiddenTokens or None
        The hidden tokens, if the stream hides some.
    """

    inputs: list[dict[str, Any]]
    truth: Any
    weights: Any
    domains: Any = None
    numbers: Any = None
    mean_weights: Any = None
    hidden: HiddenTokens | None = None


@dataclass(frozen=True)
class Outputs:
    """Outputs of the network for a batch.

    Attributes
    ----------
    features : Tensor of shape (n, n_features)
        Input of the head.
    logits : Tensor of shape (n, n_outputs)
        Output of the head.
    batch : Batch
        Input of the network.
    states : HiddenStates or None
        Hidden states of the last layer, if a transfer needs them.
    """

    features: Any
    logits: Any
    batch: Batch
    states: HiddenStates | None = None

    @property
    def hidden_states(self) -> HiddenStates:
        """Hidden states of the last layer of the encoder.

        Raises
        ------
        ConfigError
            If no transfer needs them.
        """
        if self.states is None:
            raise ConfigError(
                "Outputs have hidden states only if a transfer needs them, but none does. Set "
                "needs_hidden_states = True in the class of the bound transfer."
            )
        return self.states


class Objective(nn.Module):
    """Module that computes the loss of a pass for the training loop.

    Parameters
    ----------
    network : TextNetwork
    loss : callable
        Takes logits and truth; returns the loss of each row.
    transfers : sequence of BoundTransfer
        Their losses are added and their modules are trained too.
    """

    def __init__(
        self,
        network: TextNetwork,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = row_losses,
        transfers: Sequence[BoundTransfer] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.transfers = list(transfers)
        self._no_split_modules = getattr(network.encoder, "_no_split_modules", None)
        self.replaced = any(transfer.replaces_loss for transfer in self.transfers)
        self.keep_states = needs_states(self.transfers)
        for transfer in self.transfers:
            for name, module in transfer.modules().items():
                network.extras[name] = module

    def on(self, network: TextNetwork) -> Objective:
        """Return an objective with the same losses for another network."""
        return Objective(network, self.loss, self.transfers)

    def forward(self, passed: tuple[Mapping[str, Batch], float], progress: float) -> torch.Tensor:
        """Return the loss of a pass: weighted row losses plus its share of the transfer losses."""
        batches, share = passed
        outputs = {name: self.outputs(batch) for name, batch in batches.items()}
        total = torch.zeros((), device=next(self.network.head.parameters()).device)
        for of_stream in outputs.values():
            if of_stream.batch.truth is not None and not self.replaced:
                losses = self.loss(of_stream.logits, of_stream.batch.truth)
                total = total + (losses * of_stream.batch.weights).sum()
        compares = any(transfer.compares_rows for transfer in self.transfers)
        compared = {n: _of_all(o) for n, o in outputs.items()} if compares else {}
        for transfer in self.transfers:
            transfer_loss = transfer.loss(compared if transfer.compares_rows else outputs, progress)
            if transfer_loss is not None:
                total = total + transfer_loss * share
        return total

    def outputs(self, batch: Batch) -> Outputs:
        """Return the outputs of the network for a batch."""
        features, states = encoded_parts(self.network, batch, keep_states=self.keep_states)
        return Outputs(features, self.network.head(features), batch, states)


def needs_states(transfers: Sequence[BoundTransfer]) -> bool:
    """Return True if a transfer needs hidden states.

    Raises
    ------
    ConfigError
        If a transfer needs them and compares rows.
    """
    for transfer in transfers:
        if transfer.needs_hidden_states and transfer.compares_rows:
            raise ConfigError(
                f"{type(transfer).__name__} sets needs_hidden_states and compares_rows, but hidden "
                "states of other processes are not available. Set only one of them."
            )
    return any(transfer.needs_hidden_states for transfer in transfers)


def encoded_parts(
    network: TextNetwork, batch: Batch, *, keep_states: bool
) -> tuple[torch.Tensor, HiddenStates | None]:
    """Return the features of all parts of a batch, and their hidden states if they are kept."""
    parts = [network.features_and_states(part, keep_states=keep_states) for part in batch.inputs]
    if len(parts) == 1:
        return parts[0]
    features = torch.cat([part for part, _ in parts])
    if not keep_states:
        return features, None
    counts = [len(part) for part, _ in parts]
    return features, _joined_states([states for _, states in parts if states is not None], counts)


def _joined_states(parts: Sequence[HiddenStates], counts: Sequence[int]) -> HiddenStates:
    """Join the hidden states of the parts of a batch, which have ``counts`` rows."""
    longest = max(part.states.shape[1] for part in parts)
    missing = [longest - part.states.shape[1] for part in parts]
    starts = [sum(counts[:index]) for index in range(len(parts))]
    pad = nn.functional.pad
    return HiddenStates(
        torch.cat([pad(p.states, (0, 0, 0, n)) for p, n in zip(parts, missing, strict=True)]),
        torch.cat([pad(p.attention_mask, (0, n)) for p, n in zip(parts, missing, strict=True)]),
        torch.cat([part.rows + start for part, start in zip(parts, starts, strict=True)]),
    )


def _rows_of_windows(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the row of a padded batch that each window belongs to."""
    ids = inputs["input_ids"]
    owners = inputs.get("owners")
    if owners is None:
        return torch.arange(len(ids), device=ids.device)
    n_sides = inputs["sides"].shape[1] if "sides" in inputs else 1
    return owners // n_sides


def _of_all(outputs: Outputs) -> Outputs:
    """Return the rows of all processes in this pass, without those of weight 0."""
    weights = from_all(outputs.batch.weights)
    counts = weights > 0
    truth = outputs.batch.truth
    truth = None if truth is None else from_all(truth)[counts]
    domains = outputs.batch.domains
    domains = None if domains is None else from_all(domains)[counts]
    numbers, means = (
        None if part is None else from_all(part)[counts]
        for part in (outputs.batch.numbers, outputs.batch.mean_weights)
    )
    means = None if means is None else means / n_processes()
    batch = Batch([], truth, weights[counts], domains, numbers, means)
    return Outputs(from_all(outputs.features)[counts], from_all(outputs.logits)[counts], batch)


def logits_of(
    network: TextNetwork, rows: LabelledWindows, *, some: IntArray | None = None
) -> FloatArray:
    """Return the logits of all rows or of ``some``, in their order, of shape (n, n_outputs)."""
    return _of_each(network, network, rows, some)


def features_of(
    network: TextNetwork, rows: LabelledWindows, *, some: IntArray | None = None
) -> FloatArray:
    """Return the head's input for all rows or ``some``, in their order: (n, n_features)."""
    return _of_each(network, network.features, rows, some)


def _of_each(
    network: TextNetwork,
    answer: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    rows: LabelledWindows,
    some: IntArray | None,
) -> FloatArray:
    chosen = np.arange(len(rows)) if some is None else some
    where = next(network.parameters()).device
    was_training = network.training
    network.eval()
    parts, order = [], []
    # Not inference mode: weights that FSDP2 gathers in it can no longer be trained.
    with torch.no_grad():
        for index in by_length(rows.sizes[chosen], tokens_per_batch=_TOKENS_PER_EVALUATION_BATCH):
            inputs = rows.inputs(chosen[index], where)
            parts.append(answer(inputs).float().cpu().numpy())
            order.append(index)
    network.train(was_training)
    outputs: FloatArray = np.concatenate(parts)
    return outputs[np.argsort(np.concatenate(order))]


def log_loss(network: TextNetwork, rows: LabelledWindows) -> float:
    """Return the weighted mean loss of held-out labelled rows; 0 without labels."""
    targets = rows.targets
    if targets is None:
        return 0.0
    logits = torch.from_numpy(logits_of(network, rows))
    losses = row_losses(logits, as_truth(targets.codes)).numpy()
    return float(np.average(losses, weights=targets.weights))
