"""Protocols of the fitted models that can be saved, independent of the estimator classes."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, TypeAlias

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.base.inputs import TextsLike
from nlptl.base.transfer import Transfer
from nlptl.data.audit import AuditReport
from nlptl.data.labels import LabelCodec
from nlptl.data.number_scale import NumberScale
from nlptl.evaluation.choice import Choice
from nlptl.fitting.fitted import FittedModel
from nlptl.training.config import TrainingConfig
from nlptl.training.cost import Cost
from nlptl.training.history import History

AnswerCodec: TypeAlias = LabelCodec | NumberScale
"""Converts answers of texts, labels or numbers, to codes and back."""

TransferMethods: TypeAlias = Transfer | list[Transfer] | tuple[Transfer, ...] | None
"""The transfer of a fit: one method, several methods, or None for a frozen encoder."""


class MeasuredModel(Protocol):
    """A model with the cost of its fit."""

    @property
    def cost_(self) -> Cost | None:
        """Cost of ``fit``; None if it was not measured."""
        ...


class PublishedModel(MeasuredModel, Protocol):
    """A fitted model of any kind that can be published."""

    @property
    def seed(self) -> int:
        """Seed of the fit."""
        ...


class SavedModel(Protocol):
    """A fitted text model that can be written to a folder and read back."""

    kind: ClassVar[str]
    codec_kind: ClassVar[Any]
    kept_options: ClassVar[tuple[str, ...]]
    transfer: Any
    training: TrainingConfig | None
    fitted_: FittedModel
    audit_: AuditReport
    history_: History | None
    transfer_: Any
    transfer_verdict_: Choice | None
    notes_: dict[str, Any]
    cost_: Cost | None


class SavedClassifier(SavedModel, Protocol):
    """A fitted classifier that can be exported."""

    @property
    def classes_(self) -> AnyArray:
        """The labels, in the order of the columns of ``predict_proba``."""
        ...

    def predict_proba(self, texts: TextsLike) -> FloatArray:
        """Return the probability of each class: (n, n_classes)."""
        ...
