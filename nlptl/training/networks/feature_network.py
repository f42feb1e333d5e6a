"""Heads and fusions that are networks, trained on features by the one loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from nlptl.base.arrays import AnyArray, FloatArray, Groups, IntArray
from nlptl.base.chance import Chance
from nlptl.base.errors import ConfigError
from nlptl.base.protocols import ModuleFusion, ModuleHead, Stage
from nlptl.data.batches import shuffled
from nlptl.data.splits import stratified_folds
from nlptl.data.targets import Targets
from nlptl.storage.tensors import check_array
from nlptl.training.config import LoopConfig
from nlptl.training.loop import History, Learner, train
from nlptl.training.losses import as_truth, row_losses, weighted_mean
from nlptl.training.processes import make_accelerator, place

_FOLDS = 5
MIN_ROWS_TO_HOLD_OUT = 40
"""With fewer rows none are held out, and training runs its full length."""


@dataclass(eq=False)
class FeatureNetwork:
    """A trained network from features to logits.

    Attributes
    ----------
    module : torch.nn.Module
        Takes features (n, n_features), gives logits (n, n_outputs).
    scale : float
        Features are multiplied by it, so that their numbers are about 1.
    """

    module: Any
    scale: float

    def logits(self, X: FloatArray) -> FloatArray:
        """Give logits (n, n_outputs)."""
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
        """Give the weights by name."""
        weights = {name: w.detach().cpu().numpy() for name, w in self.module.state_dict().items()}
        return weights | {"scale": np.array([self.scale])}


@dataclass(frozen=True)
class NetworkRecipe:
    """What a network over features is made of.

    Attributes
    ----------
    head : ModuleHead
        Makes the classifying layers.
    fusion : ModuleFusion or None
        Joins the groups of the features first.
    groups : tuple of (str, int)
        Columns of each group.
    n_outputs : int
        Classes or labels.
    """

    head: ModuleHead
    fusion: ModuleFusion | None
    groups: Groups
    n_outputs: int

    def build(self) -> Any:
        """Make the freshly initialised network."""
        from torch import nn

        sizes = [width for _, width in self.groups]
        if self.fusion is None:
            return self.head.build(sum(sizes), self.n_outputs)
        joined = self.fusion.build(sizes)
        return nn.Sequential(joined, self.head.build(joined.width, self.n_outputs))

    def restore(self, arrays: dict[str, AnyArray]) -> FeatureNetwork:
        """Make the network with the weights that ``FeatureNetwork.arrays`` gave."""
        import torch

        if self._n_layers > len(arrays):
            raise ValueError(f"{self._n_layers} layers with {len(arrays)} arrays")
        check_array("scale", arrays["scale"], (1,))
        for name, array in arrays.items():
            if array.dtype.kind == "f":
                check_array(name, array, array.shape or (1,))
        with torch.device("meta"):  # no memory is spent before the sizes are compared
            module = self.build()
        weights = {name: torch.from_numpy(a) for name, a in arrays.items() if name != "scale"}
        if _layout(weights) != _layout(module.state_dict()):
            raise ValueError("the arrays do not fit the layers that are described")
        module.load_state_dict(weights, assign=True)
        return FeatureNetwork(module.eval(), float(arrays["scale"][0]))

    @property
    def _n_layers(self) -> int:
        """Layers that each have an array, at least."""
        fused = 0 if self.fusion is None else len(self.groups)
        return len(getattr(self.head, "hidden", ())) + fused


def _layout(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return shapes and types; a number is stored as one in a row."""
    return {name: (tuple(w.shape) or (1,), w.dtype) for name, w in weights.items()}


@dataclass(frozen=True)
class NetworkFit:
    """A trained network, and what it said of rows held out while its length was chosen.

    Attributes
    ----------
    network : FeatureNetwork
    history : History
    held_out : tuple of (ndarray, ndarray) or None
        Row numbers and their logits.
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

    A fifth of the rows is held out to find how many epochs are best, and to learn from how the
    logits are to be read; then the network is trained anew on all rows for that long.

    Parameters
    ----------
    recipe : NetworkRecipe
        What to build.
    X : ndarray of shape (n, n_features)
    targets : Targets
        Of the n rows.
    config : LoopConfig
        With a ``validation_share`` of 0 no row is held out.
    seed : int
        Of initial weights, order and dropout.
    device : str, optional

    Returns
    -------
    NetworkFit
    """
    work = _Work(recipe, X, targets, seed, device)
    everything = np.arange(len(targets))
    if len(targets) < MIN_ROWS_TO_HOLD_OUT or not config.validation_share:
        network, history = work.train(everything, config)
        return NetworkFit(network, history, None)
    folds = stratified_folds(targets.codes, _FOLDS, seed=seed)
    seen, hidden = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    first, history = work.train(seen, config, hidden)
    best = replace(config, epochs=max(history.best_epoch, 1))
    network, _ = work.train(everything, best)
    return NetworkFit(network, history, (hidden, first.logits(X[hidden])))


def _check_batch_size(module: Any, size: int) -> None:
    from torch.nn import BatchNorm1d

    if size == 1 and any(isinstance(part, BatchNorm1d) for part in module.modules()):
        raise ConfigError(
            "Batch normalisation cannot learn from batches of one row: set batch_size to 2 or "
            "more, or MLPHead(batch_norm=False)."
        )


@dataclass(frozen=True)
class _Work:
    """What is built and trained, and on what."""

    recipe: NetworkRecipe
    X: FloatArray
    targets: Targets
    seed: int
    device: str | None

    def train(
        self, rows: IntArray, config: LoopConfig, hidden: IntArray | None = None
    ) -> tuple[FeatureNetwork, History]:
        """Train a fresh network on some rows, and score it on hidden ones where there are some."""
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
            score=None if hidden is None else lambda _: -self._log_loss(network, hidden),
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
    """Rows of features in random order."""

    work: _Work
    rows: IntArray
    batch_size: int
    device: Any

    def __len__(self) -> int:
        return len(self._order(0))

    def passes(self, epoch: int, step: int) -> Sequence[Any]:
        """Give the one batch of a step."""
        import torch

        some = self.rows[self._order(epoch)[step]]
        weights = self.work.targets.weights
        weighed = np.ones(len(some)) if weights is None else weights[some]
        parts = (
            torch.from_numpy(np.ascontiguousarray(self.work.X[some], dtype=np.float32)),
            as_truth(self.work.targets.codes[some]),
            torch.from_numpy(weighed.astype(np.float32)),
        )
        return [tuple(part.to(self.device) for part in parts)]

    @lru_cache(maxsize=2)  # noqa: B019 - a feed lives as long as its training
    def _order(self, epoch: int) -> list[IntArray]:
        rng = np.random.default_rng((self.work.seed, epoch))
        return list(shuffled(len(self.rows), self.batch_size, rng=rng))


def _objective(network: FeatureNetwork) -> Any:
    """Make the module that gives the weighted mean loss of a batch."""
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
