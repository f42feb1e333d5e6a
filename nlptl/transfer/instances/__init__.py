"""Instances carried over: which texts are worth a label, and what each of them counts."""

from nlptl.transfer.instances.edits import WordEdits
from nlptl.transfer.instances.selftraining import SelfTraining
from nlptl.transfer.instances.source import SourceRows

__all__ = ["SelfTraining", "SourceRows", "WordEdits"]
