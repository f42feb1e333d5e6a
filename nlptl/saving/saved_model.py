"""Protocols of the fitted models that can be saved, independent of the estimator classes."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from nlptl.base.arrays import AnyArray, FloatArray
from nlptl.data.audit import AuditReport
from nlptl.evaluation.choice import Choice
from nlptl.fitting.fitted import FittedModel
from nlptl.training.config import TrainingConfig
from nlptl.training.cost import Cost
from nlptl.training.loop import History


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

    def predict_proba(self, texts: Any) -> FloatArray:
        """Return the probability of each class: (n, n_classes)."""
        ...
