"""Instance transfer: extra training rows, their weights, and the choice of texts to label."""

from nlptl.transfer.instances.cotraining import CoTraining
from nlptl.transfer.instances.density_ratio import DensityRatioWeights
from nlptl.transfer.instances.edits import WordEdits
from nlptl.transfer.instances.kernel_mean_matching import KernelMeanMatching
from nlptl.transfer.instances.selftraining import SelfTraining
from nlptl.transfer.instances.source import SourceRows
from nlptl.transfer.instances.source_weights import SourceWeights
from nlptl.transfer.instances.tradaboost import TrAdaBoost

__all__ = [
    "CoTraining",
    "DensityRatioWeights",
    "KernelMeanMatching",
    "SelfTraining",
    "SourceRows",
    "SourceWeights",
    "TrAdaBoost",
    "WordEdits",
]
