"""Floor 3: transfer methods. Does not import the training loop."""

from nlptl.transfer.automatic import Auto
from nlptl.transfer.features.contrastive import Contrastive
from nlptl.transfer.features.frozen import Frozen
from nlptl.transfer.features.language_distillation import LanguageDistillation
from nlptl.transfer.instances import (
    CoTraining,
    DensityRatioWeights,
    KernelMeanMatching,
    SelfTraining,
    SourceRows,
    TrAdaBoost,
    WordEdits,
)
from nlptl.transfer.parameters.anchoring import L2SP
from nlptl.transfer.parameters.full import FullFineTune
from nlptl.transfer.parameters.lora import LoRA
from nlptl.transfer.parameters.sharing import PrivateLayers, TaskAdapters
from nlptl.transfer.relations.label_meaning import LabelMeaning

__all__ = [
    "L2SP",
    "Auto",
    "CoTraining",
    "Contrastive",
    "DensityRatioWeights",
    "Frozen",
    "FullFineTune",
    "KernelMeanMatching",
    "LabelMeaning",
    "LanguageDistillation",
    "LoRA",
    "PrivateLayers",
    "SelfTraining",
    "SourceRows",
    "TaskAdapters",
    "TrAdaBoost",
    "WordEdits",
]
