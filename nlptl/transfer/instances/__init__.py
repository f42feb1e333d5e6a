"""Instance transfer: extra training rows, their weights, and the choice of texts to label."""

from nlptl.transfer.instances.cotraining import CoTraining
from nlptl.transfer.instances.edits import WordEdits
from nlptl.transfer.instances.selftraining import SelfTraining
from nlptl.transfer.instances.source import SourceRows

__all__ = ["CoTraining", "SelfTraining", "SourceRows", "WordEdits"]
