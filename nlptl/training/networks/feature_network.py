"""Neural heads and fusions on features, trained by the training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray, Groups, IntArray
from nlptl.base.chance import Chance
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import ModuleFusion, ModuleHead
from nlptl.base.transfer import Stage
from nlptl.data.batches import shuffled
from nlptl.data.splits import stratified_folds
from nlptl.data.targets import Targets
from nlptl.storage.tensors import check_array
from nlptl.training.config import LoopConfig
from nlptl.training.history import History
from nlptl.training.loop import Learner, train
from nlptl.training.losses import as_truth, row_losses, weighted_mean
from nlptl.training.processes import make_accelerator, place

if TYPE_CHECKING:
    from torch import Tensor, nn

_FOLDS = 5
MIN_ROWS_TO_HOLD_OUT = 40
"""With fewer rows, none are held out and training runs for all epochs."""


@dataclass(eq=False)
class FeatureNetwork:
    """Trained network that maps features to logits.

    Attributes
    ----------
    module : torch.nn.Module
        Takes features (n, n_features); returns logits (n, n_outputs).
    scale : float
        Factor on the features, so that their values are about 1.
    """

    module: Any
    scale: float

    def logits(self, X: FloatArray) -> FloatArray:
        """Return the logits of features X, of shape (n, n_outputs)."""
        import torch

        was_training = self.module.training
        self.module.eval()
        device = next(self.module.parameters()).device
        with torch.inference_mode():
            features = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32)).to(device)
            scores: FloatArray = self.module(features * self.scale).float().cpu().numpy()
        self.module.train(was_training)
        return scores

    def arrays(self) -> dict[str, AnyArray]:
        """Return the weights and the scale by name."""
        weights = {name: w.detach().cpu().numpy() for name, w in self.module.state_dict().items()}
        return weights | {"scale": np.array([self.scale])}


@dataclass(frozen=True)
class NetworkRecipe:
    """Components of a network on features.

    Attributes
    ----------
    head : ModuleHead
        Builds the classification layers.
    fusion : ModuleFusion or None
        Builds the layers before them, which combine the groups of features.
    groups : tuple of (str, int)
        Name and number of columns of each group.
    n_outputs : int
        Number of classes or labels.
    """

    head: ModuleHead
    fusion: ModuleFusion | None
    groups: Groups
    n_outputs: int

    def build(self) -> Any:
        """Build the network with new initial weights."""
        from torch import nn

        sizes = [width for _, width in self.groups]
        if self.fusion is None:
            return self.head.build(sum(sizes), self.n_outputs)
        joined = self.fusion.build(sizes)
        return nn.Sequential(joined, self.head.build(joined.width, self.n_outputs))

    def restore(self, arrays: dict[str, AnyArray]) -> FeatureNetwork:
        """Build the network with the weights that ``FeatureNetwork.arrays`` returned.

        Raises
        ------
        ValueError
            If the arrays do not fit the layers.
        """
        import torch

        if self._n_layers > len(arrays):
            raise ValueError(
                f"{self._n_layers} layers need at least as many arrays, got {len(arrays)}"
            )
        check_array("scale", arrays["scale"], (1,))
        for name, array in arrays.items():
            if array.dtype.kind == "f":
                check_array(name, array, array.shape or (1,))
        with torch.device("meta"):  # allocates no memory before the sizes are compared
            module = self.build()
        weights = {name: torch.from_numpy(a) for name, a in arrays.items() if name != "scale"}
        if _layout(weights) != _layout(module.state_dict()):
            raise ValueError("names, shapes or types of the arrays differ from those of the layers")
        module.load_state_dict(weights, assign=True)
        return FeatureNetwork(module.eval(), float(arrays["scale"][0]))

    @property
    def _n_layers(self) -> int:
        """Minimum number of layers with an array."""
        fused = 0 if self.fusion is None else len(self.groups)
        return len(getattr(self.head, "hidden", ())) + fused


def _layout(weights: Mapping[str, AnyArray | Tensor]) -> dict[str, Any]:
    """Return the shape and type of each weight; a scalar is stored with shape (1,)."""
    return {name: (tuple(w.shape) or (1,), w.dtype) for name, w in weights.items()}


@dataclass(frozen=True)
class NetworkFit:
    """Trained network, and logits of the rows held out to choose the number of epochs.

    Attributes
    ----------
    network : FeatureNetwork
    history : History
        Record of the training without the held-out rows, if there are any.
    held_out : tuple of (ndarray, ndarray) or None
        Numbers of the held-out rows and their logits, from the training without these rows.
    """

    network: FeatureNetwork
    history: History
    held_out: tuple[IntArray, FloatArray] | None


def fit_network(
    recipe: NetworkRecipe,
    X: FloatArray,
    targets: Targets,
    *,
    config: LoopConfig,
    seed: int = 0,
    device: str | None = None,
) -> NetworkFit:
    """Train a network on features.

    A fifth of the rows is held out to choose the number of epochs and to calibrate the logits.
    Then the network is trained again on all rows for this number of epochs. With fewer than
    ``MIN_ROWS_TO_HOLD_OUT`` rows, no rows are held out.

    Parameters
    ----------
    recipe : NetworkRecipe
        Components of the network.
    X : ndarray of shape (n, n_features)
    targets : Targets
        Targets of the n rows.
    config : LoopConfig
        With a ``validation_share`` of 0, no rows are held out.
    seed : int
        Seed of initial weights, order of rows and dropout.
    device : str, optional

    Returns
    -------
    NetworkFit
    """
    work = _Work(recipe, X, targets, seed, device)
    all_rows = np.arange(len(targets))
    if len(targets) < MIN_ROWS_TO_HOLD_OUT or not config.validation_share:
        network, history = work.train(all_rows, config)
        return NetworkFit(network, history, None)
    folds = stratified_folds(targets.codes, _FOLDS, seed=seed)
    training, held_out = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    first, history = work.train(training, config, held_out)
    stopped_early = 0 < history.best_epoch < len(history.scores)
    best = replace(config, epochs=history.best_epoch, max_steps=None) if stopped_early else config
    network, _ = work.train(all_rows, best)
    return NetworkFit(network, history, (held_out, first.logits(X[held_out])))


def _check_batch_size(module: nn.Module, size: int) -> None:
    from torch.nn import BatchNorm1d

    if size == 1 and any(isinstance(part, BatchNorm1d) for part in module.modules()):
        raise ConfigError(
            "Batch normalisation cannot train on batches of one row, got batches of size 1. Set "
            "batch_size to 2 or more, pass at least 2 rows, or use MLPHead(batch_norm=False)."
        )


@dataclass(frozen=True)
class _Work:
    """Components and data of one training on features."""

    recipe: NetworkRecipe
    X: FloatArray
    targets: Targets
    seed: int
    device: str | None

    def train(
        self, rows: IntArray, config: LoopConfig, held_out: IntArray | None = None
    ) -> tuple[FeatureNetwork, History]:
        """Train a new network on ``rows``, and score it on the rows of ``held_out``, if any."""
        typical = float(np.sqrt((self.X[rows] ** 2).mean()))
        chance = Chance(self.seed)
        with chance.drawing():
            network = FeatureNetwork(self.recipe.build(), 1.0 / max(typical, 1e-6))
        _check_batch_size(network.module, min(config.batch_size, len(rows)))
        accelerator = make_accelerator(self.device, config)
        device = place(accelerator, self.device)
        network.module.to(device)
        feed = _FeatureFeed(self, rows, config.batch_size, device)
        history = train(
            Learner(_objective(network), [(Stage(), feed)], shards=False),
            config=config,
            accelerator=accelerator,
            chance=chance,
            score=None if held_out is None else lambda _: -self._log_loss(network, held_out),
        )
        network.module.eval()
        return network, history

    def _log_loss(self, network: FeatureNetwork, rows: IntArray) -> float:
        import torch

        logits = torch.from_numpy(network.logits(self.X[rows]))
        losses = row_losses(logits, as_truth(self.targets.codes[rows])).numpy()
        weights = self.targets.weights
        return float(np.average(losses, weights=None if weights is None else weights[rows]))


@dataclass(frozen=True, eq=False)
class _FeatureFeed:
    """Batches of features in random order."""

    work: _Work
    rows: IntArray
    batch_size: int
    device: Any

    def __post_init__(self) -> None:
        # A cache per feed, not per class, which would keep the features after the training.
        object.__setattr__(self, "_order", lru_cache(maxsize=2)(self._order))

    def __len__(self) -> int:
        return len(self._order(0))

    def passes(self, epoch: int, step: int) -> Sequence[Any]:
        """Return the batch of a step; a step has one pass."""
        import torch

        some = self.rows[self._order(epoch)[step]]
        weights = self.work.targets.weights
        row_weights = np.ones(len(some)) if weights is None else weights[some]
        parts = (
            torch.from_numpy(np.ascontiguousarray(self.work.X[some], dtype=np.float32)),
            as_truth(self.work.targets.codes[some]),
            torch.from_numpy(row_weights.astype(np.float32)),
        )
        return [tuple(part.to(self.device) for part in parts)]

    def _order(self, epoch: int) -> list[IntArray]:
        rng = np.random.default_rng((self.work.seed, epoch))
        return list(shuffled(len(self.rows), self.batch_size, rng=rng))


def _objective(network: FeatureNetwork) -> Any:
    """Build the module that computes the weighted mean loss of a batch."""
    from torch import nn

    class Objective(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.module

        def forward(self, batch: tuple[Any, Any, Any], progress: float) -> Any:
            features, truth, weights = batch
            logits = self.network(features * network.scale)
            return weighted_mean(row_losses(logits, truth), weights)

    return Objective()
