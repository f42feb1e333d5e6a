"""The list of all transfer methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlptl.transfer.automatic import Auto
from nlptl.transfer.features import (
    CORAL,
    MMD,
    ClassConfusion,
    ContinuedPretraining,
    Contrastive,
    DomainAdversarial,
    Frozen,
    LanguageDistillation,
    MeanAlignment,
)
from nlptl.transfer.instances import (
    CoTraining,
    DensityRatioWeights,
    KernelMeanMatching,
    SelfTraining,
    SourceRows,
    TrAdaBoost,
    WordEdits,
)
from nlptl.transfer.parameters import (
    L2SP,
    FineTuneFirst,
    FullFineTune,
    LoRA,
    PrivateLayers,
    SourceHead,
    SourceTask,
    TaskAdapters,
)
from nlptl.transfer.relations import LabelMeaning


@dataclass(frozen=True)
class Method:
    """One transfer method.

    Attributes
    ----------
    name : str
        Name of the method on the command line, in YAML files, in tables and in the reports of
        ``Auto``.
    kind : type
        Class of the method. Its attributes include what the method needs (``needs``) and if it
        trains the encoder (``trains_encoder``).
    prior_gain : (float, float) or None
        Accuracy gain over the frozen encoder with 8 labels per class: mean over six other data
        sets, and standard deviation between them. Measured by
        ``recipes/benchmarks/few_labels/gate.py --only experience``. The standard deviation of
        ``"contrastive"`` comes from an earlier measurement; this one gives 0.07.
    accepts : frozenset of str
        Optional data for ``fit``, in addition to what the method needs.
    on_command_line : bool
        True if ``--transfer`` accepts the method.
    """

    name: str
    kind: Any
    prior_gain: tuple[float, float] | None = None
    accepts: frozenset[str] = frozenset()
    on_command_line: bool = True

    @property
    def trains_encoder(self) -> bool:
        """True if encoder weights change, or may change. Checkpoints are then written."""
        return bool(self.kind.trains_encoder)


METHODS = (
    Method("frozen", Frozen),
    Method("meaning", LabelMeaning, prior_gain=(0.05, 0.06)),
    Method("pretraining", ContinuedPretraining),
    Method("contrastive", Contrastive, prior_gain=(0.06, 0.06)),
    Method("distillation", LanguageDistillation, on_command_line=False),
    Method("means", MeanAlignment),
    Method("coral", CORAL),
    Method("mmd", MMD),
    Method("confusion", ClassConfusion),
    Method("adversarial", DomainAdversarial),
    Method("edits", WordEdits, prior_gain=(-0.005, 0.01)),
    Method("selftraining", SelfTraining, prior_gain=(0.01, 0.02)),
    Method("cotraining", CoTraining),
    Method("source", SourceRows),
    Method("density", DensityRatioWeights),
    Method("meanmatching", KernelMeanMatching),
    Method("tradaboost", TrAdaBoost),
    Method("sourcehead", SourceHead),
    Method("sourcetask", SourceTask),
    Method("tunefirst", FineTuneFirst),
    Method("full", FullFineTune),
    Method("lora", LoRA),
    Method("l2sp", L2SP),
    Method("private", PrivateLayers),
    Method("adapters", TaskAdapters),
    Method("auto", Auto, accepts=frozenset({"unlabeled"})),
)
"""All transfer methods. Config, command line, saving, docs and Auto read this list."""


def method_of(transfer: object) -> Method | None:
    """Return the record of a transfer, or None if it is not in the list."""
    return next((method for method in METHODS if method.kind is type(transfer)), None)


def methods_by_name() -> dict[str, Method]:
    """Return the records of all methods by name."""
    return {method.name: method for method in METHODS}
