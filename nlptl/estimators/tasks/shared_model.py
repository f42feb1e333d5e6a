"""Interface of a multi-task model that the modules of this folder use."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Protocol

from nlptl.base.inputs import LongTexts, PairEncoding
from nlptl.data.mixing import Mixing
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.estimators.tasks.task import Task
from nlptl.estimators.text_model import TextModel
from nlptl.evaluation.task_affinity import Affinity
from nlptl.evaluation.verdict import Verdict
from nlptl.fitting.fitted import FittedModel
from nlptl.training.config import TrainingConfig
from nlptl.training.cost import Cost
from nlptl.training.history import History


class SharedModel(Protocol):
    """Model of several tasks on one encoder. Attributes ending in ``_`` exist once fitted."""

    kind: ClassVar[str]
    tasks: Any
    encoder: Any
    transfer: Any
    mixing: Mixing | None
    balance: str
    gate: bool | Collection[str]
    training: TrainingConfig | None
    seed: int
    long_texts: LongTexts
    pair_encoding: PairEncoding
    device: str | None
    models_: dict[str, TextModel]
    known_: dict[str, Task]
    comparisons_: dict[str, Verdict]
    changes_: dict[str, Verdict]
    steps_: dict[str, int]
    shared_: TransformerEncoder
    affinity_: Affinity
    history_: History | None
    notes_: dict[str, Any]
    cost_: Cost | None
    variants_: dict[str, dict[str, FittedModel]]
