"""Weights of a network during a training run: current, averaged and best."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nlptl.base.arrays import AnyArray
from nlptl.training.checkpoints import Saved, from_arrays, to_arrays
from nlptl.training.weights.averaging import Average, put
from nlptl.training.weights.sharding import as_spread

if TYPE_CHECKING:
    from torch import nn


@dataclass
class RunWeights:
    """Current weights of a network, their average and their best values.

    Attributes
    ----------
    current : dict of str to Tensor
        Weights of the network that a stage of the run trains. They change in place.
    average : Average or None
        Average over the steps, if the settings ask for it.
    best : dict of str to Tensor
        Weights after the best epoch; empty before the first score.
    """

    current: dict[str, Any]
    average: Average | None
    best: dict[str, Any] = field(default_factory=dict)

    def follow(self, module: nn.Module) -> None:
        """Use the weights of a module whose weights were sharded after the start of the run."""
        sharded = module.state_dict()
        self.current = {name: sharded[name] for name in self.current}

    def averaged(self) -> AbstractContextManager[None]:
        """Return a context in which the averages replace the current weights, if there are any."""
        return nullcontext() if self.average is None else self.average.in_place_of(self.current)

    def keep_as_best(self) -> None:
        """Copy the current weights as the best ones."""
        self.best = {name: weight.detach().clone() for name, weight in self.current.items()}

    def finish(self, *, scored: bool) -> None:
        """Set the weights to their final values.

        Parameters
        ----------
        scored : bool
            True if a score chooses the weights. Without one, the averages are used if there are
            any, and otherwise the weights stay as they are.
        """
        if scored and self.best:
            put(self.current, self.best)
        elif self.average is not None:
            put(self.current, self.average.sums)

    def to_arrays(self) -> dict[str, AnyArray]:
        """Return the arrays for a checkpoint; every process must call this method."""
        return {
            **to_arrays(self.current, "weights"),
            **to_arrays(self.average.sums if self.average else {}, "average"),
            **to_arrays(self.best, "best"),
        }

    def restore(self, saved: Saved, device: object) -> None:
        """Restore the weights of a checkpoint.

        Parameters
        ----------
        saved : Saved
            Its arrays include those that ``to_arrays`` returned. Its position includes
            ``averaged``, the number of steps in the average.
        device : torch.device
            Device for the best and the averaged weights.

        Raises
        ------
        ValueError
            If the checkpoint belongs to another network.
        """
        values = from_arrays(saved.arrays, "weights")
        if {n: v.shape for n, v in values.items()} != {n: w.shape for n, w in self.current.items()}:
            raise ValueError("names or shapes of the weights differ from those of the network")
        put(self.current, values)
        self.best = {n: part.to(device) for n, part in from_arrays(saved.arrays, "best").items()}
        if self.average is not None:
            sums = from_arrays(saved.arrays, "average")
            self.average.sums = {name: part.to(device) for name, part in sums.items()}
            self.average.count = saved.position["averaged"]

    def spread_average(self) -> None:
        """Shard a restored average in the same way as the weights."""
        sums = {} if self.average is None else self.average.sums
        sums.update({name: as_spread(sums[name], self.current[name]) for name in sums})
