"""The small contracts through which the floors meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

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
