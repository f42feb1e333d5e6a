"""Floor 3: transfer methods. Does not import the training loop."""

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
from nlptl.transfer.parameters.anchoring import L2SP
from nlptl.transfer.parameters.fine_tune_first import FineTuneFirst
from nlptl.transfer.parameters.full import FullFineTune
from nlptl.transfer.parameters.lora import LoRA
from nlptl.transfer.parameters.sharing import PrivateLayers, TaskAdapters
from nlptl.transfer.parameters.source_head import SourceHead
from nlptl.transfer.parameters.source_task import SourceTask
from nlptl.transfer.relations.label_meaning import LabelMeaning

__all__ = [
    "CORAL",
    "L2SP",
    "MMD",
    "Auto",
    "ClassConfusion",
    "CoTraining",
    "ContinuedPretraining",
    "Contrastive",
    "DensityRatioWeights",
    "DomainAdversarial",
    "FineTuneFirst",
    "Frozen",
    "FullFineTune",
    "KernelMeanMatching",
    "LabelMeaning",
    "LanguageDistillation",
    "LoRA",
    "MeanAlignment",
    "PrivateLayers",
    "SelfTraining",
    "SourceHead",
    "SourceRows",
    "SourceTask",
    "TaskAdapters",
    "TrAdaBoost",
    "WordEdits",
]
