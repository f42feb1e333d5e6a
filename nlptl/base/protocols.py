"""Protocols through which the layers of the package use each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from scipy import sparse
from typing_extensions import Self

from nlptl.base.arrays import AnyArray, FloatArray, Groups, IntArray
from nlptl.base.inputs import EncoderName, HeadName, JsonObject

Features: TypeAlias = FloatArray | sparse.csr_matrix
"""A feature matrix with one row per text: dense float32, or sparse if most entries are zero."""

EncoderKind = TypeVar("EncoderKind")


@runtime_checkable
class Encoder(Protocol):
    """Protocol of objects that turn n texts into an array of shape (n, dim).

    An encoder is a spec: it holds no weights. Parameters that depend on text (word weights, a
    projection) are fitted by ``fit``, which returns a fitted encoder and does not change the spec.
    """

    def fit(self, texts: Sequence[Any], y: object = None) -> Encoder:
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
class StoredEncoder(Protocol):
    """Protocol of encoders that write themselves into a folder."""

    def save(self, folder: Path) -> JsonObject:
        """Write the arrays into a folder and return the settings as plain JSON."""
        ...


@runtime_checkable
class Openable(Protocol):
    """Protocol of encoders that read files: open, they look them up and load them once."""

    def open(self) -> Self:
        """Return an open copy, or the encoder itself if it is open already."""
        ...


def opened(encoder: EncoderKind) -> EncoderKind:
    """Return an open encoder; one that reads no files is returned as it is."""
    return encoder.open() if isinstance(encoder, Openable) else encoder


@runtime_checkable
class HasParams(Protocol):
    """Protocol of objects that list their parameters: specs and scikit-learn estimators."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        ...


@runtime_checkable
class Fittable(Protocol):
    """Protocol of heads and scikit-learn estimators that are fitted to features."""

    def fit(self, X: Features, y: AnyArray, sample_weight: FloatArray | None = None) -> Self:
        """Fit to features and class codes, or to features and numbers."""
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


EncoderLike: TypeAlias = Encoder | EncoderName | str | Path
"""An encoder, its short name (``"static"``), or the name or the folder of a transformer."""

Head: TypeAlias = Fittable | ModuleHead
"""A head, or a classifier or regressor of scikit-learn."""

HeadLike: TypeAlias = Head | HeadName | str
"""A head or its short name (``"logistic"``)."""
