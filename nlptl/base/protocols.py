"""Protocols through which the layers of the package use each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from scipy import sparse
from typing_extensions import Self

from nlptl.base.arrays import FloatArray, Groups, IntArray

Features: TypeAlias = FloatArray | sparse.csr_matrix
"""A feature matrix with one row per text: dense float32, or sparse if most entries are zero."""


@runtime_checkable
class Encoder(Protocol):
    """Protocol of objects that turn n texts into an array of shape (n, dim).

    An encoder is a spec: it holds no weights. Parameters that depend on text (word weights, a
    projection) are fitted by ``fit``, which returns a fitted encoder and does not change the spec.
    """

    def fit(self, texts: Sequence[Any], y: Any = None) -> Encoder:
        """Return an encoder that is ready to transform; itself if it has nothing to fit."""
        ...

    def transform(self, texts: Sequence[Any]) -> Features:
        """Encode texts and keep their order."""
        ...

    @property
    def groups(self) -> Groups:
        """Named column ranges of the feature matrix: layers, poolings, joined encoders."""
        ...

    @property
    def learns_from_text(self) -> bool:
        """True if additional unlabelled texts would change the result of ``fit``."""
        ...


@runtime_checkable
class SolverHead(Protocol):
    """Protocol of heads that a solver fits to features: convex, closed form or scikit-learn."""

    def fit(self, X: Features, y: IntArray, sample_weight: FloatArray | None = None) -> Self:
        """Fit the head to features and class codes."""
        ...

    def predict_proba(self, X: Features) -> FloatArray:
        """Return class probabilities of shape (n, n_classes)."""
        ...


@runtime_checkable
class ModuleHead(Protocol):
    """Protocol of heads that are networks, which the training loop trains."""

    def build(self, n_features: int, n_outputs: int) -> Any:
        """Build a new ``torch.nn.Module`` that outputs logits of shape (n, n_outputs)."""
        ...


@runtime_checkable
class ModuleFusion(Protocol):
    """Protocol of networks that join feature groups and are trained together with the head."""

    def build(self, sizes: Sequence[int]) -> Any:
        """Build the ``torch.nn.Module``; its attribute ``width`` is the size of its output."""
        ...


@dataclass(frozen=True)
class Stage:
    """Part of a training run in which the same set of weights is trained.

    Attributes
    ----------
    name : str
        Name in the progress bar, the history and checkpoints.
    share : float
        Share of all training steps, relative to the sum of the shares of all stages.
    trains : callable
        Takes the name of a weight (``encoder...``, ``head...``, ``extras...``) and returns True if
        the stage trains it. Weights that do not require gradients at the start stay fixed.
    streams : tuple of str or None
        Names of the streams that batches come from; ``"task"`` has the labelled rows. None uses
        all streams.
    fresh_schedule : bool
        True if the learning rate starts a new warm-up and decay. False if it continues the
        schedule of the previous stage.
    """

    name: str = "task"
    share: float = 1.0
    trains: Callable[[str], bool] = lambda _: True
    streams: tuple[str, ...] | None = None
    fresh_schedule: bool = True


@dataclass(frozen=True)
class Context:
    """The network and the settings that a transfer is bound to.

    Attributes
    ----------
    network : torch.nn.Module
        Network with the parts ``encoder`` and ``head``.
    n_layers : int
        Number of layers of the encoder.
    seed : int
    rows_of : callable
        Takes texts or pairs of texts and returns tokenized rows for ``BoundTransfer.streams``.
    """

    network: Any
    n_layers: int
    seed: int
    rows_of: Callable[[Sequence[Any]], Any] = tuple


class BoundTransfer:
    """Base class of transfers bound to one network, with a default for every method."""

    reads_weights: ClassVar[bool] = False
    """True if the loss reads the weights themselves, which FSDP splits over processes."""

    replaces_loss: ClassVar[bool] = False
    """True if the loss replaces the loss of the task. False if it is added to it."""

    compares_rows: ClassVar[bool] = False
    """True if the loss compares rows with each other. Batches then hold several rows of each of
    their classes, and the loss receives the rows of all processes."""

    def modules(self) -> Mapping[str, Any]:
        """Return additional networks to move, optimise and checkpoint together with the model."""
        return {}

    def trains(self, name: str) -> bool:
        """Return True if a weight of the network is trained in any stage."""
        return True

    def rate(self, name: str) -> float:
        """Return the factor on the learning rate of a weight."""
        return 1.0

    def stages(self) -> Sequence[Stage]:
        """Return stages that run before those of the transfer that chooses the trained weights."""
        return ()

    def streams(self) -> Mapping[str, Any]:
        """Return additional rows to draw batches from, by name of the stream."""
        return {}

    def loss(self, outputs: Mapping[str, Any], progress: float) -> Any:
        """Return a loss to add to the loss of the task, as a scalar tensor, or None.

        Parameters
        ----------
        outputs : mapping of str to Outputs
            Outputs of the network for the batch of each stream.
        progress : float
            Completed share of the training, from 0 to 1.
        """
        return None

    def finish(self) -> None:
        """Bring the network into the form that is used for prediction."""
