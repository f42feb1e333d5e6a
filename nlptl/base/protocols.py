"""The small contracts through which the floors meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from scipy import sparse
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups, IntArray

Features: TypeAlias = FloatArray | sparse.csr_matrix
"""A feature matrix, one row a text: dense float32, or sparse where most entries are zero."""


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns n texts into an array of shape (n, dim).

    An encoder is a spec: it holds no weights. What must be learnt from text (word weights, a
    projection) is learnt by ``fit``, which gives a ready encoder and leaves the spec unchanged.
    """

    def fit(self, texts: Sequence[Any], y: Any = None) -> Encoder:
        """Give an encoder that is ready to transform; itself where nothing is to be learnt."""
        ...

    def transform(self, texts: Sequence[Any]) -> Features:
        """Encode texts in the order given."""
        ...

    @property
    def groups(self) -> Groups:
        """Named column ranges of the result: layers, poolings, joined encoders."""
        ...

    @property
    def learns_from_text(self) -> bool:
        """Whether further text without labels would change what ``fit`` gives."""
        ...


@runtime_checkable
class SolverHead(Protocol):
    """A head that fits itself to a feature matrix: convex, closed form or scikit-learn."""

    def fit(self, X: Features, y: IntArray, sample_weight: FloatArray | None = None) -> Self:
        """Learn from features and class codes."""
        ...

    def predict_proba(self, X: Features) -> FloatArray:
        """Give probabilities of shape (n, n_classes)."""
        ...


@runtime_checkable
class ModuleHead(Protocol):
    """A head that is a network, trained by the training loop."""

    def build(self, n_features: int, n_outputs: int) -> Any:
        """Make the freshly initialised ``torch.nn.Module``, giving logits (n, n_outputs)."""
        ...


@runtime_checkable
class ModuleFusion(Protocol):
    """A way of joining feature groups that is a network, trained together with the head."""

    def build(self, sizes: Sequence[int]) -> Any:
        """Make the ``torch.nn.Module``; its attribute ``width`` is the size of what it gives."""
        ...


@dataclass(frozen=True)
class Stage:
    """A stretch of training in which the same weights learn.

    Attributes
    ----------
    name : str
        For the progress bar, the history and checkpoints.
    share : float
        Its part of all steps; the shares of a fit are measured against their sum.
    trains : callable
        Takes the name of a weight (``encoder...``, ``head...``, ``extras...``); says whether it
        learns. Weights that do not require gradients when training begins never do.
    streams : tuple of str or None
        Where its batches come from; ``"task"`` are the labelled rows. None takes all there are.
    fresh_schedule : bool
        Let the learning rate rise and fall anew, instead of going on from the stage before.
    """

    name: str = "task"
    share: float = 1.0
    trains: Callable[[str], bool] = lambda _: True
    streams: tuple[str, ...] | None = None
    fresh_schedule: bool = True


@dataclass(frozen=True)
class Context:
    """What a transfer is bound to.

    Attributes
    ----------
    network : torch.nn.Module
        With the parts ``encoder`` and ``head``.
    n_layers : int
        Layers of the encoder.
    seed : int
    rows_of : callable
        Takes texts, or pairs of them; gives them tokenized, for ``BoundTransfer.streams``.
    """

    network: Any
    n_layers: int
    seed: int
    rows_of: Callable[[Sequence[Any]], Any] = tuple


class BoundTransfer:
    """A transfer at work on one network. What a kind of transfer does not need, it inherits."""

    reads_weights: ClassVar[bool] = False
    """Whether the loss looks at weights themselves, which FSDP takes apart."""

    replaces_loss: ClassVar[bool] = False
    """Whether the loss stands in place of that of the task, instead of beside it."""

    compares_rows: ClassVar[bool] = False
    """Whether the loss compares rows with each other: batches then hold several rows of each of
    their classes, and the loss is given the rows of all processes."""

    def modules(self) -> Mapping[str, Any]:
        """Give networks of its own: they are moved, optimised and checkpointed with the model."""
        return {}

    def trains(self, name: str) -> bool:
        """Say whether a weight of the network learns at all."""
        return True

    def rate(self, name: str) -> float:
        """Give the factor on the learning rate of a weight."""
        return 1.0

    def stages(self) -> Sequence[Stage]:
        """Give the stretches of training, before those of what says which weights learn."""
        return ()

    def streams(self) -> Mapping[str, Any]:
        """Give further rows to draw batches from, by name."""
        return {}

    def loss(self, outputs: Mapping[str, Any], progress: float) -> Any:
        """Give a loss to add to that of the task, as a scalar tensor, or None.

        Parameters
        ----------
        outputs : mapping of str to Outputs
            What the network gave for the batch of each stream.
        progress : float
            Share of the training that is over, from 0 to 1.
        """
        return None

    def finish(self) -> None:
        """Leave the network as it is to be used."""
